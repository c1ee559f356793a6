"""Files and folders that are either whole or not there."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_PARTIAL = re.compile(
    r"\.((config|results|(target_)?tokenizer|held_out)\.json|metrics\.jsonl|report\.html"
    r"|(checkpoint|model|\d{9})\.safetensors|train\.tokens|\d\d\.png)\.[a-z0-9_]{8}"
)
"""Names under which the files of a run are written."""


@contextmanager
def atomic_file(path: str | Path) -> Iterator[BinaryIO]:
    """A file to write that takes its name only once it is complete and on the disk.

    It is written beside ``path`` and moved there at the end of the ``with`` block; where the block
    raises, nothing is left behind and what ``path`` held before stays. A link stays a link, and
    what is no regular file, such as ``/dev/null`` or a pipe, is written to directly.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        with open(path, "wb") as file:
            yield file
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(partial, 0o666 & ~_umask())
        os.replace(partial, path)
    except BaseException as error:
        os.unlink(partial)
        _name(error, path)
        raise


def write_atomically(path: str | Path, content: bytes) -> None:
    """Make ``path`` hold ``content``, at once."""
    with atomic_file(path) as file:
        file.write(content)


def remove_partial(folder: Path) -> None:
    """Remove what :func:`atomic_file` and :func:`atomic_folder` left where a process was killed.

    Args:
        folder: nobody may be writing into it.
    """
    for path in folder.glob(".*.????????"):
        if _PARTIAL.fullmatch(path.name):
            path.unlink() if not path.is_dir() else shutil.rmtree(path)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """A folder to fill that takes its name only once it is complete.

    It is filled beside ``path`` and moved there at the end of the ``with`` block, in the place of a
    folder that was there; where the block raises, nothing is left behind and what was there stays.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield unfinished
        os.chmod(unfinished, 0o777 & ~_umask())
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(unfinished, path)
    except BaseException as error:
        shutil.rmtree(unfinished)
        _name(error, path)
        raise


def _name(error: BaseException, path: Path) -> None:
    """Have an error of writing, as on a full disk, say of what."""
    if isinstance(error, OSError) and error.errno is not None and error.filename is None:
        error.filename = str(path)


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
