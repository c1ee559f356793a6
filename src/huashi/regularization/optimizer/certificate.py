r"""How close to optimal trained weights are, and how many groups are zero: no tolerance, no guess.

Weights w are stationary for a loss F and a penalty R if :math:`0 \in \nabla F(w) + \partial R(w)`.
The gap is how far they are from that:

.. math:: \max_g \; \mathrm{dist}\bigl(-\nabla_g F(w), \, \partial_g R(w)\bigr)

For a convex loss and penalty a gap of 0 proves that nothing is better; else that no small step is.
Weight decay of an optimiser is no part of it, unless the loss has it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from huashi.regularization.groups.slices import Groups
from huashi.regularization.optimizer.penalty_pairs import Pair, flat_pairs
from huashi.regularization.penalties.penalty import Penalty

Loss = Callable[[], Tensor]
"""The loss on all data, as a 0-d tensor with a gradient."""


@dataclass(frozen=True, eq=False)
class Certificate:
    """What :func:`certify` finds, for each of the groups given.

    Attributes:
        names: of the groups.
        distances: for each group how far it is from stationary, (groups,).
        zeros: how many groups are zero.
    """

    names: tuple[str, ...]
    distances: tuple[Tensor, ...]
    zeros: tuple[int, ...]

    @property
    def gap(self) -> float:
        """The largest distance."""
        return max(
            (float(distance.max()) for distance in self.distances if len(distance)), default=0.0
        )

    def __str__(self) -> str:
        total = sum(map(len, self.distances))
        return f"KKT gap {self.gap:.2e}, {sum(self.zeros)} of {total} groups zero"


def certify(penalties: Iterable[Pair], loss: Loss | None = None) -> Certificate:
    """The distances from stationary and the exact zeros of all groups under penalties.

    Args:
        penalties: pairs of groups and a penalty, as a proximal optimiser has them. No parameter is
            under two penalties: their sum has another gap.
        loss: on all data. By default the gradients are those that parameters have, which may be of
            many batches.

    Returns:
        The :class:`Certificate`, whose distances are (groups,) each.

    Raises:
        TypeError: ``penalties`` are no pairs of groups and a penalty.
        ValueError: two penalties share a parameter, or there is neither a loss nor gradients.

    >>> from huashi.regularization import GroupLasso, Slices
    >>> w = nn.Parameter(torch.tensor([0.9, 1.2, 0.0, 0.0]))
    >>> groups = Groups("w", (Slices("w", w, (2, 2), (0,)),))
    >>> y = torch.tensor([3.0, 4.0, 0.5, 0.2])
    >>> found = certify([(groups, GroupLasso())], lambda: (2 * w - y).square().mean() / 2)
    >>> found.gap < 1e-6, found.zeros
    (True, (1,))
    """
    pairs = flat_pairs(penalties)
    seen: dict[nn.Parameter, int] = {}
    for k, (groups, _) in enumerate(pairs):
        for part in groups.parts:
            if seen.setdefault(part.parameter, k) != k:
                raise ValueError(f"penalties must share no parameter, got {part.name!r} in two")
    gradients = _gradients(seen, loss)
    with torch.no_grad():
        distances = [
            penalty.distance(groups.gather(gradients.__getitem__), groups.gather())
            for groups, penalty in pairs
        ]
    return Certificate(
        names=tuple(groups.name for groups, _ in pairs),
        distances=tuple(distances),
        zeros=tuple(int(groups.zeros().sum()) for groups, _ in pairs),
    )


def kkt_gap(groups: Groups | Sequence[Groups], penalty: Penalty, loss: Loss | None = None) -> float:
    """How far the weights are from stationary, of the group that is furthest; see :func:`certify`.

    Args:
        groups: one, or a list of them.
        penalty: on each of them.
        loss: on all data; by default the gradients are those that parameters have.

    Returns:
        The largest distance.

    Raises:
        ValueError: groups share a parameter, or there is neither a loss nor gradients.

    >>> from huashi.regularization import GroupLasso, Slices
    >>> w = nn.Parameter(torch.zeros(4))
    >>> groups = Groups("w", (Slices("w", w, (2, 2), (0,)),))
    >>> y = torch.tensor([3.0, 4.0, 0.5, 0.2])    # pulls the first group with 2.5
    >>> kkt_gap(groups, GroupLasso(), lambda: (2 * w - y).square().mean() / 2)
    1.5
    """
    return certify([(groups, penalty)], loss).gap


def lambda_max(
    groups: Groups | Sequence[Groups], penalty: Penalty, loss: Loss | None = None
) -> float:
    """The least factor of a penalty that holds all groups at zero; ``penalty.scaled`` takes it.

    With a loss it is that at zero weights, from where a path of penalties starts; the weights are
    what they were afterwards. In a network of several layers there is no gradient at zero: leave
    out the loss, and it is the factor that would hold every group against its gradient of now.

    Args:
        groups: one, or a list of them.
        penalty: on each of them.
        loss: on all data; by default the gradients are those that parameters have.

    Returns:
        The factor.

    Raises:
        ValueError: there are no groups, or neither a loss nor gradients; or no factor is the least,
            as for a constraint, or a penalty whose slope at 0 is infinite.

    >>> from huashi.regularization import GroupLasso, Slices
    >>> w = nn.Parameter(torch.tensor([0.9, 1.2, 0.0, 0.0]))
    >>> groups = Groups("w", (Slices("w", w, (2, 2), (0,)),))
    >>> y = torch.tensor([3.0, 4.0, 0.5, 0.2])
    >>> lambda_max(groups, GroupLasso(), lambda: (2 * w - y).square().mean() / 2)
    2.5
    """
    pairs = flat_pairs([(groups, penalty)])
    parameters = list({part.parameter: None for one, _ in pairs for part in one.parts})
    if loss is None:
        gradients = _gradients(parameters, None)
    else:
        before = [parameter.detach().clone() for parameter in parameters]
        try:
            with torch.no_grad():
                for one, _ in pairs:
                    one.scatter_(torch.zeros_like(one.gather()))
            gradients = _gradients(parameters, loss)
        finally:
            with torch.no_grad():
                for parameter, old in zip(parameters, before, strict=True):
                    parameter.copy_(old)
    return max(penalty.lambda_max(one.gather(gradients.__getitem__)) for one, _ in pairs)


def exact_zeros(groups: Groups | Sequence[Groups]) -> dict[str, int]:
    """How many groups are zero, by equality, under the names of the groups.

    Args:
        groups: one, or a list of them.

    Returns:
        From the name of the groups to how many are zero.

    >>> from huashi.regularization import Slices
    >>> w = nn.Parameter(torch.tensor([[0.9, 1.2], [0.0, 1e-30], [0.0, 0.0]]))
    >>> exact_zeros(Groups("w", (Slices("w", w, (3, 2), (0,)),)))
    {'w': 1}
    """
    counts: dict[str, int] = {}
    for one in [groups] if isinstance(groups, Groups) else groups:
        counts[one.name] = counts.get(one.name, 0) + int(one.zeros().sum())
    return counts


def _gradients(parameters: Iterable[nn.Parameter], loss: Loss | None) -> dict[nn.Parameter, Tensor]:
    parameters = list(parameters)
    if loss is None:
        if any(parameter.grad is None for parameter in parameters):
            raise ValueError("loss must be given where parameters have no gradients, got None")
        return {parameter: parameter.grad for parameter in parameters if parameter.grad is not None}
    with torch.enable_grad():
        found = torch.autograd.grad(loss(), parameters, allow_unused=True, materialize_grads=True)
    return dict(zip(parameters, found, strict=True))
