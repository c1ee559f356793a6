"""What the global pools share: the module, and how many dimensions an input has."""

from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor, nn


def pooled_dimensions(x: Tensor) -> int:
    """How many dimensions ``x`` has beside batch and channel; raise unless one to three."""
    if not isinstance(x, Tensor):
        raise TypeError(f"x must be a tensor, got {type(x).__name__}")
    if x.ndim not in (3, 4, 5):
        raise ValueError(
            f"x must have shape (batch, channel, L...) with one to three L, got {tuple(x.shape)}"
        )
    return x.ndim - 2


class GlobalPool(nn.Module):
    """What the global pools share."""

    pool: ClassVar[Callable[..., Tensor]]

    @property
    def options(self) -> dict[str, Any]:
        """What the function takes beside its input."""
        return {}

    def forward(
        self, x: Tensor, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        return self.pool(x, **self.options, mask=mask, lengths=lengths)
