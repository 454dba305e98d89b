"""The snapshots that a ranking rests on, found from what the user named, from WEIGHTS' own run, or from the solver."""

from __future__ import annotations

import glob
import os
import re
from itertools import pairwise
from pathlib import Path

from split_surgery.documents.source import PathLike
from split_surgery.errors import UsageError
from split_surgery.splitting.ranking.evidence import Request
from split_surgery.workspace.run_dir import run_dir
from split_surgery.workspace.snapshots import Snapshot, snapshot_of, snapshots_in


def find_snapshots(
    request: Request, weights: PathLike, solver_prefix: str | None, solver: PathLike | None
) -> list[Snapshot]:
    """The snapshots to measure over, oldest first; explicit ones, else those of WEIGHTS' own run, else the solver's.

    Raises:
        UsageError: a glob that matches nothing, a window that has no such ends, two snapshots of one iteration.
    """
    if request.snapshots is not None:
        found = _explicit(request.snapshots)
    else:
        found = _of_same_run(weights)
        if len(found) < 2 and solver_prefix and solver is not None:
            # Caffe resolves the prefix from its working directory; the solver's own folder is the other usual place.
            for base in (Path("."), Path(solver).parent):
                folder, _, name = os.path.join(base, solver_prefix).rpartition("/")  # it may end in a slash
                found = found if len(found) > 1 else _one_format(snapshots_in(folder, name, "caffemodel"))
            own = snapshot_of(weights)
            if own is not None:  # what came after WEIGHTS says nothing about how they came to be
                found = [snapshot for snapshot in found if snapshot.iteration <= own.iteration]
    for first, second in pairwise(found):
        if first.iteration == second.iteration:
            raise UsageError(f"{first.path} and {second.path} are both of iteration {first.iteration}")
    if request.window is None:
        return found
    return _windowed(found, request.window)


def _explicit(pattern: str) -> list[Snapshot]:
    paths = sorted(glob.glob(pattern))
    if not paths:
        raise UsageError(f"--snapshots {pattern} matches no file")
    found = []
    for path in paths:
        snapshot = snapshot_of(path)
        if Path(path).is_dir():
            raise UsageError(
                f"--snapshots: {path} is a directory; name the files in it: '{path.rstrip('/')}/*.caffemodel'"
            )
        if snapshot is None:
            numbers = re.findall(r"\d+", Path(path).stem)
            if not numbers:
                raise UsageError(f"--snapshots: {path} has no iteration in its name, so its place in time is unknown")
            snapshot = Snapshot(Path(path), "", int(numbers[-1]), "caffemodel")
        if snapshot.kind != "caffemodel":
            raise UsageError(f"--snapshots: {path} is a {snapshot.kind}, not a caffemodel")
        found.append(snapshot)
    return sorted(found, key=lambda snapshot: snapshot.iteration)


def _of_same_run(weights: PathLike) -> list[Snapshot]:
    own = snapshot_of(weights)
    if own is None:
        return []
    beside = _one_format(snapshots_in(Path(weights).parent, own.prefix, "caffemodel"), own.hdf5)
    return _with_start([snapshot for snapshot in beside if snapshot.iteration <= own.iteration])


def _with_start(snapshots: list[Snapshot]) -> list[Snapshot]:
    """The snapshots of a run in a split's directory, led by what the split wrote: the start of the run."""
    first = snapshots[0]
    there = run_dir(first.path.parent)
    start = there.start(first.hdf5)
    if first.iteration == 0 or there.plan is None or start is None:
        return snapshots
    return [Snapshot(start, first.prefix, 0, "caffemodel", first.hdf5), *snapshots]


def _one_format(found: list[Snapshot], hdf5: bool = False) -> list[Snapshot]:
    """Of an iteration that was saved both as protobuf and as HDF5, the one of this format."""
    wanted = {snapshot.iteration for snapshot in found if snapshot.hdf5 == hdf5}
    return [snapshot for snapshot in found if snapshot.hdf5 == hdf5 or snapshot.iteration not in wanted]


def _windowed(found: list[Snapshot], window: str) -> list[Snapshot]:
    match = re.fullmatch(r"(\d{1,18}):(\d{1,18})", window)
    if match is None or int(match[1]) >= int(match[2]):
        raise UsageError(f"--window {window}: must be FIRST:LAST, two iterations, the first the smaller")
    first, last = int(match[1]), int(match[2])
    there = [snapshot.iteration for snapshot in found]
    for end in (first, last):
        if end not in there:
            known = ", ".join(map(str, there)) or "none"
            raise UsageError(
                f"--window {window}: there is no snapshot of iteration {end}", hint=f"snapshots found: {known}"
            )
    return [snapshot for snapshot in found if first <= snapshot.iteration <= last]
