"""Elements drawn from windows, and what a draw is expected to be."""

from collections.abc import Sequence

import torch
from torch import Tensor

from huashi.pooling.bins import AnyAxis
from huashi.pooling.reference.window_elements import softmax, wide, windows


def stochastic(
    x: Tensor,
    axes: tuple[AnyAxis, ...],
    mask: Tensor | None = None,
    *,
    weights: str = "relu",
    training: bool = True,
    generator: torch.Generator | None = None,
) -> Tensor:
    """In training an element drawn from each window, else what a draw is expected to be.

    With ``relu`` the elements are ``a = max(x, 0)``, drawn with probabilities ``a / sum(a)``; the
    expectation is ``sum(a ** 2) / sum(a)``. With ``softmax`` they are x itself, drawn with its
    softmax. A window without a positive weight gives 0. Only the drawn element gets a gradient
    (Zeiler and Fergus 2013).
    """
    values, real, _ = windows(wide(x), axes, mask)
    values = torch.where(real, values, 0)
    if weights == "relu":
        values = values.relu()
    share = values if weights == "relu" else softmax(values, real)
    total = share.sum(-1)
    possible = total != 0
    if not training:
        parts = share / torch.where(possible, total, 1)[..., None]
        mean = (parts * torch.where(parts > 0, values, 0)).sum(-1)
        return torch.where(possible, mean, 0).to(x.dtype)
    with torch.no_grad():
        edges = share.cumsum(-1)
        point = uniform(total.shape, x, generator)
        # the first whose share ends beyond the point; rounding must not lead past the last share
        beyond = (edges > (point * edges[..., -1])[..., None]) & (share > 0)
        found, drawn = beyond.to(torch.uint8).max(-1, keepdim=True)
    # nothing is found where the total is 0, NaN or infinite; NaN then stays NaN
    return torch.where(found > 0, values.gather(-1, drawn), total[..., None] * 0)[..., 0].to(
        x.dtype
    )


def uniform(shape: Sequence[int], x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Uniform numbers in [0, 1), on the device of ``x``, in the dtype that it is accumulated in."""
    dtype = torch.promote_types(x.dtype, torch.float32)
    if generator is None:  # which torch.compile cannot be handed beside dynamic sizes
        return torch.rand(shape, device=x.device, dtype=dtype)
    return torch.rand(shape, generator=generator, device=x.device, dtype=dtype)
