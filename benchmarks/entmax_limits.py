"""How far the CPU kernel of 1.5-entmax is from the memory's limit, and what a fresh output costs.

    python -m benchmarks.entmax_limits

``kernel`` writes into memory that is there, ``call`` is the public function, which allocates its
output; ``copy`` and ``allocate`` (and fill with zeros) are the limits to hold them against.
"""

import statistics
import time

import numpy as np
import torch

from benchmarks.harness import machine, save
from huashi.entmax import entmax15
from huashi.entmax.cpu import mappings as cpu

SHAPE = (2048, 32000)


def seconds(run, rounds=9):
    run()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    torch.manual_seed(0)
    x = torch.randn(SHAPE)
    y = torch.zeros_like(x)
    runs = {
        "kernel": lambda: cpu._forward(x.numpy(), np.array([1.5]), y.numpy()),
        "copy": lambda: y.copy_(x),
        "call": lambda: entmax15(x),
        "allocate": lambda: torch.empty_like(x).zero_(),
    }
    rows = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for name, run in runs.items():
            spent = seconds(run)
            row = {
                "what": name,
                "ns_per_entry": round(spent / x.numel() * 1e9, 2),
                "gb_per_s": round(2 * x.nbytes / spent / 1e9, 1),
            }
            rows.append(row | {"shape": SHAPE} | machine("cpu"))
            print(f"threads={threads}  {row}", flush=True)
    save("entmax-limits", rows)


def table(rows: list[dict]) -> list[list[str]]:
    """Nanoseconds an entry and GB/s, by number of threads."""
    threads = sorted({row["threads"] for row in rows})
    lines = [
        [
            "2048 × 32000, float32",
            *(f"{n} thread{'s' * (n > 1)}, ns an entry (GB/s)" for n in threads),
        ]
    ]
    for what in dict.fromkeys(row["what"] for row in rows):
        same = {row["threads"]: row for row in rows if row["what"] == what}
        lines.append(
            [what, *(f"{same[n]['ns_per_entry']:.2f} ({same[n]['gb_per_s']:.1f})" for n in threads)]
        )
    return lines


def note(rows: list[dict]) -> str:
    return ""


if __name__ == "__main__":
    main()
