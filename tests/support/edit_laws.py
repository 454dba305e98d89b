"""What every edit of a prototxt keeps, tried on a file: set and set back, made and deleted, added and removed."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from random import Random

from split_surgery.documents.edit.field_values import Name
from split_surgery.documents.prototxt import Document, Message
from split_surgery.errors import UsageError
from split_surgery.operations.editable_layer import EditableLayer
from split_surgery.operations.editable_net import EditableNet
from tests.support.protobuf_oracle import Mixed, agrees


def scalar_paths(message: Message, before: str = "") -> Iterator[str]:
    """The path of every scalar in a message, each name with its index."""
    counts: dict[str, int] = {}
    for field in message.fields:
        for value in field.values:
            number = counts.get(field.name, 0)
            counts[field.name] = number + 1
            path = f"{before}{field.name}[{number}]"
            if isinstance(value, Message):
                yield from scalar_paths(value, f"{path}.")
            else:
                yield path


def another(value):
    """A value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, Name):
        return Name(f"{value}_OF_A_FORK")
    if isinstance(value, str):
        return f'{value}\'s "other"'
    return value + 1 if value + 1 != value else 0.5  # an infinite one


def check_file(data: bytes, name: str, draw: Random, layers: int, paths: int) -> int:
    """Hold an editable net of this text to the laws; how many edits were tried.

    Args:
        layers, paths: at most so many layers of it, and values of each.
    """
    net = EditableNet(data, name)
    assert bytes(net) == data
    assert net.diff() == ""
    tried = 0
    for layer in draw.sample(net.layers, min(layers, len(net.layers))):
        own = list(scalar_paths(layer.read.message))
        for path in draw.sample(own, min(paths, len(own))):
            check_set(net, layer, path, data)
            tried += 1
        check_made(net, layer, data)
        if not layer.listed:
            check_added(net, layer, data)
    return tried


def check_set(net: EditableNet, layer: EditableLayer, path: str, data: bytes) -> None:
    value, size = layer.get(path), len(layer.text)
    layer.set(path, value)
    assert bytes(net) == data, f"{net.path}: {layer}: {path} was set to what it was"
    other = another(value)
    try:
        layer.set(path, other, fork=True)
    except UsageError as error:
        assert "takes whole numbers of" in error.message, error  # the largest there is
        return
    assert layer.get(path) == other
    edited = bytes(net)
    span = changed_span(data, edited)
    start = layer.place.offset
    assert start <= span[0] <= span[1] <= start + size, f"{net.path}: {path}: bytes outside the layer changed"
    again = EditableNet(edited, net.path)
    assert [one.text for one in again.layers] == [one.text for one in net.layers]
    assert again.layers[net.layers.index(layer)].get(path) == other
    layer.set(path, value, fork=True)
    assert bytes(net) == data, f"{net.path}: {layer}: {path} was set back"


def check_made(net: EditableNet, layer: EditableLayer, data: bytes) -> None:
    """A field that is made and deleted again, inside messages that are made for it, and beside the last one."""
    for path, whole in (("of_a_fork.inner.number", "of_a_fork"), ("of_a_fork", "of_a_fork")):
        layer.set(path, 3, fork=True)
        assert layer.get(path) == 3
        assert len(bytes(net)) > len(data)
        assert layer.delete(whole) == 1
        assert bytes(net) == data, f"{net.path}: {layer}: {path} was made and deleted"


def check_added(net: EditableNet, layer: EditableLayer, data: bytes) -> None:
    """A layer that is put behind another one, or before it, and taken out again."""
    form = layer.read.field.name
    for put in (net._put_behind, net._put_before):
        before = list(net.layers)
        (new,) = put(layer, f'{form} {{\n    name: "added"  # a remark\n    bottom: "x"\n}}', False)
        again = EditableNet(bytes(net), net.path)
        assert [one.text for one in again.layers] == [one.text for one in net.layers]
        assert [one for one in net.layers if one is not new] == before
        net._take_out(new)
        assert bytes(net) == data, f"{net.path}: {layer}: a layer was added and removed"


def changed_span(old: bytes, new: bytes) -> tuple[int, int]:
    """The bytes of `old` between what the two begin with and what they end with."""
    most = min(len(old), len(new))
    start = bisect_left(range(most), True, key=lambda at: old[: at + 1] != new[: at + 1])
    end = bisect_left(range(most - start), True, key=lambda at: old[len(old) - 1 - at :] != new[len(new) - 1 - at :])
    return start, len(old) - end


def agrees_with_protobuf(data: bytes, name: str) -> bool | None:
    """Whether protobuf reads an edited text as ours does; None where no schema can express it."""
    try:
        return agrees(Document(data, name))
    except Mixed:
        return None
