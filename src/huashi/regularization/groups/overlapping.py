r"""Groups that overlap, by duplicated variables.

Weights that lie in several groups are written as a sum, with a variable of its own for each group:

.. math:: w = \sum_g v_g, \qquad R(w) = \min_{\sum_g v_g = w} \sum_g \|v_g\|

The v share no element, so that any penalty serves; where some groups are zero, the weights left are
a union of groups. (A group lasso on the overlapping groups themselves leaves the complement of a
union.) Jacob, Obozinski, Vert: Group Lasso with Overlap and Graph Lasso (2009).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from huashi.regularization.groups.slices import Groups, Slices


class _Sum(nn.Module):
    """Weights of some shape, from (groups, elements) with one variable for each membership."""

    place: Tensor
    share: Tensor

    def __init__(self, place: Tensor, share: Tensor, shape: torch.Size) -> None:
        super().__init__()
        self.register_buffer("place", place, persistent=False)
        self.register_buffer("share", share, persistent=False)
        self.shape = shape

    def forward(self, v: Tensor) -> Tensor:
        total = v.new_zeros(self.shape.numel())
        held = torch.where(self.share > 0, v, 0)  # what fills up a smaller group is no weight
        return total.index_add(0, self.place.flatten(), held.flatten()).view(self.shape)

    def right_inverse(self, w: Tensor) -> Tensor:
        return w.flatten()[self.place] * self.share.to(w.dtype)


def duplicate_weights(
    module: nn.Module, members: Sequence[Sequence[int]], name: str = "weight"
) -> Groups:
    """Write a parameter as a sum over overlapping groups; give the groups of its new variables.

    The module computes what it did. What an optimiser has to train is now its parameter
    ``parametrizations.<name>.original``; :func:`torch.nn.utils.parametrize.remove_parametrizations`
    makes it a plain weight again, with its zeros.

    Args:
        module: that has the parameter.
        members: for each group the places of its weights in the flattened parameter; each place is
            in at least one group.
        name: of the parameter.

    Returns:
        The groups of the new variables, as (groups, members of the largest); what fills up smaller
        groups stays 0.

    Raises:
        ValueError: a place is out of range, twice in a group, or in none.

    >>> layer = nn.Linear(3, 1)
    >>> groups = duplicate_weights(layer, [[0, 1], [1, 2]])
    >>> groups.gather().shape
    torch.Size([2, 2])
    """
    weight = getattr(module, name)
    count = torch.zeros(weight.numel(), dtype=torch.long)
    for places in members:
        if len(set(places)) < len(places) or not all(0 <= i < len(count) for i in places):
            raise ValueError(
                f"members must be places in [0, {len(count) - 1}], each once in a group, "
                f"got {list(places)}"
            )
        count[list(places)] += 1
    if not count.all():
        missing = (count == 0).nonzero().flatten()[:5].tolist()
        raise ValueError(f"members must hold every weight of {name!r}, but not {missing}")
    size = max(map(len, members))
    place = torch.zeros(len(members), size, dtype=torch.long)
    share = torch.zeros(len(members), size)
    for row, places in enumerate(members):
        at = torch.tensor(list(places))
        place[row, : len(at)], share[row, : len(at)] = at, 1 / count[at]
    sums = _Sum(place, share, weight.shape).to(weight.device)
    parametrize.register_parametrization(module, name, sums)
    path = f"parametrizations.{name}.original"
    original = module.get_parameter(path)
    return Groups(name, (Slices(path, original, tuple(original.shape), (0,)),))
