"""Huashi's kernels in torch's own pooling modules, in a model that is there already.

An accelerated pool is a subclass of torch's: its settings, hooks, names and keys stay. It computes
by Huashi's kernel where that means the same, and calls torch's own ``forward`` elsewhere: while a
graph is exported, traced or scripted, so that files hold the operators that runtimes know, and for
inputs that only torch takes. Two cases are put right on the way: a window that holds nothing but
padding, where torch's maximum has an index outside the input; and an L^p pool of numbers whose
power overflows.
"""

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, ClassVar, TypeVar

import torch
import torch.nn.functional as F  # noqa: F401  (in torch's own source, which is compiled to a script)
from torch import Tensor, nn

from huashi import pooling
from huashi._field_docs import with_field_docs
from huashi._kernel.operator import NUMBERS, with_own_code
from huashi.pooling import torch_pools

M = TypeVar("M", bound=nn.Module)

_MAX = "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices"
_AVG = "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"
_LP = "norm_type", "kernel_size", "stride", "ceil_mode"
_LEAF = "torch.nn.modules.pooling"  # torch.fx keeps modules of torch.nn whole


@with_field_docs
@dataclass(frozen=True)
class Acceleration:
    """Which pools of a model compute by Huashi's kernels, by their names in the model."""

    accelerated: dict[str, str] = field(default_factory=dict)
    """Name to kind, such as ``MaxPool2d``."""
    left: dict[str, str] = field(default_factory=dict)
    """Name to why the pool is torch's own."""


class _EqualToBase(type):
    """Of classes that are equal to torch's, where a program looks them up in a table by class.

    ``torch.ao`` finds so what it quantises, others the cost of a module.
    """

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is vars(cls).get("base")

    def __hash__(cls) -> int:
        return type.__hash__(vars(cls).get("base", cls))


class _AcceleratedPool(nn.Module, metaclass=_EqualToBase):
    """What comes before a pool of torch's among the bases of an accelerated one."""

    base: ClassVar[type[nn.Module]]
    """Torch's."""
    ours: ClassVar[Any]
    """The module of Huashi that takes the same settings."""
    function: ClassVar[Callable[..., Any]]
    """The function of that module."""
    settings: ClassVar[tuple[str, ...]]
    """Attributes of the module and arguments of the function, in its order."""
    values: ClassVar[Any]
    """Of the settings."""
    by_torch: ClassVar[Callable[..., Any] | None]
    """Gives the result where torch's own pool takes less time, else None."""

    def _is_for_torch(self, x: Tensor) -> bool:
        """Whether torch's own pool has to compute, or is what a file is to hold."""
        if torch.compiler.is_exporting() or torch._C._get_tracing_state() is not None:
            return True
        if type(x) not in (Tensor, nn.Parameter) or torch._C._are_functorch_transforms_active():
            return True
        if x.layout != torch.strided or x.is_nested or x.device.type not in ("cpu", "cuda"):
            return True
        dims = self.ours.dims
        if not dims < x.ndim <= dims + 2 or 0 in x.shape:
            return True
        if not x.is_floating_point():
            return self.settings is not _MAX or x.dtype not in NUMBERS
        if self.settings is _LP and _reason_of_lp(self.norm_type, self.ceil_mode):  # set since then
            return True
        if dims == 3:  # under autocast torch computes in float32; only its maximum keeps a layout
            keeps = self.settings is _MAX or x.is_contiguous()
            return not keeps or torch.is_autocast_enabled(x.device.type)
        return False


def _each_dimension(
    name: str,
    function: str,
    settings: tuple[str, ...],
    by_torch: Callable[[int], Callable[..., Any]] | None = None,
) -> list[Any]:
    made = []
    for dims in (1, 2, 3):
        base = getattr(nn, f"{name}{dims}d")
        about = {
            "__module__": __name__,
            "__doc__": f"``torch.nn.{base.__name__}`` by Huashi's kernel.",
            "base": base,
            "ours": getattr(pooling, base.__name__),
            "function": staticmethod(getattr(pooling, f"{function}{dims}d")),
            "settings": settings,
            "forward": _forward_of(base),
        }
        if settings is _AVG and dims > 1:
            about["settings"] = (*_AVG, "divisor_override")
        about["values"] = staticmethod(_values_of(about["settings"]))
        about["by_torch"] = by_torch and staticmethod(by_torch(dims))
        made.append(_EqualToBase(base.__name__, (_AcceleratedPool, base), about))
    return made


def _forward_of(base: type[nn.Module]) -> Callable[..., Any]:
    """For an accelerated pool; ``torch.jit.script`` reads the source of torch's in its place."""

    @functools.wraps(base.forward)
    def forward(self: Any, input: Tensor) -> Any:
        if self.by_torch is not None and not torch.compiler.is_compiling():
            y = self.by_torch(input, *self.values(self))
            if y is not None:
                return y
        if self._is_for_torch(input):
            return base.forward(self, input)
        return self.function(input, **{name: getattr(self, name) for name in self.settings})

    return with_own_code(forward)


def _values_of(names: tuple[str, ...]) -> Callable[[nn.Module], tuple]:
    first, *others = names
    return attrgetter(*names) if others else lambda pool: (getattr(pool, first),)


MaxPool1d, MaxPool2d, MaxPool3d = _each_dimension("MaxPool", "max_pool", _MAX, torch_pools.max_pool)
AvgPool1d, AvgPool2d, AvgPool3d = _each_dimension("AvgPool", "avg_pool", _AVG, torch_pools.avg_pool)
LPPool1d, LPPool2d, LPPool3d = _each_dimension("LPPool", "lp_pool", _LP)
AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d = _each_dimension(
    "AdaptiveMaxPool",
    "adaptive_max_pool",
    ("output_size", "return_indices"),
    torch_pools.adaptive_max_pool,
)
AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d = _each_dimension(
    "AdaptiveAvgPool", "adaptive_avg_pool", ("output_size",), torch_pools.adaptive_avg_pool
)
_POOLS: dict[type[nn.Module], type[Any]] = {
    pool.base: pool
    for pool in (
        *(MaxPool1d, MaxPool2d, MaxPool3d),
        *(AvgPool1d, AvgPool2d, AvgPool3d),
        *(LPPool1d, LPPool2d, LPPool3d),
        *(AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d),
        *(AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d),
    )
}


def accelerate(model: M) -> M:
    """Let torch's pooling modules in ``model`` compute by Huashi's kernels, in place.

    Which ones: ``MaxPool``, ``AvgPool``, ``AdaptiveMaxPool`` and ``AdaptiveAvgPool``, and
    ``LPPool`` with an even exponent and without ceil mode, in one, two and three dimensions.
    Subclasses of these, pools with a ``forward`` of their own and settings that Huashi refuses are
    left as they are: :func:`acceleration` says which and why. Values, indices and gradients, hooks,
    names and the keys of the state dict stay, and so does what ``isinstance`` says.
    Exports and traces hold torch's own operators. :func:`restore` undoes it.

    Args:
        model: any module; a pool itself too.

    Returns:
        ``model``.

    Warns:
        UserWarning: the model has pools, and none of them can be accelerated.

    >>> model = accelerate(nn.Sequential(nn.Conv2d(3, 8, 3), nn.MaxPool2d(2), nn.Flatten()))
    >>> acceleration(model).accelerated
    {'1': 'MaxPool2d'}
    >>> isinstance(model[1], nn.MaxPool2d)
    True
    """
    _check(model)
    for module in model.modules():
        if type(module) in _POOLS and _reason(module) is None:
            module.__class__ = _POOLS[type(module)]
            module.__dict__["__module__"] = _LEAF  # torch.fx asks the instance
    found = acceleration(model)
    if found.left and not found.accelerated:
        name, why = next(iter(found.left.items()))
        warnings.warn(f"no pool was accelerated: {name or 'model'} {why}", stacklevel=2)
    return model


def restore(model: M) -> M:
    """Undo :func:`accelerate`, in place.

    Args:
        model: any module.

    Returns:
        ``model``, its pools as torch has them.

    >>> type(restore(accelerate(nn.MaxPool2d(2)))) is nn.MaxPool2d
    True
    """
    _check(model)
    for module in model.modules():
        if isinstance(module, _AcceleratedPool):
            module.__class__ = module.base  # pyright: ignore[reportAttributeAccessIssue]
            vars(module).pop("__module__", None)
    return model


def acceleration(model: nn.Module) -> Acceleration:
    """Which pools of a model are accelerated, and why others are not.

    Args:
        model: any module.

    Returns:
        The names of the pools, those that are accelerated and those that are not.

    >>> acceleration(nn.Sequential(nn.LPPool2d(3, 2)))
    Acceleration(accelerated={}, left={'0': 'has an exponent that is not even'})
    """
    _check(model)
    found = Acceleration()
    for name, module in model.named_modules():
        if isinstance(module, _AcceleratedPool):
            found.accelerated[name] = module.base.__name__
        elif isinstance(module, tuple(_POOLS)):
            found.left[name] = _reason(module) or "was not accelerated"
    return found


def _check(model: Any) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")


def _reason(module: nn.Module) -> str | None:
    """Why a pool is left as it is, or None."""
    if type(module) not in _POOLS:
        return f"is a subclass, {type(module).__name__}"
    if "forward" in vars(module):
        return "has a forward of its own"
    pool = _POOLS[type(module)]
    settings = {name: getattr(module, name) for name in pool.settings}
    if pool.settings is _LP and (reason := _reason_of_lp(module.norm_type, module.ceil_mode)):
        return reason
    try:
        pool.ours(**settings)
    except (TypeError, ValueError) as error:
        return f"has settings that Huashi refuses: {error}"
    return None


def _reason_of_lp(exponent: Any, ceil_mode: Any) -> str | None:
    if exponent % 2 != 0:
        return "has an exponent that is not even"
    return "has ceil mode, in which torch divides by full windows" if ceil_mode else None
