"""Time callables side by side, after checking that they agree; print a table, save JSON lines.

The contenders take turns, round by round and in changing order, so that what else the machine does
falls on all of them alike. A time is the median over the rounds, beside its quartiles' distance;
the ratio to the peer is the median of the ratios within a round.
"""

import datetime
import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from huashi._files import write_atomically

RESULTS = Path(__file__).parent / "results"
BLOCK = 0.02  # s; shorter calls are repeated within a round until they fill this


def compare(
    case: Mapping[str, object],
    contenders: Mapping[str, Callable[[], torch.Tensor]],
    *,
    peer: str,
    moved: int,
    device: str,
    rounds: int = 15,
) -> list[dict]:
    """Time each contender on one case. The first gives the result that all have to agree with.

    Args:
        case: what tells this case from others; goes into every row.
        contenders: name to callable without arguments, which returns a tensor.
        peer: the contender that ``times_peer`` is relative to; above 1 is faster than the peer.
        moved: the least number of bytes that the operation has to read and write.
        device: where the contenders run, "cpu" or "cuda".
        rounds: how often each contender has its turn.

    Returns:
        One row per contender, with the machine it ran on.
    """
    want = next(iter(contenders.values()))()
    rtol = torch.finfo(want.dtype).eps ** 0.5
    for run in contenders.values():
        torch.testing.assert_close(run(), want, rtol=rtol, atol=rtol)  # also compiles, warms up
    repeats = {name: _repeats(run, device) for name, run in contenders.items()}

    names, times = list(contenders), {name: [] for name in contenders}
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            times[name].append(_seconds(contenders[name], repeats[name], device))

    rows = []
    for name, seconds in times.items():
        low, median, high = statistics.quantiles(seconds, n=4)
        ratios = [theirs / ours for theirs, ours in zip(times[peer], seconds, strict=True)]
        row = {
            **case,
            "contender": name,
            "median_us": round(median * 1e6, 1),
            "iqr_us": round((high - low) * 1e6, 1),
            "times_peer": round(statistics.median(ratios), 2),
            "gb_per_s": round(moved / median / 1e9, 2),
            "copy_gb_per_s": copy_bandwidth(device),
        }
        print("  ".join(f"{key}={value}" for key, value in row.items()), flush=True)
        rows.append(row | {"rounds": rounds} | machine(device))
    return rows


def save(name: str, rows: list[dict]) -> None:
    """Write ``results/<name>.jsonl``, in one piece."""
    content = "".join(json.dumps(row) + "\n" for row in rows)
    write_atomically(RESULTS / f"{name}.jsonl", content.encode())


_bandwidth: dict[str, float] = {}


def copy_bandwidth(device: str) -> float:
    """GB/s read and written by ``Tensor.copy_`` of 256 MiB between two buffers, once per run."""
    if device not in _bandwidth:
        source = torch.ones(2**26, device=device)
        target = torch.ones_like(source)
        seconds = [_seconds(lambda: target.copy_(source), 1, device) for _ in range(15)]
        _bandwidth[device] = round(2 * source.nbytes / statistics.median(seconds) / 1e9, 2)
    return _bandwidth[device]


def machine(device: str) -> dict[str, object]:
    """What a number depends on besides the code: hardware, threads, versions, commit, date."""
    return {
        "device": device,
        "machine": torch.cuda.get_device_name() if device == "cuda" else _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{package: _version(package) for package in ("torch", "numba", "triton", "entmax")},
        "huashi": _version("huashi"),
        "commit": _commit(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def _seconds(run: Callable, repeats: int, device: str) -> float:
    _wait(device)
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    _wait(device)
    return (time.perf_counter() - start) / repeats


def _repeats(run: Callable, device: str) -> int:
    return max(1, round(BLOCK / _seconds(run, 1, device)))


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


def _commit() -> str | None:
    command = ["git", "describe", "--always", "--dirty"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.stdout.strip() or None
