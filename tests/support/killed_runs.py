"""A command disturbed at one of its write events: before a file is opened for writing or written to, renamed, made or removed.

Each run is a fork of this process, which has everything loaded; so an attempt takes as long as the work itself.
"""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, NoReturn

from split_surgery.cli.main import main
from split_surgery.documents.source import LEFTOVER
from split_surgery.workspace import output_dir

TAKING = {"os.rename", "os.mkdir", "os.link"}
"""Audit events of calls that need room in a directory (os.replace is os.rename's); `open` is looked into."""

CHANGES = TAKING | {"os.remove", "os.rmdir", "os.chmod", "os.utime", "shutil.rmtree", "shutil.copytree"}

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

Disturbance = Callable[[int, bool], None]
"""What is done before each event: its number, and whether it takes room on the disk."""


class Ended(NamedTuple):
    """A run that has ended: its exit code (or a signal's number below zero), its write events, and what it said on stderr."""

    code: int
    events: int
    said: str


def nothing(_at: int, _takes: bool) -> None:
    """The run is left alone."""


def send(number: signal.Signals, *events: int) -> Disturbance:
    """Signals that the run gets at these events."""
    return lambda at, _: os.kill(os.getpid(), number) if at in events else None


def full(event: int) -> Disturbance:
    """The disk is full from an event on."""

    def refuse(at: int, takes: bool) -> None:
        if at >= event and takes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return refuse


def run_disturbed(words: Sequence[object], folder: Path, disturb: Disturbance = nothing) -> Ended:
    """Run a command in `folder` to its end."""
    with started(words, folder, disturb) as (child, told):
        _, status = os.waitpid(child, 0)
        return ended(status, told)


@contextmanager
def started(words: Sequence[object], folder: Path, disturb: Disturbance) -> Iterator[tuple[int, IO[bytes]]]:
    """A command that runs in `folder`: its process, and what `ended` wants."""
    receiving, sending = os.pipe()  # whose buffer takes all that it says
    with os.fdopen(receiving, "rb") as told:
        child = os.fork()
        if child == 0:
            _run(words, folder, disturb, sending)
        os.close(sending)
        yield child, told


def ended(status: int, told: IO[bytes]) -> Ended:
    """What became of a process that was waited for."""
    said, _, events = told.read().partition(b"\0")
    return Ended(os.waitstatus_to_exitcode(status), int(events or 0), said.decode())


def _run(words: Sequence[object], folder: Path, disturb: Disturbance, told: int) -> NoReturn:
    code, events, busy = 70, 0, False

    def count(takes: bool) -> None:
        nonlocal events, busy
        if not busy:  # what a disturbance does is no event
            busy, events = True, events + 1
            try:
                disturb(events - 1, takes)
            finally:
                busy = False

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
        if (opened or event in CHANGES) and isinstance(arguments[0], (str, bytes, os.PathLike)):
            path = os.fsdecode(arguments[0])
            if not os.path.isabs(path) or Path(path).is_relative_to(folder):
                count(bool(opened) or event in TAKING)

    try:
        os.dup2(told, 2)
        sys.stdout, sys.stderr = open(os.devnull, "w"), open(2, "w", closefd=False)  # noqa: SIM115
        sys.argv = ["split-surgery", *map(str, words)]
        os.chdir(folder)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)  # a test runner in the background ignores some
        for name in ("write_all", "copy_range"):
            _counted(name, count)
        sys.addaudithook(hook)
        main()
    except SystemExit as done:
        code = done.code if isinstance(done.code, int) else 70
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os.write(2, b"\0" + str(events).encode())
        os._exit(code)


def _counted(name: str, count: Callable[[bool], None]) -> None:
    """Let each write of content be an event too: no audit event tells of them."""
    real = getattr(output_dir, name)

    def call(*arguments: object) -> object:
        count(True)
        return real(*arguments)

    setattr(output_dir, name, call)


def files_below(folder: Path) -> dict[str, str]:
    """Digests of the files in a folder and below, without leftovers."""
    found = {}
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not LEFTOVER.fullmatch(name)]
        for name in names:
            path = Path(where, name)
            found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def leftovers(folder: Path) -> list[Path]:
    return [Path(where, name) for where, folders, _ in os.walk(folder) for name in folders if LEFTOVER.fullmatch(name)]
