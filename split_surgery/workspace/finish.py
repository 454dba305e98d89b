"""Outputs put into the directory that the user named, or compared with what is there."""

from __future__ import annotations

import os
from collections.abc import Sequence

from split_surgery.documents.source import PathLike, Progress
from split_surgery.errors import UsageError
from split_surgery.workspace.names import BINARY_FILES, FOLD_FILE, OWN_FILES, PLAN_FILE
from split_surgery.workspace.output_dir import Output, OutputDir
from split_surgery.workspace.snapshots import snapshots_in


def plain(path: PathLike) -> str:
    """A directory as it was given, without slashes at its end."""
    text = os.fspath(path)
    return text.rstrip("/" + os.sep) or text


def write(
    directory: OutputDir, outputs: Sequence[Output], inputs: Sequence[PathLike], force: bool, progress: Progress
) -> str:
    """Write the outputs, or find that they are there: "written" or "unchanged".

    Raises:
        UsageError: the directory holds something else, and force is not given or not allowed; or an input would be replaced.
    """
    there = directory.entries()
    if not there:
        directory.create(outputs, progress)
        return "written"
    stale = stale_files(directory, outputs)
    if stale:
        raise UsageError(
            f"{directory.given} holds {', '.join(stale)} of another run, which this one would not write",
            hint="choose another directory, or remove it; a solver is written with --solver FILE",
        )
    differing = directory.differing(outputs)
    if not differing:
        return "unchanged"
    directory.refuse_inputs([output for output in outputs if output.name in differing], inputs)
    if not force:
        raise UsageError(
            f"{directory.given} is not empty, and holds something else ({', '.join(differing)} would be written)",
            hint="choose another directory, or replace the files with --force",
        )
    snapshots = snapshots_in(directory.path)
    if snapshots and (PLAN_FILE in differing or FOLD_FILE in differing):
        raise UsageError(
            f"{directory.given} holds snapshots ({snapshots[-1].path.name}) of another net; --force will not mix them",
            hint="choose another directory, or move the snapshots away",
        )
    directory.replace([output for output in outputs if output.name in differing], progress)
    return "written"


def stale_files(directory: OutputDir, outputs: Sequence[Output], without_weights: bool = False) -> list[str]:
    """Files of ours in the directory that are not among the outputs: they would be taken for part of it."""
    made = {output.name for output in outputs} | (set(BINARY_FILES) if without_weights else set())
    return [name for name in directory.entries() if name in OWN_FILES and name not in made]
