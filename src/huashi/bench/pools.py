"""The pools of known networks, and their lines in the table of ``huashi bench pooling``."""

import functools
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from huashi import pooling
from huashi._checks import check_choice
from huashi.bench.timing import Run, compare

Pool = Callable[[Tensor], Any]  # to a tensor; a pool may be asked for more

DTYPES = "float32", "bfloat16", "float64", "float16"
PASSES = "inference", "forward+backward"
CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}


@dataclass(frozen=True)
class Case:
    """A pool of a known network: what it is called, and what it is given."""

    pool: str
    """The function in :mod:`huashi.pooling`."""
    shape: tuple[int, ...]
    """(batch, channel, L...)."""
    settings: dict[str, Any] = field(default_factory=dict)
    """What the function takes beside x; torch's of that name takes the same."""

    @property
    def huashi(self) -> Pool:
        return functools.partial(getattr(pooling, self.pool), **self.settings)

    @property
    def eager(self) -> Pool:
        """The same by torch, or as people write it with torch."""
        written = _WRITTEN.get(self.pool) or getattr(F, self.pool)
        return functools.partial(written, **self.settings)

    @property
    def layouts(self) -> tuple[str, ...]:
        return ("contiguous", "channels_last") if len(self.shape) > 3 else ("contiguous",)

    @property
    def reads_again(self) -> bool:
        """Whether the gradient needs the values of x, not only of which it was."""
        return self.pool in ("lp_pool2d", "global_gem_pool")


class Setting(NamedTuple):
    """What a pool is timed in."""

    case: str
    passes: str
    """One of :data:`PASSES`."""
    layout: str
    dtype: str

    def row(self) -> dict[str, str]:
        """As the rows of results begin."""
        return dict(zip(("case", "pass", "layout", "dtype"), self, strict=True))


def _global_max(x: Tensor) -> Tensor:
    return F.adaptive_max_pool2d(x, 1).flatten(1)


def _global_avg(x: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(x, 1).flatten(1)


def _global_gem(x: Tensor, p: float, eps: float = 1e-6) -> Tensor:
    return x.clamp(min=eps).pow(p).mean((2, 3)).pow(1 / p)


def _k_max(x: Tensor, k: int) -> Tensor:
    return x.gather(-1, x.topk(k, -1).indices.sort(-1).values)


def _chunk_max(x: Tensor, chunks: int) -> Tensor:
    return F.adaptive_max_pool1d(x, chunks)


_WRITTEN: dict[str, Callable[..., Tensor]] = {
    "global_max_pool": _global_max,
    "global_avg_pool": _global_avg,
    "global_gem_pool": _global_gem,
    "k_max_pool1d": _k_max,
    "chunk_max_pool1d": _chunk_max,
}


def _windows(kernel_size: int, stride: int, padding: int = 0) -> dict[str, int]:
    return {"kernel_size": kernel_size, "stride": stride, "padding": padding}


_STEM, _IMAGE, _PYRAMID = (32, 64, 112, 112), (1, 16, 2000, 2000), (8, 256, 20, 20)
_FEATURES, _TEXT = (64, 2048, 7, 7), (64, 256, 512)
CASES = {
    "resnet-stem": Case("max_pool2d", _STEM, _windows(3, 2, 1)),
    "vgg": Case("max_pool2d", _STEM, _windows(2, 2)),
    "inception": Case("avg_pool2d", (32, 192, 28, 28), _windows(3, 1, 1)),
    "spp-5": Case("max_pool2d", _PYRAMID, _windows(5, 1, 2)),
    "spp-9": Case("max_pool2d", _PYRAMID, _windows(9, 1, 4)),
    "spp-13": Case("max_pool2d", _PYRAMID, _windows(13, 1, 6)),
    "large-image-2": Case("max_pool2d", _IMAGE, _windows(2, 2)),
    "large-image-3": Case("max_pool2d", _IMAGE, _windows(3, 2, 1)),
    "morphology": Case("max_pool2d", (1, 3, 1024, 1024), _windows(31, 1, 15)),
    "global-avg": Case("global_avg_pool", _FEATURES),
    "global-max": Case("global_max_pool", _FEATURES),
    "global-gem": Case("global_gem_pool", _FEATURES, {"p": 3.0}),
    "lp": Case("lp_pool2d", _STEM, {"norm_type": 2.0, "kernel_size": 3, "stride": 2}),
    "text-k-max": Case("k_max_pool1d", _TEXT, {"k": 8}),
    "text-chunk-max": Case("chunk_max_pool1d", _TEXT, {"chunks": 3}),
    "speech": Case("max_pool1d", (32, 80, 4096), _windows(3, 3)),
    "video": Case("max_pool3d", (4, 64, 16, 56, 56), _windows(2, 2)),
}


def settings_of(cases: Iterable[str] = (), dtypes: Iterable[str] = DTYPES[:2]) -> list[Setting]:
    """The lines that ``cases`` have in the table, or all cases if there are none."""
    names = tuple(cases) or tuple(CASES)
    dtypes = tuple(dtypes)
    for name in names:
        check_choice("case", name, CASES)
    for dtype in dtypes:
        check_choice("dtype", dtype, DTYPES)
    return [
        Setting(name, passes, layout, dtype)
        for name in names
        for dtype, layout, passes in itertools.product(dtypes, CASES[name].layouts, PASSES)
    ]


def prepare(setting: Setting, device: str) -> tuple[Callable[[Pool], Run], int]:
    """How to run a pool in a setting, and the least number of bytes that this has to move."""
    case = CASES[setting.case]
    x = example(case, setting.dtype, setting.layout, device)
    with torch.no_grad():
        y = case.huashi(x)
    if setting.passes == "inference":
        return lambda pool: functools.partial(_inference, pool, x), x.nbytes + y.nbytes
    grad = torch.randn_like(y).sign()  # sums of which are exact in bfloat16, where torch adds in it
    leaf = x.requires_grad_()
    # forward: x in, y out; backward: the gradient of y in, that of x out, and x for some
    moved = 2 * (x.nbytes + y.nbytes) + case.reads_again * x.nbytes
    return lambda pool: functools.partial(_both, pool, leaf, grad), moved


def example(case: Case, dtype: str, layout: str, device: str) -> Tensor:
    """An input for a case; that of k-max is without ties, which torch breaks as it likes."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(case.shape, generator=generator)
    if case.pool == "k_max_pool1d":
        x = x.argsort(-1).float() - case.shape[-1] // 2
    x = x.to(device, getattr(torch, dtype))
    if layout == "contiguous":
        return x
    return x.contiguous(memory_format=CHANNELS_LAST[x.ndim - 2])


def measure_pool(
    setting: Setting, device: str, *, rounds: int | None = None, compiled: bool = False
) -> dict[str, str]:
    """One line of the table of ``huashi bench pooling``."""
    case = CASES[setting.case]
    timed, moved = prepare(setting, device)
    contenders = {"eager": timed(case.eager), "huashi": timed(case.huashi)}
    if compiled:
        torch.compiler.reset()  # it gives up on a function that it was to compile often
        contenders["compiled"] = timed(torch.compile(case.eager, dynamic=False))
    rows = compare(contenders, peer="eager", moved=moved, device=device, rounds=rounds)
    times = {row["contender"]: f"{row['median_us'] / 1e3:.3f}" for row in rows}
    ours = rows[1]
    return {
        **setting.row(),
        "torch, ms": times["eager"],
        **({"compiled, ms": times["compiled"]} if compiled else {}),
        "huashi, ms": times["huashi"],
        "ratio": f"{ours['times_peer']:.2f}",
        "GB/s": f"{ours['gb_per_s']:.1f}",
        "of copy": f"{ours['gb_per_s'] / ours['copy_gb_per_s']:.0%}",
    }


def _inference(pool: Pool, x: Tensor) -> Tensor:
    with torch.no_grad():
        return pool(x)


def _both(pool: Pool, x: Tensor, grad: Tensor) -> Tensor:
    x.grad = None
    pool(x).backward(grad)
    if x.grad is None:
        raise ValueError("a contender must be differentiable")
    return x.grad
