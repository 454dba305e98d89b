"""Forward times of one seed's nets, before and after folding, by `caffe time` in turn.

    forward_times.py OUT SEED LAST_STEP CAFFE...

Writes OUT/forward.csv: net, median_ms, min_ms, max_ms of ROUNDS runs. Nothing else should run meanwhile.
"""

import csv
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

ROUNDS, ITERATIONS = 5, 20
FORWARD = re.compile(rb"Average Forward pass: ([\d.]+) ms")


def forward(caffe, net, weights):
    """Milliseconds of an average forward pass of the TEST net."""
    words = [*caffe, "time", f"--model={net}", f"--weights={weights}", f"--iterations={ITERATIONS}", "--phase=TEST"]
    env = os.environ | {"OPENBLAS_NUM_THREADS": "1", "GLOG_logtostderr": "1"}
    done = subprocess.run(words, capture_output=True, check=True, env=env)
    return float(FORWARD.search(done.stderr)[1])


def main(out, seed, last, caffe):
    trained = out / f"s{seed}" / "baseline"
    base = re.search(r'^net: "(.*)"', (trained / "solver.prototxt").read_text(), re.MULTILINE)[1]
    nets = {"baseline": (base, trained / "trained.caffemodel")}
    for place in sorted(out.glob(f"s{seed}/*/derived{last}/folded")):
        step = place.parent
        nets[f"{step.parent.name}, {last} splits"] = (step / "net.prototxt", step / "trained.caffemodel")
        nets[f"{step.parent.name}, folded"] = (place / "net.prototxt", place / "net.caffemodel")
    times = {net: [] for net in nets}
    for turn in range(ROUNDS + 1):  # the first is not counted
        for net, files in nets.items():
            found = forward(caffe, *files)
            if turn:
                times[net].append(found)
    with open(out / "forward.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("net", "median_ms", "min_ms", "max_ms"))
        for net, found in times.items():
            writer.writerow((net, *(f"{value:.2f}" for value in (statistics.median(found), min(found), max(found)))))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:])
