"""`split_surgery.open`: edits in a row on a prototxt; each is refused and changes nothing, or leaves a text that can be read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any

from fuzz import prototxt
from fuzz.edits import NUMBERS
from fuzz.law import lawful
from split_surgery.operations.editable_net import EditableNet
from tests.support.edit_laws import scalar_paths

_BAR = b"\n%%%%\n"
MOST_EDITS = 6

_PATHS = ("name", "type", "bottom", "top[0]", "top[-1]", "bottom[*]", "convolution_param.num_output", "convolution_param.kernel_size",
          "convolution_param.pad", "convolution_param.weight_filler", "convolution_param.weight_filler.type", "param.lr_mult",
          "param[0].lr_mult", "param[1].name", "include.phase", "loss_weight", "blobs_lr", "of_a_fork.inner", "input_dim", "input",
          "input_shape.dim", "layer", "layer.name", "layer[0].name", "base_lr", "net_param.layer.name", "transform_param.mirror",
          "eltwise_param.operation", "", ".", "a..b", "[0]", "name[", "convolution_param", "param", "\u00e9")  # fmt: skip
_VALUES = (0, 1, -1, 3, 0.5, 1e-320, True, False, None, "", "a", "a b", 'q"uo\'te', "new\nline", "\u00e9", "\udcff", "\ud800", "\0",
           "TRAIN", "CAFFE", [], [1], [1, 2, 3], ["a", "b"], [True], [[1]], {}, {"type": "xavier"}, {"a": 1}, {"dim": [1, 2]},
           {"type": "gaussian", "std": 0.1}, [{"lr_mult": 1}, {"lr_mult": 2}], {"": 1}, {"a b": 1}, 2**31, 2**64, 10**400)  # fmt: skip
_LAYERS = (
    'layer { name: "added" type: "ReLU" bottom: "conv1_1" top: "conv1_1" }', 'layers { name: "added" type: RELU }',
    'layer {\n  name: "added" # one\n}\nlayer {\n  name: "more"\n}\n', "layer {", "", "# none", 'name: "a"', "layer: [{}, {}]",
    {"name": "added", "type": "ReLU", "bottom": "conv1_1", "top": "added"}, {"name": "added", "type": "RELU"}, {}, {"layer": 1},
    {"name": "added", "of_a_fork": {"a": [1, "b"]}}, "layer { }\r\n", "layer <>",
)  # fmt: skip
_KINDS = (
    "set",
    "set",
    "set",
    "add",
    "delete",
    "add_after",
    "add_before",
    "append",
    "remove",
    "cut",
    "rename",
    "layers",
    "blobs",
)


def joined(edits: Sequence[Sequence[Any]], text: bytes) -> bytes:
    """A file of this harness: each edit in a line, and the prototxt."""
    return "\n".join(map(json.dumps, edits)).encode() + _BAR + text


def _edit(random: Random, net: EditableNet | None) -> list[Any]:
    layers = net.layers if net is not None else ()
    at = random.randrange(len(layers) + 1) - 1  # -1 is the net itself
    kind, names = (
        random.choice(_KINDS),
        [*(layer.name for layer in layers), "conv1_1", "data", "of_nobody", "", "\u00e9"],
    )
    if kind in ("set", "add", "delete"):
        message = layers[at].read.message if at >= 0 else None
        own = list(scalar_paths(message)) if message is not None else []
        path = random.choice(own) if own and random.random() < 0.6 else random.choice(_PATHS)
        return [kind, at, path, random.choice((*_VALUES, *NUMBERS[:6])), random.random() < 0.3]
    if kind in ("rename", "layers", "blobs"):
        return [kind, random.choice(names), random.choice(names)]
    return [kind, at, random.choice(_LAYERS)]


def _opened(text: bytes) -> EditableNet | None:
    return lawful(lambda: EditableNet(text, "net.prototxt"))


def _seed(text: bytes, at: int) -> bytes:
    random, net = Random(at), _opened(text)
    return joined([_edit(random, net) for _ in range(3)], text)


SEEDS = [_seed(text, at) for at, text in enumerate(prototxt.SEEDS)]


def mutated(data: bytes, random: Random) -> bytes:
    said, _, text = data.partition(_BAR)
    if random.random() < 0.3:
        text = prototxt.mutated(text, random)
    try:
        net = _opened(text)
    except Exception:  # what this harness is there to find
        net = None
    edits = [line.decode("utf-8", "replace") for line in said.splitlines()][:MOST_EDITS]
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(edits) + 1)
        edits[at : at + random.randint(0, 1)] = [json.dumps(_edit(random, net))]
    return "\n".join(edits[:MOST_EDITS]).encode() + _BAR + text


def check(data: bytes) -> None:
    said, _, text = data.partition(_BAR)
    net = _opened(text)
    if net is None:
        return
    assert bytes(net) == text, "opened it is another text"
    for line in said.splitlines()[:MOST_EDITS]:
        try:
            edit = json.loads(line)
        except ValueError:
            continue
        if isinstance(edit, list) and len(edit) > 2 and edit[0] in _KINDS:
            _check_edit(net, *edit)
    lawful(net.faults)
    lawful(net.diff)


def _check_edit(net: EditableNet, kind: str, *rest: Any) -> None:
    before, handles = bytes(net), net.layers
    done = lawful(lambda: (_edited(net, kind, *rest), True))
    if done is None:
        assert bytes(net) == before, f"{kind} was refused and has changed the text"
        assert net.layers == handles, f"{kind} was refused and has changed the layers"
        return
    again = EditableNet(bytes(net), "net.prototxt")
    assert [layer.text for layer in again.layers] == [layer.text for layer in net.layers], (
        f"after {kind} other layers are read"
    )
    back = done[0]
    if back is not None:
        back()
        assert bytes(net) == before, f"{kind} and its inverse make another text"
        _edited(net, kind, *rest)


def _edited(net: EditableNet, kind: str, *rest: Any) -> Any:
    """Make an edit; what takes it back, where there is such a thing."""
    if kind in ("rename", "layers", "blobs"):
        old, new = map(str, rest[:2])
        free = new not in [layer.name for layer in net.layers] + net.blobs()
        only = {"layers": kind != "blobs", "blobs": kind != "layers"}
        net.rename(old, new, **only)
        return (lambda: net.rename(new, old, **only)) if old and free else None
    layer = net.layers[rest[0]] if isinstance(rest[0], int) and 0 <= rest[0] < len(net.layers) else None
    if kind in ("set", "add", "delete"):
        path, value, fork = str(rest[1]), rest[2] if len(rest) > 2 else None, bool(rest[3]) if len(rest) > 3 else False
        fields = layer or net
        there = fields.values(path)
        if kind == "delete":
            fields.delete(path)
            return None
        (fields.set if kind == "set" else fields.add)(path, value, fork=fork)
        if kind == "set" and value != [] and len(there) == 1 and not isinstance(there[0], dict):
            return lambda: fields.set(path, there if isinstance(value, list) else there[0], fork=True)
        return None
    new = rest[1] if isinstance(rest[1], (str, dict)) else ""
    if kind == "append":
        net.append(new)
    elif layer is not None and kind in ("remove", "cut"):
        net.remove(layer, reconnect=kind == "remove")
    elif layer is not None:
        at, parted = net.layers.index(layer), not layer.listed
        for near in net.layers[at : at + 2]:  # else a blank parts them, which stays
            parted = parted and not near.before[-1:].strip() and (near.before != b"" or near is net.layers[0])
        made = (net.add_after if kind == "add_after" else net.add_before)(layer, new)
        if parted:
            return lambda: [net.remove(one, reconnect=False) for one in reversed(made)]
    return None
