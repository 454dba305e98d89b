"""A Python that forks for each call: python fork_server_main.py ADDRESS MODULE ...

A script of its own, since another interpreter than ours may run it: that of pycaffe.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import runpy
import signal
import socket
import sys


def main(address: str, *modules: str) -> None:
    """Load modules, and answer calls until somebody ends this process."""
    for module in modules:
        importlib.import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forked ones
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        os.write(1, b"ready\n")
        while True:
            line, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                try:
                    answer(line)
                finally:
                    os._exit(70)
            line.close()


def answer(line: socket.socket) -> None:
    """Run one call in a fork of this process, tell how it ended, and end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, _, _ = socket.recv_fds(line, 1, 3)
    text = b"".join(iter(lambda: line.recv(1 << 16), b""))
    words, place, environment = json.loads(text)
    child = os.fork()
    if child == 0:
        line.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(place)
        os.environ.clear()
        os.environ.update(environment)
        # Line by line, as on a terminal: in the order of writing.
        sys.stdin = os.fdopen(0, closefd=False)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
        code = run(words)
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(code)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(OSError):
        line.sendall(str(-os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)).encode())
    os._exit(0)


def run(words: list[str]) -> int:
    """As `python WORD ...` does: a script, `-` or -c; its exit code."""
    try:
        sys.argv = words[1:] if words[0] == "-c" else words
        if words[0] in ("-", "-c"):
            sys.path[0] = ""
            exec(
                compile(sys.stdin.read() if words[0] == "-" else words[1], "<string>", "exec"), {"__name__": "__main__"}
            )
        else:
            sys.path[0] = os.path.dirname(os.path.abspath(words[0]))
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as done:
        if done.code is None or isinstance(done.code, int):
            return (done.code or 0) & 255
        print(done.code, file=sys.stderr)
        return 1
    except BaseException:
        import traceback

        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    main(*sys.argv[1:])
