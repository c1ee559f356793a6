"""Other convolutions in a model that is there already, in place of its plain ones."""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from huashi._field_docs import with_field_docs
from huashi.convolution.conversion_kinds import Given, Kind, kind_named
from huashi.convolution.conversion_layers import CannotStandError, new_layer
from huashi.convolution.module import ConvModule
from huashi.convolution.plain import CONV

Where = Callable[[str, nn.Module], bool] | str | Sequence[str]
"""Which layers: a function of name and module, or names, in which ``*`` stands for anything."""
_PLAIN = nn.Conv1d, nn.Conv2d, nn.Conv3d
_TRANSPOSED = nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d
_OWN_CODE = {
    getattr(kind, name)
    for kind in (*_PLAIN, *CONV.values())
    for name in ("forward", "_conv_forward")
}


@with_field_docs
@dataclass(frozen=True)
class ConvertedLayer:
    """A layer that was replaced."""

    before: str
    """The class of the plain one."""
    after: str
    """The class of what stands there now."""
    equal: bool
    """Whether it has the weights of the plain one and gave the same results for a random input; if
    not, it begins anew."""
    initialised: tuple[str, ...]
    """Its parameters that begin anew, by their names in it."""
    parameters: tuple[int, int]
    """How many numbers were learned before, and are now."""


@with_field_docs
@dataclass(frozen=True, eq=False)
class Conversion:
    """What :func:`convert` did; ``print`` shows it."""

    model: nn.Module
    """The model that was given; the new layer, where that was a convolution itself."""
    converted: dict[str, ConvertedLayer] = field(default_factory=dict)
    """By the name in the model."""
    left: dict[str, str] = field(default_factory=dict)
    """Name to why the convolution was left as it is."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it, without the model."""
        return {
            "converted": {name: asdict(layer) for name, layer in self.converted.items()},
            "left": dict(self.left),
        }

    def __str__(self) -> str:
        lines = [
            f"{name or 'model'}: {one.before} -> {one.after}, "
            f"{one.parameters[0]:,} -> {one.parameters[1]:,} parameters, "
            + ("the same function" if one.equal else "re-initialised")
            for name, one in self.converted.items()
        ]
        lines += [f"{name or 'model'}: left, {why}" for name, why in self.left.items()]
        return "\n".join([f"converted {len(self.converted)}, left {len(self.left)}", *lines])


def convert(
    model: nn.Module,
    to: str | Callable[..., nn.Module],
    where: Where | None = None,
    **options: Any,
) -> Conversion:
    """Put other convolutions in the place of plain ones, in a model that is there already.

    A new layer has the channels, stride, dilation, groups, padding and padding mode of the one
    before, its device, dtype, memory format, mode and whether it is trained. Where it can be the
    same function, it is, with the weights of the one before (``deformable``, whose offsets begin at
    zero; ``dynamic``, of which all kernels begin equal); else it begins anew. The report says
    which. Do this before an optimiser takes the parameters.

    Args:
        model: any module, changed in place; what holds a layer twice holds the new one twice.
        to: ``depthwise_separable``, ``spatially_separable``, ``flattened``, ``shuffled``,
            ``pointwise_grouped``, ``mixed``, ``deformable``, ``condconv``, ``dynamic``, ``dynet``,
            ``group_channelwise`` or ``depthwise_separable_channelwise``; or a class that takes the
            arguments of torch's convolutions.
        where: which layers: a function of a name and a module, or a pattern of names, as
            ``"layer1.*"``, or several. By default all of one group with more than one tap.
        options: for the constructor of the new layers. With another ``kernel_size`` or ``dilation``
            the padding grows along, so that results keep their shape. ``mixed`` has by default
            kernels of the size before and two and four taps larger; where channels are to be
            grouped there are 2 groups.

    Returns:
        what was converted, and what was left and why.

    Raises:
        TypeError: ``model`` is no module, or an option is unknown to the new layers.
        ValueError: ``to`` is unknown, ``where`` matches no convolution, or the new layers refuse an
            option in every place.

    Warns:
        UserWarning: none of the layers could be converted.

    >>> from huashi.convolution.plain import Conv2d
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 1))
    >>> print(convert(model, Conv2d))
    converted 1, left 1
    0: Conv2d -> Conv2d, 224 -> 224 parameters, the same function
    2: left, has one tap
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    kind = kind_named(to)
    there = _convolutions(model)
    chosen = _chosen(there, where)
    found, refused = Conversion(model), {}
    new: dict[int, nn.Module] = {}
    for name in chosen:
        old: Any = there[name][0]
        why = _why_not(old, kind, there, by_default=where is None)
        if why is not None:
            found.left[name] = why
            continue
        try:
            new[id(old)], equal = new_layer(kind, old, options)
            found.converted[name] = _told(old, new[id(old)], equal)
        except CannotStandError as error:
            found.left[name], refused[name] = str(error), error
    if not found.converted:
        _complain(found, refused, options)
    for parent in list(model.modules()):
        for name, child in parent._modules.items():
            if id(child) in new:
                parent._modules[name] = new[id(child)]
    return Conversion(new.get(id(model), model), found.converted, found.left)


def _convolutions(model: nn.Module) -> dict[str, tuple[nn.Module, list[str]]]:
    """By the first of its names, each convolution and all its names.

    The parts of a layer that is made of convolutions are its own affair.
    """
    inside = {
        id(part)
        for one in model.modules()
        if isinstance(one, ConvModule)
        for part in one.modules()
        if part is not one
    }
    found: dict[int, tuple[nn.Module, list[str]]] = {}
    for name, one in model.named_modules(remove_duplicate=False):
        if isinstance(one, (*_PLAIN, *_TRANSPOSED)) and id(one) not in inside:
            found.setdefault(id(one), (one, []))[1].append(name)
    return {names[0]: (one, names) for one, names in found.values()}


def _chosen(there: dict[str, tuple[nn.Module, list[str]]], where: Where | None) -> list[str]:
    """The names of those that ``where`` asks for."""
    if where is None:
        if not any(_is_usual(one) for one, _ in there.values()):
            raise ValueError(
                "model must have a convolution of one group with several taps; there are "
                f"{_some(there)}"
            )
        return list(there)
    if callable(where):
        asked: list[str] = [name for name, (one, _) in there.items() if where(name, one)]
        if not asked:
            raise ValueError(f"where must be true of a convolution; there are {_some(there)}")
        return asked
    patterns = [where] if isinstance(where, str) else list(where)
    if not patterns:
        raise ValueError("where must name a convolution, got an empty list")
    asked = []
    for pattern in patterns:
        matches = [
            name
            for name, (_, names) in there.items()
            if any(fnmatchcase(one, pattern) for one in names)
        ]
        if not matches:
            raise ValueError(
                f"where must match a convolution, got {pattern!r}; there are {_some(there)}"
            )
        asked += matches
    return [name for name in there if name in asked]


def _is_usual(one: Any) -> bool:
    """Whether it is meant where nothing else is said."""
    return isinstance(one, _PLAIN) and one.groups == 1 and math.prod(one.kernel_size) > 1


def _some(there: dict[str, Any]) -> str:
    names = [name or "the model itself" for name in there]
    return (
        ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "") or "none"
    )


def _why_not(
    old: Any,
    kind: Kind | Given,
    there: dict[str, tuple[nn.Module, list[str]]],
    *,
    by_default: bool,
) -> str | None:
    """Why a convolution is left as it is, or None."""
    if isinstance(old, _TRANSPOSED):
        return "is transposed"
    if is_lazy(old.weight):
        return "has no weights yet: call the model once"
    if old._forward_hooks or old._forward_pre_hooks or old._backward_hooks:
        return "has hooks, which are other code"
    if hasattr(old, "parametrizations"):
        return "has parametrized weights"
    own = getattr(type(old), "forward"), getattr(type(old), "_conv_forward")  # noqa: B009
    if "forward" in vars(old) or not _OWN_CODE.issuperset(own):
        return f"has a forward of its own, as a {type(old).__name__}"
    for name, (other, _) in there.items():
        if other is not old and other.weight is old.weight:
            return f"shares its weight with {name}"
    dims = len(old.kernel_size)
    if dims not in kind.dims:
        return f"has {dims} dimension{'s' * (dims > 1)}, for which there is no such layer"
    if math.prod(old.kernel_size) == 1 and (by_default or not kind.of_one_tap):
        return "has one tap"
    if old.groups > 1 and by_default:
        return f"has {old.groups} groups"
    return None


def _told(old: Any, new: nn.Module, equal: bool) -> ConvertedLayer:
    carried = {"weight", "bias"} if equal else set()
    sizes = [sum(p.numel() for p in one.parameters()) for one in (old, new)]
    return ConvertedLayer(
        before=type(old).__name__,
        after=type(new).__name__,
        equal=equal,
        initialised=tuple(name for name, _ in new.named_parameters() if name not in carried),
        parameters=(sizes[0], sizes[1]),
    )


def _complain(found: Conversion, refused: dict[str, Exception], options: Any) -> None:
    """Where nothing was converted: an error if an option may be why, else a warning."""
    if options and refused:
        name, error = next(iter(refused.items()))
        raise ValueError(f"{name or 'model'}: {error}") from error
    name, why = next(iter(found.left.items()))
    warnings.warn(f"no layer was converted: {name or 'model'} {why}", stacklevel=3)
