r"""Local attention: only source positions near :math:`p_t` count (Luong 2015, arXiv 1508.04025).

``local_m``: :math:`p_t = t`, for sources and targets that run side by side. ``local_p``:
:math:`p_t = S \, \sigma(v^\top \tanh(W q_t))` for a source of S positions, its own without
padding. The window is :math:`|s - p_t| \le D`; with ``local_p`` the weights there are then
multiplied by :math:`\exp(-(s - p_t)^2 / 2 \sigma^2)`, :math:`\sigma = D / 2`, so that they sum to
less than 1, and :math:`p_t` has a gradient. Positions count from 0.

With ``local_m`` a target position more than D beyond the end of its source sees nothing: its
weights are zero.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

Window = Literal["local_m", "local_p"]
WINDOWS: tuple[Window, ...] = get_args(Window)


class MonotonicWindow(nn.Module):
    """``local_m``: the window goes on with the target."""

    def __init__(self, reach: float) -> None:
        super().__init__()
        self.reach = reach

    def forward(self, query: Tensor, mask: Tensor, time: Tensor) -> tuple[Tensor, None]:
        """Where to look.

        Args:
            query: (rows, target, query).
            mask: True at real positions, (rows, source).
            time: how many targets a row has read before these, (rows,).

        Returns:
            True in the window, (rows, target, source), and None: no factor of the weights.
        """
        centre = time[:, None] + torch.arange(query.shape[1], device=query.device)
        return mask[:, None] & (_distance(centre, mask).abs() <= self.reach), None

    def extra_repr(self) -> str:
        return f"reach={self.reach:g}"


class PredictedWindow(nn.Module):
    """``local_p``: the query says where to look."""

    def __init__(self, reach: float, query_size: int, hidden_size: int) -> None:
        super().__init__()
        self.reach = reach
        self.hidden = nn.Linear(query_size, hidden_size, bias=False)
        self.v = nn.Linear(hidden_size, 1, bias=False)

    def forward(self, query: Tensor, mask: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """As :class:`MonotonicWindow`, with the Gaussian factor, (rows, target, source)."""
        share = self.v(torch.tanh(self.hidden(query)))[..., 0].sigmoid()
        distance = _distance(mask.sum(-1, keepdim=True) * share, mask)
        factor = torch.exp(-2 * (distance / self.reach).square())  # sigma = reach / 2
        return mask[:, None] & (distance.abs() <= self.reach), factor

    def extra_repr(self) -> str:
        return f"reach={self.reach:g}"


def window_of(
    window: Window, reach: float, query_size: int, hidden_size: int
) -> MonotonicWindow | PredictedWindow:
    """The module of a window that reaches so far on either side of its centre."""
    if window == "local_m":
        return MonotonicWindow(reach)
    return PredictedWindow(reach, query_size, hidden_size)


def _distance(centre: Tensor, mask: Tensor) -> Tensor:
    """From every centre, (rows, target), to every position: (rows, target, source)."""
    return torch.arange(mask.shape[1], device=mask.device) - centre[..., None]
