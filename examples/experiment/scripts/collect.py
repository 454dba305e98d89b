"""The tables of a finished grid: accuracies, learning curves, and what each net said of each test image.

    collect.py OUT

Written into OUT:
results.csv: seed, arm, step (0: the baseline), what (trained, folded, start, untrained), correct, images, and of a training the seconds
that it took by the clock and of a processor (of its last attempt, where it was cut short).
curves.csv: seed, arm, step, iteration, accuracy, by Caffe's own log.
pairs.csv: seed, step, two arms, and how many test images only the one or only the other has right, as McNemar's test needs them.
predictions.npz: `labels`, and classes by seed/arm/step/what.
"""

import csv
import itertools
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


def seconds(place):
    """By the clock and of a processor, as Snakemake measured them."""
    with open(place / "trained.seconds", newline="") as file:
        row = list(csv.DictReader(file, delimiter="\t"))[-1]
    return row["s"], row["cpu_time"]


def pairs(said, labels):
    """Of each seed and step: which images two arms have right differently."""
    trained = {tuple(key.split("/")[:3]): classes for key, classes in said.items() if key.endswith("/trained")}
    for (seed, one, step), (other_seed, other, other_step) in itertools.combinations(trained, 2):
        if (seed, step) == (other_seed, other_step):
            right, other_right = (trained[seed, arm, step] == labels for arm in (one, other))
            yield seed[1:], step, one, other, (right & ~other_right).sum(), (other_right & ~right).sum()


def write(path, head, body):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(body)


def main(out):
    rows, points, said, labels = [], [], {}, None
    for seed, arm, step, place in steps(out):
        for what in WHAT:
            file = place / f"{what}.npy"
            if not file.is_file():
                continue
            found = np.load(file)
            if labels is None:
                labels = found[:, 0]
            if not np.array_equal(labels, found[:, 0]):
                sys.exit(f"{file}: was tested on other images than those before it")
            said[f"s{seed}/{arm}/{step}/{what}"] = found[:, 1]
            correct = int((found[:, 0] == found[:, 1]).sum())
            rows.append(
                (seed, arm, step, what, correct, len(found), *(seconds(place) if what == "trained" else ("", "")))
            )
        points += [(seed, arm, step, *point) for point in dict(curve(place / "train.log")).items()]
    write(out / "results.csv", ("seed", "arm", "step", "what", "correct", "images", "seconds", "cpu_seconds"), rows)
    write(out / "curves.csv", ("seed", "arm", "step", "iteration", "accuracy"), points)
    write(out / "pairs.csv", ("seed", "step", "one", "other", "only_one", "only_other"), pairs(said, labels))
    np.savez_compressed(out / "predictions.npz", labels=labels, **said)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
