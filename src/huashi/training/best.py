"""What the validations of a training have shown, and what it keeps of its weights for that."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from huashi._checkpoint import load_weights, save_weights
from huashi.run import Run
from huashi.training.settings import TrainingSettings

if TYPE_CHECKING:
    from lightning_fabric import Fabric

MEAN = "mean"
"""The split of the line of metrics that tells the scores of the mean of the last weights."""
MORE_STEPS = "more steps"
"""That of the line which tells that a training that patience had ended went on."""

LOWER_IS_BETTER = ("loss", "perplexity", "bits per character")


class Kept:
    """The history of a run's validations, read from its metrics where it goes on.

    Args:
        run: the run folder.
        metric: which score tells what is best; of :data:`LOWER_IS_BETTER` the lowest. With None
            nothing is best.
        settings: of the training.
        split: what the lines of metrics call the data of the validation.
    """

    def __init__(
        self, run: Run, metric: str | None, settings: TrainingSettings, split: str = "validation"
    ) -> None:
        self.run = run
        self.metric = metric
        self.settings = settings
        self.best = -torch.inf
        """The score of the weights that are kept, negative where lower is better."""
        self.best_validation = -torch.inf
        """The best but for means of weights, by which patience and plateaus go."""
        self.worse = 0
        """Validations since the best one."""
        self.mean_at: int | None = None
        """The step whose mean of the last weights was scored last."""
        self.decay = 1.0
        """The factor by which plateaus have reduced the learning rate."""
        for row in run.metrics():
            if row["split"] == MORE_STEPS:
                self.worse = 0
            if row["split"] not in (split, MEAN) or metric is None:
                continue
            if not isinstance(row.get(metric), int | float):
                path = run.path("metrics.jsonl")
                raise ValueError(f"{path}: step {row['step']} must tell {metric}, got {row}")
            if row["split"] == split:
                self._add(self._score(row))
            else:
                self.best, self.mean_at = max(self.best, self._score(row)), row["step"]

    @property
    def is_stale(self) -> bool:
        """Validation has got no better for as long as the settings allow."""
        return 0 < self.settings.patience <= self.worse

    def agree(self, fabric: "Fabric") -> None:
        """Take over what the first of several processes has found."""
        mine = self.best, self.best_validation, self.worse, self.decay
        self.best, self.best_validation, self.worse, self.decay = fabric.broadcast(mine)

    def is_better(self, scores: Mapping[str, Any]) -> bool:
        """These scores are better than the best so far."""
        return self.metric is not None and self._score(scores) > self.best

    def validated(self, model: nn.Module, scores: Mapping[str, Any], step: int) -> bool:
        """Keep a model that was validated; True if it is the best."""
        better = self.is_better(scores)
        if better:
            self.run.save_model(model)
        if self.metric is not None:
            self._add(self._score(scores))
        if self.settings.average > 1:
            save_weights(self._folder / f"{step:09d}.safetensors", model)
            for old in self._weights()[: -self.settings.average]:
                old.unlink()
        return better

    def averaged(self, model: nn.Module) -> bool:
        """Fill ``model`` with the mean of the weights that were kept; False if it is one or none.

        The mean of weights (Vaswani 2017; Izmailov 2018, arXiv 1803.05407) is in float64.
        """
        paths = self._weights()
        if len(paths) < 2:
            return False
        sums = [torch.zeros_like(p, dtype=torch.float64) for p in model.parameters()]
        with torch.no_grad():
            for path in paths:
                load_weights(path, model)
                for total, parameter in zip(sums, model.parameters(), strict=True):
                    total += parameter
            for total, parameter in zip(sums, model.parameters(), strict=True):
                parameter.copy_(total / len(paths))
        return True

    def _weights(self) -> list[Path]:
        """The files of weights, oldest first; not what a killed process left half-written."""
        return sorted(self._folder.glob("[0-9]*.safetensors"))

    @property
    def _folder(self) -> Path:
        return self.run.path("weights")

    def _score(self, scores: Mapping[str, Any]) -> float:
        if self.metric is None or self.metric not in scores:
            raise ValueError(
                f"metric must be one of {', '.join(map(repr, scores))}, got {self.metric!r}"
            )
        return -scores[self.metric] if self.metric in LOWER_IS_BETTER else scores[self.metric]

    def _add(self, score: float) -> None:
        better = score > self.best_validation
        self.best, self.best_validation = max(self.best, score), max(self.best_validation, score)
        self.worse = 0 if better else self.worse + 1
        if not better and self.settings.schedule == "plateau":
            self.decay *= self.settings.decay
