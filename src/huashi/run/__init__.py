"""Run folders: what a training was, where it is, what it found, and how its progress shows."""

from huashi.run.folder import Clock, Progress, Run, interruptible

__all__ = ["Clock", "Progress", "Run", "interruptible"]
