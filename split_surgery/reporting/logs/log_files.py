"""The logs that a user names: plain files, gzip, directories and standard input."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from split_surgery.documents.source import PathLike, Progress, named, reading, walk_folders
from split_surgery.errors import FileError, FilePlace
from split_surgery.reporting.logs.caffe_log import Log, read_logs

GZIP, UTF_16 = b"\x1f\x8b", (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

BLOCK, STEP = 1024 * 1024, 64 * 1024
"""Bytes read at a time, and bytes of a line that are handed on at a time: a file that is no log may have none that ends."""


LOG = re.compile(r".*\.(log|INFO)|(.*[._-])?log(\.txt|\.out|\.\d+)?|.*\.log\.(txt|\d+|INFO\..*)", re.IGNORECASE)
"""What logs are called: *.log, log.txt, train_log.txt, train.log.2, and glog's own program.host.user.log.INFO.date-time.pid."""

STDIN = "-"


_STAMP = re.compile(rb"[IWEF](?:\d{4})?\d{4} \d\d:\d\d:\d\d")
"""How each line of glog's begins."""


def read_all(given: Sequence[PathLike], progress: Progress, bare: bool = False) -> list[Log]:
    """The logs of files, of directories and below them, and of standard input (`-`), each file once, whatever names it has.

    Args:
        bare: whether a directory may hold none.

    Raises:
        FileError: a file cannot be read, or a directory holds no log.
    """
    found: list[Log] = []
    seen: set[str] = set()
    for path in given:
        name = named(path)
        files = [name] if name == STDIN else log_files(name)
        if not files and not bare:
            raise FileError(
                "holds no log (*.log, *.log.gz, *log.txt, *.INFO)", FilePlace(name), "name the logs themselves"
            )
        for file in files:
            if os.path.realpath(file) not in seen:
                seen.add(os.path.realpath(file))
                unread: list[str] = []
                with ExitStack() as stack:
                    own = read_logs(log_lines(stack, file, progress, unread), _shown_name(file))
                for log in own:
                    log.unread = "".join(unread)
                found += own
    return found


def check_told(logs: Sequence[Log], bare: bool = False) -> None:
    """Hold that there are no logs, or that one of them tells something of a training.

    Args:
        bare: whether all may be silent.

    Raises:
        FileError: none tells anything.
    """
    if logs and not bare and not any(log.told for log in logs):
        raise FileError(logs[0].silence, FilePlace(logs[0].name), logs[0].unread or logs[0].remedy)


def remarks_on(logs: Sequence[Log]) -> list[str]:
    """What there is to say of logs that are left out, and of those of which a part could not be read."""
    silent = [f"{log.name}: {log.silence}; it is left out" for log in logs if not log.told]
    return [*silent, *dict.fromkeys(log.unread for log in logs if log.unread)]


def log_files(path: PathLike) -> list[str]:
    """A file itself; of a directory the logs in it and below it, sorted.

    Raises:
        FileError: there is nothing of that name, or a directory cannot be read.
    """
    name = os.fspath(path)
    if not os.path.isdir(name):
        return [name]
    found: list[str] = []
    for folder, folders, files in walk_folders(name):
        folders.sort()
        paths = [os.path.join(folder, file) for file in sorted(files) if LOG.fullmatch(file.removesuffix(".gz"))]
        found += filter(os.path.isfile, paths)  # glog's caffe.INFO may lead to a file that is gone
    return found


def _shown_name(name: str) -> str:
    return "standard input" if name == STDIN else name


def log_lines(stack: ExitStack, name: str, progress: Progress, unread: list[str] | None = None) -> Iterator[bytes]:
    """The lines of a log, or of standard input (`-`); long ones come in pieces. `stack` closes it.

    What is zipped and cut off, or followed by something else, ends there: a training that was killed leaves such a file. Of weights,
    a database or a picture that was taken for a log only the beginning is read.

    Args:
        unread: takes a sentence on why the rest of what is zipped was not read, if that is so.

    Raises:
        FileError: it cannot be read.
    """
    with reading(_shown_name(name)):
        if name == STDIN:
            raw, size = stack.enter_context(open(0, "rb", closefd=False)), 0  # noqa: SIM115
        else:
            if not Path(name).is_file():
                os.stat(name)  # says that it is not there
                raise FileError("is neither a file nor a directory", FilePlace(name))
            raw = stack.enter_context(open(name, "rb"))  # noqa: SIM115 (the stack closes it)
            size = os.fstat(raw.fileno()).st_size
        start = raw.peek(2)
        lines = gzip.GzipFile(fileobj=raw) if start.startswith(GZIP) else raw
        read: Callable[[], bytes] = lambda: lines.read1(BLOCK)  # noqa: E731
        if start.startswith(UTF_16):  # as PowerShell's > writes
            text = stack.enter_context(io.TextIOWrapper(raw, "utf-16", "replace"))
            read = lambda: text.read(BLOCK).encode()  # noqa: E731
        rest = looked = b""
        try:
            while block := read():
                if len(looked) < BLOCK:
                    looked += block if looked else block.lstrip(b"\0")
                    if len(looked) >= BLOCK and _is_binary(looked):
                        return
                if size:
                    progress(f"reading {name}", raw.tell(), size)
                *whole, rest = (rest + block).split(b"\n")
                yield from whole
                while len(rest) > STEP:
                    yield rest[:STEP]
                    rest = rest[STEP:]
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            why = "was cut" if isinstance(error, EOFError) else "is damaged, or followed by something else"
            if unread is not None:
                unread.append(f"{_shown_name(name)}: its gzip {why}; it is read up to there")
        if rest:
            yield rest


def _is_binary(beginning: bytes) -> bool:
    """Whether a file that begins so is no log. Zeros alone do not say so: they stand in what was cut while it was written."""
    return b"\0" in beginning and _STAMP.search(beginning) is None
