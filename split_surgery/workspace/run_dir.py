"""A directory that an earlier split wrote, and training has gone on in, in the place of NET and WEIGHTS."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from split_surgery.documents.net.net import TRAIN_NETS
from split_surgery.documents.prototxt import Document
from split_surgery.documents.source import PathLike, files_in, read_file, sha256
from split_surgery.errors import FileError, FilePlace, UsageError
from split_surgery.splitting.plan import Plan
from split_surgery.splitting.plan_file import read_plan
from split_surgery.workspace.names import FOLD_FILE, NET_FILE, PLAN_FILE, SOLVER_FILE, WEIGHTS_FILE, WEIGHTS_FILES
from split_surgery.workspace.snapshots import snapshots_in


@dataclass(frozen=True)
class Given:
    """What is split: files, and where they come from.

    Attributes:
        solver, also: the directory's own, where they were not named.
        lineage: SHA-256 of each ancestor's split.yaml (or of the fold.yaml that the chain starts from), the eldest first.
    """

    net: PathLike
    weights: PathLike | None
    solver: PathLike | None
    also: tuple[PathLike, ...]
    lineage: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def given(
    net: PathLike,
    weights: PathLike | None,
    solver: PathLike | None,
    also: tuple[PathLike, ...],
    texts_only: bool = False,
) -> Given:
    """The files to split; a directory stands for its net, its newest snapshot, its solver and its other prototxts.

    Args:
        texts_only: whether the directory need not hold weights.

    Raises:
        UsageError: WEIGHTS is missing beside a file, or the directory holds snapshots of several runs.
        FileError: the directory is not one of a split.
    """
    if weights is None and not os.path.exists(net):
        raise FileError("No such file or directory", FilePlace(os.fspath(net)))
    if not os.path.isdir(net):
        return Given(net, weights, solver, also)
    folder, name = Path(net), os.fspath(net)
    made_by = next((file for file in (PLAN_FILE, FOLD_FILE) if os.path.exists(folder / file)), None)
    if made_by is None:
        raise FileError(f"is a directory, and not one that a split or a fold wrote (it has no {PLAN_FILE} and no {FOLD_FILE})",
                        FilePlace(name), "name the prototxt and the weights in it")  # fmt: skip
    plan = read_plan(folder / PLAN_FILE) if made_by == PLAN_FILE else None
    own_solver = folder / SOLVER_FILE if os.path.exists(folder / SOLVER_FILE) else None
    inside = own_solver is not None and _holds_net(own_solver)
    remarks: list[str] = []
    if weights is None:
        try:
            weights, remarks = newest(folder)
            remarks = remarks if plan is not None else []  # what was folded may well be trained
        except FileError:
            if not texts_only:
                raise
    return Given(
        own_solver if inside and own_solver is not None else folder / NET_FILE,
        weights,
        solver if solver is not None or inside else own_solver,
        (*also, *(path for path in _others(folder, plan) if path.name not in [Path(own).name for own in also])),
        (*(plan.lineage if plan is not None else ()), sha256(read_file(folder / made_by))),
        tuple(remarks),
    )


def _others(folder: Path, plan: Plan | None) -> list[Path]:
    """The other prototxts that were written into a directory: as the plan says, after a fold all that are there."""
    if plan is not None:
        return [folder / file.name for file in plan.also]
    return [folder / name for name in files_in(folder, ".prototxt") if name not in (NET_FILE, SOLVER_FILE)]


def newest(folder: Path) -> tuple[PathLike, list[str]]:
    """The newest snapshot of a directory, or what the split wrote, with a remark.

    Raises:
        UsageError: it holds snapshots of several runs.
    """
    found = snapshots_in(folder, kind="caffemodel")
    prefixes = sorted({snapshot.prefix for snapshot in found})
    if len(prefixes) > 1:
        raise UsageError(f"{folder} holds snapshots of several runs ({', '.join(prefixes)}): name the weights")
    if found:
        return found[-1].path, []
    for name in WEIGHTS_FILES:
        if os.path.exists(folder / name):
            return folder / name, [f"{folder} holds no snapshot: taking {name}, which is untrained"]
    raise FileError(f"holds neither a snapshot nor {WEIGHTS_FILE}", FilePlace(os.fspath(folder)))


def _holds_net(solver: Path) -> bool:
    root = Document(read_file(solver), os.fspath(solver)).root
    return any(root.messages(name) for name in TRAIN_NETS)
