"""The verb `reshape`: layers in another shape that compute the same: InnerProducts as convolutions, groups as layers, other images."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from split_surgery.documents.net.shapes import Given
from split_surgery.documents.source import PathLike, Progress, no_progress
from split_surgery.errors import OptionError, UsageError, nearest
from split_surgery.operations.change_images import ChangedImages, change_channels, take_raw_pixels
from split_surgery.operations.image_kinds import IMAGE_KINDS, ImageKind
from split_surgery.operations.pixel_transform import Transform
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
        images: changes of the images that the net reads.
        notes: what follows from it elsewhere in the net.
        source: the prototxt and the weights, as they were named or found. files: names of those that are made.
    """

    status: Status
    directory: str
    layers: tuple[Recasted, ...]
    ungrouped: tuple[Ungrouped, ...]
    images: tuple[ChangedImages, ...]
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
        for row, images in zip(tree["images"], self.images):
            row["channels"] = dict(zip(("before", "after"), images.channels))
        del tree["diff"]
        return tree | self.diff_entry()

    def tables(self) -> tuple[Table, ...]:
        rows = tuple((one.layer, one.was, one.now, *map(str, one.weight)) for one in self.layers)
        columns = ("layer", "was", "is", "weight before", "after")
        found = [Table(f"{self.directory}: {self.status}", columns, rows)]
        if self.ungrouped:
            groups = tuple((one.layer, str(one.groups), ", ".join(one.layers)) for one in self.ungrouped)
            found.append(Table("groups as layers", ("layer", "groups", "is"), groups))
        if self.images:
            changes = tuple(
                (one.blob, one.change, "x".join(map(str, one.channels)), ", ".join(one.layers)) for one in self.images
            )
            found.append(Table("images", ("blob", "are now", "channels before, after", "read by"), changes))
        if self.notes:
            found.append(Table("what follows", ("",), tuple((note,) for note in self.notes)))
        return tuple(found)


@in_library_words
def reshape(
    net: PathLike, weights: PathLike | None = None, output: PathLike | None = None, *,
    to_convolution: Names = (), to_inner_product: Names = (), ungroup: Names = (), channels: ImageKind | None = None,
    raw_pixels: bool = False, mean: str | Sequence[float] | None = None, scale: float | None = None, also: tuple[PathLike, ...] = (),
    solver: PathLike | None = None, as_path: str | None = None, input_shape: Given | None = None, force: bool = False,
    check: bool = False, diff: bool = False, progress: Progress = no_progress,
) -> ReshapeReport:  # fmt: skip
    """Give layers another shape in which they compute the same, in the directory `output`.

    Args:
        net: a prototxt, or the directory of a split, a fold or an edit. weights: may then be None.
        to_convolution: InnerProducts that become convolutions; names, or a text of several with commas between them.
        to_inner_product: convolutions that cover their whole bottom, and become InnerProducts.
        ungroup: grouped convolutions that become a Slice, a convolution for each group, and a Concat.
        channels: what images the net takes: "gray", "color", or "swapped" (RGB for BGR, or back).
        raw_pixels: the mean and scale that a data layer takes from pixels become the net's. mean, scale: they, where no prototxt says
            them; a text of numbers with commas between them, or numbers.
        also: further prototxts to edit alike. solver: the one that trains NET, written too. as_path: the directory's name where
            the solver will be used.
        input_shape: shapes of blobs that no prototxt says, by name.
        force: replace the files of a directory that holds something else. check, diff: look, and write nothing.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    destination = Destination(need_output(output), force, check, diff)
    wanted = {"InnerProduct": _names(to_inner_product), "Convolution": _names(to_convolution)}
    grouped, given_transform = _names(ungroup), _transform(mean, scale)
    if given_transform is not None and not raw_pixels:
        raise UsageError("--mean and --scale say what --raw-pixels folds into the net", hint="add --raw-pixels")
    if not any((*wanted.values(), grouped, channels, raw_pixels)):
        raise UsageError(
            "nothing is asked for: --to-convolution, --to-inner-product or --ungroup with names of layers, --channels or --raw-pixels"
        )
    if channels is not None and channels not in IMAGE_KINDS:
        raise OptionError(
            "channels", f"must be one of {', '.join(IMAGE_KINDS)}", channels, nearest(channels, list(IMAGE_KINDS))
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
        edited, images, more = _other_images(edited, channels, raw_pixels, given_transform)
        edited, ungrouped = ungroup_layers(edited, grouped)
        outputs = outputs_of(edited, plain(as_path) if as_path else directory.given)
        status, differing, changes = destination.finish(outputs, inputs.paths(), progress)
        changed = {one.layer for one in layers} | {name for one in images for name in one.layers}
        return ReshapeReport(
            status=status, directory=directory.given, layers=tuple(layers), ungrouped=tuple(ungrouped),
            images=tuple(images), files=tuple(one.name for one in outputs),
            source=(os.fspath(files.net), os.fspath(files.weights)), notes=(*notes, *more), differing=differing, warnings=files.remarks,
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


def _transform(mean: str | Sequence[float] | None, scale: float | None) -> Transform | None:
    """What is said of pixels in words, None where nothing is.

    Raises:
        OptionError: a mean or a scale that is no number.
    """
    if mean is None and scale is None:
        return None
    try:
        means = tuple(float(one) for one in (mean.split(",") if isinstance(mean, str) else mean or ()))
    except ValueError:
        raise OptionError("mean", "must be numbers with commas between them: 104,117,123", mean) from None
    for name, value in (*(("mean", one) for one in means), *((("scale", scale),) if scale is not None else ())):
        if not abs(value) < 1e30 or (name == "scale" and not value):
            raise OptionError(name, "must be a finite number" + (" other than 0" if name == "scale" else ""), value)
    return Transform(means, 1.0 if scale is None else scale)


def _other_images(
    inputs: Inputs, channels: ImageKind | None, raw: bool, given: Transform | None
) -> tuple[Inputs, list[ChangedImages], list[str]]:
    """The files for other images. Pixels come first: their means are those of the old channels."""
    done, notes = list[ChangedImages](), list[str]()
    if raw:
        inputs, one, more = take_raw_pixels(inputs, given)
        done, notes = [one], more
    if channels is not None:
        inputs, one, more = change_channels(inputs, channels)
        done, notes = [*done, one], [*notes, *more]
    return inputs, done, notes
