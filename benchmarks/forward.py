"""Forward time of a baseline, of the net derived from it, and of that net folded: `caffe time` in turn, in one run.

The net is examples/fashion_vgg with its trained residual split, at batch 64 on the CPU with one BLAS thread. Nothing here asserts a
time; that the folded net has the baseline's layers is what makes it as fast.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from split_surgery import fold, residual
from split_surgery.errors import SurgeryError
from split_surgery.verification.engines.pycaffe import find_interpreter

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "fashion_vgg"
ROUNDS, ITERATIONS, BATCH = 5, 20, 64
FORWARD = re.compile(rb"Average Forward pass: ([\d.]+) ms")


def forward(caffe: Path, net: Path, weights: Path) -> float:
    """Milliseconds of an average forward pass."""
    command = [caffe, "time", f"--model={net}", f"--weights={weights}", f"--iterations={ITERATIONS}", "--phase=TEST"]
    done = subprocess.run(
        command,
        capture_output=True,
        check=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "GLOG_logtostderr": "1"},
    )
    found = FORWARD.search(done.stderr)
    assert found is not None, done.stderr[-2000:]
    return float(found[1])


def main() -> None:
    try:
        caffe = Path(find_interpreter()).with_name("caffe")
    except SurgeryError as error:
        sys.exit(f"forward times are not measured: {error}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        deploy = folder / "deploy.prototxt"
        deploy.write_text((EXAMPLE / "deploy.prototxt").read_text().replace("dim: 1 dim: 1", f"dim: {BATCH} dim: 1"))
        snapshots = str(EXAMPLE / "snapshots" / "*_iter_*.caffemodel")
        residual(deploy, EXAMPLE / "fashion_vgg.caffemodel", folder / "derived", snapshots=snapshots)
        trained = EXAMPLE / "derived1" / "grow_iter_1000.caffemodel"
        fold(folder / "derived" / "net.prototxt", trained, folder / "folded")
        nets = {
            "baseline": (deploy, EXAMPLE / "fashion_vgg.caffemodel"),
            "residual, trained": (folder / "derived" / "net.prototxt", trained),
            "the same, folded": (folder / "folded" / "net.prototxt", folder / "folded" / "net.caffemodel"),
        }
        times: dict[str, list[float]] = {what: [] for what in nets}
        for turn in range(ROUNDS + 1):  # the first is not counted
            names = list(nets)
            for what in names[turn % 3 :] + names[: turn % 3]:
                found = forward(caffe, *nets[what])
                if turn:
                    times[what].append(found)
    base = statistics.median(times["baseline"])
    print(f"caffe time, batch {BATCH}, {ITERATIONS} iterations, medians of {ROUNDS} runs in turn, one BLAS thread")
    print(f"{'':22}{'median ms':>10}{'min':>8}{'max':>8}{'x baseline':>12}")
    for what, found in times.items():
        median = statistics.median(found)
        print(f"{what:22}{median:10.2f}{min(found):8.2f}{max(found):8.2f}{median / base:12.2f}")


if __name__ == "__main__":
    main()
