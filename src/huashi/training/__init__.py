"""Training of any model: the loop, the settings, the learning rate and the best weights."""

from huashi.training.loop import StepResult, fit
from huashi.training.schedules import rate, rise_and_fall
from huashi.training.settings import TrainingSettings, optimizer_of

__all__ = ["StepResult", "TrainingSettings", "fit", "optimizer_of", "rate", "rise_and_fall"]
