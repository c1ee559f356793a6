"""Run folders: what a training was, where it is, what it found, and how its progress shows."""

from huashi.run.folder import RecipeFile, Run, open_run
from huashi.run.progress import Clock, Progress, interruptible

__all__ = ["Clock", "Progress", "RecipeFile", "Run", "interruptible", "open_run"]
