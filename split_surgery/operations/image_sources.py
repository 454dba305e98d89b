"""What a prototxt says of the images that come in: how many channels they have, and what is done to their pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from split_surgery.documents.edit.v1_proof import parse_both
from split_surgery.documents.net.flow import flows
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.net import Net, Prototxt
from split_surgery.documents.net.shape_rules import Shape
from split_surgery.documents.net.shapes import infer, net_inputs
from split_surgery.documents.prototxt import Document
from split_surgery.errors import Defect
from split_surgery.kernels.image_changes import Gray, ImageChange, Swapped, Unshifted
from split_surgery.operations.editable_layer import EditableLayer
from split_surgery.operations.editable_net import EditableNet
from split_surgery.operations.image_layers import Images
from split_surgery.operations.pixel_transform import UNTOUCHED, Transform, transform_of

MEANS, SCALE = "transform_param.mean_value", "transform_param.scale"

SHAPED = {"DummyData": "dummy_data_param", "Input": "input_param"}
"""Sources that say the shapes of their tops."""


def retold(text: Prototxt, found: Sequence[Images | None], change: ImageChange) -> tuple[Prototxt, list[str]]:
    """A prototxt whose sources give images of the new kind, as far as that is said in it; and what else must be seen to.

    Args:
        found: the images of each of its nets.

    Raises:
        Unsupported, FileError: a source cannot give such images.
        Defect: what would be written says something else.
    """
    net, notes = EditableNet(text.document.data, text.document.name), list[str]()
    handles = {one.read.span.start: one for one in net.layers}
    for own, title, images in zip(text.nets, text.titles(), found):
        if images is not None:
            if images.declared and change.before != change.after:
                _declare(net, title, own.inputs().index(images.blob), change.after)
            for source in images.sources:
                notes += _retell(handles[source.span.start], source, images.blob, change)
    edited = Prototxt(Document(bytes(net), text.document.name))
    for was, now, images in zip(text.nets, edited.nets, found):
        _prove(was, now, images, change)
    return edited, notes


def _declare(net: EditableNet, title: str, index: int, channels: int) -> None:
    """Say how many channels an input of the net has, where its shape is said."""
    inside = f"{title}." if title else ""
    for path in (f"{inside}input_shape[{index}].dim[1]", f"{inside}input_dim[{4 * index + 1}]"):
        if net.values(path):
            net.set(path, channels)


def _retell(layer: EditableLayer, source: Layer, blob: str, change: ImageChange) -> Iterator[str]:
    """Let a data layer give images of the new kind, or say what its data must be."""
    if source.type == "WindowData":
        source.refuse("cuts windows out of colour images by itself, and pads them behind their mean")
    transform = transform_of(source, change.before)
    if isinstance(change, Unshifted):
        if transform is not None:
            _without_transform(layer)
        return
    if transform is not None:
        _retell_means(layer, source, transform, change)
    if isinstance(change, Swapped):
        if source.type == "ImageData":
            source.refuse("reads image files, which Caffe always gives as BGR", hint="read them from a database")
        if source.type not in SHAPED:
            yield f'"{source.name}" must give images whose channels are in the other order now'
        return
    gray = isinstance(change, Gray)
    if source.type in SHAPED:
        _set_channels(layer, source, SHAPED[source.type], source.tops.index(blob), change.after)
    elif source.type == "MemoryData":
        layer.set("memory_data_param.channels", change.after)
    elif source.type == "ImageData":
        if gray or layer.values("image_data_param.is_color"):
            layer.set("image_data_param.is_color", not gray)
    else:
        if source.type == "Data":
            layer.delete(f"transform_param.{'force_color' if gray else 'force_gray'}")
            layer.set(f"transform_param.{'force_gray' if gray else 'force_color'}", True)
        plural = "channel" if change.after == 1 else "channels"
        decoded = ", or encoded ones" if source.type == "Data" else ""
        yield f'"{source.name}" must give images of {change.after} {plural} now{decoded}'


def _set_channels(layer: EditableLayer, source: Layer, param: str, at: int, channels: int) -> None:
    shapes = len(layer.values(f"{param}.shape"))
    if shapes == 1 and len(source.tops) > 1:
        source.refuse("says one shape for all its tops", hint="say one for each of them")
    for path in (f"{param}.shape[{at}].dim[1]", f"{param}.channels[{at}]"):
        if layer.values(path):
            layer.set(path, channels)


def _without_transform(layer: EditableLayer) -> None:
    layer.delete(MEANS)
    layer.delete(SCALE)
    if layer.values("transform_param") == [{}]:
        layer.delete("transform_param")


def _retell_means(layer: EditableLayer, source: Layer, transform: Transform, change: ImageChange) -> None:
    """Let the means be those of the new channels."""
    if len(transform.mean) < 2:
        return
    if isinstance(change, Swapped):
        layer.set(MEANS, layer.values(MEANS)[::-1])
    elif len(set(transform.mean)) > 1:
        source.refuse(
            f"takes {transform.said} from its channels, and the image of one channel has one mean",
            source.message.messages("transform_param")[0],
            "fold them into the convolution, too: --raw-pixels",
        )
    else:
        layer.set(MEANS, layer.values(MEANS)[:1])


def _prove(was: Net, now: Net, images: Images | None, change: ImageChange) -> None:
    """By other readings of both texts: the shapes that follow from them, and protobuf's.

    Raises:
        Defect: more has changed than what is said of the images, or that is not what was meant.
    """
    sources = images.sources if images is not None else ()
    if len(was.layers) != len(now.layers):
        raise Defect(f"the new prototxt has {len(now.layers)} layers instead of {len(was.layers)}")
    for old, new in zip(was.layers, now.layers):
        if old not in sources and old.text != new.text:
            raise Defect(f'"{old.name}" is no source of images, and has changed')
        if old in sources:
            _prove_source(old, new, change)
    if images is None:
        return
    for flow, again in zip(flows(was), flows(now), strict=True):
        pairs = [(shape, net_inputs(now)[blob], blob) for blob, shape in net_inputs(was).items()]
        for one, other in zip(infer(was, flow.state), infer(now, again.state)):
            if not one.layer.bottoms:
                pairs += zip(one.tops, other.tops, one.layer.tops)
        for before, after, blob in pairs:
            if not _as_meant(before, after, change if blob == images.blob else None):
                raise Defect(f'the images "{blob}" have the shape {after} now, and had {before}')


def _prove_source(old: Layer, new: Layer, change: ImageChange) -> None:
    both = parse_both(old, new)
    if both is not None:
        for message in both:
            for field, _ in message.ListFields():
                if field.name.endswith("_param"):
                    message.ClearField(field.name)
        if both[0] != both[1]:
            raise Defect(f'the source "{old.name}" has changed in more than its images')
    if old.type in UNTOUCHED:
        return
    before, after = transform_of(old, change.before), transform_of(new, change.after)
    assert before is not None
    meant = Transform() if isinstance(change, Unshifted) else before
    if isinstance(change, Swapped):
        meant = Transform(before.mean[::-1], before.scale)
    if after is None or not after.same_as(meant, change.after):
        raise Defect(f'the source "{old.name}" transforms pixels in another way than was meant')


def _as_meant(before: Shape | None, after: Shape | None, change: ImageChange | None) -> bool:
    """Whether a shape is the one that was, with the channels of the new images; what a text does not say may be missing in either."""
    if before is None:  # a size that no blob can have was said
        return change is None or after is None or after[1] in (None, change.after)
    if after is None or change is None or len(before) < 2:
        return before == after
    return (*before[:1], *before[2:]) == (*after[:1], *after[2:]) and after[1] in (None, change.after)
