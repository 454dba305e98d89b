"""Programs that are ready to run: a process that has loaded everything forks for each call, which saves the second that a start takes.

Pages of the documentation hold some hundred commands, and tests ask pycaffe for as much. What stands on the PATH hands its
words, its directory and its three streams to that process.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import PROGRAM, SUPPORT

CLIENT = """\
#!{python} -IS
import array, json, os, socket, sys
with socket.socket(socket.AF_UNIX) as line:
    line.connect({address!r})
    line.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
    line.sendall(json.dumps([{words!r} + sys.argv[1:], os.getcwd(), dict(os.environ)]).encode())
    line.shutdown(socket.SHUT_WR)
    code = int(line.recv(16) or 70)
if code < 0:
    os.kill(os.getpid(), -code)
sys.exit(code)
"""
"""What stands on the PATH. It loads as little as Python allows, and ends as the call does, by a signal too."""

OURS = (
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "split_surgery.cli.main",
    "split_surgery.cli.print_tables",
    "split_surgery.reporting.pages.content",
    "split_surgery.reporting.pictures.blocks",
    "split_surgery.reporting.pictures.curves",
    "split_surgery.verbs.diff",
    "split_surgery.verbs.fold",
    "split_surgery.verbs.printed.files",
    "split_surgery.verbs.printed.runs",
    "split_surgery.verbs.verify",
    "yaml",
)


@contextlib.contextmanager
def fork_server(folder: Path) -> Iterator[Path]:
    """A directory for the PATH, with `split-surgery` and `run-python FILE`."""
    programs = {"split-surgery": [str(PROGRAM)], "run-python": []}
    with ready(folder, [sys.executable], OURS, programs) as place:
        yield place


@contextlib.contextmanager
def ready_pycaffe(folder: Path, python: Path) -> Iterator[Path]:
    """A `caffe-python` that has loaded pycaffe."""
    with ready(folder, [str(python)], ("caffe", "google.protobuf.text_format"), {"caffe-python": []}) as place:
        yield place / "caffe-python"


@contextlib.contextmanager
def ready(folder: Path, python: list[str], modules: tuple[str, ...], programs: dict[str, list[str]]) -> Iterator[Path]:
    """A directory of programs, each of which begins with some words, for a Python that has loaded modules.

    Args:
        folder: with a short path, since it holds a socket.
    """
    address, place = str(folder / "line"), folder / "bin"
    place.mkdir()
    for name, words in programs.items():
        path = place / name
        path.write_text(CLIENT.format(python=sys.executable, address=address, words=words))
        path.chmod(0o755)
    command = [*python, SUPPORT / "fork_server_main.py", address, *modules]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
            yield place
        finally:
            server.terminate()
