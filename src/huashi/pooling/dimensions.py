"""Pools are written once for any number of dimensions; users have them as 1d, 2d and 3d."""

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

import torch
from torch import Tensor, nn

from huashi._kernel.example import Shape, example
from huashi._kernel.operator import with_own_code
from huashi.pooling.docstrings import completed, module_doc, of_windows

P = ParamSpec("P")
T = TypeVar("T")
M = TypeVar("M", bound=nn.Module)
Pool = Callable[Concatenate[Tensor, P], T]

SMALL: Mapping[int, Shape] = {1: (8,), 2: (4, 6), 3: (4, 6, 5)}
LONG_ROWS: Mapping[int, Shape] = {1: (512,), 2: (4, 128), 3: (3, 4, 128)}


class Called(NamedTuple):
    """An example call of a pool in any number of dimensions, of (batch, 3, ``spatial``...)."""

    call: Callable[..., Any]
    """``call(function, x, *more)`` gives the result, a tensor."""
    more: Callable[[int], tuple[Shape, ...]] = lambda dims: ()
    """Number of dimensions to the shapes of further tensors."""
    spatial: Mapping[int, Shape] = SMALL
    """Number of dimensions to lengths, where there is an example in so many."""


def each_dimension(
    pool: Callable[Concatenate[int, Tensor, P], T],
    *examples: Called | Callable[..., Any],
    integers: bool = False,
    once_first: str | None = None,
    by_torch: Callable[[int], Callable[..., T | None]] | None = None,
) -> tuple[Pool[P, T], Pool[P, T], Pool[P, T]]:
    """``pool(dims, x, ...)`` as ``pool1d(x, ...)``, ``pool2d(x, ...)`` and ``pool3d(x, ...)``.

    They keep the memory format of ``x``, also where the pool itself would not. Their docstrings
    are completed by :func:`~huashi.pooling.docstrings.completed`.

    Args:
        pool: takes the number of dimensions first.
        examples: calls for tests, warm-up and benchmarks, the plainest first.
        integers: whether ``x`` may be of integers.
        once_first: an argument that stood before the window in earlier versions. A call in that
            order still works where it can be told, with a DeprecationWarning, until 0.3.
        by_torch: makes of a number of dimensions a function that gives the result where torch's
            own pool means the same and takes less time, else None.

    >>> def hollow(dims: int, x: Tensor, scale: int = 2) -> int:
    ...     return scale * dims
    >>> hollow1d, hollow2d, hollow3d = each_dimension(hollow)
    >>> hollow3d(Tensor(), scale=5)
    15
    >>> inspect.signature(hollow3d)
    <Signature (x: torch.Tensor, scale: int = 2) -> int>
    """
    signature = inspect.signature(pool)
    without_dims = signature.replace(parameters=list(signature.parameters.values())[1:])
    window = list(without_dims.parameters)[1] if once_first else ""

    def of(dims: int) -> Pool[P, T]:
        fast = by_torch and by_torch(dims)

        def face(x: Tensor, *args: P.args, **kwargs: P.kwargs) -> T:
            if fast is not None and (y := fast(x, *args, **kwargs)) is not None:
                return y
            if once_first and _is_once_first(once_first, window, args, kwargs):
                args, kwargs = _window_first(face.__name__, once_first, args, kwargs)  # pyright: ignore[reportAssignmentType]
            y = pool(dims, x, *args, **kwargs)
            memory = memory_format_of(x, dims)
            return y if memory == torch.contiguous_format else _in_format(y, memory, x.ndim)

        functools.update_wrapper(face, pool)
        face.__name__ = face.__qualname__ = f"{pool.__name__}{dims}d"
        face.__signature__ = without_dims  # pyright: ignore[reportFunctionMemberAccess]
        face.__doc__ = completed(pool.__doc__, without_dims.parameters, of_windows(dims))
        for one in reversed(examples):  # as decorators are applied
            call = one if isinstance(one, Called) else Called(one)
            if dims in call.spatial:
                shapes = (2, 3, *call.spatial[dims]), *call.more(dims)
                example(*shapes, call=call.call, integers=integers)(face)
        return with_own_code(face)

    return of(1), of(2), of(3)


def each_dimension_module(
    module: type[M], functions: tuple[Callable[..., Any], ...]
) -> tuple[type[M], type[M], type[M]]:
    """A class of modules that has ``dims`` to fill in, as its 1d, 2d and 3d classes.

    Their docstrings have the arguments of ``functions``, of which they are the modules.
    """

    def of(dims: int) -> type[M]:
        about = {"dims": dims, "__module__": module.__module__, "__doc__": module.__doc__}
        about["function"] = staticmethod(functions[dims - 1])
        made = type(f"{module.__name__}{dims}d", (module,), about)
        made.__doc__ = module_doc(made, functions[dims - 1], dims=str(dims))
        return made  # pyright: ignore[reportReturnType]

    return of(1), of(2), of(3)


def memory_format_of(x: Tensor, dims: int) -> torch.memory_format:
    """Channels last for a batch of which the channels lie side by side in memory, else contiguous.

    >>> x = torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last)
    >>> memory_format_of(x, 2)
    torch.channels_last
    """
    last = {2: torch.channels_last, 3: torch.channels_last_3d}
    if dims == 1 or x.ndim != dims + 2:
        return torch.contiguous_format
    if x.is_contiguous() and x.stride(-1) == 1:  # strides decide where there is a single position
        return torch.contiguous_format
    if torch._C._are_functorch_transforms_active():  # a tensor under vmap cannot be asked
        return torch.contiguous_format
    return last[dims] if x.is_contiguous(memory_format=last[dims]) else torch.contiguous_format


def _is_once_first(
    name: str, window: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> bool:
    """Whether ``name`` stands where the window is due: the first is no window, and that follows."""
    if not args or (len(args) == 1 and window not in kwargs):
        return False
    return name not in kwargs and isinstance(args[0], float | Tensor)


def _window_first(
    function: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call that has ``name`` before the window, in the order of today."""
    warnings.warn(
        f"{function} takes the window first and {name} by its name: {function}(x, kernel_size, "
        f"{name}=...)",
        DeprecationWarning,
        stacklevel=3,
    )
    return args[1:], {**kwargs, name: args[0]}


def _in_format(y: Any, memory: torch.memory_format, ndim: int) -> Any:
    if type(y) is tuple:  # Places stay what they are
        return tuple(_in_format(each, memory, ndim) for each in y)
    same = isinstance(y, Tensor) and y.ndim == ndim
    return y.contiguous(memory_format=memory) if same else y
