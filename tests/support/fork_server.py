"""The command, ready to run: a process that has loaded everything forks for each call, which saves the second that a start takes.

Pages of the documentation hold some hundred commands. Bash runs them as they stand, and finds on its PATH a `split-surgery` that
hands its words, its directory and its three streams to that process.
"""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

CLIENT = """\
#!{python} -IS
import array, json, os, socket, sys
with socket.socket(socket.AF_UNIX) as line:
    line.connect({address!r})
    streams = array.array("i", [0, 1, 2])
    line.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
    line.sendall(json.dumps([{kind!r}, sys.argv[1:], os.getcwd(), dict(os.environ)]).encode())
    line.shutdown(socket.SHUT_WR)
    sys.exit(int(line.recv(16) or 70))
"""
"""What stands on the PATH. It loads as little as Python allows."""


@contextlib.contextmanager
def fork_server(folder: Path) -> Iterator[Path]:
    """A directory for the PATH, with `split-surgery` and `run-python FILE`."""
    address = str(folder / "line")
    programs = folder / "bin"
    programs.mkdir()
    for name, kind in (("split-surgery", "command"), ("run-python", "script")):
        path = programs / name
        path.write_text(CLIENT.format(python=sys.executable, address=address, kind=kind))
        path.chmod(0o755)
    words = [sys.executable, "-m", "tests.support.fork_server", address]
    with subprocess.Popen(words, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
            yield programs
        finally:
            server.terminate()


def main(address: str) -> NoReturn:
    """Answer calls until somebody ends this process."""
    import matplotlib
    import yaml  # noqa: F401

    matplotlib.use("agg")
    import split_surgery.cli.print_tables
    import split_surgery.reporting.pages.content
    import split_surgery.reporting.pictures.blocks
    import split_surgery.reporting.pictures.curves
    import split_surgery.verbs.diff
    import split_surgery.verbs.fold
    import split_surgery.verbs.printed.files
    import split_surgery.verbs.printed.runs
    import split_surgery.verbs.verify  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forked ones
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        os.write(1, b"ready\n")
        while True:
            line, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _answer(line)
            line.close()


def _answer(line: socket.socket) -> NoReturn:
    """Run one call in this process, tell its exit code, and end."""
    code = 70
    try:
        _, streams, _, _ = socket.recv_fds(line, 1, 3)
        text = b"".join(iter(lambda: line.recv(1 << 16), b""))
        kind, words, place, environment = json.loads(text)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.chdir(place)
        os.environ.clear()
        os.environ.update(environment)
        # Line by line, as on a terminal: in the order of writing.
        sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
        code = _run(kind, words)
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            line.sendall(str(code).encode())
        os._exit(0)


def _run(kind: str, words: list[str]) -> int:
    try:
        if kind == "script":
            sys.argv = words
            sys.path.insert(0, "")
            runpy.run_path(words[0], run_name="__main__")
            return 0
        from split_surgery.cli.main import main as command

        sys.argv = ["split-surgery", *words]
        command()
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 1 if done.code else 0
    except BaseException:
        import traceback

        traceback.print_exc()
        return 1


if __name__ == "__main__":
    main(sys.argv[1])
