"""The tables of a finished grid: accuracies, learning curves, and what each net said of each test image.

    collect.py OUT RESULTS.csv CURVES.csv PREDICTIONS.npz

results.csv: seed, arm, step (0: the baseline), what (trained, folded, start, untrained), correct, images.
curves.csv: seed, arm, step, iteration, accuracy, by Caffe's own log. predictions.npz: `labels`, and classes by
seed/arm/step/what.
"""

import csv
import re
import sys
from pathlib import Path

import numpy as np

WHAT = ("start", "untrained", "trained", "folded")
TEST = re.compile(r"Iteration (\d+), Testing net \(#0\)|Test net output #\d+: accuracy = ([\d.eE+-]+)")


def steps(out):
    """Each directory of a net: seed, arm, step, place."""
    for path in sorted(out.glob("s*/**/solver.prototxt")):
        seed, *rest = path.parent.relative_to(out).parts
        if rest == ["baseline"]:
            yield int(seed[1:]), "baseline", 0, path.parent
        elif len(rest) == 2:
            yield int(seed[1:]), rest[0], int(rest[1].removeprefix("derived")), path.parent


def curve(log):
    iteration = None
    for line in log.read_text(errors="replace").splitlines():
        found = TEST.search(line)
        if found is not None and found[1] is not None:
            iteration = int(found[1])
        elif found is not None and iteration is not None:
            yield iteration, found[2]


def main(out, results, curves, predictions):
    rows, points, said, labels = [], [], {}, None
    for seed, arm, step, place in steps(Path(out)):
        for what in WHAT:
            file = place / f"{what}.npy"
            if not file.is_file():
                continue
            pairs = np.load(file)
            if labels is None:
                labels = pairs[:, 0]
            if not np.array_equal(labels, pairs[:, 0]):
                sys.exit(f"{file}: was tested on other images than those before it")
            said[f"s{seed}/{arm}/{step}/{what}"] = pairs[:, 1]
            rows.append((seed, arm, step, what, int((pairs[:, 0] == pairs[:, 1]).sum()), len(pairs)))
        points += [(seed, arm, step, *point) for point in dict(curve(place / "train.log")).items()]
    for path, head, body in (
        (results, ("seed", "arm", "step", "what", "correct", "images"), rows),
        (curves, ("seed", "arm", "step", "iteration", "accuracy"), points),
    ):
        with open(path, "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(head)
            writer.writerows(body)
    np.savez_compressed(predictions, labels=labels, **said)


if __name__ == "__main__":
    main(*sys.argv[1:])
