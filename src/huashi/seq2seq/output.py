"""From a decoder's features to probabilities, and the loss that fits them."""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from huashi._checks import check_choice
from huashi.seq2seq.entmax import entmax15

OutputMapping = Literal["softmax", "entmax15"]


class Output(nn.Module):
    """A layer from features to logits, and a mapping from logits to probabilities.

    Args:
        layer: features to logits over the vocabulary.
        mapping: ``softmax`` or ``entmax15``.
    """

    def __init__(self, layer: nn.Module, mapping: OutputMapping = "softmax") -> None:
        super().__init__()
        check_choice("mapping", mapping, OUTPUT_MAPPINGS)
        self.layer = layer
        self.mapping = mapping

    def forward(self, features: Tensor) -> Tensor:
        """Logits, (..., vocabulary)."""
        return self.layer(features)

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """Log-probabilities along the last dimension; -inf for what is impossible."""
        return OUTPUT_MAPPINGS[self.mapping](logits)

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
        return F.cross_entropy(
            logits.flatten(0, -2),
            target.flatten(),
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
            reduction=reduction,
        )

    def extra_repr(self) -> str:
        return f"mapping={self.mapping}"


OUTPUT_MAPPINGS = {
    "softmax": lambda logits: logits.log_softmax(-1),
    "entmax15": lambda logits: entmax15(logits).log(),
}
