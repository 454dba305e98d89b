"""Where the outputs of a run go: written there, compared with what is there, or only shown."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from split_surgery.documents.source import PathLike, Progress
from split_surgery.errors import UsageError
from split_surgery.workspace.names import BINARY_FILES, FOLD_FILE, OWN_FILES, PLAN_FILE
from split_surgery.workspace.output_dir import Output, OutputDir
from split_surgery.workspace.snapshots import snapshots_in

Status = Literal["written", "unchanged", "differs", "same", "diff"]
"""What became of a directory: it was written, or holds it already; `--check` found it to differ, or not; `--diff` only shows."""


class Finished(NamedTuple):
    """What became of the directory, the names of the files that `--check` found to differ, and in what, where that was asked."""

    status: Status
    differing: tuple[str, ...] = ()
    diff: str = ""


def plain(path: PathLike) -> str:
    """A directory as it was given, without slashes at its end."""
    text = os.fspath(path)
    return text.rstrip("/" + os.sep) or text


def refuse_standard_output(output: PathLike) -> None:
    """Raises: UsageError, where files would be named "-", which says standard output elsewhere."""
    if os.fspath(output) == "-":
        raise UsageError(
            "-o -: what is written has a name, and does not go to standard output", hint="-o ./- is that name"
        )


@dataclass(frozen=True)
class Destination:
    """The directory that the user named, and whether to write, to compare or to show; to compare and to show is to show the difference.

    Raises:
        UsageError: it has no name.
    """

    output: PathLike
    force: bool = False
    check: bool = False
    diff: bool = False

    def __post_init__(self) -> None:
        if not os.fspath(self.output):
            raise UsageError("the output directory has no name (an empty shell variable?)")
        refuse_standard_output(self.output)

    @property
    def directory(self) -> OutputDir:
        return OutputDir(plain(self.output))

    def finish(
        self, outputs: Sequence[Output], inputs: Sequence[PathLike], progress: Progress, *, texts_only: bool = False
    ) -> Finished:
        """Write the outputs, or compare them, or leave them to be shown: the one end of every run that makes files.

        Args:
            inputs: files that must not be replaced.
            texts_only: whether the outputs lack the weights on purpose, so that those in the directory are not stale.

        Raises:
            UsageError: the directory holds something else, and force is not given or not allowed; or an input would be replaced.
            FileError: it cannot be written.
        """
        directory = self.directory
        if self.check:
            differing = (*directory.differing(outputs), *_stale_files(directory, outputs, texts_only))
            diff = directory.changes(outputs, differing) if self.diff else ""
            return Finished("differs" if differing else "same", differing, diff)
        if self.diff:
            if self.force and directory.entries():
                self._replaced(directory, outputs, inputs)  # what would stop the writing stops the showing
            return Finished("diff")
        return Finished(self._write(directory, outputs, inputs, progress))

    def _write(
        self, directory: OutputDir, outputs: Sequence[Output], inputs: Sequence[PathLike], progress: Progress
    ) -> Status:
        directory.tidy()
        if not directory.entries():
            directory.create(outputs, progress)
            return "written"
        replaced = self._replaced(directory, outputs, inputs)
        if not replaced:
            return "unchanged"
        if self._begun(directory, outputs, replaced):
            directory.create(outputs, progress)
        else:
            directory.renew(outputs, progress)
        return "written"

    def _replaced(
        self, directory: OutputDir, outputs: Sequence[Output], inputs: Sequence[PathLike]
    ) -> Sequence[Output]:
        """The outputs that a directory holds otherwise or not at all.

        Raises:
            UsageError: they must not be written there.
        """
        stale = _stale_files(directory, outputs)
        if stale:
            raise UsageError(
                f"{directory.given} holds {', '.join(stale)} of another run, which this one would not write",
                hint=f"choose another directory, or remove {', '.join(stale)} from it; a solver is written with --solver FILE",
            )
        differing = directory.differing(outputs)
        replaced = [output for output in outputs if output.name in differing]
        directory.refuse_inputs(replaced, inputs)
        snapshots = snapshots_in(directory.path)
        if snapshots and (PLAN_FILE in differing or FOLD_FILE in differing):
            raise UsageError(
                f"{directory.given} holds snapshots ({snapshots[-1].path.name}) of another net; --force will not mix them",
                hint="choose another directory, or move the snapshots away",
            )
        if replaced and not self.force and not self._begun(directory, outputs, replaced):
            raise UsageError(
                f"{directory.given} is not empty, and holds something else ({', '.join(differing)} would be written)",
                hint="choose another directory, or replace the files with --force",
            )
        return replaced

    def _begun(self, directory: OutputDir, outputs: Sequence[Output], replaced: Sequence[Output]) -> bool:
        """Whether what is there is of this very run, which somebody has stopped while it filled a directory that was there before."""
        return len(replaced) < len(outputs) and list(replaced) == list(directory.missing(outputs))


@dataclass(frozen=True)
class FileDestination:
    """The one file that the user named, likewise."""

    output: PathLike
    force: bool = False
    check: bool = False
    diff: bool = False

    def __post_init__(self) -> None:
        refuse_standard_output(self.output)

    def finish(self, output: Output, inputs: Sequence[PathLike], progress: Progress) -> Finished:
        """Write the file, or compare it, or leave it to be shown.

        Args:
            output: of the name that the file has in its directory. inputs: files that must not be replaced.

        Raises:
            UsageError: the file is there and holds something else, and force is not given; or an input would be replaced.
            FileError: it cannot be written.
        """
        path = Path(self.output)
        directory = OutputDir(path.parent)
        same = output.same_as(path)
        if self.check:
            changes = directory.changes([output], [output.name]) if self.diff and not same else ""
            return Finished("same") if same else Finished("differs", (output.name,), changes)
        if self.diff:
            return Finished("diff")
        directory.refuse_inputs([output], inputs)
        if same:
            return Finished("unchanged")
        if os.path.lexists(path) and not self.force:
            raise UsageError(f"{path} is there already", hint="choose another name, or replace the file with --force")
        directory.replace([output], progress)
        return Finished("written")


def _stale_files(directory: OutputDir, outputs: Sequence[Output], texts_only: bool = False) -> list[str]:
    """Files of ours in the directory that are not among the outputs: they would be taken for part of it."""
    made = {output.name for output in outputs} | (set(BINARY_FILES) if texts_only else set())
    return [name for name in directory.entries() if name in OWN_FILES and name not in made]
