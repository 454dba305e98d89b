"""A net that reads images of another kind and computes the same of them: its first convolutions, and what is said of the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from split_surgery.documents.edit.layer_edit import LayerEdit
from split_surgery.documents.edit.layer_text import splice_layer
from split_surgery.documents.edit.proof import prove_extent, prove_text
from split_surgery.documents.edit.v1_proof import prove_record
from split_surgery.documents.edit.v1_record import with_blobs
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.net import Prototxt
from split_surgery.documents.net.parameters import convolution_blobs, needed_record, shared_with
from split_surgery.documents.net.splittable import check_linear
from split_surgery.documents.spans import Splice, merged
from split_surgery.documents.weights.blobs import Blob, Held, Record, Weights, finite
from split_surgery.documents.weights.caffemodel import Caffemodel, LayerRecord, encode_blob
from split_surgery.errors import Defect, OptionError, Unsupported, UsageError
from split_surgery.kernels.image_changes import Array, Color, Gray, ImageChange, Swapped, Unshifted, largest_difference
from split_surgery.operations.image_kinds import ImageKind
from split_surgery.operations.image_layers import Images, images_of, stated_channels
from split_surgery.operations.image_sources import retold
from split_surgery.operations.named_layers import check_passes_on
from split_surgery.operations.pixel_transform import Transform, transform_of
from split_surgery.operations.scale_layer import with_scale_layer
from split_surgery.workspace.inputs import Inputs
from split_surgery.workspace.outputs import applied, with_numbers

_CHANGES: dict[ImageKind, type[Gray | Color | Swapped]] = {"gray": Gray, "color": Color, "swapped": Swapped}

PROBES = 3


@dataclass(frozen=True)
class ChangedImages:
    """A change of the images that a net reads.

    Attributes:
        change: what images are now: gray, color, swapped, or raw. blob: their name in NET. layers: the convolutions that read them.
        channels: before and after. folded: what was done to pixels before, and is now the net's; "" where it was not asked for.
        added: the layer that does it, "" where the convolutions do. rounding: the largest of a stored number.
    """

    change: str
    blob: str
    layers: tuple[str, ...]
    channels: tuple[int, int]
    folded: str
    added: str
    rounding: float


@dataclass(frozen=True)
class _Reading:
    """The images of all nets of a run, by text and net; and the convolutions that read them, a name once."""

    images: tuple[tuple[Images | None, ...], ...]
    readers: tuple[Layer, ...]
    channels: int

    @property
    def blob(self) -> str:
        return next(images.blob for own in self.images for images in own if images is not None)


def change_channels(inputs: Inputs, kind: ImageKind) -> tuple[Inputs, ChangedImages, list[str]]:
    """The files for images of another number or order of channels; and what their data must be.

    Raises:
        UsageError: no convolution reads images.
        Unsupported, FileError: another layer does, or images of such channels cannot be made of them.
        Defect: what would be written is not what was meant.
    """
    reading, change = _read(inputs), _CHANGES[kind]()
    if reading.channels != change.before:
        reading.readers[0].refuse(f"reads {reading.channels} channels, and {kind} images are made of {change.before}")
    return _changed(inputs, reading, change, kind, "")


def take_raw_pixels(inputs: Inputs, given: Transform | None) -> tuple[Inputs, ChangedImages, list[str]]:
    """The files for pixels as they are: the mean and scale of `transform_param` become the net's.

    Args:
        given: what is done to pixels, where no prototxt says it.

    Raises:
        As `change_channels`; UsageError, where nothing says what is done to pixels; Unsupported, where it differs.
    """
    reading = _read(inputs)
    transform = _transform(reading, given)
    change = Unshifted(transform.means(reading.channels), transform.scale)
    padded = [layer for layer in reading.readers if any(layer.geometry().pad)]
    if not any(change.mean) or not padded:
        return _changed(inputs, reading, change, "raw", transform.said)
    edited, notes = _retold(inputs, reading, change)
    edited, added = with_scale_layer(edited, _read(edited).images, change)
    names = tuple(layer.name for layer in reading.readers)
    channels = (change.before, change.after)
    return edited, ChangedImages("raw", reading.blob, names, channels, transform.said, added, 0.0), notes


def _read(inputs: Inputs) -> _Reading:
    found = tuple(tuple(images_of(net) for net in text.nets) for text in inputs.texts)
    if not any(found[0]):
        raise UsageError(f"no convolution of {inputs.main.document.name} reads what comes into the net")
    for text, own in zip(inputs.texts, found):
        if text in inputs.also and not any(own):
            raise OptionError("also", "has no convolution that reads what comes into the net", text.document.name)
    reading = [images for own in found for images in own if images is not None]
    readers = {layer.name: layer for images in reversed(reading) for layer in reversed(images.readers)}
    reads = {layer for images in reading for layer in images.readers}
    channels = set[int]()
    for layer in (twin for net in inputs.nets for name in readers for twin in net.named(name)):
        if layer not in reads:
            layer.refuse(f"reads something else than the images here, which it reads at {readers[layer.name].place()}")
        channels.add(_channels(inputs, layer, readers[layer.name]))
    if len(channels) > 1:
        raise Unsupported(
            f"convolutions read images of {' and '.join(map(str, sorted(channels)))} channels",
            reading[0].readers[0].place(),
        )
    (count,) = channels
    for net, images in zip(inputs.nets, (images for own in found for images in own)):
        if images is None:
            continue
        for source in images.sources:
            transform_of(source, count)  # whose refusals say more
        wrong = sorted(stated_channels(net, images) - {count})
        if wrong:
            images.readers[0].fail(f'reads {count} channels, and "{images.blob}" has {wrong[0]}')
    return _Reading(found, tuple(reversed(readers.values())), count)


def _channels(inputs: Inputs, layer: Layer, first: Layer) -> int:
    """How many channels a convolution reads.

    Raises:
        Unsupported, FileError: its kernels cannot be made others.
    """
    check_passes_on(layer)
    check_linear(layer, frozenset())
    geometry = layer.geometry()
    if geometry != first.geometry():
        layer.refuse(f"is another convolution than at {first.place()}")
    if geometry.group != 1:
        layer.refuse(f"has {geometry.group} groups, each of which reads channels of its own")
    for net in inputs.nets:
        shared = [other.name for index in (0, 1) for other, _ in shared_with(net, layer, index)]
        if shared:
            layer.refuse(f'shares its parameters with "{shared[0]}", whose kernels would change too')
    return convolution_blobs(inputs.net, inputs.weights, layer, geometry)[0].shape[1]


def _transform(reading: _Reading, given: Transform | None) -> Transform:
    """What is done to pixels in all files.

    Raises:
        UsageError: nothing says it. Unsupported: they differ.
    """
    said: dict[Layer, Transform] = {}
    for images in (images for own in reading.images for images in own if images is not None):
        for source in images.sources:
            transform = transform_of(source, reading.channels)
            if transform is not None:
                said[source] = transform
    if given is not None and len(given.mean) not in (0, 1, reading.channels):
        raise OptionError("mean", f"must be one number or {reading.channels}", given.mean)
    for source, transform in said.items():
        wanted = given if given is not None else next(iter(said.values()))
        if not transform.same_as(wanted, reading.channels):
            other = next(iter(said)).place() if given is None else "what is given"
            source.refuse(
                f"takes {transform.said or 'pixels as they are'}, and {other} {wanted.said or 'pixels as they are'}"
            )
    found = given if given is not None else next(iter(said.values()), None)
    if found is None:
        raise UsageError(
            "no prototxt says what is done to pixels",
            hint="give the training net with --also, or say it: --mean 104,117,123 --scale 1",
        )
    if not found.said:
        raise UsageError("pixels are taken as they are already: no mean and no scale", hint="say them: --mean, --scale")
    return found


def _retold(inputs: Inputs, reading: _Reading, change: ImageChange) -> tuple[Inputs, list[str]]:
    done = [retold(text, own, change) for text, own in zip(inputs.texts, reading.images)]
    notes = dict.fromkeys(note for _, more in done for note in more)
    return inputs.edited([text for text, _ in done], inputs.weights), list(notes)


def _changed(
    inputs: Inputs, reading: _Reading, change: ImageChange, kind: str, folded: str
) -> tuple[Inputs, ChangedImages, list[str]]:
    """The files with other kernels in the first convolutions."""
    edited, notes = _retold(inputs, reading, change)
    names, largest = tuple(layer.name for layer in reading.readers), 0.0
    for name in names:
        edited, rounding = _with_kernels(edited, name, change)
        largest = max(largest, rounding)
    channels = (change.before, change.after)
    return edited, ChangedImages(kind, reading.blob, names, channels, folded, "", largest), notes


def _with_kernels(inputs: Inputs, name: str, change: ImageChange) -> tuple[Inputs, float]:
    """The files with one convolution's kernels changed, and the largest rounding of a number."""
    twins = [layer for net in inputs.nets for layer in net.named(name)]
    layer, geometry = twins[0], twins[0].geometry()
    record = needed_record(inputs.weights, layer)
    blobs = convolution_blobs(inputs.net, inputs.weights, layer, geometry)
    weight, *biases = (finite(blob, name).astype(np.float64) for blob in blobs)
    bias = biases[0].reshape(-1) if biases else np.zeros(geometry.num_output)
    exact = change.kernels(weight, bias)
    stored = [_rounded(layer, array, blobs[0].dtype) for array in exact]
    for seed in range(PROBES):
        ratio, _ = largest_difference((weight, bias), (stored[0], stored[1]), change, seed)
        if not ratio <= 1:
            raise Defect(f'the new kernels of "{name}" answer otherwise than the old ones')
    needs_bias = len(blobs) == 1 and bool(stored[1].any())
    kept = stored if needs_bias else stored[: len(blobs)]
    edits = {one: _edit(one, needs_bias) for one in twins}
    texts = [_edited_text(text, [one for net in text.nets for one in net.named(name)], edits) for text in inputs.texts]
    weights = _edited_weights(inputs.weights, record, edits[layer], kept, needs_bias)
    rounding = max(float(np.abs(one.astype(np.float64) - array).max()) for one, array in zip(stored, exact))
    return inputs.edited(texts, weights), rounding


def _edited_weights(
    weights: Weights, record: Record, edit: LayerEdit, arrays: Sequence[Array], needs_bias: bool
) -> Weights:
    """The weights with other numbers in one record, proven; its other bytes stay, unless it gets a bias."""
    if needs_bias or not isinstance(record, LayerRecord) or not isinstance(weights, Caffemodel):
        return applied(weights, [with_numbers(record, edit, arrays, (1,) if needs_bias else ())])
    blobs: list[Blob] = [
        Held(array if array.ndim == len(blob.shape) else array.reshape(blob.shape), blob.index, "", blob.legacy)
        for array, blob in zip(arrays, record.blobs)
    ]
    encoded = with_blobs(record, [encode_blob(blob, like) for blob, like in zip(blobs, record.blobs)])
    edited = Caffemodel(weights.rope.spliced([Splice(*record.span, merged(encoded.fragments))]))
    (new,) = edited.named(record.name)
    prove_record(record, new, blobs)
    return edited


def _rounded(layer: Layer, array: Array, dtype: str) -> Array:
    with np.errstate(over="ignore"):
        found = np.ascontiguousarray(array.astype(dtype))
    if not np.isfinite(found).all():
        layer.fail(f"would have numbers that {np.dtype(dtype).name} cannot hold")
    return found


def _edit(layer: Layer, needs_bias: bool) -> LayerEdit:
    drops = ("bias_term",) if needs_bias else ()
    return LayerEdit(
        layer.name, layer.bottoms, layer.tops[0], layer.geometry().num_output, drops=drops, keep_propagate_down=True,
        keep_loss_weight=True, v1=layer.v1,
    )  # fmt: skip


def _edited_text(text: Prototxt, layers: Sequence[Layer], edits: dict[Layer, LayerEdit]) -> Prototxt:
    """A prototxt whose convolutions have a bias where they need one now, proven."""
    changed = [layer for layer in layers if edits[layer].drops]
    splices = [splice for layer in changed for splice in splice_layer(layer, edits[layer])]
    prove_extent(splices, [layer.span for layer in changed], text.document.name)
    edited = text.edited(splices)
    again = [one for net in edited.nets for one in net.named(layers[0].name)] if layers else []
    for old, new in zip(layers, again, strict=True):
        prove_text([new], [edits[old]], old)
        if new.geometry().bias_term != (old.geometry().bias_term or bool(edits[old].drops)):
            raise Defect(f'"{old.name}" has no bias where it needs one')
    return edited
