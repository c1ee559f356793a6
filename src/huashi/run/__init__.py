"""Run folders: what a training was, where it is, what it found, and how its progress shows."""

from huashi.run.folder import Run
from huashi.run.progress import Clock, Progress, interruptible

__all__ = ["Clock", "Progress", "Run", "interruptible"]
