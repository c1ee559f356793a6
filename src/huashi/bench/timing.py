"""Time contenders side by side, after checking that they agree.

The contenders take turns, round by round and in changing order, so that what else the machine does
falls on all of them alike. A time is the median over the rounds, beside its quartiles' distance;
the ratio to the peer is the median of the ratios within a round.
"""

import functools
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from huashi._checks import check_choice

Run = Callable[[], Tensor]

BLOCK = 0.02  # s; shorter calls are repeated within a round until they fill this
LONG = 1.0  # s; a call as long as this has three rounds
PACKAGES = "torch", "numba", "triton", "entmax", "onnxruntime", "huashi"


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


def check_device(device: str) -> None:
    """Raise unless ``device`` is one that this machine has and that can be timed."""
    check_choice("device", device, ("cpu", "cuda"))
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device must be one of this machine, got {device}")


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
