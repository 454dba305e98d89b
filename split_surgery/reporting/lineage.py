"""Directories of splits among what a user names, and the files that each was made from, found again by their digests."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from split_surgery.documents.source import PathLike, folders_in, parent_of, read_file, sha256, walk_folders
from split_surgery.errors import SurgeryError, UsageError
from split_surgery.reporting.logs.trainings import natural
from split_surgery.splitting.plan import Plan
from split_surgery.splitting.plan_file import read_plan
from split_surgery.workspace.manifest import InputFile
from split_surgery.workspace.names import FOLD_FILE, NET_FILE, PLAN_FILE
from split_surgery.workspace.open_files import OpenFiles
from split_surgery.workspace.run_dir import run_dir


@dataclass(frozen=True)
class Derived:
    """The directory of a split.

    Attributes:
        weights: what the split wrote. trained: its newest snapshot, if there is one.
        base: the prototxt and the weights that it was made from, where they were found. missing: why not.
    """

    name: str
    folder: Path
    plan: Plan
    net: Path
    weights: Path | None
    trained: Path | None
    base: tuple[Path, Path] | None
    missing: str = ""


def derived_in(given: Sequence[PathLike]) -> list[Derived]:
    """The directories of splits among those given and below them, and those that given files are in, in natural order.

    What each was made from is looked for in the given directories and in those beside it.

    Raises:
        SurgeryError: a split.yaml is damaged.
    """
    found, named, beside = made_with(PLAN_FILE, given)
    return [_derived(name, folder, [*named, *beside]) for name, folder in found]


def made_with(made_by: str, given: Sequence[PathLike]) -> tuple[list[tuple[str, Path]], list[Path], list[Path]]:
    """The directories with a net and a file that says how they were made, and where what they were made from may be.

    Args:
        made_by: the file's name, split.yaml or fold.yaml. given: directories, which are searched, and files, which stand for theirs.

    Returns:
        The directories with their names, in natural order; all directories that were named; and others around them.
    """
    folders: dict[Path, None] = {}
    for path in given:
        if os.path.isdir(path):
            for folder, inner, _ in walk_folders(path):
                inner.sort()
                folders.setdefault(Path(folder))
        elif os.path.exists(path):
            folders.setdefault(Path(path).parent)
    found = [folder for folder in folders if os.path.isfile(folder / made_by) and os.path.isfile(folder / NET_FILE)]
    around = dict.fromkeys(map(parent_of, found))
    around |= dict.fromkeys(beside for folder in found for beside in map(Path, folders_in(parent_of(folder))))
    others = [folder for folder in around if folder not in folders]
    return sorted(zip(_names(found), found), key=lambda one: natural(one[0])), list(folders), others


def parents(folders: Sequence[Path]) -> list[Path | None]:
    """Of each directory the one among them that it was split from, as far as split.yaml tells: by the digest of the parent's own
    split.yaml (or fold.yaml), or of the prototxt that NET was.

    Raises:
        SurgeryError: a split.yaml is damaged.
    """
    made_by = {folder: _digests(folder, (PLAN_FILE, FOLD_FILE)) for folder in dict.fromkeys(folders)}
    found: dict[Path, Path | None] = {}
    for folder in made_by:
        found[folder] = None
        if os.path.isfile(folder / PLAN_FILE):
            plan = read_plan(folder / PLAN_FILE)
            others = [other for other in made_by if other != folder]
            if plan.lineage:
                fits = (other for other in others if plan.lineage[-1] in made_by[other])
            else:
                fits = (other for other in others if plan.net.sha256 in _digests(other, (plan.net.name,)))
            found[folder] = next(fits, None)
    return [found[folder] for folder in folders]


def _digests(folder: Path, names: Iterable[str]) -> set[str]:
    return {sha256(read_file(folder / name)) for name in names if os.path.isfile(folder / name)}


def _names(folders: Sequence[Path]) -> list[str]:
    """The names of directories, with as much of their paths as tells them apart."""
    depth = 1
    while True:
        found = ["/".join(folder.absolute().parts[-depth:]) for folder in folders]
        if len(set(found)) == len(found) or depth > 99:
            return found
        depth += 1


def _derived(name: str, folder: Path, near: Iterable[Path]) -> Derived:
    there = run_dir(folder)
    plan = read_plan(folder / PLAN_FILE)
    try:
        trained = there.newest()
    except UsageError:  # several runs: which one is meant is not known
        trained = None
    base, missing = _base(plan, [one for one in near if one != folder])
    return Derived(name, folder, plan, folder / NET_FILE, there.written, trained, base, missing)


def _base(plan: Plan, near: Sequence[Path]) -> tuple[tuple[Path, Path] | None, str]:
    """The prototxt and the weights that a plan names, by name, size and digest; or why they were not found."""
    if plan.lineage:  # it was made from a directory of a split or a fold: of those with the same files it was that one
        near = [folder for folder in near if plan.lineage[-1] in _digests(folder, (PLAN_FILE, FOLD_FILE))]
        if not near:
            made_by = f"whose {PLAN_FILE} or {FOLD_FILE} has the SHA-256 {plan.lineage[-1]}"
            return None, f"the directory that it was made from ({made_by}) was not found"
    net = next((path for path in files_called(plan.net, near) if sha256(read_file(path)) == plan.net.sha256), None)
    if net is None:
        return None, _missing("the prototxt that it was made from", "was", plan.net.name, near)
    beside = sorted(near, key=lambda folder: folder != net.parent)
    for path in files_called(plan.weights, beside):
        if _holds(path, plan):
            return (net, path), ""
    return None, _missing("the weights that it was made from", "were", plan.weights.name, near)


def _missing(what: str, verb: str, name: str, near: Iterable[Path]) -> str:
    """Why a file was not found: there is none of the name, or it is another."""
    other = next((folder / name for folder in near if os.path.isfile(folder / name)), None)
    if other is None:
        return f"{what} ({name}) {verb} not found"
    return f"{what} ({name}) {verb} not found: {other} is another, or has been changed since"


def files_called(file: InputFile, folders: Iterable[Path]) -> list[Path]:
    """Files of that name and size."""
    paths = [folder / file.name for folder in folders]
    return [path for path in paths if os.path.isfile(path) and os.path.getsize(path) == file.size]


def _holds(path: Path, plan: Plan) -> bool:
    """Whether a weights file has the records that the plan split; those that it made itself on the way it cannot have."""
    made = {name for layer in plan.layers for member in layer.members for name in member.names.values()}
    with OpenFiles() as files:
        try:
            weights = files.weights(path)
            return all(
                member.record_sha256 in (None, *(record.digest() for record in weights.named(member.layer)))
                for layer in plan.layers for member in layer.members if member.layer not in made
            )  # fmt: skip
        except SurgeryError:
            return False
