"""Each blob of a weights file as it will be: its precision, and the axes of its shape."""

from __future__ import annotations

from collections.abc import Mapping

from split_surgery.documents.net.net import Net
from split_surgery.documents.net.rules import State
from split_surgery.documents.net.shape_rules import Unknown, parameter_shapes
from split_surgery.documents.net.shapes import infer
from split_surgery.documents.weights.blobs import Blob, Record, padded
from split_surgery.documents.weights.casts import Cast, unpadded
from split_surgery.errors import FileError, SurgeryError, Unsupported
from split_surgery.operations.forms import Form

AXES = {
    "Convolution": (4, 1), "Deconvolution": (4, 1), "InnerProduct": (2, 1), "Embed": (2, 1), "BatchNorm": (1, 1, 1),
}  # fmt: skip
"""Axes of the blobs of a layer type in Caffe 1.0, where the type alone tells them of a legacy blob."""

Axes = Mapping[str, "tuple[int | None, ...]"]
"""By layer how many axes each of its blobs has."""


def axes_in(net: Net | None) -> Axes:
    """How many axes Caffe gives the blobs of a net's layers, None where that is not known."""
    found: dict[str, tuple[int | None, ...]] = {}
    for state in (State("TEST"), State("TRAIN")) if net is not None else ():
        assert net is not None
        for shaped in infer(net, state):
            try:
                shapes = parameter_shapes(shaped.layer, shaped.bottoms)
            except (Unknown, SurgeryError):
                continue
            found.setdefault(shaped.layer.name, tuple(None if shape is None else len(shape) for shape in shapes))
    return found


def cast_blob(record: Record, blob: Blob, form: Form, axes: Axes) -> Cast:
    """The blob in the form that is asked for.

    Raises:
        FileError: its numbers are not as many as its shape says, or cannot be read.
        Unsupported: its shape cannot be written in that form.
    """
    if blob.fault:
        raise FileError(f"blob {blob.index} {blob.fault}", blob.place(), layer=record.name)
    shape, legacy = blob.shape, blob.legacy
    if legacy and (form.shapes == "new" or form.container == "h5"):
        shape, legacy = _own_shape(record, blob, axes), False
    elif form.shapes == "legacy" and not legacy:
        if len(shape) > 4:
            message = f"blob {blob.index} has {len(shape)} axes, and a legacy shape has four"
            raise Unsupported(message, blob.place(), layer=record.name)
        shape, legacy = tuple(padded(shape)), True
    return Cast(blob, form.dtype or blob.dtype, shape, legacy)


def _own_shape(record: Record, blob: Blob, axes: Axes) -> tuple[int, ...]:
    """The shape that Caffe gives a blob, of which the file says four axes."""
    known = axes.get(record.name) or AXES.get(record.type) or ()
    if record.type == "PReLU" and not known and blob.count > 1:
        known = (1,)
    count = known[blob.index] if blob.index < len(known) else None
    if count is None:
        message = f"blob {blob.index} has a legacy shape {blob.shape}, and the axes that a {record.type or 'layer'} has are not known"
        raise Unsupported(message, blob.place(), "give NET before WEIGHTS: it may say them", layer=record.name)
    shape = unpadded(blob.shape, count)
    if shape is None:
        message = (
            f"blob {blob.index} has the legacy shape {blob.shape}, which has more than the {count} axes of its own"
        )
        raise FileError(message, blob.place(), layer=record.name)
    return shape
