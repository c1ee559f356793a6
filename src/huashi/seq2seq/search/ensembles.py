"""Several models as one: ensembles, and shallow fusion with a language model."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from huashi._checks import check_choice, check_not_negative, check_positive
from huashi.seq2seq.search.log_probabilities import renormalised
from huashi.seq2seq.search.protocol import Step


class Ensemble(nn.Module):
    r"""The mean of several models, to be searched like one.

    With weights :math:`w_m` that sum to one, the probabilities of the next token are

    .. math:: p = \sum_m w_m p_m \qquad \text{or} \qquad p \propto \prod_m p_m^{w_m}

    the mean of the probabilities (fairseq), or that of the log-probabilities, renormalised (as in
    Sockeye's ``log_linear``). The state is the tuple of the models' states.

    Args:
        models: at least one, with the same vocabulary: models, or step functions. Models become
            submodules, so ``eval()`` and ``to(device)`` reach them. :meth:`encode` and
            :meth:`alignment` work only if all are models.
        weights: above 0, one for each model; they are divided by their sum. Equal by default.
        mean: ``probabilities`` or ``log_probabilities``.

    Raises:
        ValueError: there is no model, the weights are not one for each or not above 0, ``mean`` is
            none of these, or, at a step, the vocabularies differ in size.

    >>> def coin(tokens, state):
    ...     return torch.tensor([[0.5, 0.5]]).log(), state
    >>> def biased(tokens, state):
    ...     return torch.tensor([[0.9, 0.1]]).log(), state
    >>> log_probs, _ = Ensemble([coin, biased]).step(torch.tensor([0]), (None, None))
    >>> log_probs.exp()
    tensor([[0.7000, 0.3000]])
    """

    def __init__(
        self,
        models: Sequence[Any],
        weights: Sequence[float] | None = None,
        mean: Literal["probabilities", "log_probabilities"] = "probabilities",
    ) -> None:
        super().__init__()
        weights = [1.0] * len(models) if weights is None else list(weights)
        if not models:
            raise ValueError("models must be at least one, got none")
        if len(weights) != len(models):
            raise ValueError(f"weights must be one a model ({len(models)}), got {len(weights)}")
        for weight in weights:
            check_positive("weights", weight)
        check_choice("mean", mean, ("probabilities", "log_probabilities"))
        self.models = nn.ModuleList(m for m in models if isinstance(m, nn.Module))
        self.members = tuple(models)
        self.weights = tuple(weight / sum(weights) for weight in weights)
        self.mean = mean

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Any, ...]:
        """Each model's state before the first step.

        Args:
            source: token ids, (sentences, longest), int64.
            lengths: of the sources, (sentences,), int64.
        """
        return tuple(model.encode(source, lengths) for model in self.members)

    def step(self, tokens: Tensor, state: tuple[Any, ...]) -> tuple[Tensor, tuple[Any, ...]]:
        """Read one token for each row.

        Args:
            tokens: (rows,), int64.
            state: each model's state.

        Returns:
            Log-probabilities of the next tokens, (rows, vocabulary), and each model's next state.
        """
        pairs = zip(self.members, state, strict=True)
        results, states = zip(*(_step(model)(tokens, part) for model, part in pairs), strict=True)
        sizes = {part.shape[-1] for part in results}
        if len(sizes) > 1:
            raise ValueError(f"models must have one vocabulary, got sizes {sorted(sizes)}")
        log_probs = torch.stack(results)  # (models, rows, vocabulary)
        weights = log_probs.new_tensor(self.weights).view(-1, 1, 1)
        if self.mean == "probabilities":
            return (log_probs + weights.log()).logsumexp(0), states
        return renormalised((weights * log_probs).sum(0)), states

    def alignment(self, state: tuple[Any, ...]) -> Tensor:
        """The weighted mean of the models' attention in the last step, (rows, source)."""
        pairs = zip(self.members, self.weights, state, strict=True)
        return sum((w * model.alignment(part) for model, w, part in pairs), torch.zeros(()))


class ShallowFusion(nn.Module):
    r"""A model, and a language model that is asked for each token too, to be searched like one.

    The score of a token is :math:`\log p + \lambda \log p_{LM}`, which is not renormalised
    (Gulcehre 2015, arXiv 1503.03535). The state is the pair of both states.

    Args:
        model: a model, or a step function.
        language_model: the same, with the vocabulary of ``model``. Its ``encode`` is given the
            source too; a language model takes only the number of rows from it.
        weight: :math:`\lambda`, at least 0.

    Raises:
        ValueError: ``weight`` is below 0, or, at a step, the vocabularies differ in size.

    >>> def coin(tokens, state):
    ...     return torch.tensor([[0.5, 0.5]]).log(), state
    >>> def biased(tokens, state):
    ...     return torch.tensor([[0.9, 0.1]]).log(), state
    >>> log_probs, _ = ShallowFusion(coin, biased, 1.0).step(torch.tensor([0]), (None, None))
    >>> log_probs.exp()
    tensor([[0.4500, 0.0500]])
    """

    def __init__(self, model: Any, language_model: Any, weight: float) -> None:
        super().__init__()
        check_not_negative("weight", weight)
        self.model = model
        self.language_model = language_model
        self.weight = weight

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Any, Any]:
        """Both states before the first step.

        Args:
            source: token ids, (sentences, longest), int64.
            lengths: of the sources, (sentences,), int64.
        """
        return self.model.encode(source, lengths), self.language_model.encode(source, lengths)

    def step(self, tokens: Tensor, state: tuple[Any, Any]) -> tuple[Tensor, tuple[Any, Any]]:
        """Read one token for each row.

        Args:
            tokens: (rows,), int64.
            state: both states.

        Returns:
            Scores of the next tokens, (rows, vocabulary), and both next states.
        """
        log_probs, own = _step(self.model)(tokens, state[0])
        added, other = _step(self.language_model)(tokens, state[1])
        if added.shape != log_probs.shape:
            raise ValueError(
                f"language_model must have the vocabulary of model ({log_probs.shape[-1]}), "
                f"got {added.shape[-1]}"
            )
        if self.weight:  # 0 times -inf would be NaN
            log_probs = log_probs + self.weight * added
        return log_probs, (own, other)

    def alignment(self, state: tuple[Any, Any]) -> Tensor:
        """The attention of ``model`` in the last step, (rows, source)."""
        return self.model.alignment(state[0])


def _step(model: Any) -> Step:
    """A model's own step, or the function itself."""
    return getattr(model, "step", model)
