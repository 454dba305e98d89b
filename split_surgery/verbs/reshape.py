"""The verb `reshape`: layers in another shape that compute the same: InnerProducts as convolutions, and back; groups as layers."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from split_surgery.documents.net.shapes import Given
from split_surgery.documents.source import PathLike, Progress, no_progress
from split_surgery.errors import UsageError
from split_surgery.operations.readers import check_readers
from split_surgery.operations.recast_layers import Recasted, recast_layers
from split_surgery.operations.ungroup_layers import Ungrouped, ungroup_layers
from split_surgery.reporting.tables import MadeReport, Table
from split_surgery.verbs.library_words import in_library_words
from split_surgery.verbs.net_and_weights import net_and_weights, refuse_own_directory
from split_surgery.verbs.printed import reshapes
from split_surgery.verbs.split import need_output
from split_surgery.workspace.destination import Destination, Status, plain
from split_surgery.workspace.inputs import Inputs, open_inputs
from split_surgery.workspace.open_files import OpenFiles
from split_surgery.workspace.outputs import diff_of, outputs_of

Names = str | tuple[str, ...]


@dataclass(frozen=True)
class ReshapeReport(MadeReport):
    """What `reshape` did, or would do.

    Attributes:
        status: written, unchanged, differs (`--check`), same (`--check`) or diff.
        layers: those that are of another type now. ungrouped: convolutions whose groups are layers now.
        notes: what follows from it elsewhere in the net.
        source: the prototxt and the weights, as they were named or found. files: names of those that are made.
    """

    status: Status
    directory: str
    layers: tuple[Recasted, ...]
    ungrouped: tuple[Ungrouped, ...]
    files: tuple[str, ...]
    source: tuple[str, str]
    notes: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    diff: str = ""

    def lines(self, quiet: bool = False, verbose: bool = False) -> Iterator[str]:
        return reshapes.reshape(self, quiet)

    def to_dict(self) -> dict[str, Any]:
        tree = dataclasses.asdict(self)
        for row, layer in zip(tree["layers"], self.layers):
            row["weight"] = dict(zip(("before", "after"), layer.weight))
        del tree["diff"]
        return tree | self.diff_entry()

    def tables(self) -> tuple[Table, ...]:
        rows = tuple((one.layer, one.was, one.now, *map(str, one.weight)) for one in self.layers)
        columns = ("layer", "was", "is", "weight before", "after")
        found = [Table(f"{self.directory}: {self.status}", columns, rows)]
        if self.ungrouped:
            groups = tuple((one.layer, str(one.groups), ", ".join(one.layers)) for one in self.ungrouped)
            found.append(Table("groups as layers", ("layer", "groups", "is"), groups))
        if self.notes:
            found.append(Table("what follows", ("",), tuple((note,) for note in self.notes)))
        return tuple(found)


@in_library_words
def reshape(
    net: PathLike, weights: PathLike | None = None, output: PathLike | None = None, *,
    to_convolution: Names = (), to_inner_product: Names = (), ungroup: Names = (), also: tuple[PathLike, ...] = (),
    solver: PathLike | None = None, as_path: str | None = None, input_shape: Given | None = None, force: bool = False,
    check: bool = False, diff: bool = False, progress: Progress = no_progress,
) -> ReshapeReport:  # fmt: skip
    """Give layers another shape in which they compute the same, in the directory `output`.

    Args:
        net: a prototxt, or the directory of a split or a fold. weights: may then be None.
        to_convolution: InnerProducts that become convolutions; names, or a text of several with commas between them.
        to_inner_product: convolutions that cover their whole bottom, and become InnerProducts.
        ungroup: grouped convolutions that become a Slice, a convolution for each group, and a Concat.
        also: further prototxts to edit alike. solver: the one that trains NET, written too. as_path: the directory's name where
            the solver will be used.
        input_shape: shapes of blobs that no prototxt says, by name.
        force: replace the files of a directory that holds something else. check, diff: look, and write nothing.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    destination = Destination(need_output(output), force, check, diff)
    wanted = {"InnerProduct": _names(to_inner_product), "Convolution": _names(to_convolution)}
    grouped = _names(ungroup)
    if not any((*wanted.values(), grouped)):
        raise UsageError(
            "nothing is asked for: --to-convolution, --to-inner-product or --ungroup, with names of layers"
        )
    refuse_own_directory(net, destination.output, "reshaped")
    directory, given = destination.directory, dict(input_shape or {})
    with OpenFiles() as opened:
        files = net_and_weights(opened, net, weights, solver, also)
        if files.weights is None:
            raise UsageError("WEIGHTS is missing: it may be left out where NET is the directory of a split")
        inputs = open_inputs(opened, files.net, files.weights, solver, files.also)
        edited, layers = inputs, list[Recasted]()
        for kind, names in wanted.items():
            if names:
                edited, done = recast_layers(edited, names, kind, given)
                layers += done
        notes = _notes(inputs, edited, layers, given)
        edited, ungrouped = ungroup_layers(edited, grouped)
        outputs = outputs_of(edited, plain(as_path) if as_path else directory.given)
        status, differing, changes = destination.finish(outputs, inputs.paths(), progress)
        changed = {one.layer for one in layers}
        return ReshapeReport(
            status=status, directory=directory.given, layers=tuple(layers), ungrouped=tuple(ungrouped),
            files=tuple(one.name for one in outputs),
            source=(os.fspath(files.net), os.fspath(files.weights)), notes=notes, differing=differing, warnings=files.remarks,
            diff=diff_of(inputs, edited, outputs, changed) if diff and not check else changes,
        )  # fmt: skip


def _names(given: Names) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _notes(inputs: Inputs, edited: Inputs, layers: Sequence[Recasted], given: Given) -> tuple[str, ...]:
    """What follows for the rest of the nets, said once for all files.

    Raises:
        Unsupported: a layer would read what it cannot read.
    """
    bottoms = {one.layer: one.bottom for one in layers}
    found = [note for was, now in zip(inputs.nets, edited.nets) for note in check_readers(was, now, bottoms, given)]
    return tuple(dict.fromkeys(found))
