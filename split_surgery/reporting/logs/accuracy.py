"""What each training came to: the rows of the accuracy tables."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from split_surgery.reporting.logs.curve import Curve
from split_surgery.reporting.logs.log_row import LogRow, TestOutput
from split_surgery.reporting.logs.test_output import falls, is_share, told
from split_surgery.reporting.logs.tested_images import images_by_files, standard_error
from split_surgery.reporting.logs.trainings import Training, named_parents
from split_surgery.workspace.names import PLAN_FILE


def rows(trainings: Sequence[Training], output: str | None) -> tuple[LogRow, ...]:
    """The rows of a flow, each with what it lost against the end of its parent.

    Args:
        output: the test output that is told; by default the accuracy (see outputs.told).

    Raises:
        SurgeryError: a split.yaml beside a log is damaged.
    """
    found = [_row(one, output) for one in trainings]
    pairs = zip(found, parents_of(trainings))
    return tuple(row if parent is None else _after(found[parent], row) for row, parent in pairs)


def parents_of(trainings: Sequence[Training]) -> list[int | None]:
    """Of each training the one whose net its own was split from, as split.yaml beside the log says, or as the names tell.

    Raises:
        SurgeryError: a split.yaml beside a log is damaged.
    """
    known = zip(_known_parents(trainings), named_parents(trainings))
    return [_chosen(folder, named, trainings) for folder, named in known]


def starts(trainings: Sequence[Training]) -> list[int]:
    """Where the curves of each begin if its iterations are counted on from the last of the net that it was split from: what is to be
    added to its own. A training that was resumed from a solver state of that net counts so by itself.

    Raises:
        SurgeryError: a split.yaml beside a log is damaged.
    """
    parents = parents_of(trainings)
    found: dict[int, int] = {}

    def start(at: int) -> int:
        parent, log = parents[at], trainings[at].log
        if at not in found:
            found[at] = 0  # of two directories that were made of each other's copies neither is first
            if parent is not None:
                before = trainings[parent].log
                resumed = log.resumed or log.begin >= before.iterations > 0
                found[at] = start(parent) + (0 if resumed else max(before.iterations, 0))
        return found[at]

    return [start(at) for at in range(len(trainings))]


def _chosen(folder: Path | None, named: int | None, trainings: Sequence[Training]) -> int | None:
    """The parent: one whose log is in the directory that is known; of several there the one that the names tell, else the last."""
    there = [at for at, one in enumerate(trainings) if one.folder == folder] if folder is not None else []
    return named if named in there or not there else there[-1]


def _known_parents(trainings: Sequence[Training]) -> list[Path | None]:
    """Of each training the directory that its net was split from, where split.yaml beside the log tells."""
    folders = [one.folder for one in trainings]
    if not any(os.path.isfile(folder / PLAN_FILE) for folder in folders):
        return [None] * len(trainings)
    from split_surgery.reporting.lineage import parents

    return parents(folders)


def _after(parent: LogRow, row: LogRow) -> LogRow:
    """The row with its parent's name and, where both tell the same output, the drop."""
    drop = None
    if row.told is not None and parent.told is not None and row.told.output == parent.told.output and not row.late:
        before, start = parent.told.final, row.told.start
        if before is not None and start is not None:
            drop = float(f"{before - start:.9g}")  # Caffe prints six digits
    return replace(row, parent=parent.net, drop=drop)


def _row(training: Training, output: str | None) -> LogRow:
    log, key = training.log, told(training.log, output)
    outputs = {place: _output(training, place, curve) for place, curve in log.tests.items()}
    odd = ""
    if log.odd is not None:
        name, iteration = log.odd
        odd = f"{name} is no number" + (f" at {iteration}" if iteration >= 0 else "")
    return LogRow(
        training.net, log.name, outputs[key] if key is not None else None, tuple(outputs.values()), None, None, _known(log.begin),
        _known(log.iterations), round(log.clock.seconds, 3) if log.in_order else 0.0, log.runs, log.end, odd, log.skipped,
        log.rank, log.processes, log.in_order,
    )  # fmt: skip


def _output(training: Training, place: tuple[int, str], curve: Curve) -> TestOutput:
    log = training.log
    # A single value without an iteration is the end of a log that was grepped: it had another start.
    start = _finite(curve.first) if log.in_order and (curve.count > 1 or log.iterations >= 0) else None
    final = _finite(curve.last) if log.in_order else None
    best, at = curve.lowest if falls(place[1]) else curve.highest
    images = _images(training, place[0])
    error = standard_error(final, images) if is_share(place[1]) else None
    return TestOutput(*place, start, _known(curve.begin), final, _finite(best), _known(at), images, error)


def _images(training: Training, net: int) -> int | None:
    """On how many images the last test was."""
    log = training.log
    if log.processes > 1:  # whether each of them tests on all the images is another matter in every fork
        return None
    said = log.images.of(net)
    return said[-1] if said else images_by_files(training.folder) if net == 0 else None


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _known(iteration: int) -> int | None:
    return iteration if iteration >= 0 else None
