"""Projections: the nearest point of a set."""

import torch
from torch import Tensor

from huashi._checks import check_ndim
from huashi._kernel.example import example
from huashi._kernel.operator import without_kernel
from huashi.regularization.prox.groups import max_threshold

__all__ = ["largest_groups", "n_of_m", "onto_l1_ball", "onto_simplex"]

_SORTED = "it sorts, for which torch's own operator takes most of the time"


@example((4, 5), call=lambda f, v: f(v, 1.0))
@without_kernel(_SORTED)
def onto_l1_ball(v: Tensor, radius: Tensor | float) -> Tensor:
    """The nearest point of each row with an l1 norm of at most ``radius``.

    By Moreau's decomposition it is ``v`` less the prox of the dual norm, the largest magnitude.

    Args:
        v: points, (groups, elements).
        radius: >= 0, a number or (groups,).

    Returns:
        The nearest points, in the shape and dtype of ``v``; computed in its precision.

    Raises:
        ValueError: ``v`` is not a matrix.

    >>> onto_l1_ball(torch.tensor([[3.0, -4.0, 0.0, 1.0]]), 3.0)
    tensor([[ 1., -2.,  0.,  0.]])
    """
    return v - max_threshold(v, radius)


@example((4, 5), call=lambda f, v: f(v, 1.0))
@without_kernel(_SORTED)
def onto_simplex(v: Tensor, total: float) -> Tensor:
    """The nearest point of each row that is nowhere negative and adds up to ``total``.

    Args:
        v: points, (groups, elements). Elements of -inf get 0; a row needs one that is finite.
        total: the sum > 0 of each row.

    Returns:
        The nearest points, in the shape and dtype of ``v``; computed in its precision.

    Raises:
        ValueError: ``v`` is not a matrix.

    >>> onto_simplex(torch.tensor([[3.0, 2.5, -1.0]]), 1.0)
    tensor([[0.7500, 0.2500, 0.0000]])
    """
    check_ndim("v", v, "groups elements")
    sizes = v.sort(1, descending=True).values
    counts = torch.arange(1, v.shape[1] + 1, dtype=v.dtype, device=v.device)
    cuts = (sizes.cumsum(1) - total) / counts
    last = (sizes > cuts).sum(1, keepdim=True).clamp(min=1)
    return (v - cuts.gather(1, last - 1)).clamp(min=0)


@example((4, 5), call=lambda f, v: f(v, 2))
@without_kernel(_SORTED)
def largest_groups(v: Tensor, most: int, h: Tensor | None = None) -> Tensor:
    """The nearest point with at most ``most`` rows that are not 0; the first of equals stay.

    Args:
        v: points, (groups, elements).
        most: how many rows stay.
        h: metric > 0, (groups, elements), in which the nearest is meant; 1 by default.

    Returns:
        The exact rows that stay, 0 elsewhere, in the shape and dtype of ``v``.

    Raises:
        ValueError: ``v`` is not a matrix.

    >>> largest_groups(torch.tensor([[3.0, -4.0], [0.0, 1.0]]), 1)
    tensor([[ 3., -4.],
            [ 0.,  0.]])
    """
    check_ndim("v", v, "groups elements")
    size = (v.square() if h is None else h * v.square()).sum(1)
    kept = size.argsort(descending=True, stable=True)[:most]
    x = torch.zeros_like(v)
    x[kept] = v[kept]
    return x


@example((4, 6), call=lambda f, v: f(v, 1, 2))
@without_kernel(_SORTED)
def n_of_m(v: Tensor, n: int, m: int, h: Tensor | None = None) -> Tensor:
    """The nearest point with at most ``n`` of each ``m`` elements that are not 0.

    Args:
        v: points, (groups, elements).
        n: how many of the ``m`` stay.
        m: how many elements side by side are compared; it divides the elements of a row.
        h: metric > 0, (groups, elements), in which the nearest is meant; 1 by default.

    Returns:
        The exact elements that stay, 0 elsewhere, in the shape and dtype of ``v``.

    Raises:
        ValueError: ``v`` is not a matrix.
        RuntimeError: ``m`` does not divide the elements of a row.

    >>> n_of_m(torch.tensor([[3.0, -4.0, 0.0, 1.0]]), 1, 2)
    tensor([[ 0., -4.,  0.,  1.]])
    """
    check_ndim("v", v, "groups elements")
    size = v.square() if h is None else h * v.square()
    pieces = size.unflatten(1, (-1, m))
    rank = pieces.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)
    return torch.where((rank < n).flatten(1), v, 0)
