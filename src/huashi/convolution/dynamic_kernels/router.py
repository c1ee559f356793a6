"""How much each kernel counts in a sample: coefficients from the mean of its channels."""

from typing import Literal

import torch
from torch import Tensor, nn

from huashi._checks import check_choice, check_count, check_in, check_positive
from huashi.convolution.module import check_divides

Routing = Literal["sigmoid", "softmax"]
Granularity = Literal["layer", "out_channel"]
Annealing = tuple[float, float]
"""The temperature at the beginning and at the end of the annealing."""


class Router(nn.Module):
    """(batch, channels, *positions) to coefficients, (batch, kernels, sets).

    The mean over the positions goes through one linear layer, or through a hidden one with ReLU
    before it, then through a sigmoid, or through a softmax over the kernels at a temperature.

    Args:
        channels: of the input.
        kernels: that are mixed.
        sets: of coefficients, one for each group of output channels.
        routing: ``sigmoid`` or ``softmax``.
        reduction: the hidden layer has ``channels / reduction`` features; None for no such layer.
        annealing: the temperature at the beginning and at the end, of the softmax only.
        device: of the parameters.
        dtype: of the parameters.
    """

    temperature: Tensor

    def __init__(
        self,
        channels: int,
        kernels: int,
        sets: int,
        routing: Routing,
        reduction: int | None,
        annealing: Annealing | None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.kernels = kernels
        self.routing: Routing = routing
        self.annealing = annealing
        self.hidden = None
        if reduction is not None:
            features = max(1, channels // reduction)
            self.hidden = nn.Linear(channels, features, bias=False, device=device, dtype=dtype)
            channels = features
        self.coefficients = nn.Linear(channels, kernels * sets, device=device, dtype=dtype)
        if annealing is not None:
            start = torch.tensor(float(annealing[0]), device=device, dtype=torch.float32)
            self.register_buffer("temperature", start)

    def set_progress(self, fraction: float) -> None:
        """The temperature after this fraction of the annealing, which is linear."""
        check_in("fraction", fraction, 0, 1)
        if self.annealing is None:
            raise ValueError("routing must be 'softmax' to have a temperature, got 'sigmoid'")
        start, end = self.annealing
        self.temperature.fill_(start + (end - start) * fraction)

    def forward(self, x: Tensor) -> Tensor:
        pooled = x.mean(tuple(range(2, x.ndim)))
        if self.hidden is not None:
            pooled = self.hidden(pooled).relu()
        logits = self.coefficients(pooled).unflatten(1, (self.kernels, -1))
        if self.annealing is None:
            return logits.sigmoid()
        return (logits / self.temperature).softmax(1)


def sets_of(granularity: str, coefficient_groups: int | None, out_channels: int) -> int:
    """How many sets of coefficients there are."""
    check_choice("granularity", granularity, ("layer", "out_channel"))
    if granularity == "layer":
        if coefficient_groups not in (None, 1):
            raise ValueError(
                "coefficient_groups must be None with granularity 'layer', "
                f"got {coefficient_groups}"
            )
        return 1
    if coefficient_groups is None:
        return out_channels
    check_count("coefficient_groups", coefficient_groups)
    check_divides("coefficient_groups", coefficient_groups, out_channels=out_channels)
    return coefficient_groups


def annealing_of(routing: str, temperature: Annealing | None) -> Annealing | None:
    """The temperatures of a softmax, None for a sigmoid, which has none."""
    if routing == "softmax":
        start, end = (30.0, 1.0) if temperature is None else temperature
        check_positive("temperature", start)
        check_positive("temperature", end)
        return start, end
    if temperature is not None:
        raise ValueError(f"temperature must be None with routing 'sigmoid', got {temperature}")
    return None


def _values_can_be_read(x: Tensor) -> bool:
    """Whether that costs no wait for a device and breaks no graph."""
    compiled = torch.compiler.is_compiling() or torch.compiler.is_exporting()
    traced = torch._C._get_tracing_state() is not None
    transformed = torch._C._are_functorch_transforms_active()
    return x.device.type == "cpu" and not (compiled or traced or transformed)


def check_values(routing: Tensor, kind: str) -> None:
    """Raise unless the numbers are what a routing of this kind gives, where they can be read."""
    if not _values_can_be_read(routing):
        return
    tolerance = max(1e-3, 4 * torch.finfo(routing.dtype).eps)
    if not ((routing >= -tolerance) & (routing <= 1 + tolerance)).all():
        raise ValueError("routing must have coefficients in [0, 1], got others or NaN")
    sums = routing.sum(1)
    if kind == "softmax" and ((sums - 1).abs() > tolerance).any():
        low, high = sums.aminmax() if sums.numel() else (0, 0)
        raise ValueError(
            f"routing must sum to 1 over the kernels with 'softmax', got sums from {low:.3g} "
            f"to {high:.3g}"
        )
