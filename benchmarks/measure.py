"""Commands measured from outside: seconds, peak memory, and the bytes that were read."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORK = HERE.parent / "bench-work"
DEMO = HERE.parent / "split_surgery" / "verbs" / "demo_data"
TINY = (DEMO / "deploy.prototxt", DEMO / "fashion_vgg_iter_250.caffemodel")
"""A net so small that what a verb takes for it is start-up."""

COUNTED = """
import sys
from split_surgery.cli.main import main
from split_surgery.documents import source
plain, read = source._pread, []
source._pread = lambda fd, count, at: read.append(count) or plain(fd, count, at)
target = sys.argv.pop(1)
try:
    main()
finally:
    open(target, "w").write(str(sum(read)))
"""
"""The program, with the bytes that it reads counted (those that the kernel copies from file to file are not read)."""


@dataclass(frozen=True)
class Run:
    """Wall and processor seconds, the largest resident memory in MB (1e6 bytes), and MB read, where they were counted."""

    seconds: float
    cpu: float
    memory: float
    read: float = 0.0


def once(command: Sequence[object], codes: Sequence[int] = (0,)) -> Run:
    """Run a command that must end with one of these codes."""
    began = time.perf_counter()
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    words = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in codes:
        sys.exit(f"{command} failed: {words.decode(errors='replace')}")
    scale = 1 if sys.platform == "darwin" else 1024
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * scale / 1e6)


def program(*arguments: object, codes: Sequence[int] = (0,)) -> Run:
    """Run split-surgery, its reads counted."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "read")
        run = once([sys.executable, "-c", COUNTED, target, *arguments], codes)
        return Run(run.seconds, run.cpu, run.memory, int(target.read_text()) / 1e6)


def median(runs: Sequence[Run]) -> Run:
    """Medians of the times, and the largest memory."""
    return Run(
        statistics.median(run.seconds for run in runs),
        statistics.median(run.cpu for run in runs),
        max(run.memory for run in runs),
        runs[0].read,
    )


def written(folder: Path, maker: str, *arguments: object) -> tuple[Path, Path]:
    """The net and the weights that a script beside this one writes into a folder.

    In a process of its own, as all that needs numpy: the system counts a parent's memory before exec as its child's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, HERE / f"{maker}.py", folder, *map(str, arguments)], check=True)
    return folder / f"{maker}.prototxt", folder / f"{maker}.caffemodel"
