"""One table: seconds, times `cp`, peak memory and MB read of every verb, on nets of several kinds, beside `cp` and pycaffe.

Medians of RUNS runs with a warm cache, after one that is not counted (the sparse file: one run). Nothing here asserts a time; memory
above LIMIT for a split, fold, verify, show or diff of one layer fails.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from measure import HERE, TINY, WORK, Run, median, once, written
from verbs import reshape, steps

RUNS = 3
LIMIT = 80
"""MB of resident memory of a verb on a large layer."""

LARGE = 10_000_000
"""Bytes on the disk (a hole has none) of a file of which it says something how long a copy takes."""

HELD = ("split", "fold", "verify", "show", "diff", "convert", "rename", "extract", "reshape")


def copied(weights: Path, runs: int) -> Run:
    """`cp` of the weights."""
    target = WORK / "copy.caffemodel"
    kind = [] if sys.platform == "darwin" else ["--reflink=never"]
    found = []
    for _ in range(runs):
        target.unlink(missing_ok=True)
        found.append(once(["cp", *kind, weights, target]))
    target.unlink()
    return median(found)


def measured(net: Path, weights: Path, layer: str, runs: int, also: Sequence[tuple[str, str]] = ()) -> dict[str, Run]:
    """Each verb so many times, and once before that is not counted where there are several.

    Args:
        layer: the one that verbs change; "" for `also` alone. also: flags of reshape and layers.
    """
    found: dict[str, list[Run]] = {}
    for turn in range(runs + (runs > 1)):
        verbs = [*steps(WORK / "out", net, weights, layer)] if layer else []
        for name, call in (*verbs, *(reshape(WORK / "reshaped", net, weights, *one) for one in also)):
            run = call()
            if turn or runs == 1:
                found.setdefault(name, []).append(run)
    return {name: median(several) for name, several in found.items()}


def pycaffe(weights: Path) -> Run | None:
    """Parse, edit and serialise in pycaffe, once: it takes as long as all the others together. None where it is not installed."""
    finder = "from split_surgery.verification.engines.pycaffe import find_interpreter; print(find_interpreter())"
    found = subprocess.run([sys.executable, "-c", finder], capture_output=True, text=True, check=False)
    if found.returncode:
        return None
    return once([found.stdout.strip(), HERE / "pycaffe_route.py", weights, WORK / "pycaffe.caffemodel"])


def row(net: str, verb: str, run: Run, copy: Run | None) -> str:
    """A line of the table; copy: `cp` of the same weights, where they are large enough to say anything."""
    times = f"{run.seconds / copy.seconds:.1f}" if copy else ""
    read = f"{run.read:,.0f}" if run.read >= 1 else ""
    return f"| {net} | {verb} | {run.seconds:.2f} | {run.cpu:.2f} | {times} | {run.memory:.0f} | {read} |"


def main() -> None:
    shutil.rmtree(WORK, ignore_errors=True)
    vgg, alexnet = written(WORK, "vgg16"), written(WORK, "alexnet")
    chain, sparse = written(WORK, "chain", 2000), written(WORK, "sparse")
    print(
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} processors\n"
    )
    print("| net, layer | | seconds | of a processor | x `cp` | peak MB | MB read |\n|" + " --- |" * 7)
    worst = 0.0
    for title, (net, weights), layer, also, runs in (
        ("tiny: start-up", TINY, "conv1_1", (), RUNS),
        ("VGG-16-sized, conv1_1", vgg, "conv1_1", (("to-convolution", "fc6"),), RUNS),
        ("VGG-16-sized, conv5_1", vgg, "conv5_1", (), RUNS),
        ("AlexNet-sized", alexnet, "", (("ungroup", "conv2"), ("to-convolution", "fc6")), RUNS),
        ("2,000 layers", chain, "c1", (), RUNS),
        ("2.5 GB, sparse", sparse, "conv1_1", (), 1),
    ):
        copy = copied(weights, runs) if 512 * weights.stat().st_blocks > LARGE else None
        if copy is not None:
            print(row(title, "`cp`", copy, copy), flush=True)
        for verb, run in measured(net, weights, layer, runs, also).items():
            print(row(title, verb, run, copy), flush=True)
            if verb.partition(" ")[0] in HELD and title != "2,000 layers":  # there memory is that of the layers' text
                worst = max(worst, run.memory)
        if title.endswith("conv1_1"):
            route = pycaffe(weights)
            print(
                row(title, "split by pycaffe", route, copy)
                if route
                else "| pycaffe is not here (make caffe) | | | | | | |"
            )
    shutil.rmtree(WORK)
    if worst > LIMIT:
        sys.exit(f"{worst:.1f} MB is above {LIMIT} MB")


if __name__ == "__main__":
    main()
