"""How much of the time of a large result is the first touch of its memory, and what avoids it.

    python -m benchmarks.large_results
    python -m benchmarks.large_results --preload /usr/lib/x86_64-linux-gnu/libjemalloc.so.2

``default`` is torch as it is: memory of large tensors goes back to the system when they are gone.
``tuned`` is the C library told by ``GLIBC_TUNABLES`` to give nothing back, ``preloaded`` another
allocator that gives nothing back. Each runs in processes of its own, which take turns. The peak is
of the resident memory over one call, by a process that has made some. ``copy`` is of the input,
into memory of its own that was touched before (warm) and into new memory (fresh).
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.harness import machine, save, threads_of
from huashi import pooling
from huashi.entmax import entmax15, entmax15_loss


class Case(NamedTuple):
    function: Callable[[Tensor], Tensor]
    shape: tuple[int, ...]
    forward: bool = False
    """Whether the forward pass is measured alone too."""


STEM, IMAGE, VOCABULARY = (32, 64, 112, 112), (1, 16, 2000, 2000), (2048, 32000)
STRIDED = partial(pooling.max_pool2d, kernel_size=3, stride=2, padding=1)
CASES = {
    "max 3 × 3, stride 2": Case(STRIDED, STEM, forward=True),
    "max 2 × 2": Case(partial(pooling.max_pool2d, kernel_size=2), STEM),
    "max 3 × 3, one image": Case(STRIDED, IMAGE),
    "average 3 × 3, stride 2": Case(
        partial(pooling.avg_pool2d, kernel_size=3, stride=2, padding=1), STEM
    ),
    "lp 3 × 3, stride 2": Case(
        partial(pooling.lp_pool2d, norm_type=2.0, kernel_size=3, stride=2), STEM
    ),
    "entmax15": Case(entmax15, VOCABULARY, forward=True),
    "entmax15_loss": Case(lambda x: entmax15_loss(x, torch.arange(len(x))), VOCABULARY),
    "max 3 × 3, batch of 5": Case(STRIDED, (5, 64, 112, 112)),
    "max 3 × 3, batch of 1": Case(STRIDED, (1, 64, 112, 112)),
}
TUNED = (  # every result below the threshold, and the heap never trimmed
    "glibc.malloc.mmap_threshold=17179869184:glibc.malloc.trim_threshold=17179869184"
)
JEMALLOC = "dirty_decay_ms:-1,muzzy_decay_ms:-1,thp:always,oversize_threshold:0"


def passes(case: Case, x: Tensor) -> dict[str, Callable[[], None]]:
    leaf = x.detach().requires_grad_()
    grad = torch.ones_like(case.function(x))

    def forward() -> None:
        with torch.no_grad():
            case.function(x)

    def both() -> None:
        case.function(leaf).backward(grad)
        leaf.grad = None

    return ({"forward": forward} if case.forward else {}) | {"forward + backward": both}


class Timed:
    """Milliseconds of a call, and how much of what the processors spent the system took."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.user = self.system = 0.0

    def __call__(self, run: Callable[[], object]) -> None:
        before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        run()
        self.seconds.append(time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_SELF)
        self.user += after.ru_utime - before.ru_utime
        self.system += after.ru_stime - before.ru_stime

    @property
    def milliseconds(self) -> float:
        return statistics.median(self.seconds) * 1e3

    @property
    def share(self) -> float:
        return self.system / max(self.user + self.system, 1e-9)


def measure(rounds: int) -> Iterator[dict]:
    """The rows of one process."""
    for name, case in CASES.items():
        x = torch.randn(case.shape, generator=torch.Generator().manual_seed(0))
        y = torch.zeros_like(x)
        for which, run in passes(case, x).items():
            timed, warm, fresh = Timed(), Timed(), Timed()
            for _ in range(4):  # the first compiles; then an allocator has what it will have
                run()
            for _ in range(rounds):
                timed(run)
                warm(partial(y.copy_, x))
                fresh(x.clone)
            yield {
                "case": name,
                "shape": case.shape,
                "bytes": x.nbytes,
                "pass": which,
                "ms": timed.milliseconds,
                "system": timed.share,
                "copy_warm": warm.milliseconds,
                "copy_fresh": fresh.milliseconds,
                "peak": peak(run),
            }


def peak(run: Callable[[], object]) -> int:
    """The most resident memory during a call after others, in bytes."""
    run()
    run()
    Path("/proc/self/clear_refs").write_text("5")  # it starts anew
    run()
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--preload", metavar="FILE", help="another allocator, such as jemalloc")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        for row in measure(arguments.rounds):
            print(json.dumps(row), flush=True)
        return
    settings: dict[str, dict[str, str]] = {"default": {}, "tuned": {"GLIBC_TUNABLES": TUNED}}
    if arguments.preload:
        settings["preloaded"] = {"LD_PRELOAD": arguments.preload, "MALLOC_CONF": JEMALLOC}
    rows = []
    for process in range(arguments.processes):
        for memory, environment in settings.items():
            where = {"memory": memory, "process": process} | machine("cpu")
            rows.extend(row | where for row in child(environment, arguments.rounds))
    save("large-results", rows)
    for line in table(rows):
        print(" | ".join(line))


def child(environment: dict[str, str], rounds: int) -> list[dict]:
    command = [sys.executable, "-m", "benchmarks.large_results", "--child", "--rounds", str(rounds)]
    run = subprocess.run(
        command, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return [json.loads(line) for line in run.stdout.splitlines()]


def table(rows: list[dict]) -> list[list[str]]:
    """Medians over the processes, and the range of the ratio over them."""
    memories = list(dict.fromkeys(row["memory"] for row in rows))
    all_memories = " / ".join(memories)
    head = ["result", "input, MB", "pass", *(f"{m}, ms" for m in memories), "tuned, times default"]
    head += ["copy, ms: warm / fresh", f"system: {all_memories}", f"peak, MB: {all_memories}"]
    lines = [head]
    for case, which in dict.fromkeys((row["case"], row["pass"]) for row in rows):
        here = [row for row in rows if (row["case"], row["pass"]) == (case, which)]
        of = {m: [row for row in here if row["memory"] == m] for m in memories}
        ratios = [a["ms"] / b["ms"] for a, b in zip(of["default"], of["tuned"], strict=True)]
        lines.append(
            [
                case,
                f"{here[0]['bytes'] / 2**20:.0f}",
                which,
                *(f"{middle(of[m], 'ms'):.1f}" for m in memories),
                f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f})",
                " / ".join(f"{middle(of['default'], f'copy_{m}'):.1f}" for m in ("warm", "fresh")),
                " / ".join(f"{middle(of[m], 'system'):.0%}" for m in memories),
                " / ".join(f"{middle(of[m], 'peak') / 2**20:.0f}" for m in memories),
            ]
        )
    return lines


def middle(rows: list[dict], column: str) -> float:
    return statistics.median(row[column] for row in rows)


def note(rows: list[dict]) -> str:
    processes = len({row["process"] for row in rows})
    return (
        f"float32; medians of {processes} processes, and in brackets their range. "
        f"{threads_of(rows)} of "
    )


if __name__ == "__main__":
    main()
