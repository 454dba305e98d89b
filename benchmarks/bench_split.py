"""Time and memory of split, verify and fold beside `cp --reflink=never` and pycaffe's parse, edit and serialise, in one run.

Figures are ratios of medians on this machine and disk, with a warm cache. Start-up of the interpreter and imports is
measured by the same command on a tiny net, and stated apart. Nothing here asserts a time.
"""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORK = HERE.parent / "bench-work"
PROGRAM = Path(sys.executable).with_name("split-surgery")
RUNS = 5


@dataclass
class Figure:
    """Wall seconds of each run, and the largest resident memory of any, in MB (1e6 bytes)."""

    name: str
    seconds: list[float]
    memory: float

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def once(command: list[object]) -> tuple[float, float]:
    """Wall seconds and peak resident MB of a command that must succeed."""
    began = time.perf_counter()
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    words = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command} failed: {words.decode(errors='replace')}")
    scale = 1 if sys.platform == "darwin" else 1024
    return seconds, usage.ru_maxrss * scale / 1e6


def interleaved(commands: dict[str, list[object]], runs: int, clean: bool = True) -> dict[str, Figure]:
    """Each command `runs` times in turn, after one run that is not counted; outputs are removed before each."""
    figures = {name: Figure(name, [], 0.0) for name in commands}
    for run in range(runs + 1):
        # Each starts a round in turn: what the one before left to the system (dirty pages, freed ones) is shared fairly.
        names = list(commands)
        for name in names[run % len(names) :] + names[: run % len(names)]:
            if clean:
                remove_outputs()
            seconds, memory = once(commands[name])
            if run:
                figures[name].seconds.append(seconds)
                figures[name].memory = max(figures[name].memory, memory)
    return figures


def remove_outputs() -> None:
    for folder in (WORK / "out", WORK / "tiny-out", WORK / "folded"):
        shutil.rmtree(folder, ignore_errors=True)
    for file in (WORK / "copy.caffemodel", WORK / "pycaffe.caffemodel"):
        file.unlink(missing_ok=True)


def main() -> None:
    WORK.mkdir(exist_ok=True)
    # In a process of its own: the system counts a parent's memory before exec as its child's.
    subprocess.run([sys.executable, HERE / "vgg16.py", WORK], check=True)
    net, weights = WORK / "vgg16.prototxt", WORK / "vgg16.caffemodel"
    demo = HERE.parent / "split_surgery" / "verbs" / "demo_data"
    tiny = [demo / "deploy.prototxt", demo / "fashion_vgg_iter_250.caffemodel"]
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} processors")
    print(
        f"weights file: {weights.stat().st_size / 1e6:.1f} MB; medians of {RUNS} runs in turn, after one run not counted"
    )
    commands: dict[str, list[object]] = {
        "cp --reflink=never": ["cp", "--reflink=never", weights, WORK / "copy.caffemodel"],
        "start-up (tiny net)": [PROGRAM, "residual", *tiny, "-o", WORK / "tiny-out"],
        "split residual": [PROGRAM, "residual", net, weights, "-o", WORK / "out"],
        "split extension": [PROGRAM, "extension", net, weights, "-o", WORK / "out"],
    }
    if sys.platform == "darwin":
        commands["cp --reflink=never"] = ["cp", weights, WORK / "copy.caffemodel"]
    figures = interleaved(commands, RUNS)
    remove_outputs()
    once([PROGRAM, "residual", net, weights, "-o", WORK / "derived"])
    proofs: dict[str, list[object]] = {
        "verify": [PROGRAM, "verify", net, weights, WORK / "derived"],
        "fold": [PROGRAM, "fold", WORK / "derived", "-o", WORK / "folded"],
    }
    figures |= interleaved(proofs, RUNS)
    finder = "from split_surgery.verification.engines.pycaffe import find_interpreter; print(find_interpreter())"
    found = subprocess.run([sys.executable, "-c", finder], capture_output=True, text=True, check=False)
    if found.returncode:
        print("pycaffe's route is not measured: no Python with pycaffe was found (make caffe)")
    else:
        route = {
            "pycaffe's route": [found.stdout.strip(), HERE / "pycaffe_route.py", weights, WORK / "pycaffe.caffemodel"]
        }
        figures |= interleaved(route, 1)  # one run: it takes as long as all the others together
    report(figures)
    shutil.rmtree(WORK)


def report(figures: dict[str, Figure]) -> None:
    copy, start = figures["cp --reflink=never"].median, figures["start-up (tiny net)"].median
    print(f"{'':22}{'median s':>10}{'min':>8}{'max':>8}{'x cp':>8}{'x cp, start-up apart':>22}{'peak MB':>9}")
    for figure in figures.values():
        ours = figure.name.startswith(("split", "verify", "fold"))
        apart = f"{(figure.median - start) / copy:.2f}" if ours else ""
        print(
            f"{figure.name:22}{figure.median:10.3f}{min(figure.seconds):8.3f}{max(figure.seconds):8.3f}"
            f"{figure.median / copy:8.2f}{apart:>22}{figure.memory:9.1f}"
        )


if __name__ == "__main__":
    main()
