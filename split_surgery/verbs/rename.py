"""The verb `rename`: layers and blobs under other names, in prototxts and weights together."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from split_surgery.documents.source import PathLike, Progress, no_progress
from split_surgery.errors import OptionError, UsageError
from split_surgery.operations.rename_files import Renames, renamed_files, renames_of
from split_surgery.reporting.tables import MadeReport, Table
from split_surgery.verbs.library_words import in_library_words
from split_surgery.verbs.net_and_weights import net_and_weights, refuse_own_directory
from split_surgery.verbs.printed import operations
from split_surgery.verbs.split import need_output
from split_surgery.workspace.destination import Destination, Status, plain
from split_surgery.workspace.inputs import Inputs, NoWeights, open_inputs
from split_surgery.workspace.open_files import OpenFiles
from split_surgery.workspace.outputs import diff_of, outputs_of

ONLY = ("layers", "blobs")


@dataclass(frozen=True)
class RenameReport(MadeReport):
    """What `rename` did, or would do.

    Attributes:
        status: written, unchanged, differs (`--check`), same (`--check`) or diff.
        layers, blobs: new names by old ones.
        source: the prototxt that was renamed, and the weights, if any were.
    """

    status: Status
    directory: str
    layers: Mapping[str, str]
    blobs: Mapping[str, str]
    files: tuple[str, ...]
    source: tuple[str, ...]
    differing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    diff: str = ""

    def lines(self, quiet: bool = False, verbose: bool = False) -> Iterator[str]:
        return operations.rename(self, quiet, verbose)

    def to_dict(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "directory": self.directory,
            "layers": dict(self.layers),
            "blobs": dict(self.blobs),
            "source": list(self.source),
            "files": list(self.files),
            "differing": list(self.differing),
            "warnings": list(self.warnings),
        } | self.diff_entry()

    def tables(self) -> tuple[Table, ...]:
        rows = [("layer", old, new) for old, new in self.layers.items()]
        rows += [("blob", old, new) for old, new in self.blobs.items()]
        return (Table(f"{self.directory}: {self.status}", ("what", "was", "is"), tuple(rows)),)


@in_library_words
def rename(
    net: PathLike, weights: PathLike | None = None, names: Mapping[str, str] | None = None, output: PathLike | None = None, *,
    strip_prefix: str | None = None, only: str | None = None,
    also: tuple[PathLike, ...] = (), solver: PathLike | None = None, as_path: str | None = None,
    force: bool = False, check: bool = False, diff: bool = False, progress: Progress = no_progress,
) -> RenameReport:  # fmt: skip
    """Give layers and blobs other names, in the prototxts and the weights together, in the directory `output`.

    Args:
        net: a prototxt, or the directory of a split, a fold or an edit; then `weights` may be None: its newest snapshot.
        weights: None for a prototxt alone, as before fine-tuning: Caffe then starts the renamed layers at random.
        names: new names by old ones; a name stands for the layers and the blobs that have it.
        strip_prefix: take this from the beginning of all names that have it.
        only: "layers" leaves the names of blobs, "blobs" those of layers.
        also: further prototxts to edit alike. solver: the one that trains NET, written too. as_path: the directory's name where
            the solver will be used.
        force: replace the files of a directory that holds something else. check, diff: look, and write nothing.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    destination = Destination(need_output(output), force, check, diff)
    if only not in (None, *ONLY):
        raise OptionError("only", f"must be {' or '.join(ONLY)}", only)
    if not names and strip_prefix is None:
        raise UsageError("nothing is to be renamed", hint="OLD=NEW says what, or --strip-prefix PREFIX")
    same = next((old for old, new in (names or {}).items() if old == new), None)
    if same is not None:
        raise UsageError(
            f'"{same}" is called so already', hint="OLD=NEW: the name that it has, then the one that it gets"
        )
    refuse_own_directory(net, destination.output, "renamed")
    directory = destination.directory
    with OpenFiles() as opened:
        files = net_and_weights(opened, net, weights, solver, also)
        inputs = open_inputs(opened, files.net, files.weights, solver, files.also)
        renames = renames_of(inputs, dict(names or {}), strip_prefix, only)
        edited = renamed_files(inputs, renames)
        outputs = outputs_of(edited, plain(as_path) if as_path else directory.given)
        alone = files.weights is None
        status, differing, changes = destination.finish(outputs, inputs.paths(), progress, texts_only=alone)
        return RenameReport(
            status=status, directory=directory.given, layers=renames.layers, blobs=renames.blobs,
            files=tuple(one.name for one in outputs),
            source=(os.fspath(files.net), *([] if files.weights is None else [os.fspath(files.weights)])),
            differing=differing, warnings=(*files.remarks, *_warnings(inputs, renames)),
            diff=diff_of(inputs, edited, outputs) if diff and not check else changes,
        )  # fmt: skip


def _warnings(inputs: Inputs, renames: Renames) -> Iterator[str]:
    """What somebody may not have meant."""
    if isinstance(inputs.weights, NoWeights):
        return
    there = {record.name for record in inputs.weights.layers}
    lacking = {layer.name for net in inputs.nets for layer in net.layers if layer.name in renames.layers} - there
    if lacking and not any(old in there for old in renames.layers):
        yield f"{inputs.weights.name} has none of the layers that are renamed ({', '.join(sorted(lacking)[:8])})"
