"""What all benchmarks do: compare, print the rows, keep them as JSON lines.

:func:`huashi.bench.compare` does the timing. Each row has the machine, the versions and the
commit that it was measured with.
"""

import datetime
import json
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch

from huashi import bench
from huashi._files import write_atomically

RESULTS = Path(__file__).parent / "results"


def compare(
    case: Mapping[str, object],
    contenders: Mapping[str, Callable[[], torch.Tensor]],
    *,
    device: str,
    rounds: int | None = 15,
    **options,
) -> list[dict]:
    """Time each contender on one case. The first gives the result that all have to agree with.

    Args:
        case: what tells this case from others; goes into every row.
        contenders: name to callable without arguments, which returns a tensor.
        device: where the contenders run, "cpu" or "cuda".
        rounds: how often each contender has its turn; None for as often as time allows.
        options: the others of :func:`huashi.bench.compare`.

    Returns:
        One row per contender, with the machine it ran on.
    """
    rows = []
    for timed in bench.compare(contenders, device=device, rounds=rounds, **options):
        row = {**case, **timed}
        shown = {key: value for key, value in row.items() if key != "rounds"}
        print("  ".join(f"{key}={value}" for key, value in shown.items()), flush=True)
        rows.append(row | machine(device))
    return rows


def save(name: str, rows: Iterable[dict]) -> None:
    """Write ``results/<name>.jsonl``, in one piece."""
    content = "".join(json.dumps(row) + "\n" for row in rows)
    write_atomically(RESULTS / f"{name}.jsonl", content.encode())


def saved(name: str) -> list[dict]:
    """The rows of ``results/<name>.jsonl``, none if it is not there."""
    path = RESULTS / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def machine(device: str) -> dict[str, object]:
    """What a number depends on: hardware, threads, versions, commit, date."""
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    return bench.machine(device) | {"commit": _commit(), "date": date}


def threads_of(rows: list[dict]) -> str:
    """How a note begins: with how many threads the rows were measured."""
    return "One thread" if rows[0]["threads"] == 1 else f"{rows[0]['threads']} threads"


def ratio(times: float) -> str:
    """A ratio as a table has it; one below 1 is not rounded away."""
    return f"{times:.1f}" if times >= 1 else f"{times:.2f}"


def _commit() -> str | None:
    """What was measured; results that are being written do not make it another."""

    def git(*command: str) -> str:
        run = subprocess.run(["git", *command], capture_output=True, text=True, check=False)
        return run.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", ":/", ":!/benchmarks/results")
    commit = git("rev-parse", "--short", "HEAD")
    return (f"{commit}-dirty" if changed else commit) or None
