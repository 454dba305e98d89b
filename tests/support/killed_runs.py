"""A command killed at each of its write events: before a file is opened for writing or written to, renamed, made or removed.

Each run is a fork of this process, which has everything loaded; so an attempt takes as long as the work itself.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from split_surgery.documents.source import LEFTOVER
from split_surgery.workspace import output_dir
from tests.support.run_command import run_here

CHANGES = {
    "os.rename",
    "os.mkdir",
    "os.remove",
    "os.rmdir",
    "os.link",
    "os.chmod",
    "os.utime",
    "shutil.rmtree",
    "shutil.copytree",
}
"""Audit events of calls that change a directory (os.replace is os.rename's); `open` is looked into."""

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def run_and_die(words: tuple[object, ...], folder: Path, at: int) -> tuple[int, int]:
    """Run a command in `folder`, and kill it before its write event of number `at`; the run's exit code (or -SIGKILL) and its events.

    The count is all events of a run that came to its end.
    """
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receiving)
        _run(words, folder, at, sending)
    os.close(sending)
    with os.fdopen(receiving, "rb") as line:
        told = line.read()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), int(told or 0)


def _run(words: tuple[object, ...], folder: Path, at: int, sending: int) -> NoReturn:
    code, events = 70, 0

    def count() -> None:
        nonlocal events
        if events == at:
            os.kill(os.getpid(), signal.SIGKILL)
        events += 1

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
        if (opened or event in CHANGES) and isinstance(arguments[0], (str, bytes, os.PathLike)):
            path = os.fsdecode(arguments[0])
            if not os.path.isabs(path) or Path(path).is_relative_to(folder):
                count()

    try:
        for name in ("write_all", "copy_range"):
            _counted(name, count)
        sys.addaudithook(hook)
        code = run_here(*words, cwd=folder).returncode
        os.write(sending, str(events).encode())
    finally:
        os._exit(code)


def _counted(name: str, count: Callable[[], None]) -> None:
    """Let each write of content be an event too: no audit event tells of them."""
    real = getattr(output_dir, name)

    def call(*arguments: object) -> object:
        count()
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
