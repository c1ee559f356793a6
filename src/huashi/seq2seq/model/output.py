"""From a decoder's features to probabilities, and the loss that fits them.

With ``softmax`` the loss is cross-entropy; with a sparse mapping, of which most probabilities are
exactly zero, it is that mapping's own (Peters 2019, arXiv 1905.05702), since the logarithm of zero
teaches nothing. A search over sparse probabilities has few ways to go, and is often exact.

Search, training and validation all ask the output, with the decoder's features and its state. The
state is for outputs that need more than the features, such as one that copies source tokens where
attention points.
"""

from typing import Any, Literal, NamedTuple, TypeGuard, get_args

import torch
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
from huashi.seq2seq.operations.linear_cross_entropy import linear_cross_entropy
from huashi.seq2seq.operations.losses import Smoothing, smoothed_nll
from huashi.seq2seq.text.tokenizer import PAD

OutputMapping = Literal["softmax", "sparsemax", "entmax15", "entmax"]


class Loss(NamedTuple):
    """Sums over the target tokens of a batch, padding not counted."""

    total: Tensor
    """What is minimised."""
    likelihood: Tensor
    """The negative log-likelihood, without gradient; of a sparse output its loss without
    smoothing."""


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

    @property
    def is_sparse(self) -> bool:
        """Whether a token can have probability zero, so that there may be no log-likelihood."""
        return self.mapping != "softmax"

    def forward(self, features: Tensor) -> Tensor:
        """Logits: (..., features) -> (..., vocabulary)."""
        return self.layer(features)

    def log_probabilities(self, features: Tensor, state: Any) -> Tensor:
        """Log-probabilities of the next token; -inf for one that is impossible.

        Args:
            features: what the decoder returned, (rows, tokens, features).
            state: what it returned with them.

        Returns:
            (rows, tokens, vocabulary).
        """
        logits = self(features)
        if self.mapping == "softmax":
            return logits.log_softmax(-1)
        if self.mapping == "entmax":
            return entmax(logits, self.alpha).log()
        return {"sparsemax": sparsemax, "entmax15": entmax15}[self.mapping](logits).log()

    def loss(
        self,
        features: Tensor,
        gold: Tensor,
        state: Any,
        *,
        label_smoothing: float = 0.0,
        smoothing: Smoothing = "torch",
        padding: int = PAD,
    ) -> Loss:
        """What training minimises; its gradient in a logit is the probability less the label.

        Args:
            features: what the decoder returned, (rows, tokens, features).
            gold: the token after each, (rows, tokens).
            state: what the decoder returned with the features.
            label_smoothing: from 0 to 1 (not included).
            smoothing: whose definition of it: that of ``torch``, ``fairseq`` or ``joey``; a sparse
                output knows the first alone.
            padding: a token of ``gold`` that does not count; with ``joey`` no label gives it
                a share.

        Returns:
            Two scalars. Of a linear layer with softmax on the CPU the first can be differentiated
            once.

        Raises:
            ValueError: the output has no such smoothing.
        """
        self.check_smoothing(smoothing)
        counted = gold != padding
        features, gold = features[counted], gold[counted]
        if not self.is_sparse and _is_plain(self.layer, features):
            total, likelihood = linear_cross_entropy(
                features, self.layer, gold, label_smoothing, smoothing, padding=padding
            )
            return Loss(total, likelihood)
        logits = self(features)
        if self.is_sparse:
            total = self._sparse_loss(logits, gold, label_smoothing)
            likelihood = self._sparse_loss(logits.detach(), gold) if label_smoothing else total
            return Loss(total, likelihood.detach())
        log_probs = logits.log_softmax(-1, dtype=torch.promote_types(logits.dtype, torch.float32))
        options: dict[str, Any] = {"padding": padding, "reduction": "sum"}
        total = smoothed_nll(log_probs, gold, label_smoothing, smoothing, **options)
        return Loss(total, smoothed_nll(log_probs.detach(), gold, 0.0, **options))

    def likelihood(
        self, features: Tensor, gold: Tensor, state: Any, *, padding: int = PAD
    ) -> Tensor:
        """The ``likelihood`` of :meth:`loss` alone, for less work: what validation reports.

        Args:
            features: what the decoder returned, (rows, tokens, features).
            gold: the token after each, (rows, tokens).
            state: what the decoder returned with the features.
            padding: a token of ``gold`` that does not count.
        """
        logits = self(features)
        if self.is_sparse:
            return self._sparse_loss(logits, gold, padding=padding)
        rows, targets = logits.flatten(0, -2), gold.flatten()
        return F.cross_entropy(rows, targets, ignore_index=padding, reduction="sum")

    def check_smoothing(self, smoothing: str) -> None:
        """Raise ValueError unless :meth:`loss` has this definition of smoothed labels."""
        check_choice("smoothing", smoothing, get_args(Smoothing))
        if self.is_sparse and smoothing != "torch":
            raise ValueError(
                f"smoothing must be 'torch' for an output by {self.mapping}, got {smoothing!r}"
            )

    def _sparse_loss(
        self, logits: Tensor, gold: Tensor, label_smoothing: float = 0.0, padding: int = -100
    ) -> Tensor:
        """The loss of the mapping, summed over the targets that count."""
        options: dict[str, Any] = {
            "ignore_index": padding,
            "label_smoothing": label_smoothing,
            "reduction": "sum",
        }
        if self.mapping == "entmax":
            return entmax_loss(logits, gold, self.alpha, **options)
        loss = {"sparsemax": sparsemax_loss, "entmax15": entmax15_loss}[self.mapping]
        return loss(logits, gold, **options)

    def extra_repr(self) -> str:
        return f"mapping={self.mapping}" + f", alpha={self.alpha}" * (self.mapping == "entmax")


def check_output(mapping: str, alpha: float) -> None:
    """Raise ValueError unless they make an output mapping."""
    check_choice("mapping", mapping, get_args(OutputMapping))
    check_positive("alpha", alpha)


def _is_plain(layer: nn.Module, features: Tensor) -> TypeGuard[nn.Linear]:
    """Whether it is a linear layer on the CPU, whose cross-entropy needs no logits of its own."""
    return isinstance(layer, nn.Linear) and features.device.type == "cpu"
