"""What the pictures of the documentation share: colours, and the rows of measurements."""

import json
from pathlib import Path

RESULTS = Path(__file__).parent.parent / "benchmarks" / "results"
INK, ACCENT, QUIET, THIRD = "#22313f", "#b5462f", "#8aa0b3", "#3f7d58"


def saved(name: str) -> list[dict]:
    return [json.loads(line) for line in (RESULTS / f"{name}.jsonl").read_text().splitlines()]
