"""What the arguments of a pool mean, once they are found to be right."""

import torch
from torch import Tensor

from huashi._checks import as_int, check_positive
from huashi._windows import Axis, Padding, Size, axes_of

LAYOUTS = {1: "length", 2: "height, width", 3: "depth, height, width"}


def checked(
    dims: int,
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
    *,
    integers: bool = False,
) -> tuple[tuple[Axis, ...], Tensor | None]:
    """The windows of a pool and the mask of its input, once all arguments are found to be right."""
    check_input(dims, x, integers=integers)
    sizes = kernel_size, stride, padding, dilation, ceil_mode
    return axes_of(x.shape[-dims:], *sizes), real_elements(dims, x, mask, lengths)


def check_input(dims: int, x: Tensor, *, integers: bool = False) -> None:
    """Raise unless ``x`` is a batch, or one sample, of channels that have ``dims`` dimensions."""
    if not isinstance(x, Tensor):
        raise TypeError(f"x must be a tensor, got {type(x).__name__}")
    if not dims < x.ndim <= dims + 2:  # torch.compile(dynamic=True) has no `in` for these
        shape = f"channel, {LAYOUTS[dims]}"
        raise ValueError(f"x must have shape ({shape}) or (batch, {shape}), got {tuple(x.shape)}")
    if 0 in x.shape[-dims - 1 :]:
        raise ValueError(f"x must have no dimension of size 0 but batch, got {tuple(x.shape)}")
    if x.is_complex() or x.dtype == torch.bool or not (integers or x.is_floating_point()):
        kinds = "a floating-point or integer" if integers else "a floating-point"
        raise TypeError(f"x must be {kinds} tensor, got {x.dtype}")


def real_elements(
    dims: int, x: Tensor, mask: Tensor | None, lengths: Tensor | None
) -> Tensor | None:
    """Which elements of ``x`` are real, bool, broadcastable to it; None where all of them are."""
    if mask is not None:
        check_mask(mask)
        sizes = zip(reversed(mask.shape), reversed(x.shape), strict=False)
        if mask.ndim > x.ndim or any(size not in (1, full) for size, full in sizes):
            raise ValueError(
                f"mask must be broadcastable to x {tuple(x.shape)}, got {tuple(mask.shape)}"
            )
    if lengths is None:
        return mask
    if dims != 1:
        raise ValueError(f"lengths must be None in {dims} dimensions, where a mask can tell more")
    check_integers("lengths", lengths)
    batch = x.shape[:-2]
    if lengths.shape != batch:
        raise ValueError(
            f"lengths must have shape {tuple(batch)}, one for each sample, got "
            f"{tuple(lengths.shape)}"
        )
    inside = torch.arange(x.shape[-1], device=x.device) < lengths[..., None, None]
    return inside if mask is None else inside & mask


def check_mask(mask: Tensor) -> None:
    """Raise unless ``mask`` is a tensor of bool."""
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        got = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise TypeError(f"mask must be a bool tensor, got {got}")


def check_integers(name: str, value: Tensor) -> None:
    """Raise unless ``value`` is a tensor of integers."""
    got = value.dtype if isinstance(value, Tensor) else None
    if got is None or got.is_floating_point or got.is_complex or got == torch.bool:
        raise TypeError(f"{name} must be an integer tensor, got {got or type(value).__name__}")


def scalar(name: str, value: Tensor | float, x: Tensor) -> Tensor:
    """A number that may be learned, as a 0-d tensor in the dtype that ``x`` is accumulated in."""
    if isinstance(value, Tensor):
        if value.ndim != 0:
            raise ValueError(f"{name} must be a number or a 0-d tensor, got {tuple(value.shape)}")
    else:
        check_positive(name, value)
    wide = torch.promote_types(x.dtype, torch.float32)
    return torch.as_tensor(value, dtype=wide, device=x.device)


def shown(value: Tensor) -> str:
    """A learned number as ``repr`` shows it; a meta tensor has none."""
    return "?" if value.is_meta else f"{value.item():.4g}"


def count_real(real: Tensor, length: int) -> Tensor:
    """How many elements of a row are real, (..., 1)."""
    return real.expand(*real.shape[:-1], length).sum(-1, keepdim=True)


def as_count(name: str, value: int) -> int:
    """``value`` as an int, also where it is NumPy's; raise unless it is one of at least 1."""
    value = as_int(name, value)
    if value < 1:
        raise ValueError(f"{name} must be >= 1, got {value}")
    return value


def has_values(x: Tensor) -> bool:
    """Whether values may be looked at: not on meta, nor where code is compiled or transformed."""
    traced = torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None
    transformed = torch._C._are_functorch_transforms_active()
    return type(x) is Tensor and not (traced or transformed or x.is_meta)
