"""Where logs are, and their lines: plain files, gzip, and standard input."""

from __future__ import annotations

import gzip
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from split_surgery.errors import FileError, FilePlace
from split_surgery.files import PathLike, Progress, reading

GZIP = b"\x1f\x8b"

STEP = 64 * 1024
"""Bytes read of a line at a time: a file that is no log may have none that ends."""


def is_log(name: str) -> bool:
    """Whether a file is called as logs are: *.log, *.log.gz, and glog's own program.host.user.log.INFO.date-time.pid."""
    stem = name.removesuffix(".gz")
    return stem.endswith((".log", ".INFO")) or ".log.INFO." in stem


def log_files(path: PathLike) -> list[str]:
    """A file itself; of a directory the logs in it and below it, sorted.

    Raises:
        FileError: there is nothing of that name.
    """
    name = os.fspath(path)
    if not os.path.isdir(name):
        return [name]
    found = []
    for folder, folders, files in os.walk(name):
        folders.sort()
        found += [os.path.join(folder, file) for file in sorted(files) if is_log(file)]
    return found


def log_lines(stack: ExitStack, name: str, progress: Progress) -> Iterator[bytes]:
    """The lines of a log, or of standard input (`-`); long ones come in pieces. `stack` closes it.

    A gzip file that is cut off ends where it is cut, as a training that was killed leaves it.

    Raises:
        FileError: it cannot be read.
    """
    if name == "-":
        yield from iter(lambda: sys.stdin.buffer.readline(STEP), b"")
        return
    with reading(name):
        if not Path(name).is_file():
            os.stat(name)  # says that it is not there
            raise FileError("is neither a file nor a directory", FilePlace(name))
        raw = stack.enter_context(open(name, "rb"))  # noqa: SIM115 (the stack closes it)
        size = os.fstat(raw.fileno()).st_size
        zipped = raw.read(2) == GZIP
        raw.seek(0)
        lines = gzip.GzipFile(fileobj=raw) if zipped else raw
        try:
            for count, line in enumerate(iter(lambda: lines.readline(STEP), b"")):
                if not count % 10_000:
                    progress(f"reading {name}", raw.tell(), size)
                yield line
        except (EOFError, zlib.error):
            return
