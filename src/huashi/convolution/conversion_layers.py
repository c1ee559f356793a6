"""A layer of another kind in the place of a plain convolution: its geometry and its weights."""

import copy
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from huashi._windows import each_axis
from huashi.convolution.conversion_kinds import Given, Kind
from huashi.convolution.padding import Padding, sides_of

_USUAL = {"groups": 1, "padding_mode": "zeros", "bias": True}


class CannotStandError(ValueError):
    """No layer of a kind can stand where the plain one stands; the message says why."""


def new_layer(kind: Kind | Given, old: Any, options: Mapping[str, Any]) -> tuple[nn.Module, bool]:
    """A layer with the geometry of a plain one, as that one is: device, dtype, memory, mode.

    Returns:
        the layer, and whether it is the same function: then it has the weights of the plain one.

    Raises:
        CannotStandError: the kind cannot have this geometry.
        TypeError: the options are none of its own.
    """
    new = _made(kind, old, options)
    carried = copy.deepcopy(new)
    equal = _carry_over(old, carried) and _same_function(old, carried)
    new = carried if equal else new
    _dress(old, new)
    return new, equal


def _made(kind: Kind | Given, old: Any, options: Mapping[str, Any]) -> Any:
    dims = len(old.kernel_size)
    make = kind.make(dims)
    wanted = {**_arguments_of(old, kind), **options}
    if "padding" not in options:
        wanted["padding"] = _centred(old, wanted, kind)
    taken = inspect.signature(make).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in taken.values()):
        for name in [name for name in wanted if name not in taken and name not in options]:
            value = wanted.pop(name)
            if name not in ("device", "dtype") and value != _USUAL.get(name, (1,) * dims):
                what = kind.class_name(dims)
                raise CannotStandError(f"has {name}={value!r}, which {what} does not take")
    try:
        return make(**wanted).to(device=old.weight.device, dtype=old.weight.dtype)
    except ValueError as error:
        raise CannotStandError(f"{kind.class_name(dims)} refuses it: {error}") from error


def _arguments_of(old: Any, kind: Kind | Given) -> dict[str, Any]:
    kernel = old.kernel_size
    if kind.several_sizes:  # beside its own, two that see further
        kernel = tuple(tuple(k + more if k > 1 else k for k in kernel) for more in (0, 2, 4))
    return {
        "in_channels": old.in_channels,
        "out_channels": old.out_channels,
        "kernel_size": kernel,
        "stride": old.stride,
        "dilation": old.dilation,
        "groups": old.groups if old.groups > 1 else kind.groups,
        "bias": old.bias is not None,
        "padding_mode": old.padding_mode,
        "device": old.weight.device,
        "dtype": old.weight.dtype,
    }


def _centred(old: Any, wanted: Mapping[str, Any], kind: Kind | Given) -> Padding:
    """The padding with which a kernel of another size sees what is around the same places."""
    dims = len(old.kernel_size)
    sides = getattr(old, "sides", None) or sides_of(old.padding, dims)
    size: Any = wanted["kernel_size"]
    several = list(size) if kind.several_sizes and isinstance(size, Sequence) else [size]
    sizes = [each_axis("kernel_size", one, dims, least=1) for one in several]
    kernel = [max(along) for along in zip(*sizes, strict=True)]
    dilation = each_axis("dilation", wanted["dilation"], dims, least=1)
    found = []
    for side, k, d, k_old, d_old in zip(
        sides, kernel, dilation, old.kernel_size, old.dilation, strict=True
    ):
        grown = d * (k - 1) - d_old * (k_old - 1)
        if isinstance(side, str) or not grown:
            found.append(side)
        elif grown % 2 or min(side) + grown // 2 < 0:
            raise CannotStandError(
                f"has padding {side} for a kernel of {k_old}, which one of {k} cannot have around "
                "the same centre: padding must be given"
            )
        else:
            found.append((side[0] + grown // 2, side[1] + grown // 2))
    return _as_short(found)


def _as_short(sides: list[Any]) -> Any:
    """As torch has it, where torch has it."""
    if all(side == "same" for side in sides):
        return "same"
    if all(not isinstance(side, str) and side[0] == side[1] for side in sides):
        return tuple(before for before, _ in sides)
    return tuple(sides)


@torch.no_grad()
def _carry_over(old: Any, new: Any) -> bool:
    """Give ``new``, or each of its kernels, the weights of ``old``, where it has such weights."""
    weight, bias = getattr(new, "weight", None), getattr(new, "bias", None)
    if not _holds(weight, old.weight) or (old.bias is None) != (bias is None):
        return False
    if old.bias is not None:
        if not _holds(bias, old.bias):
            return False
        _fill(bias, old.bias)
    _fill(weight, old.weight)
    return True


def _holds(new: Any, old: Any) -> bool:
    """Whether it is a parameter of that shape, or of several of them, which may be flat."""
    shapes = (old.shape, (old.numel(),))
    return isinstance(new, nn.Parameter) and any(
        new.shape[max(0, new.ndim - len(shape)) :] == shape for shape in shapes
    )


def _fill(new: Any, old: Any) -> None:
    new.copy_(old if new.shape[max(0, new.ndim - old.ndim) :] == old.shape else old.flatten())


def _same_function(old: Any, new: nn.Module) -> bool:
    """Whether both give the same for a small random input, up to rounding."""
    weight = old.weight
    if weight.is_meta:
        return False
    geometry = zip(old.kernel_size, old.stride, old.dilation, strict=True)
    lengths = [d * (k - 1) + 1 + 2 * s for k, s, d in geometry]
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((2, old.in_channels, *lengths), generator=generator)
    x = x.to(weight.device, weight.dtype)
    new = copy.deepcopy(new).eval()
    with torch.no_grad(), torch.random.fork_rng():
        want, got = old(x), new(x)
    tolerance = torch.finfo(weight.dtype).eps ** 0.5 * want.abs().max()
    return want.shape == got.shape and bool((want - got).abs().max() <= tolerance)


def _dress(old: Any, new: nn.Module) -> None:
    """Mode, memory format and what is trained, as ``old`` has them."""
    new.train(old.training)
    for name, parameter in new.named_parameters():
        source = old.bias if name == "bias" and old.bias is not None else old.weight
        parameter.requires_grad_(source.requires_grad)
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    last = formats.get(old.weight.ndim)
    if last and old.weight.is_contiguous(memory_format=last) and not old.weight.is_contiguous():
        new.to(memory_format=last)  # pyright: ignore[reportCallIssue]
