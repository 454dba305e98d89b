"""The snapshots that a ranking rests on, found from what the user named, from WEIGHTS' own run, or from the solver."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

from split_surgery.documents.source import PathLike, folders_in
from split_surgery.errors import OptionError, UsageError, for_shell
from split_surgery.splitting.ranking.evidence import Request
from split_surgery.workspace.run_dir import run_dir
from split_surgery.workspace.snapshots import Snapshot, snapshot_of, snapshots_in

_SNAPSHOT_FOLDERS = ("snapshots", "snapshot")
"""Where people keep them, one level below the weights."""


def find_snapshots(
    request: Request, weights: PathLike, solver_prefix: str | None, solver: PathLike | None
) -> list[Snapshot]:
    """The snapshots to measure over, oldest first; explicit ones, else those of WEIGHTS' own run, else the solver's.

    Raises:
        UsageError: a glob that matches nothing, two snapshots of one iteration.
    """
    if request.snapshots is not None:
        found = _explicit(request.snapshots)
    else:
        found = _of_same_run(weights)
        if len(found) < 2 and solver_prefix and solver is not None:
            # Caffe resolves the prefix from its working directory; the solver's own folder is the other usual place.
            for base in (Path("."), Path(solver).parent):
                folder, _, name = os.path.join(base, solver_prefix).rpartition("/")  # it may end in a slash
                there = _one_format(snapshots_in(folder, name, "caffemodel"))
                found = found if len(found) > 1 else max(found, there, key=len)
            own = snapshot_of(weights)
            if own is not None:  # what came after WEIGHTS says nothing about how they came to be
                found = [snapshot for snapshot in found if snapshot.iteration <= own.iteration]
    for first, second in pairwise(found):
        if first.iteration == second.iteration:
            raise UsageError(f"{first.path} and {second.path} are both of iteration {first.iteration}")
    return found


def how_to_name_snapshots(weights: PathLike, solver_prefix: str | None, solver: PathLike) -> str:
    """What to give, so that kernels are ranked by TPM: the glob of snapshots that lie near, where there are some."""
    folders = dict.fromkeys(Path(path).parent for path in (weights, solver))
    there = dict.fromkeys(snapshot for folder in folders for snapshot in _in_and_below(folder))
    runs = Counter(str(one.path.parent / f"{one.prefix}_iter_*.caffemodel") for one in there)
    near = [pattern for pattern, count in runs.items() if count > 1]  # one alone says nothing of training
    if near:
        return "for TPM: " + " or ".join(f"--snapshots {for_shell(pattern)}" for pattern in near[:3])
    if solver_prefix:
        name = solver_prefix.rpartition("/")[2]
        own = next((f"one alone, {one.path}" for one in there if one.prefix == name), "none")
        return f"the solver's snapshot_prefix, \"{solver_prefix}\", leads to {own}; for TPM: --snapshots 'GLOB'"
    return "for TPM: --snapshots 'GLOB', or --solver FILE"


def snapshots_below(weights: PathLike) -> list[Snapshot]:
    """The snapshots of the one run in the folder `snapshots` beside WEIGHTS, oldest first; none where there are several runs."""
    found = [
        one for folder in _SNAPSHOT_FOLDERS for one in snapshots_in(Path(weights).parent / folder, kind="caffemodel")
    ]
    return _one_format(found) if len({(one.path.parent, one.prefix) for one in found}) == 1 else []


def _in_and_below(folder: Path) -> list[Snapshot]:
    """The snapshots in a folder and in those one level below it that hold no net of their own."""
    folders: list[PathLike] = [folder, *(path for path in folders_in(folder) if run_dir(path).made_by is None)]
    return [one for path in folders for one in snapshots_in(path, kind="caffemodel")]


def _explicit(pattern: str) -> list[Snapshot]:
    paths = sorted(glob.glob(pattern))
    if not paths:
        several = all(glob.glob(part) for part in pattern.split(","))  # of one part it is known already
        folder = os.path.dirname(pattern)
        hint = "it takes one glob, no list; --window A:B chooses among its files" if several else ""
        if not several and folder and not glob.has_magic(folder) and not os.path.isdir(folder):
            hint = f"there is no directory {folder}"
        raise UsageError(f"--snapshots {pattern} matches no file", hint=hint)
    found = []
    for path in paths:
        snapshot = snapshot_of(path)
        if Path(path).is_dir():
            inside = for_shell(f"{path.rstrip('/')}/*_iter_*.caffemodel")
            raise UsageError(f"--snapshots: {path} is a directory; name the files in it: {inside}")
        if snapshot is None:
            numbers = re.findall(r"\d+", Path(path).stem)
            if not numbers:
                beside = for_shell(os.path.join(os.path.dirname(path), "*_iter_*.caffemodel"))
                raise UsageError(
                    f"--snapshots: {path} has no iteration in its name, so its place in time is unknown",
                    hint=f"leave it out: {beside}",
                )
            snapshot = Snapshot(Path(path), "", int(numbers[-1]), "caffemodel")
        if snapshot.kind != "caffemodel":
            raise UsageError(f"--snapshots: {path} is a {snapshot.kind}, not a caffemodel")
        found.append(snapshot)
    return sorted(found, key=lambda snapshot: snapshot.iteration)


def _of_same_run(weights: PathLike) -> list[Snapshot]:
    own = snapshot_of(weights)
    if own is None:
        return []
    folder = Path(weights).parent
    beside = _one_format(snapshots_in(folder, own.prefix, "caffemodel"), own.hdf5)
    if len(beside) < 2:
        below = [one for name in _SNAPSHOT_FOLDERS for one in snapshots_in(folder / name, own.prefix, "caffemodel")]
        earlier = [one for one in _one_format(below, own.hdf5) if one.iteration < own.iteration]
        beside = [*earlier, *(one for one in beside if one.iteration == own.iteration)]
    return _with_start(folder, [snapshot for snapshot in beside if snapshot.iteration <= own.iteration])


def _with_start(folder: Path, snapshots: list[Snapshot]) -> list[Snapshot]:
    """The snapshots of a run, led by what the split wrote into the run's directory, from which the training started."""
    if not snapshots:
        return []
    first, there = snapshots[0], run_dir(folder)
    start = there.start(first.hdf5)
    if first.iteration == 0 or there.plan is None or start is None:
        return snapshots
    return [Snapshot(start, first.prefix, 0, "caffemodel", first.hdf5), *snapshots]


def _one_format(found: list[Snapshot], hdf5: bool = False) -> list[Snapshot]:
    """Of an iteration that was saved both as protobuf and as HDF5, the one of this format."""
    wanted = {snapshot.iteration for snapshot in found if snapshot.hdf5 == hdf5}
    return [snapshot for snapshot in found if snapshot.hdf5 == hdf5 or snapshot.iteration not in wanted]


def windowed(found: list[Snapshot], window: str | None) -> list[Snapshot]:
    """The snapshots of a window, `FIRST:LAST`, both included; None is no window.

    Raises:
        UsageError: it is none, or there is no snapshot at one of its ends.
    """
    if window is None:
        return found
    match = re.fullmatch(r"(\d{1,18}):(\d{1,18})", window)
    if match is None or int(match[1]) >= int(match[2]):
        raise OptionError("window", "must be A:B, two iterations, the first the smaller", window)
    first, last = int(match[1]), int(match[2])
    there = [snapshot.iteration for snapshot in found]
    for end in (first, last):
        if end not in there:
            known = ", ".join(map(str, there)) or "none"
            raise UsageError(
                f"--window {window}: there is no snapshot of iteration {end}", hint=f"snapshots found: {known}"
            )
    return [snapshot for snapshot in found if first <= snapshot.iteration <= last]
