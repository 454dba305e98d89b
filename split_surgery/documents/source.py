"""Opening, reading and hashing files: with `workspace.output_dir`, which writes them, the only module that touches paths.

Files are read with `pread`, never mapped: a file cut while mapped kills the process, and touched pages count as memory.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Union

from split_surgery.documents.spans import Span
from split_surgery.errors import FileError, FilePlace, closest

PathLike = Union[str, "os.PathLike[str]"]
Progress = Callable[[str, int, int], None]
"""Called with a label, the units done and the units in all."""

PAGE = 4096
"""Small reads are served from one page of this many bytes: fewer calls, and little touched between large blobs."""

LEFTOVER = re.compile(r"\.split-surgery\.[0-9a-f]{16}\.partial")
"""What directories are called in which outputs are built. One that is left of a run that was killed is nothing that anybody reads."""


def no_progress(_label: str, _done: int, _total: int) -> None:
    """The progress of somebody who does not want to know."""


class Source:
    """A file open for reading by byte range.

    Raises:
        FileError: the file is missing, a directory, unreadable, or shorter than it was when it was opened.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        self.name = os.fspath(path)
        with reading(self.name):
            kind = os.stat(self.path).st_mode
            if stat.S_ISDIR(kind):
                raise FileError("is a directory, not a file", FilePlace(self.name))
            if not stat.S_ISREG(kind):  # reading by range needs one, and opening a named pipe would wait for ever
                raise FileError("is not a regular file (a pipe or a device?)", FilePlace(self.name))
            self._file = open(self.path, "rb", buffering=0)  # noqa: SIM115 (closed by close)
            self._opened = os.fstat(self._file.fileno())
        self.size = self._opened.st_size
        self._page = Span(0, 0)
        self._cache = b""

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    @property
    def awake(self) -> bool:
        """Whether a descriptor of the operating system's is held for it."""
        return not self._file.closed

    def rest(self) -> None:
        """Give the descriptor back until the next read: a run may look at more files than may be open at once."""
        self._file.close()

    def fileno(self) -> int:
        """The descriptor, which is opened again if it was given back.

        Raises:
            FileError: another file stands there now, or the file has changed since it was opened first.
        """
        if not self.awake:
            with reading(self.name):
                self._file = open(self.path, "rb", buffering=0)  # noqa: SIM115 (closed by close)
            self.check_unchanged()
        return self._file.fileno()

    def check_unchanged(self) -> None:
        """Raises: FileError, where the file is another than the one that was opened first, or has been written to since."""
        with reading(self.name):
            now = os.fstat(self._file.fileno()) if self.awake else os.stat(self.path)
        if _version(now) != _version(self._opened):
            message = "was changed while it was being read"
            raise FileError(message, FilePlace(self.name), "run it again when nothing writes to that file")

    def begins_with(self, magic: bytes) -> bool:
        return self.read(0, min(len(magic), self.size)) == magic

    def read(self, start: int, stop: int) -> bytes:
        """The bytes of `start <= i < stop`; fewer is an error."""
        if stop - start > PAGE // 2:
            return self._pread(start, stop)
        if not (self._page.start <= start and stop <= self._page.stop):
            self._page = Span(start, min(self.size, start + PAGE))
            self._cache = self._pread(*self._page)
        first = self._page.start
        found = self._cache[start - first : stop - first]
        if len(found) != stop - start:
            raise self._short(start + len(found))
        return found

    def _pread(self, start: int, stop: int) -> bytes:
        parts = []
        with reading(self.name):
            while start < stop:
                part = _pread(self.fileno(), min(stop - start, 1 << 30), start)
                if not part:
                    raise self._short(start)
                parts.append(part)
                start += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _short(self, at: int) -> FileError:
        return FileError(
            f"ends at byte {at}, earlier than expected: was it cut while being read?", FilePlace(self.name)
        )


def _version(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


if hasattr(os, "pread"):
    _pread = os.pread
else:  # Windows

    def _pread(fd: int, length: int, offset: int) -> bytes:
        os.lseek(fd, offset, os.SEEK_SET)
        return os.read(fd, length)


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn an OSError into one sentence about `name`."""
    try:
        yield
    except FileNotFoundError as error:
        raise not_there(name) from error
    except OSError as error:
        raise FileError(error.strerror or str(error), FilePlace(name)) from error


def not_there(name: str) -> FileError:
    """What is said of a file that is not there, with what was meant where that can be guessed."""
    folder, base = os.path.split(name)
    slashes = name.replace("\\", "/")
    if name == "-":
        hint = "standard input is read by report alone: name a file"
    elif "://" in name:
        hint = "nothing is downloaded: fetch it first"
    elif slashes != name and os.path.exists(slashes):
        hint = f"nearest: {slashes}"
    elif folder and not os.path.isdir(folder):
        hint = f"there is no directory {folder}"
    else:
        hint = _near(folder, base)
    return FileError("No such file or directory", FilePlace(name), hint)


def _near(folder: str, base: str) -> str:
    """A hint with the files whose names are most like `base`, or ""."""
    try:
        with os.scandir(folder or ".") as entries:
            names = sorted(entry.name for entry in itertools.islice(entries, 1000))
    except OSError:
        return ""
    close = closest(base, names, 2, 0.75)
    return "nearest: " + ", ".join(os.path.join(folder, one) for one in close) if close else ""


def named(path: PathLike) -> str:
    """A path as text.

    Raises:
        FileError: no file can be called so.
    """
    name = os.fspath(path)
    if "\0" in name:
        raise FileError("no file can have a zero byte in its name", FilePlace(name))
    return name


def walk_folders(path: PathLike) -> Iterator[tuple[str, list[str], list[str]]]:
    """A directory and those below it, each with its directories and files; links to directories are not followed, and what a run
    that was killed has left is no part of it.

    Raises:
        FileError: one of them cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise FileError(error.strerror or str(error), FilePlace(str(error.filename))) from error

    for folder, folders, files in os.walk(path, onerror=refuse):
        folders[:] = [name for name in folders if not LEFTOVER.fullmatch(name)]
        yield folder, folders, files


def read_file(path: PathLike, limit: int | None = None) -> bytes:
    """All bytes of a (text) file.

    Args:
        limit: bytes of the largest file that is read.

    Raises:
        FileError: it cannot be read, or is larger.
    """
    with Source(path) as source:
        if limit is not None and source.size > limit:
            message = f"has {source.size:,} bytes, and a file of its kind has at most {limit:,}: is it the right one?"
            raise FileError(message, FilePlace(source.name))
        return source.read(0, source.size)


def has_magic(path: PathLike, magic: bytes) -> bool:
    """Whether a regular file begins with these bytes."""
    if not os.path.isfile(path):
        return False
    with Source(path) as source:
        return source.begins_with(magic)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def same_file(a: PathLike, b: PathLike) -> bool:
    """Whether two paths lead to one existing file."""
    try:
        return os.path.samefile(a, b)
    except OSError:
        return False


def files_in(folder: PathLike, suffix: str) -> list[str]:
    """Names of the files in a folder that end so, sorted; none where it cannot be read."""
    try:
        return sorted(name for name in os.listdir(folder) if name.endswith(suffix))
    except OSError:
        return []


def parent_of(folder: PathLike) -> Path:
    """The directory that holds one, which its path does not say where that is `.` or ends in `..`."""
    path = Path(folder)
    return path.parent if path.name not in ("", "..") else Path(os.path.realpath(path)).parent


def folders_in(folder: PathLike) -> list[str]:
    """Paths of the directories in a folder, sorted, without what a run that was killed has left; none where it cannot be read."""
    try:
        return sorted(one.path for one in os.scandir(folder) if one.is_dir() and not LEFTOVER.fullmatch(one.name))
    except OSError:
        return []
