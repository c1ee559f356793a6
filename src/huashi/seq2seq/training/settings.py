"""The settings of a training on text: options of every recipe for it."""

from dataclasses import dataclass
from typing import Literal, get_args

from huashi._checks import check_choice, check_count, check_finite, check_not_negative
from huashi._field_docs import with_field_docs
from huashi.seq2seq.operations.losses import Smoothing
from huashi.training.settings import Optimizer, TrainingSettings, optimizer_of

__all__ = ["Optimizer", "Training", "optimizer_of"]


@with_field_docs
@dataclass(frozen=True, kw_only=True)
class Training(TrainingSettings):
    """How a sequence model is trained."""

    batch_tokens: int = 4096
    """Positions of a batch on either side, padding counted, in each process."""
    accumulate: int = 1
    """Batches whose gradients make one step."""
    max_length: int = 256
    """Pairs with more tokens than this on a side are left out, and counted."""
    buffer: int = 64
    """Blocks of 4,096 pairs that are shuffled together."""

    label_smoothing: float = 0.1
    """How much of a label goes to the other tokens."""
    smoothing: Smoothing = "torch"
    """Whose definition of it: torch, fairseq or joey."""
    scheduled_sampling: float = 0.0
    """Share of the decoder's inputs that are the model's own at the end of the training, to which
    it rises in a straight line."""
    consistency: float = 0.0
    """Weight of R-Drop: each batch twice, and how much the two outputs differ."""
    coverage: float = 0.0
    """Weight of the coverage loss."""
    guided_alignment: float = 0.0
    """Weight of the given alignments."""
    minimum_risk: float = 0.0
    """Share of the expected cost of samples in the loss; the rest is the likelihood."""
    risk_samples: int = 8
    """Samples of a source for it."""
    risk_cost: Literal["bleu", "chrf"] = "chrf"
    """A cost is 100 less this score of the sentence, as a share."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("batch_tokens", "accumulate", "max_length", "buffer", "risk_samples"):
            check_count(name, getattr(self, name))
        for name in ("consistency", "coverage", "guided_alignment"):
            check_not_negative(name, getattr(self, name))
            check_finite(name, getattr(self, name))
        for name in ("label_smoothing", "scheduled_sampling", "minimum_risk"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be from 0 to 1, got {getattr(self, name)}")
        if self.label_smoothing == 1:
            raise ValueError(
                f"label_smoothing must be below 1, which leaves nothing of the label, got "
                f"{self.label_smoothing}"
            )
        check_choice("smoothing", self.smoothing, get_args(Smoothing))
