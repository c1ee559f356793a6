"""Run folders: what a training was, where it is, what it found, and how its progress shows."""

from huashi.run.folder import RecipeFile, Run, open_run
from huashi.run.progress import Clock, Paused, Progress, interruptible

__all__ = ["Clock", "Paused", "Progress", "RecipeFile", "Run", "interruptible", "open_run"]
