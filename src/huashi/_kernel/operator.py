"""Operators: declare one with its kernels, ask whether a kernel serves, choose what computes.

An operator is declared once, by :func:`declare`: its schema, its shapes, its kernels, its gradient,
what the kernels do not cover and why, and the public function whose example call runs it. Dispatch,
``huashi warm-up``, the tests and the benchmarks read :data:`DECLARED`.

The public function of an operation asks :func:`kernel_serves` and calls either the kernel or the
reference. What no kernel covers (a dtype, a device, ``torch.func``, forward-mode derivatives, an
exported graph, what the declaration says) the reference computes, with the same values.
"""

import contextlib
import functools
import importlib
import importlib.util
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd.forward_ad import unpack_dual

from huashi._checks import check_choice

_INTERPRET = os.environ.get("TRITON_INTERPRET") == "1"  # run the Triton kernels on the CPU, slowly
_SINGLE = (torch.float32, torch.bfloat16, torch.float16)
NUMBERS = (
    *(*_SINGLE, torch.float64),
    *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
)
"""The floats and the integers: for kernels that only compare."""
_LIBRARY = {"cpu": "numba", "cuda": "triton"}  # what a kernel for this device is written in
_DTYPES: dict[str, tuple[torch.dtype, ...]] = {
    "cpu": _SINGLE if _INTERPRET else (*_SINGLE, torch.float64),
    "cuda": _SINGLE,
}
_MODES = ("auto", "reference", "kernel")


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What is known of an operator."""

    schema: str
    dtypes: Mapping[str, tuple[torch.dtype, ...]]
    """Device type to what the kernel for it takes; a device without a kernel is not in it."""
    uncovered: Mapping[str, str]
    """What the kernels do not cover, by a short name, and why."""
    example: str
    """The public function whose example call runs it, such as ``huashi.pooling.max_pool2d``."""
    multiply_adds: Callable[..., int] | None = None
    """How many it takes, of its arguments; None where it takes none."""


class NoKernelError(RuntimeError):
    """Under ``implementation("kernel")``, where no kernel serves; the message says why."""


DECLARED: dict[str, Declaration] = {}
"""Every operator of ``torch.ops.huashi``, by its name."""

F = TypeVar("F", bound=Callable)
_mode: ContextVar[str] = ContextVar("huashi.implementation", default="auto")


class _TracedMode(threading.local):
    """The mode again, where torch.compile can read and guard it: it cannot trace a ContextVar."""

    def __init__(self) -> None:
        self.value = "auto"


_traced_mode = _TracedMode()


@contextlib.contextmanager
def implementation(name: str) -> Iterator[None]:
    """Choose, within a ``with`` block, what computes Huashi's operations.

    The choice holds for the current thread or asynchronous task. Inside ``torch.compile`` it holds
    for the current thread, and a compiled function recompiles when the choice changes.

    Args:
        name: ``"auto"`` takes a kernel where one serves (the default); ``"reference"`` takes the
            plain PyTorch definition; ``"kernel"`` raises ``RuntimeError``, which says why, for
            everything that no kernel covers.

    >>> from huashi.entmax import entmax15
    >>> with implementation("reference"):
    ...     entmax15(torch.tensor([2.0, 2.0, 0.0]))
    tensor([0.5000, 0.5000, 0.0000])
    """
    check_choice("name", name, _MODES)
    traced, outside = _traced_mode.value, None
    if not torch.compiler.is_compiling():
        outside = _mode.set(name)
    _traced_mode.value = name
    try:
        yield
    finally:
        if outside is None:
            _traced_mode.value = traced
        else:
            _mode.reset(outside)
            _traced_mode.value = _mode.get()  # tasks may interleave: what holds here, not before


def declare(
    schema: str,
    *,
    fake: Callable,
    example: str,
    uncovered: Mapping[str, str] | None = None,
    cpu_dtypes: tuple[torch.dtype, ...] | None = None,
    keep: Callable | None = None,
    backward: Callable | None = None,
    multiply_adds: Callable[..., int] | None = None,
    **kernels: str | Callable,
) -> Callable[..., Any]:
    """Define ``huashi::<schema>``; return the operator.

    ``define``/``impl``, not ``custom_op``: the same contract at a fraction of the cost of a call.

    Args:
        schema: name, arguments and results, as ``torch.library.define`` has them.
        fake: the shapes: the same arguments to empty results.
        example: the public function whose example call runs the operator.
        uncovered: what the kernels do not cover, by a short name that :func:`kernel_serves` is
            given, and why.
        cpu_dtypes: what the kernel for the CPU takes; by default all floats.
        keep: ``keep(ctx, inputs, output)`` puts aside what the gradient needs.
        backward: ``backward(ctx, *grads)``, the gradient.
        multiply_adds: how many it takes, of its arguments, for ``huashi.convolution.cost``; by
            default it takes none that are worth to be counted, as a pool.
        kernels: one for each device type, ``cpu`` and ``cuda``: ``"module:function"``, which is
            imported by the first call, or a function that imports its compiler only when called.
    """
    name, _, signature = schema.partition("(")
    torch.library.define(f"huashi::{name}", f"({signature}", tags=torch.Tag.pt2_compliant_tag)
    torch.library.register_fake(f"huashi::{name}")(fake)
    if _INTERPRET and "cuda" in kernels:
        kernels["cpu"], cpu_dtypes = kernels["cuda"], None
    dtypes = dict(_DTYPES)
    if cpu_dtypes:
        dtypes["cpu"] = cpu_dtypes
    for device, kernel in kernels.items():
        function = imported(kernel) if isinstance(kernel, str) else kernel
        launch = _on_device_of_first(function) if device == "cuda" else function
        torch.library.impl(f"huashi::{name}", device, launch)
    if backward:
        torch.library.register_autograd(f"huashi::{name}", backward, setup_context=keep)
    DECLARED[name] = Declaration(
        schema=schema,
        dtypes={d: dtypes[d] for d in kernels if importlib.util.find_spec(_LIBRARY[d])},
        uncovered=uncovered or {},
        example=example,
        multiply_adds=multiply_adds,
    )
    return getattr(torch.ops.huashi, name).default


def kernel_serves(
    name: str, x: Tensor, *others: Tensor | None, unless: str | Literal[False] | None = None
) -> bool:
    """Whether the kernel of an operator is to be called; if not, the reference computes.

    Args:
        name: of the operator.
        x: the first tensor that it is called with.
        others: the other tensors; None where one is optional and not given.
        unless: what applies of that which the operator is declared not to cover, if anything:
            ``unless=mask is not None and "mask"``.

    Raises:
        NoKernelError: under ``implementation("kernel")``, if no kernel can serve.
    """
    mode = current_mode()
    if mode == "reference":
        return False
    given = [t for t in others if t is not None]
    obstacle = DECLARED[name].uncovered[unless] if unless else _obstacle(name, x, *given)
    if obstacle and mode == "kernel":
        raise NoKernelError(f'implementation("kernel"): no kernel serves {name}: {obstacle}')
    return obstacle is None


def without_kernel(why: str) -> Callable[[F], F]:
    """Mark a function that torch's own operators compute, since no kernel would be faster.

    Under ``implementation("kernel")`` it raises :class:`NoKernelError`, which says ``why``.
    """

    def mark(function: F) -> F:
        @functools.wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            if current_mode() == "kernel":
                name = function.__name__.lstrip("_")
                raise NoKernelError(f'implementation("kernel"): no kernel serves {name}: {why}')
            return function(*args, **kwargs)

        return with_own_code(checked)  # pyright: ignore[reportReturnType]

    return mark


def with_own_code(closure: F) -> F:
    """A closure with a code object that it does not share with others of the same ``def``.

    ``torch.compile`` counts by code object how often it compiled, and gives up at the ninth time.
    """
    closure.__code__ = closure.__code__.replace(co_name=closure.__name__)  # pyright: ignore[reportFunctionMemberAccess]
    return closure


def current_mode() -> str:
    """What :func:`implementation` has chosen."""
    return _traced_mode.value if torch.compiler.is_compiling() else _mode.get()


def _obstacle(name: str, x: Tensor, *others: Tensor) -> str | None:
    """Why no kernel can serve, or None."""
    tensors = (x, *others)
    if any(type(t) not in (Tensor, nn.Parameter) for t in tensors):
        return "a tensor subclass is not plain memory"
    dtypes = DECLARED[name].dtypes.get(x.device.type)
    if dtypes is None:
        return f"none exists for device {x.device.type}"
    if any(t.device != x.device for t in others):
        return "the tensors are on several devices"
    if x.dtype not in dtypes:
        return f"none exists for {x.dtype} on {x.device.type}"
    if x.numel() == 0:
        return "x is empty"
    if torch.compiler.is_exporting() or torch._C._get_tracing_state() is not None:
        return "an exported or traced graph has to run without Huashi"
    if torch._C._are_functorch_transforms_active():
        return "torch.func transforms only the reference"
    if any(unpack_dual(t).tangent is not None for t in tensors):
        return "forward-mode derivatives need the reference"
    return None


def backward_of(reference: Callable, inputs: tuple, grad: Tensor, *constants: Any) -> tuple:
    """Gradients of ``reference`` that can be differentiated again, for ``create_graph=True``."""
    with torch.enable_grad():
        # as views: one input may depend on another, whose gradient here is what it does directly
        inputs = tuple(t.view_as(t) for t in inputs)
        output = reference(*inputs, *constants)
    wanted = [t for t in inputs if t.requires_grad]
    grads = iter(torch.autograd.grad(output, wanted, grad, create_graph=True))
    return tuple(next(grads) if t.requires_grad else None for t in inputs)


def imported(path: str) -> Callable:
    """The function at ``module:function``, imported by its first call."""
    module, _, name = path.partition(":")

    @functools.cache
    def function() -> Callable:
        return getattr(importlib.import_module(module), name)

    def kernel(*args: Any) -> Any:
        return function()(*args)

    return kernel


def _on_device_of_first(kernel: Callable) -> Callable:
    @functools.wraps(kernel)
    def launch(x: Tensor, *rest: Any) -> Any:
        with torch.cuda.device_of(x):  # Triton launches on the current device
            return kernel(x, *rest)

    return launch
