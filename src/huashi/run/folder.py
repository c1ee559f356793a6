"""A run folder: the one place where a training keeps what it was, where it is and what it found.

    config.json               the recipe, its configuration, and the shape of the model
    tokenizer.json            the vocabulary
    metrics.jsonl             a JSON object a line, as training goes on
    checkpoint.safetensors    all that is needed to go on as if nothing had happened
    model.safetensors         the best weights so far
    results.json              what the finished model scored; there once the run is complete
    report.html               the same to look at

Every file is written whole or not at all. Nothing in a run folder is ever executed: weights are
safetensors, everything else is JSON.
"""

import json
import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import rich.progress
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

import huashi
from huashi._checkpoint import load_training, load_weights, save_training, save_weights
from huashi._files import write_atomically

T = TypeVar("T")

# Where and how long a run is trained, not what it is: these may change half-way.
_PLACE = ("accelerator", "threads", "training.accelerator", "training.threads", "training.minutes")


class Run:
    """A run folder: ``Run(folder)`` opens one, :meth:`start` begins or goes on with one."""

    def __init__(self, folder: str | Path) -> None:
        """Open an existing run.

        Raises:
            FileNotFoundError: ``folder`` is not there.
            ValueError: it is no run folder, or its configuration is damaged.
        """
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise FileNotFoundError(f"there is no run at {folder}")
        if not self.path("config.json").is_file():
            raise ValueError(f"{folder} is not a run: it has no config.json")
        saved = self._read_json("config.json")
        try:
            self.recipe: str = saved["recipe"]
            self.config: dict[str, Any] = saved["config"]
            self.model: dict[str, Any] = saved["model"]
        except (KeyError, TypeError):
            saved = None
        if not saved or not isinstance(self.config, dict) or not isinstance(self.model, dict):
            raise ValueError(f"{self.path('config.json')} is not that of a Huashi run")

    @classmethod
    def start(cls, folder: str | Path, recipe: str, config: Any, model: dict[str, Any]) -> "Run":
        """Begin a run in ``folder``, or go on with the one that is there.

        Args:
            folder: the run folder; made where it is missing.
            recipe: name of the recipe.
            config: its configuration, a dataclass.
            model: what :func:`huashi.seq2seq.architecture.build` needs beside the tokenizer.

        Raises:
            ValueError: the folder holds a run of another recipe or configuration that has got as
                far as a checkpoint, or something else than a run.
        """
        wanted = json.loads(json.dumps(asdict(config), default=os.fspath))
        wanted.pop("folder", None)  # a run may be moved
        folder = Path(folder)
        if folder.is_dir() and any(folder.iterdir()):
            run = cls(folder)
            if run._has_trained():
                run._must_match(recipe, wanted)
                return run
        content = {
            "huashi": huashi.__version__,
            "recipe": recipe,
            "config": wanted,
            "model": model,
        }
        write_atomically(folder / "config.json", _json(content))
        return cls(folder)

    def path(self, name: str) -> Path:
        return self.folder / name

    @property
    def results(self) -> dict[str, Any] | None:
        """What the finished model scored; None while the run is not complete."""
        return self._read_json("results.json") if self.path("results.json").exists() else None

    def configuration(self, kind: type[T]) -> T:
        """The configuration as the recipe's dataclass.

        Raises:
            ValueError: it has fields or values that this version of the recipe does not know.
        """
        try:
            return _rebuilt(kind, self.config)
        except TypeError as error:
            config = self.path("config.json")
            raise ValueError(f"{config} does not fit recipe {self.recipe}: {error}") from None

    def complete(self, results: dict[str, Any]) -> None:
        """Write the results: the run is complete."""
        write_atomically(self.path("results.json"), _json(results))

    def keep(self, name: str, content: str) -> None:
        """Write a file that the training goes by; of a run that goes on, it has to be the same.

        Raises:
            ValueError: the run has trained with another content, so its weights would be misread.
        """
        path = self.path(name)
        if self._has_trained() and path.is_file() and path.read_text(encoding="utf-8") != content:
            raise ValueError(
                f"{path} is not what would be made of the data now: an interrupted run goes on "
                "with the versions of Huashi and its libraries that it began with"
            )
        write_atomically(path, content.encode())

    def log(self, **row: Any) -> None:
        """Add a line to ``metrics.jsonl``."""
        with self.path("metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of ``metrics.jsonl``; one that a crash cut short is left out."""
        if not self.path("metrics.jsonl").exists():
            return []
        rows = []
        for line in self.path("metrics.jsonl").read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                continue
        return rows

    def save_checkpoint(self, model: nn.Module, optimizer: Any, step: int, best: float) -> None:
        """Keep all that training needs to go on from ``step`` as if it had not stopped."""
        state = {"step": step, "best": best}
        save_training(self.path("checkpoint.safetensors"), model, optimizer, state)

    def resume(self, model: nn.Module, optimizer: Any) -> tuple[int, float]:
        """Take up the last checkpoint, if there is one; lines of metrics after it are dropped.

        Returns:
            The step reached and the best validation so far: 0 and -inf for a new run.

        Raises:
            ValueError: the checkpoint is damaged or belongs to another model.
        """
        step, best = 0, -torch.inf
        if self.path("checkpoint.safetensors").exists():
            path = self.path("checkpoint.safetensors")
            state = load_training(path, model, optimizer)
            if state.keys() != {"step", "best"}:
                raise ValueError(f"{path} must tell step and best, got {sorted(state)}")
            step, best = state["step"], state["best"]
        rows = [row for row in self.metrics() if row["step"] <= step]
        write_atomically(
            self.path("metrics.jsonl"), "".join(json.dumps(row) + "\n" for row in rows).encode()
        )
        return step, best

    def save_model(self, model: nn.Module) -> None:
        save_weights(self.path("model.safetensors"), model)

    def load_model(self, model: nn.Module) -> None:
        """Load the best weights.

        Raises:
            FileNotFoundError: nothing was saved yet.
            ValueError: the file is damaged or belongs to another model.
        """
        load_weights(self.path("model.safetensors"), model)

    def _has_trained(self) -> bool:
        return any(self.path(n).exists() for n in ("checkpoint.safetensors", "results.json"))

    def _must_match(self, recipe: str, config: dict[str, Any]) -> None:
        if recipe != self.recipe:
            raise ValueError(
                f"{self.folder} holds a run of recipe {self.recipe}, got {recipe}: "
                "choose another folder"
            )
        was, wanted = _flat(self.config), _flat(config)
        for name in sorted(was.keys() | wanted.keys()):
            here, now = was.get(name), wanted.get(name)
            if here != now and name not in _PLACE:
                raise ValueError(
                    f"{self.folder} holds a run with {name} {here}, got {now}: give the same value "
                    "to resume it, or choose another folder"
                )

    def _read_json(self, name: str) -> Any:
        try:
            return json.loads(self.path(name).read_bytes())
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{self.path(name)} is damaged: {error}") from None


class Clock:
    """Seconds of training, those before an interruption counted."""

    def __init__(self, run: Run) -> None:
        rows = run.metrics()
        self._start = time.perf_counter() - (rows[-1]["seconds"] if rows else 0.0)

    def seconds(self) -> float:
        return round(time.perf_counter() - self._start, 2)


class Progress:
    """How far a training is, on standard error: loss, tokens a second, time left.

    On a terminal a bar that moves; elsewhere a line each minute.
    """

    def __init__(self, label: str, total: int, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet)
        self._bar = rich.progress.Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.4f}  {task.fields[rate]:,.0f} tokens/s"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._label, self._total = label, total
        self._tokens, self._since = 0, time.perf_counter()
        self._spoken = self._since

    @contextmanager
    def counting(self, done: int) -> Iterator[None]:
        """Show the bar while the ``with`` block runs, beginning with ``done`` steps done."""
        if done:
            self.note(f"going on at step {done}")
        self._task = self._bar.add_task(
            self._label, total=self._total, completed=done, loss=math.nan, rate=0.0
        )
        self._since = time.perf_counter()
        with self._bar:
            yield

    def update(self, step: int, loss: Tensor, tokens: int) -> None:
        """Say that ``step`` is done; ``loss`` is read only when it is shown, once a second."""
        self._tokens += tokens
        now = time.perf_counter()
        if now - self._since < 1 and step < self._total:
            return
        rate = self._tokens / (now - self._since)
        self._bar.update(self._task, completed=step, loss=loss.item(), rate=rate)
        self._tokens, self._since = 0, now
        if self._bar.disable and now - self._spoken > 60:
            self._spoken = now
            self.note(f"step {step} of {self._total}, loss {loss.item():.4f}, {rate:,.0f} tokens/s")

    def note(self, text: str) -> None:
        """Print a line that stays."""
        self._console.print(f"{self._label}: {text}", highlight=False, markup=False)


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Let a loop finish its step before it stops.

    In ``with interruptible() as interrupted:`` the first Ctrl-C or SIGTERM only makes
    ``interrupted()`` true, so that the loop can save; a second one stops at once.
    """
    received: list[int] = []

    def note(number: int, frame: Any) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    try:
        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread: signals do not arrive here
        before = {}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _rebuilt(kind: type[T], values: dict[str, Any]) -> T:
    """A dataclass from JSON, with the dataclasses and tuples in it."""
    hints = get_type_hints(kind)
    read = {}
    for name, value in values.items():
        if isinstance(value, dict) and is_dataclass(hints.get(name)):
            value = _rebuilt(hints[name], value)
        read[name] = tuple(value) if isinstance(value, list) else value
    return kind(**read)


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """``{"a": {"b": 1}}`` as ``{"a.b": 1}``."""
    found = {}
    for name, value in values.items():
        inner = _flat(value) if isinstance(value, dict) else {"": value}
        found |= {f"{name}.{rest}".rstrip("."): part for rest, part in inner.items()}
    return found


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
