"""A net as boxes and arrows: what a block diagram shows, before anything is placed or drawn."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, replace

from split_surgery.documents.net.flow import Flow, Value, flow_in
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.rules import State
from split_surgery.documents.net.shape_rules import Shape
from split_surgery.documents.net.shapes import Given, infer, net_inputs
from split_surgery.documents.weights.blobs import Weights
from split_surgery.errors import SurgeryError

REACH = 2
"""How many boxes away from what is looked at a layer may be before it is folded away."""


_MOST_NAMED = 4
"""Blobs from one box to another of which only the number is said."""


@dataclass(frozen=True)
class Box:
    """One layer with those that work in place on its top, an input of the net, or several layers folded away.

    Attributes:
        lines: what it is, below the title. layers: their names. new: whether a split made it. folded: whether it stands for many.
    """

    title: str
    lines: tuple[str, ...]
    layers: tuple[str, ...]
    new: bool = False
    folded: bool = False


@dataclass(frozen=True)
class Arrow:
    """From one box to another, by their numbers, which rise along it; `label` says what flows, or of a bundle how much."""

    start: int
    end: int
    label: str
    bundle: bool = False


@dataclass(frozen=True)
class Diagram:
    """Boxes in the order of the net, and the arrows between them."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]

    def around(self, layers: Collection[str], reach: int = REACH) -> Diagram:
        """The same with what is further than `reach` boxes from those layers folded away.

        What stands together in the order of the net becomes one box: no arrow can run back then, whatever the net is like.
        """
        near = {at for at, box in enumerate(self.boxes) if set(box.layers) & set(layers)}
        distance, queue = dict.fromkeys(near, 0), deque(sorted(near))
        while queue:
            at = queue.popleft()
            for arrow in self.arrows:
                if at in (arrow.start, arrow.end):
                    other = arrow.start + arrow.end - at
                    if other not in distance:
                        distance[other] = distance[at] + 1
                        queue.append(other)
        runs: list[list[int]] = []
        for at in range(len(self.boxes)):
            far = distance.get(at, reach + 1) > reach
            if far and runs and distance.get(runs[-1][-1], reach + 1) > reach:
                runs[-1].append(at)
            else:
                runs.append([at])
        place = {at: number for number, run in enumerate(runs) for at in run}
        boxes = tuple(self._folded(run) for run in runs)
        flows: dict[tuple[int, int], dict[tuple[int, str], None]] = {}
        for arrow in self.arrows:
            if place[arrow.start] != place[arrow.end]:
                flows.setdefault((place[arrow.start], place[arrow.end]), {})[arrow.start, arrow.label] = None
        return Diagram(boxes, tuple(_bundle(*ends, [label for _, label in made]) for ends, made in flows.items()))

    def _folded(self, run: list[int]) -> Box:
        boxes = [self.boxes[at] for at in run]
        if len(boxes) == 1:
            return boxes[0]
        layers = tuple(name for box in boxes for name in box.layers)
        title = f"{len(layers)} layers" if layers else f"{len(boxes)} inputs"
        return Box(title, (f"{boxes[0].title} ... {boxes[-1].title}",), layers, any(box.new for box in boxes), True)


def _bundle(start: int, end: int, labels: list[str]) -> Arrow:
    """One arrow that stands for several."""
    if len(labels) < _MOST_NAMED:
        return Arrow(start, end, "\n".join(filter(None, dict.fromkeys(labels))))
    return Arrow(start, end, f"{len(labels)} blobs", bundle=True)


def diagram_of(
    net: Net, state: State, new: Collection[str] = (), weights: Weights | None = None, given: Given | None = None
) -> Diagram:
    """The net of a state.

    Args:
        new: names of the layers that are marked. weights, given: say sizes that the prototxt does not (see shapes.infer).
    """
    flow = flow_in(net, state)
    shapes = _shapes(net, flow, weights, given)
    owner: list[int] = []  # the box of each layer
    boxes: list[Box] = []
    inputs: dict[str, int] = {}
    declared = net_inputs(net)
    for blob in dict.fromkeys(value.blob for reads in flow.reads for value in reads if value.maker < 0):
        inputs[blob] = len(boxes)
        boxes.append(Box(blob, ("input" if blob in declared else "made by no layer",), ()))
    for at, layer in enumerate(flow.layers):
        host = _host(flow, at, owner, inputs)
        if host is None:
            owner.append(len(boxes))
            boxes.append(Box(layer.name, _lines(layer), (layer.name,), layer.name in new))
        else:
            owner.append(host)
            box = boxes[host]
            boxes[host] = replace(box, lines=(*box.lines, f"{layer.name}: {layer.type}"), layers=(*box.layers, layer.name),
                                  new=box.new or layer.name in new)  # fmt: skip
    labels: dict[tuple[int, int], dict[str, None]] = {}
    for at, reads in enumerate(flow.reads):
        for value in reads:
            start = owner[value.maker] if value.maker >= 0 else inputs[value.blob]
            if start != owner[at]:
                name = "" if value.blob == boxes[start].title else value.blob
                text = " ".join(filter(None, (name, _text(shapes.get(value)))))
                labels.setdefault((start, owner[at]), {})[text] = None
    arrows = (Arrow(start, end, "\n".join(filter(None, texts))) for (start, end), texts in labels.items())
    return Diagram(tuple(boxes), tuple(arrows))


def _host(flow: Flow, at: int, owner: list[int], inputs: dict[str, int]) -> int | None:
    """The box of what a layer works on in place, where nothing else reads that."""
    layer, reads = flow.layers[at], flow.reads[at]
    if len(reads) != 1 or layer.bottoms != layer.tops or len(flow.readers[reads[0]]) != 1:
        return None
    return owner[reads[0].maker] if reads[0].maker >= 0 else inputs[reads[0].blob]


def _shapes(net: Net, flow: Flow, weights: Weights | None, given: Given | None) -> dict[Value, Shape | None]:
    found: dict[Value, Shape | None] = {Value(-1, blob): shape for blob, shape in net_inputs(net).items()}
    found |= {Value(-1, blob): tuple(shape) for blob, shape in (given or {}).items()}
    for at, shaped in enumerate(infer(net, flow.state, weights, given)):
        found |= {Value(at, top): shape for top, shape in zip(shaped.layer.tops, shaped.tops)}
    return found


def _text(shape: Shape | None) -> str:
    """The shape of one image: the first axis, of a batch, is left out."""
    if shape is None or len(shape) < 2 or all(size is None for size in shape[1:]):
        return ""
    return "×".join("?" if size is None else str(size) for size in shape[1:])


def _lines(layer: Layer) -> tuple[str, ...]:
    """What a layer is: its type, and of a convolution its geometry."""
    if layer.type != "Convolution":
        return (layer.type,)
    try:
        geometry = layer.geometry()
    except SurgeryError:
        return (layer.type,)
    words = ["×".join(map(str, geometry.kernel)), f"{geometry.num_output}"]
    words += [f"/{geometry.stride[0]}"] if geometry.stride != (1, 1) else []
    words += [f"group {geometry.group}"] if geometry.group > 1 else []
    words += [f"dilation {geometry.dilation[0]}"] if geometry.dilation != (1, 1) else []
    return (f"{layer.type} {', '.join(words)}",)
