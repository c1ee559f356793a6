"""The one door to torch.library: declare an operator, attach its kernels, ask if one applies.

The public function of an operation asks :func:`kernel_serves` and calls either the kernel or the
reference. What no kernel covers (a dtype, a device, ``torch.func``, forward-mode derivatives, an
exported graph) the reference serves, with the same values.
"""

import contextlib
import functools
import importlib.util
import os
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.forward_ad import unpack_dual

from huashi._checks import check_choice

_INTERPRET = os.environ.get("TRITON_INTERPRET") == "1"  # run the Triton kernels on the CPU, slowly
_SINGLE = (torch.float32, torch.bfloat16, torch.float16)
_LIBRARY = {"cpu": "numba", "cuda": "triton"}  # what a kernel for this device is written in
_DTYPES: dict[str, tuple[torch.dtype, ...]] = {
    "cpu": _SINGLE if _INTERPRET else (*_SINGLE, torch.float64),
    "cuda": _SINGLE,
}
_MODES = ("auto", "reference", "kernel")

_served: set[tuple[str, str]] = set()  # (operator, device type)
_cpu_dtypes: dict[str, tuple[torch.dtype, ...]] = {}  # of operators that differ from the others
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
            plain PyTorch definition; ``"kernel"`` raises ``RuntimeError`` where an operation has a
            kernel that does not serve. One that is written in PyTorch alone stays as it is.

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
    cpu_dtypes: tuple[torch.dtype, ...] | None = None,
    keep: Callable | None = None,
    backward: Callable | None = None,
    **kernels: Callable,
) -> Callable[..., Any]:
    """Define ``huashi::<schema>`` with a shape function and one kernel per device type.

    Its gradient is ``backward(ctx, *grads)``, of what ``keep(ctx, inputs, output)`` has put aside.

    ``define``/``impl``, not ``custom_op``: the same contract at a fraction of the cost of a call.
    The kernels must not import their compiler before they are called. The one for the CPU takes
    ``cpu_dtypes``, or else any floats.
    """
    name, _, signature = schema.partition("(")
    torch.library.define(f"huashi::{name}", f"({signature}", tags=torch.Tag.pt2_compliant_tag)
    torch.library.register_fake(f"huashi::{name}")(fake)
    if _INTERPRET and "cuda" in kernels:
        kernels["cpu"], cpu_dtypes = kernels["cuda"], None
    for device, kernel in kernels.items():
        launch = _on_device_of_first(kernel) if device == "cuda" else kernel
        torch.library.impl(f"huashi::{name}", device, launch)
        if importlib.util.find_spec(_LIBRARY[device]):
            _served.add((name, device))
    if backward:
        torch.library.register_autograd(f"huashi::{name}", backward, setup_context=keep)
    if cpu_dtypes:
        _cpu_dtypes[name] = cpu_dtypes
    return getattr(torch.ops.huashi, name).default


def kernel_serves(name: str, x: Tensor, *others: Tensor) -> bool:
    """Whether the kernel of operator ``name`` is to be called; if not, the reference serves."""
    mode = _traced_mode.value if torch.compiler.is_compiling() else _mode.get()
    if mode == "reference":
        return False
    obstacle = _obstacle(name, x, *others)
    if obstacle and mode == "kernel":
        raise RuntimeError(f'implementation("kernel"): no kernel serves {name}, {obstacle}')
    return obstacle is None


def _obstacle(name: str, x: Tensor, *others: Tensor) -> str | None:
    """Why no kernel can serve, or None."""
    tensors = (x, *others)
    if any(type(t) not in (Tensor, nn.Parameter) for t in tensors):
        return "a tensor subclass is not plain memory"
    if (name, x.device.type) not in _served:
        return f"none exists for device {x.device.type}"
    if any(t.device != x.device for t in others):
        return "the tensors are on several devices"
    dtypes: tuple[torch.dtype, ...] = _DTYPES[x.device.type]
    if x.device.type == "cpu":
        dtypes = _cpu_dtypes.get(name, dtypes)
    if x.dtype not in dtypes:
        return f"none exists for {x.dtype} on {x.device.type}"
    if x.numel() == 0:
        return "x is empty"
    if torch.compiler.is_exporting():
        return "an exported graph has to run without Huashi"
    if torch._C._are_functorch_transforms_active():
        return "torch.func transforms only the reference"
    if any(unpack_dual(t).tangent is not None for t in tensors):
        return "forward-mode derivatives need the reference"
    return None


def backward_of(reference: Callable, inputs: tuple, grad: Tensor, *constants: Any) -> tuple:
    """Gradients of ``reference`` that can be differentiated again, for ``create_graph=True``."""
    with torch.enable_grad():
        output = reference(*inputs, *constants)
    wanted = [t for t in inputs if t.requires_grad]
    grads = iter(torch.autograd.grad(output, wanted, grad, create_graph=True))
    return tuple(next(grads) if t.requires_grad else None for t in inputs)


def _on_device_of_first(kernel: Callable) -> Callable:
    @functools.wraps(kernel)
    def launch(x: Tensor, *rest: Any) -> Any:
        with torch.cuda.device_of(x):  # Triton launches on the current device
            return kernel(x, *rest)

    return launch
