"""Edited nets in real Caffe: it builds what the library has made, with the shapes that were meant."""

from __future__ import annotations

import json
import subprocess

import pytest

from split_surgery.operations.editable_net import EditableNet
from tests.support.architectures import ARCHITECTURES, shrunk
from tests.support.nets import net_of
from tests.support.paths import CORPUS, SUPPORT

pytestmark = [pytest.mark.caffe, pytest.mark.corpus]

CHOSEN = ARCHITECTURES[::4]


def normed(net: EditableNet) -> int:
    """A BatchNorm and a Scale in place behind every convolution; how many."""
    found = [one for one in net.layers_of("Convolution") if not one.v1]
    for conv in found:
        (blob,) = conv.tops
        (norm,) = net.add_after(conv, {"name": f"{conv.name}_bn", "type": "BatchNorm", "bottom": blob, "top": blob})
        scale = f"""layer {{ name: "{conv.name}_scale" type: "Scale" bottom: "{blob}" top: "{blob}"
  scale_param {{ bias_term: true }} }}"""
        net.add_after(norm, scale)
        conv.set("convolution_param.bias_term", False)
        conv.delete("param[1]")  # Caffe stops at rates for more blobs than there are
    return len(found)


def renamed(net: EditableNet) -> None:
    """Everything under another name."""
    names = {one.name: f"all/{one.name}" for one in net.layers}
    net.rename_all(names, {blob: f"b/{blob}" for blob in net.blobs()})


def without_activations(net: EditableNet) -> None:
    """ReLU, Dropout and LRN gone, in place or not: none of them has a size or numbers of its own."""
    for layer in net.layers_of("ReLU", "Dropout", "LRN"):
        net.remove(layer)


def test_caffe_builds_edited_nets(caffe, tmp_path):
    """Its own shapes, of the nets as they were and as they became."""
    paths, convolutions = [], []
    for number, name in enumerate(CHOSEN):
        runnable = shrunk(net_of(CORPUS / f"{name}.prototxt"))
        for edit in (lambda _: None, normed, renamed, without_activations):
            net = EditableNet(runnable.text, f"{name}.prototxt")
            edit(net)
            assert net.faults() == []
            paths.append(tmp_path / f"{number}_{len(paths)}.prototxt")
            net.save(paths[-1])
        convolutions.append([one.name for one in net.layers_of("Convolution") if not one.v1])
    script = SUPPORT / "caffe_shapes.py"
    done = subprocess.run([caffe[1], script, *paths], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert sum(map(len, convolutions)) > 20
    for at, names in enumerate(convolutions):
        was, norm, other, bare = found[4 * at : 4 * at + 4]
        for name in names:
            channels = was["params"][name][0][0]
            assert norm["params"][name] == was["params"][name][:1]
            assert norm["params"][f"{name}_bn"] == [[channels], [channels], [1]]
            assert norm["params"][f"{name}_scale"] == [[channels], [channels]]
        assert other["params"] == {f"all/{name}": shapes for name, shapes in was["params"].items()}
        own = {name: shape for name, shape in was["blobs"].items() if "_split_" not in name}
        assert {f"b/{name}": shape for name, shape in own.items()}.items() <= other["blobs"].items()
        assert bare["params"] == was["params"]
        assert {name: shape for name, shape in own.items() if name in bare["blobs"]}.items() <= bare["blobs"].items()
