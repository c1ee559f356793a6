"""Time contenders side by side, after checking that they agree; and the pools of known networks.

The contenders take turns, round by round and in changing order, so that what else the machine does
falls on all of them alike. A time is the median over the rounds, beside its quartiles' distance;
the ratio to the peer is the median of the ratios within a round.

What ``huashi bench pooling`` measures is :data:`CASES`; what ``huashi warm-up`` compiles is what
:func:`kernel_calls` calls.
"""

import functools
import itertools
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.nn import functional as F

from huashi import pooling
from huashi._checks import check_choice

T = TypeVar("T")
Pool = Callable[[Tensor], Any]  # to a tensor; a pool may be asked for more
Run = Callable[[], Tensor]

BLOCK = 0.02  # s; shorter calls are repeated within a round until they fill this
LONG = 1.0  # s; a call as long as this has three rounds
PACKAGES = "torch", "numba", "triton", "entmax", "onnxruntime", "huashi"
DTYPES = "float32", "bfloat16", "float64", "float16"
INTEGERS = "int8", "uint8", "int16", "int32", "int64"  # for maximum and minimum
PASSES = "inference", "forward+backward"
CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}


def compare(
    contenders: Mapping[str, Run],
    *,
    peer: str,
    moved: int | None = None,
    device: str,
    rounds: int | None = None,
    seconds: float = 1.5,
    rtol: float | None = None,
    atol: float | None = None,
) -> list[dict[str, Any]]:
    """Time each contender. The first gives the result that all have to agree with.

    Args:
        contenders: name to callable without arguments, which returns a tensor.
        peer: the contender that ``times_peer`` is relative to; above 1 is faster than the peer.
        moved: the least number of bytes that the operation has to read and write, for GB/s.
        device: where the contenders run, "cpu" or "cuda".
        rounds: how often each contender has its turn; by default as ``seconds`` allow.
        seconds: for which the slowest contender may run, in 5 to 15 rounds, or 3 of long calls.
        rtol: relative tolerance of the agreement; by default the root of the dtype's epsilon.
        atol: absolute tolerance; by default ``rtol``.

    Returns:
        One row per contender.

    Raises:
        ValueError: a contender does not agree with the first.

    >>> x = torch.ones(4)
    >>> runs = {"sum": lambda: x.sum(), "first": lambda: x[0]}
    >>> compare(runs, peer="sum", device="cpu")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: first must agree with sum: Scalars are not close! Expected 4.0 but got 1.0...
    """
    _check_agreement(contenders, rtol, atol)
    once = {name: _seconds(run, 1, device) for name, run in contenders.items()}
    repeats = {name: max(1, round(BLOCK / spent)) for name, spent in once.items()}
    slowest, early = max(BLOCK, *once.values()), False
    if rounds is None:
        early = slowest > LONG  # so long that the calls so far count as a round
        rounds = 3 if early else max(5, min(15, round(seconds / slowest)))

    names, times = list(contenders), {name: [once[name]] * early for name in contenders}
    for turn in range(early, rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            times[name].append(_seconds(contenders[name], repeats[name], device))

    rows = []
    for name, spent in times.items():
        low, median, high = statistics.quantiles(spent, n=4) if rounds > 1 else spent * 3
        ratios = [theirs / ours for theirs, ours in zip(times[peer], spent, strict=True)]
        row = {
            "contender": name,
            "median_us": round(median * 1e6, 1),
            "iqr_us": round((high - low) * 1e6, 1),
            "times_peer": round(statistics.median(ratios), 2),
        }
        if moved is not None:
            row["gb_per_s"] = round(moved / median / 1e9, 2)
            row["copy_gb_per_s"] = copy_bandwidth(device)
        rows.append(row | {"rounds": rounds})
    return rows


@functools.cache
def copy_bandwidth(device: str) -> float:
    """GB/s read and written by ``Tensor.copy_`` of 256 MiB between two buffers, once per run."""
    source = torch.ones(2**26, device=device)
    target = torch.ones_like(source)
    seconds = [_seconds(lambda: target.copy_(source), 1, device) for _ in range(15)]
    return round(2 * source.nbytes / statistics.median(seconds) / 1e9, 2)


def machine(device: str) -> dict[str, object]:
    """What a number depends on besides the code: hardware, threads, versions."""
    return {
        "device": device,
        "machine": torch.cuda.get_device_name() if device == "cuda" else _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
    }


def tracked(items: Sequence[T], describe: Callable[[T], str]) -> Iterator[T]:
    """``items``, with a bar on standard error that says which it is, where that is a terminal."""
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    bar = Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("", total=len(items))
        for item in items:
            bar.update(task, description=describe(item))
            yield item
            bar.advance(task)


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


def check_device(device: str) -> None:
    """Raise unless ``device`` is one that this machine has and that can be timed."""
    check_choice("device", device, ("cpu", "cuda"))
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device must be one of this machine, got {device}")


def kernel_calls(dtypes: Iterable[str] = DTYPES[:2]) -> list[tuple[str, Callable[[], object]]]:
    """Calls that between them compile every CPU kernel, with their names.

    Each kernel has a serial and a parallel form: the calls are made with one thread and with more.
    """
    calls: list[tuple[str, Callable[[], object]]] = []
    for dtype in dtypes:
        check_choice("dtypes", dtype, DTYPES + INTEGERS)
        for threads in (1, max(2, torch.get_num_threads())):
            for name, call in _calls(getattr(torch, dtype)):
                label = f"{name}, {dtype}, {'serial' if threads == 1 else 'parallel'}"
                calls.append((label, functools.partial(_with_threads, threads, call)))
    return calls


def cache_folders() -> list[Path]:
    """Where the kernels called so far keep machine code; none where no folder can be written."""
    from numba.core.dispatcher import Dispatcher

    folders = {
        value.stats.cache_path
        for name, module in list(sys.modules.items())
        if name.startswith("huashi.")
        for value in vars(module).values()
        if isinstance(value, Dispatcher)
    }
    return sorted(Path(folder) for folder in folders if folder)


def _calls(dtype: torch.dtype) -> Iterator[tuple[str, Callable[[], object]]]:
    """The calls in one dtype; arrays are large enough for the parallel form."""
    from huashi.entmax import entmax15, entmax_loss
    from huashi.regularization import prox

    integer = not dtype.is_floating_point
    row = torch.rand(4, 8, 4096).mul(100).to(dtype)
    for layout, x in _inputs(row).items():
        pools = _extrema(x.ndim - 2)
        pools |= _means() if x.ndim == 4 and not integer else {}
        for name, pool in pools.items():
            yield f"{name}, {layout}", functools.partial(pool, x)
            if not integer:
                yield f"{name}, {layout}, gradient", functools.partial(_gradient, pool, x)
    long = torch.rand(2, 1, 40_000).to(dtype)  # a window of which has offsets of four bytes
    for name, x, pool in (
        ("max, long", long, lambda x: pooling.max_pool1d(x, 33_000, 1)),
        ("k-max", row, lambda x: pooling.k_max_pool1d(x, 8)),
        ("chunk-max", row, lambda x: pooling.chunk_max_pool1d(x, 3)),
    ):
        yield name, functools.partial(pool, x)
        if not integer:
            yield f"{name}, gradient", functools.partial(_gradient, pool, x)
    if not integer:
        target = torch.zeros(row.shape[:-1], dtype=torch.int64)
        loss = functools.partial(entmax_loss, target=target, alpha=1.5)
        for name, run in (("entmax", entmax15), ("entmax loss", loss)):  # one kernel for any alpha
            yield name, functools.partial(run, row)
            yield f"{name}, gradient", functools.partial(_gradient, run, row)
    if dtype in (torch.float32, torch.float64):
        weights = row.flatten(1)
        yield "metric step", lambda: prox.metric_block_soft_threshold(weights, 0.5, weights + 1)


def _inputs(row: Tensor) -> dict[str, Tensor]:
    """What pools are called with, in each number of dimensions and layout."""
    square, cube = row.unflatten(-1, (64, 64)), row.unflatten(-1, (16, 16, 16))
    return {
        "1d": row,
        "2d": square,
        "2d channels last": square.contiguous(memory_format=torch.channels_last),
        "3d": cube,
        "3d channels last": cube.contiguous(memory_format=torch.channels_last_3d),
    }


def _extrema(dims: int) -> dict[str, Pool]:
    def of(name: str) -> Callable[..., Any]:
        return getattr(pooling, f"{name}{dims}d")

    def unpooled(x: Tensor) -> Tensor:
        return of("max_unpool")(*of("max_pool")(x, 2, return_indices="compact"))

    def small(x: Tensor) -> Tensor:
        return pooling.global_max_pool(x.reshape(4, 512, 8, 8))

    return {
        "max": lambda x: of("max_pool")(x, 2),
        "max, overlapping": lambda x: of("max_pool")(x, 3, 2, 1),
        "max, at each element": lambda x: of("max_pool")(x, 5, 1, 2),
        "max, dilated": lambda x: of("max_pool")(x, 3, 1, 2, 2),
        "max, wide": lambda x: of("max_pool")(x, 17, 2, 8),  # offsets of two bytes
        "min": lambda x: of("min_pool")(x, 2),
        "global max": pooling.global_max_pool,
        "global max, small": small,
        "unpooling": unpooled,
    }


def _means() -> dict[str, Pool]:
    def with_slope(x: Tensor) -> Tensor:
        return pooling.gem_pool2d(x, torch.tensor(3.0, requires_grad=x.requires_grad), 3, 2, 1)

    def padded(x: Tensor) -> Tensor:
        return pooling.avg_pool2d(x, 3, 2, 1, count_include_pad=False)

    def sort(x: Tensor) -> Tensor:
        return pooling.sort_pool2d(x, torch.zeros(4, requires_grad=x.requires_grad), 3, 2)

    return {
        "average": lambda x: pooling.avg_pool2d(x, 2),
        "average, padded": padded,
        "sort": sort,
        "median": lambda x: pooling.median_pool2d(x, 3, 1, 1),
        "l1": lambda x: pooling.lp_pool2d(x, 1, 3, 2),
        "l2": lambda x: pooling.lp_pool2d(x, 2, 3, 2),
        "l3": lambda x: pooling.lp_pool2d(x, 3, 3, 2),
        "generalised mean": with_slope,
        "soft": lambda x: pooling.soft_pool2d(x, 3, 2),
        "log-sum-exp": lambda x: pooling.log_sum_exp_pool2d(x, 1.0, 3, 2),
        "stochastic": lambda x: pooling.stochastic_pool2d(x, 3, 2),
        "stochastic, wide": lambda x: pooling.stochastic_pool2d(x, 17, 2, 8),
        "stochastic, expected": lambda x: pooling.stochastic_pool2d(x, 3, 2, training=False),
        "global average": pooling.global_avg_pool,
        "global l2": lambda x: pooling.global_lp_pool(x, 2),
        "global generalised mean": pooling.global_gem_pool,
    }


def _gradient(pool: Pool, x: Tensor) -> None:
    y = pool(x.detach().requires_grad_())
    y.backward(torch.ones_like(y))


def _with_threads(threads: int, call: Callable[[], object]) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        call()
    finally:
        torch.set_num_threads(before)


def _inference(pool: Pool, x: Tensor) -> Tensor:
    with torch.no_grad():
        return pool(x)


def _both(pool: Pool, x: Tensor, grad: Tensor) -> Tensor:
    x.grad = None
    pool(x).backward(grad)
    if x.grad is None:
        raise ValueError("a contender must be differentiable")
    return x.grad


def _check_agreement(contenders: Mapping[str, Run], rtol: float | None, atol: float | None) -> None:
    first, *others = contenders
    want = contenders[first]()
    rtol = torch.finfo(want.dtype).eps ** 0.5 if rtol is None else rtol
    options = {"rtol": rtol, "atol": rtol if atol is None else atol, "equal_nan": True}
    for name in others:
        try:
            torch.testing.assert_close(contenders[name](), want, **options)
        except AssertionError as problem:
            found = " ".join(str(problem).split())
            raise ValueError(f"{name} must agree with {first}: {found}") from None


def _seconds(run: Callable, repeats: int, device: str) -> float:
    _wait(device)
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    _wait(device)
    return (time.perf_counter() - start) / repeats


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
