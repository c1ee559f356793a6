"""Token ids of a corpus on the disk, read piece by piece: a corpus may be larger than memory.

A store is a folder of two flat files and a description:

    tokens     the ids of all records, one after the other, in 16 bits or in 32
    lengths    how many ids each sequence of each record has, in 32 bits
    store.json what a record is made of (``source``, ``target``), how many there are, what they
               were read from

A record is found by the lengths before it, so a block of records costs two reads wherever it lies.
Nothing is kept in memory but where each block of 4,096 records begins: 8 bytes a block.
"""

import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from huashi._files import atomic_folder
from huashi.run import Progress, Run

BLOCK = 4096
"""Records that are read together."""


class Store:
    """An open store; :func:`write_store` makes one.

    Args:
        folder: the store.

    Raises:
        FileNotFoundError: there is no store.
        ValueError: its files are not of one piece.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        about = self._about()
        self.sides: tuple[str, ...] = tuple(about["sides"])
        self.origin: dict[str, Any] = about["origin"]
        self.tokens: int = about["tokens"]
        """Ids of all records together."""
        self._count, self._dtype = about["records"], np.dtype(about["dtype"])
        self._starts = np.array(about["starts"], dtype=np.int64)
        self._check_sizes(self.tokens)

    def __len__(self) -> int:
        return self._count

    @property
    def blocks(self) -> int:
        """How many blocks there are; the last may be short."""
        return -(-self._count // BLOCK)

    def lengths(self, block: int) -> np.ndarray:
        """The lengths of the sequences of a block's records, (records, sides)."""
        first = block * BLOCK
        count = min(BLOCK, self._count - first)
        width = len(self.sides)
        with (self.folder / "lengths").open("rb") as file:
            found = _read(file, first * width, count * width, np.dtype(np.uint32))
        return found.reshape(count, width).astype(np.int64)

    def block(self, number: int) -> list[tuple[np.ndarray, ...]]:
        """All records of a block."""
        first = number * BLOCK
        return self.records(range(first, min(first + BLOCK, self._count)))

    def records(self, numbers: Iterable[int]) -> list[tuple[np.ndarray, ...]]:
        """Records by their numbers: each the ids of its sequences."""
        found: dict[int, tuple[np.ndarray, ...]] = {}
        with (self.folder / "tokens").open("rb") as file:
            for block, of_block in _by_block(numbers).items():
                lengths = self.lengths(block)
                ends = self._starts[block] + lengths.sum(1).cumsum()
                for number in of_block:
                    row = lengths[number % BLOCK]
                    begin = ends[number % BLOCK] - row.sum()
                    ids = _read(file, begin, row.sum(), self._dtype).astype(np.int64)
                    found[number] = tuple(np.split(ids, row.cumsum()[:-1]))
        return [found[int(number)] for number in numbers]

    def window(self, first: int, count: int) -> np.ndarray:
        """Ids of all records as one row, from the ``first`` on."""
        with (self.folder / "tokens").open("rb") as file:
            return _read(file, first, count, self._dtype).astype(np.int64)

    def _about(self) -> dict[str, Any]:
        path = self.folder / "store.json"
        if not path.is_file():
            raise FileNotFoundError(f"there is no store at {self.folder}")
        try:
            about = json.loads(path.read_bytes())
            wanted = {"sides", "dtype", "origin", "records", "starts", "tokens"}
            if about.keys() != wanted:
                raise ValueError(f"it must tell {sorted(wanted)}")
            return about
        except (ValueError, AttributeError, RecursionError) as error:
            raise ValueError(f"{path} is damaged: {error}") from None

    def _check_sizes(self, tokens: int) -> None:
        wanted = {
            "tokens": tokens * self._dtype.itemsize,
            "lengths": self._count * len(self.sides) * 4,
        }
        for name, size in wanted.items():
            there = (self.folder / name).stat().st_size
            if there != size:
                raise ValueError(f"{self.folder / name} must have {size} bytes, got {there}")


def write_store(
    folder: str | Path,
    records: Iterable[Sequence[Sequence[int]]],
    *,
    sides: Sequence[str],
    vocabulary_size: int,
    origin: dict[str, Any] | None = None,
) -> Store:
    """Write a store, which appears once it is whole; one that is there is replaced.

    Args:
        folder: where.
        records: each with one sequence of ids for each of ``sides``; taken as they come.
        sides: what the sequences are, such as ``("source", "target")``.
        vocabulary_size: ids are below it.
        origin: what they were read from, as :func:`fingerprints` has it.
    """
    folder = Path(folder)
    dtype = np.dtype(np.uint16 if vocabulary_size <= 2**16 else np.uint32)
    about = {"sides": list(sides), "dtype": dtype.name, "origin": origin or {}}
    with atomic_folder(folder) as unfinished:
        with (
            (unfinished / "tokens").open("wb") as tokens,
            (unfinished / "lengths").open("wb") as lengths,
        ):
            about |= _write(records, len(sides), dtype, tokens, lengths)
            for file in (tokens, lengths):
                file.flush()
                os.fsync(file.fileno())
        (unfinished / "store.json").write_text(json.dumps(about))
    return Store(folder)


def fingerprints(paths: Iterable[str | Path]) -> dict[str, Any]:
    """What tells files from other versions of them, for the ``origin`` of a store.

    Of each in turn its size and the SHA-256 of its content; not its name, since it may be moved.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is a pipe or the like, which can be read only once.
    """
    found = []
    for path in map(Path, paths):
        if str(path) == "-" or (path.exists() and not path.is_file()):
            name = "standard input" if str(path) == "-" else path
            raise ValueError(
                f"a corpus must be files, which can be read more than once, got {name}: write it "
                "to a file first"
            )
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        found.append({"bytes": path.stat().st_size, "sha256": digest})
    return {"files": found}


def prepared(
    run: Run, made_of: dict[str, Any], files: Mapping[str, Sequence[Path]]
) -> Store | None:
    """The store of a run, ``train.tokens``, if it is made of just that; otherwise None.

    Args:
        run: the run.
        made_of: what its texts are made tokens by and of, as the ``origin`` has it.
        files: the files in it, by their names there.

    Raises:
        ValueError: the run has trained, and files are not those that it began with.
    """
    folder = run.path("train.tokens")
    if run.has_trained and folder.is_dir():
        store = Store(folder)
        for name, paths in files.items():
            if name in store.origin:  # earlier versions kept only the files of the training
                check_unchanged(store, paths, name)
        return store
    try:
        store = Store(folder)
        return store if store.origin == made_of | vocabularies(run) else None
    except (FileNotFoundError, ValueError):
        return None


def tell_changes(run: Run, files: Mapping[str, Sequence[Path]], progress: Progress) -> None:
    """Say which files of a complete run are no longer what it was trained and tested on.

    Args:
        run: a complete one, whose store, if there is one, tells what it was made of.
        files: those it would be made of now, by their names in the ``origin``.
        progress: where to say it.
    """
    try:
        origin = Store(run.path("train.tokens")).origin
    except (FileNotFoundError, ValueError):
        return
    changed = []
    for name, paths in files.items():
        found = itertools.zip_longest(origin.get(name, []), paths) if name in origin else ()
        changed += [str(path) for was, path in found if path and not _is_as_it_was(path, was)]
    if changed:
        progress.note(
            f"{run.folder} is complete and stays as it is, its scores are those of before: "
            f"{', '.join(changed)} changed since"
        )


def _is_as_it_was(path: Path, was: Any) -> bool:
    return Path(path).is_file() and fingerprints([path])["files"] == [was]


def vocabularies(run: Run) -> dict[str, Any]:
    """What tells the tokenizers in a run folder from others, for the ``origin`` of a store."""
    names = ("tokenizer.json", "target_tokenizer.json")
    return {"tokenizers": fingerprints(filter(Path.is_file, map(run.path, names)))["files"]}


def check_unchanged(store: Store, paths: Sequence[str | Path], name: str = "files") -> None:
    """Raise, naming those that differ, unless a store was made of these files.

    Args:
        store: the store.
        paths: the files.
        name: what its ``origin`` calls them.
    """
    were, are = store.origin.get(name, []), fingerprints(paths)["files"]
    pairs = itertools.zip_longest(map(str, paths), are, were)
    changed = [name or "fewer files" for name, is_, was in pairs if is_ != was]
    if changed:
        raise ValueError(
            f"{store.folder} must go on with the files that it was made of, got "
            f"{', '.join(changed)} changed"
        )


def _write(
    records: Iterable[Sequence[Sequence[int]]],
    width: int,
    dtype: np.dtype,
    tokens: BinaryIO,
    lengths: BinaryIO,
) -> dict[str, Any]:
    """Write all records; return how many there are, and where blocks begin."""
    records, starts, count, place = iter(records), [], 0, 0
    while block := list(itertools.islice(records, BLOCK)):
        for record in block:
            if len(record) != width:
                raise ValueError(f"a record must have {width} sequences, got {len(record)}")
        sizes = np.array([[len(ids) for ids in record] for record in block], dtype=np.uint32)
        ids = itertools.chain.from_iterable(itertools.chain.from_iterable(block))
        lengths.write(sizes.tobytes())
        tokens.write(np.fromiter(ids, dtype, count=int(sizes.sum())).tobytes())
        starts.append(place)
        place += int(sizes.sum())
        count += len(block)
    return {"records": count, "starts": starts, "tokens": place}


def _read(file: BinaryIO, first: int, count: int, dtype: np.dtype) -> np.ndarray:
    """``count`` numbers from the ``first`` on; no other reader of the file is moved."""
    size = int(count) * dtype.itemsize
    content = os.pread(file.fileno(), size, int(first) * dtype.itemsize)
    if len(content) < size:
        raise ValueError(f"{file.name} must be whole, got {len(content)} of {size} bytes")
    return np.frombuffer(content, dtype=dtype)


def _by_block(numbers: Iterable[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for number in numbers:
        found.setdefault(int(number) // BLOCK, []).append(int(number))
    return found
