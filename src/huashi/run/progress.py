"""How long a training has taken, how far it is, and whether it was asked to stop."""

import contextlib
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import rich.progress
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from torch import Tensor

from huashi.run.folder import Run


class Paused(Exception):  # noqa: N818  (nothing is wrong)
    """The time that a training was given is over; it is saved, and the same call goes on."""


class Clock:
    """Seconds of training, those before an interruption counted."""

    def __init__(self, run: Run) -> None:
        rows = run.metrics()
        before = rows[-1].get("seconds") if rows else 0.0
        if not isinstance(before, int | float):
            path = run.path("metrics.jsonl")
            raise ValueError(f"{path}: the last line must tell seconds, got {rows[-1]}")
        self._before, self._start = before, time.perf_counter()

    def seconds(self) -> float:
        return round(self._before + self.seconds_of_this_call(), 2)

    def seconds_of_this_call(self) -> float:
        """Those since the training began or was resumed."""
        return time.perf_counter() - self._start


class Progress:
    """How far a training is, on standard error: loss, speed, time left.

    On a terminal a bar that moves; elsewhere a line each minute.

    Args:
        label: what each line begins with.
        total: steps in all.
        unit: what :meth:`update` counts, in the plural.
        quiet: show nothing.
    """

    def __init__(
        self, label: str, total: int, *, unit: str = "tokens", quiet: bool = False
    ) -> None:
        self._console = Console(stderr=True, quiet=quiet)
        self._bar = rich.progress.Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.4f}  {task.fields[rate]:,.0f} " + f"{unit}/s"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._label, self._total, self._unit = label, total, unit
        self._items, self._since = 0, time.perf_counter()
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

    def update(self, step: int, loss: Tensor, items: int) -> None:
        """Say that ``step`` is done; ``loss`` is read only when it is shown, once a second."""
        self._items += items
        now = time.perf_counter()
        if now - self._since < 1 and step < self._total:
            return
        rate = self._items / (now - self._since)
        self._bar.update(self._task, completed=step, loss=loss.item(), rate=rate)
        self._items, self._since = 0, now
        if self._bar.disable and now - self._spoken > 60:
            self._spoken = now
            speed = f"{rate:,.0f} {self._unit}/s"
            self.note(f"step {step} of {self._total}, loss {loss.item():.4f}, {speed}")

    def note(self, text: str) -> None:
        """Print a line that stays."""
        with contextlib.suppress(OSError):  # nobody listens, as where the disk of a log is full
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
