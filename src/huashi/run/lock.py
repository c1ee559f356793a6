"""One process at a time writes a run folder."""

import os
import socket
import warnings
import weakref
from pathlib import Path

import torch.distributed

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None

NAME = "lock"
"""The file in a run folder by which a process has it to itself, and which tells which one."""


class FolderLock:
    """A folder that is this process's alone until :meth:`release`, or until the process ends.

    The kernel holds the lock, not the file: what a process that was killed has left behind does
    not count.
    """

    def __init__(self, path: Path, handle: int) -> None:
        self._release = weakref.finalize(self, _release, path, handle, os.getpid())

    @property
    def is_held(self) -> bool:
        return self._release.alive

    def release(self) -> None:
        """Let another process have it."""
        self._release()


_locks: weakref.WeakValueDictionary[tuple[int, int], FolderLock] = weakref.WeakValueDictionary()
"""Of this process, by the device and the inode of their files: a folder may be moved."""


def lock_folder(folder: Path) -> FolderLock | None:
    """Have a folder for this process alone; of one that it has already, the same lock.

    Returns:
        None in all but the first of several processes that train together.

    Raises:
        ValueError: another process has it.
    """
    if not is_first_process():
        return None
    path = folder.resolve() / NAME
    lock = _locks.get(_identity(os.stat(path))) if path.exists() else None
    if lock is None or not lock.is_held:
        handle = _locked(path, folder)
        lock = _locks[_identity(os.fstat(handle))] = FolderLock(path, handle)
    return lock


def is_first_process() -> bool:
    """Whether this process is the first of those that train together, or trains alone."""
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    return not distributed or torch.distributed.get_rank() == 0


def _locked(path: Path, folder: Path) -> int:
    """The lock file, open and locked, telling this process."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if fcntl is None:
                raise OSError("this system has no locks of files")
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = os.pread(handle, 300, 0).decode(errors="replace") or "another process"
            if os.fstat(handle).st_nlink > 1:
                who += "; its lock is a hard link to that of another folder: copy without links"
            os.close(handle)
            raise ValueError(
                f"{folder} must be trained by one process at a time, got it in use by {who}"
            ) from None
        except OSError as error:  # the file system knows no locks
            warnings.warn(f"{folder} cannot be locked: {error}", stacklevel=4)
        if _is(handle, path):
            break
        os.close(handle)  # it was released, and removed, in between
    os.truncate(handle, 0)
    os.write(handle, f"process {os.getpid()} on {socket.gethostname()}".encode())
    return handle


def _is(handle: int, path: Path) -> bool:
    return path.exists() and os.path.samestat(os.fstat(handle), os.stat(path))


def _identity(file: os.stat_result) -> tuple[int, int]:
    return file.st_dev, file.st_ino


def _release(path: Path, handle: int, process: int) -> None:
    if os.getpid() == process:  # not in a fork of it
        if _is(handle, path):  # not where the folder was moved, and another stands in its place
            path.unlink()
        os.close(handle)
