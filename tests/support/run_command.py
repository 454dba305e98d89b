"""The command run as a user runs it: all of `main`, in this process, or the installed program in one of its own."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from split_surgery.cli.main import main
from tests.support.paths import PROGRAM


def run_program(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the installed program, for what belongs to a process: the streams' encoding, signals, what is loaded."""
    return subprocess.run(
        [str(PROGRAM), *map(str, arguments)],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def run_here(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `main` in this process: what a program of its own would print and return, without the second that starting one takes."""
    words = ["split-surgery", *map(str, arguments)]
    with _streams() as (out, err), _kept():
        sys.argv = words
        if cwd is not None:
            os.chdir(cwd)
        try:
            main()
        except SystemExit as done:
            code = done.code
    assert isinstance(code, int)
    return subprocess.CompletedProcess(words, code, _text(out), _text(err))


@contextlib.contextmanager
def _streams() -> Iterator[tuple[io.TextIOWrapper, io.TextIOWrapper]]:
    """Standard streams that keep what is written, as bytes, as a program's pipes do."""
    made = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    with contextlib.redirect_stdout(made[0]), contextlib.redirect_stderr(made[1]):
        yield made


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode()


@contextlib.contextmanager
def _kept() -> Iterator[None]:
    """Put back what is set for the whole process: what it was started as, the words of the command, where it runs, and the signals."""
    words, place = sys.argv, Path.cwd()
    program = sys.modules["__main__"]
    package, program.__package__ = program.__package__, None  # else `python -m pytest` would be the name in every usage
    handlers = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM, *_hangup())}
    try:
        yield
    finally:
        sys.argv = words
        program.__package__ = package
        os.chdir(place)
        for name, handler in handlers.items():
            signal.signal(name, handler)


def _hangup() -> tuple[signal.Signals, ...]:
    return (signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()
