"""From a decoder's features to probabilities, and the loss that fits them.

With ``softmax`` the loss is cross-entropy; with a sparse mapping, of which most probabilities are
exactly zero, it is that mapping's own (Peters 2019, arXiv 1905.05702), since the logarithm of zero
teaches nothing. A search over sparse probabilities has few ways to go, and is often exact.
"""

from typing import Literal, get_args

from torch import Tensor, nn
from torch.nn import functional as F

from huashi._checks import check_choice, check_positive
from huashi.entmax import (
    entmax,
    entmax15,
    entmax15_loss,
    entmax_loss,
    sparsemax,
    sparsemax_loss,
)

OutputMapping = Literal["softmax", "sparsemax", "entmax15", "entmax"]


class Output(nn.Module):
    """A layer from features to logits, and a mapping from logits to probabilities.

    Args:
        layer: features to logits over the vocabulary.
        mapping: ``softmax``, ``sparsemax``, ``entmax15`` or ``entmax``.
        alpha: that of ``entmax``.
    """

    def __init__(
        self, layer: nn.Module, mapping: OutputMapping = "softmax", alpha: float = 1.5
    ) -> None:
        super().__init__()
        check_output(mapping, alpha)
        self.layer = layer
        self.mapping = mapping
        self.alpha = alpha

    def forward(self, features: Tensor) -> Tensor:
        """Logits, (..., vocabulary)."""
        return self.layer(features)

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """Log-probabilities along the last dimension; -inf for what is impossible."""
        if self.mapping == "softmax":
            return logits.log_softmax(-1)
        if self.mapping == "entmax":
            return entmax(logits, self.alpha).log()
        return {"sparsemax": sparsemax, "entmax15": entmax15}[self.mapping](logits).log()

    def loss(
        self,
        logits: Tensor,
        target: Tensor,
        *,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
        reduction: Literal["none", "sum", "mean"] = "mean",
    ) -> Tensor:
        """The loss whose gradient is the mapping's probabilities less those of the target.

        Args:
            logits: (..., vocabulary).
            target: token ids, (...).
            ignore_index: a target that does not count.
            label_smoothing: from 0 to 1.
            reduction: ``mean`` is over the targets that count.
        """
        options = {
            "ignore_index": ignore_index,
            "label_smoothing": label_smoothing,
            "reduction": reduction,
        }
        if self.mapping == "softmax":
            losses = F.cross_entropy(logits.flatten(0, -2), target.flatten(), **options)
            return losses.view_as(target) if reduction == "none" else losses
        if self.mapping == "entmax":
            return entmax_loss(logits, target, self.alpha, **options)
        loss = {"sparsemax": sparsemax_loss, "entmax15": entmax15_loss}[self.mapping]
        return loss(logits, target, **options)

    def extra_repr(self) -> str:
        return f"mapping={self.mapping}" + f", alpha={self.alpha}" * (self.mapping == "entmax")


def check_output(mapping: str, alpha: float) -> None:
    """Raise ValueError unless they make an output mapping."""
    check_choice("mapping", mapping, get_args(OutputMapping))
    check_positive("alpha", alpha)
