"""Where outputs are built before they are renamed to their place: a directory beside it, held by a lock as long as its run lives.

A run that was killed cannot tidy up; the next one into the same place does. Whether the run that made a workplace still lives is asked
of the operating system: it holds an flock on the directory, which ends with the process, however that ends. A process number in the
name would be taken by another process some day, and means nothing to another container; an age says nothing of a run that was stopped.
Where there is no flock on directories (Windows, NFS) nobody can be sure, and what was left stays until the user removes it.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from split_surgery.documents.source import LEFTOVER, PathLike

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def workplace(where: Path) -> Iterator[Path]:
    """A new directory in `where` that no other run removes; what is left of it at the end is removed."""
    folder, lock = _new(where)
    try:
        yield folder
    finally:
        if os.path.exists(folder):
            shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a directory against other runs that ask for the same.

    Raises:
        BlockingIOError: another one holds it, or has put another directory into its place.
    """
    lock = _locked(folder)
    try:
        if lock is not None and not _is(lock, folder):
            raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK))
        yield
    finally:
        if lock is not None:
            os.close(lock)


def _new(where: Path) -> tuple[Path, int | None]:
    """The directory, and the descriptor that holds its lock; None where there are no locks."""
    while True:
        folder = where / f".split-surgery.{secrets.token_hex(8)}.partial"
        folder.mkdir()
        try:
            lock = _locked(folder)
        except (FileNotFoundError, BlockingIOError):
            continue  # it was taken for a leftover, between the making and the locking
        if lock is None or _is(lock, folder):
            return folder, lock
        os.close(lock)


def _is(descriptor: int, folder: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(folder))
    except FileNotFoundError:
        return False


def _locked(folder: Path) -> int | None:
    """A descriptor that holds the lock of a directory; None where there are no locks.

    Raises:
        BlockingIOError: a living process holds it.
        FileNotFoundError: it is gone.
    """
    if fcntl is None:
        return None
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise BlockingIOError(*error.args) from error
        return None
    return descriptor


def tidy(where: PathLike) -> None:
    """Remove what runs that no longer live have left in a directory; what cannot be removed stays."""
    with suppress(OSError):
        for name in os.listdir(where):
            if LEFTOVER.fullmatch(name):
                with suppress(OSError):
                    lock = _locked(Path(where, name))
                    if lock is not None:
                        shutil.rmtree(Path(where, name), ignore_errors=True)
                        os.close(lock)
