"""A run folder: the one place where a training keeps what it was, where it is and what it found.

    config.json               the recipe, the task, the configuration, and the shape of the model
    tokenizer.json            the vocabulary
    metrics.jsonl             a JSON object a line, as training goes on
    checkpoint.safetensors    all that is needed to go on as if nothing had happened
    model.safetensors         the best weights so far
    results.json              what the finished model scored; there once the run is complete
    results.N.json            the same of N steps, where the run was then trained on
    report.html               the same to look at
    lock                      there while a process trains: another one must not

Every file is written whole or not at all. Nothing in a run folder is ever executed: weights are
safetensors, everything else is JSON.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from torch import nn

import huashi
from huashi._checkpoint import load_training, load_weights, save_training, save_weights
from huashi._files import remove_partial, write_atomically
from huashi.run import lock
from huashi.run.configuration import as_json, fits, flat, rebuilt, same
from huashi.run.task import task_of

T = TypeVar("T")

TRAINED = "checkpoint.safetensors", "results.json"
"""Files by which a run has trained."""

# Where and how long a run is trained, not what it is: these may change half-way.
_PLACE = ("accelerator", "threads", "training.accelerator", "training.threads", "training.minutes")


class RecipeFile(NamedTuple):
    """A recipe that is a file of the user's own."""

    path: Path
    """Where it was."""
    sha256: str
    """Of its content, in hexadecimal digits."""

    @classmethod
    def of(cls, path: str | Path) -> "RecipeFile":
        """The file as it is now."""
        path = Path(path).resolve()
        return cls(path, hashlib.sha256(path.read_bytes()).hexdigest())


class Run:
    """A run folder: :func:`open_run` opens one, :meth:`start` begins or goes on with one."""

    def __init__(self, folder: str | Path) -> None:
        """Open an existing run.

        Raises:
            FileNotFoundError: ``folder`` is not there.
            ValueError: it is no run folder, or its configuration is damaged.
        """
        self.folder = Path(folder)
        self._lock: lock.FolderLock | None = None
        self._begun = True
        """What this object stands for is on the disk: a run that goes on leaves its folder as it
        is until there is something new."""
        self._step: int | None = None
        """The step that training goes on from: later lines of metrics do not count."""
        self.steps_before: int | None = None
        """Of a run that :meth:`start` goes on with for more steps, how many it was to have."""
        if not self.folder.is_dir():
            raise FileNotFoundError(f"there is no run at {folder}")
        if not self.path("config.json").is_file():
            raise ValueError(f"{folder} is not a run: it has no config.json")
        saved = self._read_json("config.json")
        try:
            self.recipe: str = saved["recipe"]
            self.config: dict[str, Any] = saved["config"]
            self.model: dict[str, Any] = saved["model"]
            self.task: str | None = saved.get("task") or task_of(self.recipe, self.model)
            file = saved.get("file")
            self.file = file and RecipeFile(Path(file["path"]), file["sha256"])
            kinds = [(self.recipe, str), (self.config, dict), (self.model, dict)]
            fine = all(isinstance(*one) for one in kinds) and fits(self.task, str | None)
        except (AttributeError, KeyError, TypeError):
            fine = False
        if not fine:
            raise ValueError(f"{self.path('config.json')} is not that of a Huashi run")

    @classmethod
    def start(
        cls,
        folder: str | Path,
        recipe: str,
        config: Any,
        model: dict[str, Any],
        *,
        task: str | None = None,
        steps: str | None = None,
    ) -> "Run":
        """Begin a run in ``folder``, or go on with the one that is there.

        Until it is complete, or this object is gone, no other process can start there. A run that
        goes on stays as it was on the disk until it has made a step, see :meth:`begin`.

        Args:
            folder: the run folder; made where it is missing.
            recipe: name of the recipe; a recipe that is a file of your own gives ``__file__``, by
                which ``huashi evaluate`` finds it again.
            config: its configuration, a dataclass.
            model: what :func:`huashi.seq2seq.architecture.build` needs beside the tokenizer.
            task: one of :mod:`huashi.run.task`, or a word of your own; by default what the model
                is for.
            steps: the field of ``config``, such as ``training.steps``, that may be greater than it
                was: then a run goes on from its last checkpoint, also one that was complete, whose
                results are then ``results.N.json``, N its steps. By default none.

        Raises:
            ValueError: the folder holds a run of another recipe or configuration that has got as
                far as a checkpoint, or something else than a run; another process trains there; or
                ``config`` has a value that JSON cannot hold, or no field ``steps`` that is an int.
        """
        wanted = as_json(config)
        wanted.pop("folder", None)  # a run may be moved
        if steps is not None and not fits(flat(wanted).get(steps), int):
            raise ValueError(f"steps must be a field of the configuration, an int, got {steps!r}")
        file = RecipeFile.of(recipe) if recipe.endswith(".py") else None
        content = {
            "huashi": huashi.__version__,
            "recipe": file.path.stem if file else recipe,
            "task": task or task_of(recipe, model),
            "config": wanted,
            "model": model,
        }
        if file:
            content["file"] = {"path": as_json(file.path, "recipe"), "sha256": file.sha256}
        folder = Path(folder)
        run = cls(folder) if _has_files(folder) else None
        locked, before = None, None
        if run is None or run.results is None or run._steps_below(steps, wanted):
            folder.mkdir(parents=True, exist_ok=True)
            locked = lock.lock_folder(folder)
            for place in (folder, folder / "weights", folder / "pictures") if locked else ():
                remove_partial(place)
            run = cls(folder) if _has_files(folder) else None  # as it is now, and stays
        if run and run.has_trained:
            before = run._steps_below(steps, wanted)
            run._must_match(content["recipe"], wanted, free=steps if before else None)
            run.config = wanted if before else run.config
            run._begun, run.file = run.file == file and not before, file
        else:
            if run:  # what a try of another configuration has kept is not of this one
                run.path("model.safetensors").unlink(missing_ok=True)
                shutil.rmtree(run.path("weights"), ignore_errors=True)
            write_atomically(folder / "config.json", _json(content))
            run = cls(folder)
        run._lock, run.steps_before = locked, before
        if run.results is not None:
            run.release()
        return run

    def begin(self) -> None:
        """Have the configuration that :meth:`start` was given on the disk, apart from old results.

        The loop calls it after the first step, and everything that writes for the training before
        it does: a training that fails before it has got further leaves a run as it was.
        """
        if self._begun and self._step is None:
            return
        begun, self._begun = self._begun, True
        step, self._step = self._step, None
        if not lock.is_first_process():
            return
        if step is not None:
            rows = "".join(json.dumps(row) + "\n" for row in self.metrics() if row["step"] <= step)
            write_atomically(self.path("metrics.jsonl"), rows.encode())
        if not begun:
            if self.steps_before and self.path("results.json").exists():
                old = self.path(f"results.{self.steps_before}.json")
                self.path("results.json").replace(old)
            content = self._read_json("config.json") | {"config": self.config, "file": None}
            if self.file:
                content["file"] = {"path": str(self.file.path), "sha256": self.file.sha256}
            write_atomically(self.path("config.json"), _json(content))

    def path(self, name: str) -> Path:
        return self.folder / name

    @property
    def results(self) -> dict[str, Any] | None:
        """What the finished model scored; None while the run is not complete, or goes on."""
        if self.steps_before and not self._begun:
            return None
        return self._read_json("results.json") if self.path("results.json").exists() else None

    def configuration(self, kind: type[T]) -> T:
        """The configuration as the recipe's dataclass.

        Raises:
            ValueError: it has fields or values that this version of the recipe does not know.
        """
        try:
            return rebuilt(kind, self.config)
        except TypeError as error:
            config = self.path("config.json")
            raise ValueError(f"{config} does not fit recipe {self.recipe}: {error}") from None

    def complete(self, results: dict[str, Any]) -> None:
        """Write the results: the run is complete.

        Raises:
            ValueError: there is something in them that JSON cannot hold.
        """
        results = as_json(results, "results")
        self.begin()
        write_atomically(self.path("results.json"), _json(results))
        self.release()

    def release(self) -> None:
        """Let another process train here."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def keep(self, name: str, content: str) -> None:
        """Write a file that the training goes by; of a run that goes on, it has to be the same.

        Raises:
            ValueError: the run has trained with another content, so its weights would be misread.
        """
        path = self.path(name)
        if self.has_trained and path.is_file():
            if path.read_text(encoding="utf-8") == content:
                return
            raise ValueError(
                f"{path} is not what would be made of the data now: an interrupted run goes on "
                "with the versions of Huashi and its libraries that it began with"
            )
        write_atomically(path, content.encode())

    def log(self, **row: Any) -> None:
        """Add a line to ``metrics.jsonl``."""
        self.begin()
        with self.path("metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of ``metrics.jsonl``; one that a crash cut short is left out.

        Those of steps after the checkpoint that :meth:`resume` has taken up are left out too.

        Raises:
            ValueError: a line is JSON, but no object with a step and a split.
        """
        if not self.path("metrics.jsonl").exists():
            return []
        rows, path = [], self.path("metrics.jsonl")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                continue
            told = isinstance(row, dict) and (row.get("step"), row.get("split"))
            if not told or not fits(told[0], int) or not fits(told[1], str):
                raise ValueError(f"{path}:{number}: line must tell step and split, got {line[:60]}")
            if self._step is None or row["step"] <= self._step:
                rows.append(row)
        return rows

    def save_checkpoint(self, model: nn.Module, optimizer: Any, step: int, best: float) -> None:
        """Keep all that training needs to go on from ``step`` as if it had not stopped."""
        state = {"step": step, "best": best}
        save_training(self.path("checkpoint.safetensors"), model, optimizer, state)
        self.begin()

    def resume(self, model: nn.Module, optimizer: Any) -> tuple[int, float]:
        """Take up the last checkpoint, if there is one; lines of metrics after it do not count.

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
        self._step = step
        return step, best

    def save_model(self, model: nn.Module) -> None:
        self.begin()
        save_weights(self.path("model.safetensors"), model)

    def load_model(self, model: nn.Module) -> None:
        """Load the best weights.

        Raises:
            FileNotFoundError: nothing was saved yet.
            ValueError: the file is damaged or belongs to another model.
        """
        load_weights(self.path("model.safetensors"), model)

    @property
    def has_trained(self) -> bool:
        """There is a checkpoint, or there are results: what the run was begun with is settled."""
        return any(self.path(name).exists() for name in TRAINED)

    def _steps_below(self, steps: str | None, config: dict[str, Any]) -> int | None:
        """Its own steps, if it can be trained on by another configuration with more of them."""
        if steps is None or not self.path("checkpoint.safetensors").exists():
            return None
        was, wanted = flat(self.config).get(steps), flat(config)[steps]
        return was if fits(was, int) and was < wanted else None

    def _must_match(self, recipe: str, config: dict[str, Any], free: str | None) -> None:
        if recipe != self.recipe:
            raise ValueError(
                f"{self.folder} holds a run of recipe {self.recipe}, got {recipe}: "
                "choose another folder"
            )
        was, wanted = flat(self.config), flat(config)
        for name in sorted(was.keys() | wanted.keys()):
            here, now = was.get(name), wanted.get(name)
            if name not in was and now in (None, []):  # of a field that a later version has added
                continue
            if not same(here, now) and name not in (*_PLACE, free):
                raise ValueError(
                    f"{self.folder} holds a run with {name} {here}, got {now}: give the same value "
                    "to resume it, or choose another folder"
                )

    def _read_json(self, name: str) -> Any:
        try:
            return json.loads(self.path(name).read_bytes())
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{self.path(name)} is damaged: {error}") from None


def open_run(run: str | Path | Run, *tasks: str) -> Run:
    """Open a run folder, of one of these tasks where some are given. Nothing in it is executed.

    Args:
        run: the folder, or the run itself.
        tasks: as in :mod:`huashi.run.task`.

    Raises:
        FileNotFoundError: the folder is not there.
        ValueError: it is no run folder, its configuration is damaged, or its task is another.
    """
    run = run if isinstance(run, Run) else Run(run)
    if tasks and run.task not in tasks:
        wanted = " or a ".join(tasks)
        raise ValueError(
            f"{run.folder} must be the run of a {wanted}, got one of {run.task or run.recipe}"
        )
    return run


def _has_files(folder: Path) -> bool:
    """Whether there is more than what a process leaves behind that is killed as it begins."""
    begun = lock.NAME, ".config.json."
    return folder.is_dir() and not all(one.name.startswith(begun) for one in folder.iterdir())


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
