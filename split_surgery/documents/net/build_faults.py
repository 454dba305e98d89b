"""What Caffe stops at while it reads and builds a net, whatever the weights."""

from __future__ import annotations

from pathlib import Path

from split_surgery.documents.net.flow import flows
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.shape_rules import Param, Shape, Unknown, axis_of
from split_surgery.documents.net.shapes import Given, Shaped, infer
from split_surgery.documents.prototxt import BOM
from split_surgery.errors import SurgeryError


def build_faults(net: Net, given: Given | None = None) -> list[tuple[str, str]]:
    """The layers, by name, or the file that Caffe stops at, each with why; what the file does not say is taken to fit.

    Args:
        given: shapes of blobs that the prototxt does not say.
    """
    found = [(layer.name, fault) for layer, fault in [*net.unwired(), *shape_faults(net, given)]]
    if net.document.data.startswith(BOM):
        found.append(
            (Path(net.document.name).name, "starts with a byte order mark, which Caffe's parser refuses: remove it")
        )
    return found


def shape_faults(net: Net, given: Given | None = None) -> list[tuple[Layer, str]]:
    """The layers of a net whose bottoms do not fit, each with why; what the file does not say fits.

    Args:
        given: shapes of blobs that the prototxt does not say.
    """
    found: dict[Layer, str] = {}
    for flow in flows(net):
        for shaped in infer(net, flow.state, given=given):
            try:
                fault = _fault(shaped)
            except (Unknown, SurgeryError):
                continue
            if fault:
                found.setdefault(shaped.layer, fault)
    return list(found.items())


def _fault(shaped: Shaped) -> str:
    layer, shapes = shaped.layer, [shape for shape in shaped.bottoms if shape is not None]
    if layer.type == "Eltwise":
        return _differing(shapes, None)
    if layer.type == "Concat" and shapes:
        param = Param(layer, "concat_param")
        return _differing(shapes, axis_of(param.integer("axis", param.integer("concat_dim", 1)), shapes[0]))
    if layer.type == "Convolution":
        geometry = layer.geometry()
        channels = [shape[1] for shape in shapes if len(shape) == 4 and shape[1] is not None]
        if geometry.num_output % geometry.group or any(count % geometry.group for count in channels):
            return f"its channels and outputs are not multiples of its group, {geometry.group}"
    return ""


def _differing(shapes: list[Shape], joined: int | None) -> str:
    """Why bottoms cannot be added, or joined along an axis."""
    for other in shapes[1:]:
        first = shapes[0]
        sizes = [] if len(first) != len(other) else [p for at, p in enumerate(zip(first, other)) if at != joined]
        if len(first) != len(other) or any(None not in pair and pair[0] != pair[1] for pair in sizes):
            return f"its bottoms are of the shapes {_by(first)} and {_by(other)}"
    return ""


def _by(shape: Shape) -> str:
    return "x".join("?" if size is None else str(size) for size in shape)
