r"""Truncated distributions to sample from, and their temperature.

Each filter forbids tokens by the distribution :math:`p` that the log-probabilities stand for. It is
normalised for the comparison only: what is not forbidden keeps its log-probability, and what the
filter returns does not sum to one. The rules and their details are those of transformers' "logits
warpers".

=================  ===============================================================================
:class:`TopK`      the k likeliest (Fan 2018, arXiv 1805.04833)
:class:`TopP`      the likeliest that have a mass of p together (Holtzman 2020, arXiv 1904.09751)
:class:`MinP`      those at least min_p times as likely as the likeliest (Nguyen 2024, arXiv
                   2407.01082)
:class:`Typical`   those whose surprise is nearest to its mean, the entropy H, with a mass of
                   ``mass`` together (Meister 2023, arXiv 2202.00666)
:class:`Epsilon`   those with at least :math:`\epsilon` (Hewitt 2022, arXiv 2210.15191)
:class:`Eta`       those with at least :math:`\min(\epsilon, \sqrt\epsilon\, e^{-H})` (ibid.)
=================  ===============================================================================

Every filter leaves at least one token possible, if one was.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from huashi._checks import check_positive
from huashi.seq2seq.search.adjustments.context import Context


@dataclass(frozen=True)
class Temperature:
    """Divide all log-probabilities by ``temperature``; what comes out is not normalised.

    Args:
        temperature: below 1 the likely becomes likelier, above 1 all become more alike.

    Raises:
        ValueError: ``temperature`` is not from 1e-30 to 1e30.
    """

    temperature: float

    rewards = False

    def __post_init__(self) -> None:
        check_positive("temperature", self.temperature)
        if math.isinf(self.temperature):  # -inf / inf would be NaN
            raise ValueError(f"temperature must be finite, got {self.temperature}")
        if not 1e-30 <= self.temperature <= 1e30:  # beyond, quotients may leave float32
            raise ValueError(f"temperature must be 1e-30 to 1e30, got {self.temperature}")

    def __call__(self, log_probs: Tensor, context: Context) -> Tensor:
        """Divide log-probabilities (sentences, alive, vocabulary); shape and dtype stay."""
        return log_probs / self.temperature


@dataclass(frozen=True)
class TopK:
    """Forbid all but the ``k`` likeliest tokens (Fan 2018, arXiv 1805.04833).

    Tokens as likely as the k-th stay too, as in transformers.

    Args:
        k: how many; all stay where the vocabulary has no more.

    Raises:
        ValueError: ``k`` is not above 0.
    """

    k: int

    rewards = False

    def __post_init__(self) -> None:
        check_positive("k", self.k)

    def __call__(self, log_probs: Tensor, context: Context) -> Tensor:
        """Filter log-probabilities (sentences, alive, vocabulary); shape and dtype stay."""
        return log_probs.masked_fill(log_probs < _kth_best(log_probs, self.k), -torch.inf)


@dataclass(frozen=True)
class TopP:
    """Forbid all but the fewest tokens that together have a probability of ``p``.

    Nucleus sampling (Holtzman 2020, arXiv 1904.09751): the likeliest tokens stay, among equals the
    first. Probabilities are computed in float32 at least.

    Args:
        p: from 0, the likeliest alone, to 1, all.
        keep: this many of the likeliest stay in any case.

    Raises:
        ValueError: ``p`` is not from 0 to 1, or ``keep`` not above 0.

    >>> begin = Context(torch.zeros(1, 1, 0), 1, torch.tensor([0]), torch.tensor([9]), bos=0, eos=1)
    >>> TopP(0.8)(torch.tensor([[[0.3, 0.1, 0.1, 0.5]]]).log(), begin).exp()
    tensor([[[0.3000, 0.0000, 0.0000, 0.5000]]])
    """

    p: float
    keep: int = 1

    rewards = False

    def __post_init__(self) -> None:
        _check_probability("p", self.p)
        check_positive("keep", self.keep)

    def __call__(self, log_probs: Tensor, context: Context) -> Tensor:
        """Filter log-probabilities (sentences, alive, vocabulary); shape and dtype stay."""
        p = _wide(log_probs).softmax(-1)
        falling, order = torch.sort(p, stable=True, dim=-1, descending=True)
        rest = falling.flip(-1).cumsum(-1).flip(-1)  # the mass of a token and of all behind it
        forbidden = rest <= 1 - self.p
        forbidden[..., : self.keep] = False
        return log_probs.masked_fill(forbidden.scatter(-1, order, forbidden), -torch.inf)


@dataclass(frozen=True)
class MinP:
    """Forbid tokens less than ``min_p`` times as likely as the likeliest.

    Min-p sampling (Nguyen 2024, arXiv 2407.01082). Probabilities are computed in float32 at least.

    Args:
        min_p: from 0, all stay, to 1, the likeliest alone.
        keep: this many of the likeliest stay in any case.

    Raises:
        ValueError: ``min_p`` is not from 0 to 1, or ``keep`` not above 0.
    """

    min_p: float
    keep: int = 1

    rewards = False

    def __post_init__(self) -> None:
        _check_probability("min_p", self.min_p)
        check_positive("keep", self.keep)

    def __call__(self, log_probs: Tensor, context: Context) -> Tensor:
        """Filter log-probabilities (sentences, alive, vocabulary); shape and dtype stay."""
        p = _wide(log_probs).softmax(-1)
        return _at_least(log_probs, p, self.min_p * p.amax(-1, keepdim=True), self.keep)


@dataclass(frozen=True)
class Typical:
    """Forbid tokens that are much more, or much less, surprising than expected.

    Locally typical sampling (Meister 2023, arXiv 2202.00666): the surprise of a token is the
    negative logarithm of its probability, and its mean is the entropy. The tokens nearest to it
    stay, as many as are needed for a probability of ``mass`` together, and all that are as near as
    the last of them. Probabilities are computed in float32 at least.

    Args:
        mass: from 0, the most typical alone, to 1, all.
        keep: this many of the most typical stay in any case.

    Raises:
        ValueError: ``mass`` is not from 0 to 1, or ``keep`` not above 0.

    >>> begin = Context(torch.zeros(1, 1, 0), 1, torch.tensor([0]), torch.tensor([9]), bos=0, eos=1)
    >>> Typical(0.5)(torch.tensor([[[0.4, 0.2, 0.2, 0.2]]]).log(), begin).exp()
    tensor([[[0.0000, 0.2000, 0.2000, 0.2000]]])
    """

    mass: float
    keep: int = 1

    rewards = False

    def __post_init__(self) -> None:
        _check_probability("mass", self.mass)
        check_positive("keep", self.keep)

    def __call__(self, log_probs: Tensor, context: Context) -> Tensor:
        """Filter log-probabilities (sentences, alive, vocabulary); shape and dtype stay."""
        surprise = -_wide(log_probs).log_softmax(-1)
        p = (-surprise).exp()
        distance = (surprise - _entropy(p)).abs()
        rising, order = torch.sort(distance, stable=True, dim=-1)
        needed = (p.gather(-1, order).cumsum(-1) < self.mass).sum(-1, keepdim=True)
        farthest = rising.gather(-1, needed.clamp(max=rising.shape[-1] - 1))
        forbidden = rising > farthest
        forbidden[..., : self.keep] = False
        return log_probs.masked_fill(forbidden.scatter(-1, order, forbidden), -torch.inf)


@dataclass(frozen=True)
class Epsilon:
    """Forbid tokens with a probability below ``epsilon`` (Hewitt 2022, arXiv 2210.15191).

    Probabilities are computed in float32 at least.

    Args:
        epsilon: from 0, all stay, to 1.
        keep: this many of the likeliest stay in any case.

    Raises:
        ValueError: ``epsilon`` is not from 0 to 1, or ``keep`` not above 0.
    """

    epsilon: float
    keep: int = 1

    rewards = False

    def __post_init__(self) -> None:
        _check_probability("epsilon", self.epsilon)
        check_positive("keep", self.keep)

    def __call__(self, log_probs: Tensor, context: Context) -> Tensor:
        """Filter log-probabilities (sentences, alive, vocabulary); shape and dtype stay."""
        return _at_least(log_probs, _wide(log_probs).softmax(-1), self.epsilon, self.keep)


@dataclass(frozen=True)
class Eta:
    r"""Forbid tokens with a probability below :math:`\min(\epsilon, \sqrt\epsilon\, e^{-H})`.

    Eta sampling (Hewitt 2022, arXiv 2210.15191), :math:`H` the entropy in nats: where the model is
    unsure, less is asked of a token than by :class:`Epsilon`. Probabilities are computed in float32
    at least.

    Args:
        epsilon: from 0, all stay, to 1.
        keep: this many of the likeliest stay in any case.

    Raises:
        ValueError: ``epsilon`` is not from 0 to 1, or ``keep`` not above 0.
    """

    epsilon: float
    keep: int = 1

    rewards = False

    def __post_init__(self) -> None:
        _check_probability("epsilon", self.epsilon)
        check_positive("keep", self.keep)

    def __call__(self, log_probs: Tensor, context: Context) -> Tensor:
        """Filter log-probabilities (sentences, alive, vocabulary); shape and dtype stay."""
        p = _wide(log_probs).softmax(-1)
        eta = (math.sqrt(self.epsilon) * (-_entropy(p)).exp()).clamp(max=self.epsilon)
        return _at_least(log_probs, p, eta, self.keep)


def _at_least(log_probs: Tensor, p: Tensor, least: Tensor | float, keep: int) -> Tensor:
    """Forbid tokens whose ``p`` is below ``least``, except for the ``keep`` likeliest."""
    forbidden = (p < least) & (log_probs < _kth_best(log_probs, keep))
    return log_probs.masked_fill(forbidden, -torch.inf)


def _kth_best(log_probs: Tensor, k: int) -> Tensor:
    """The k-th highest along the last dimension, (..., 1); the lowest where there are fewer."""
    return log_probs.topk(min(k, log_probs.shape[-1])).values[..., -1:]


def _entropy(p: Tensor) -> Tensor:
    """Entropy of distributions (..., vocabulary) in nats, (..., 1)."""
    return -p.xlogy(p).sum(-1, keepdim=True)


def _wide(x: Tensor) -> Tensor:
    """In float32 at least, as many small numbers are summed."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _check_probability(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be from 0 to 1, got {value}")
