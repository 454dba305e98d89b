"""Laws of editing a prototxt as its text, on every fixture and on real files."""

from __future__ import annotations

from random import Random

import pytest

from split_surgery.errors import SurgeryError
from split_surgery.operations.editable_net import EditableNet
from tests.support.corpus import corpus_shares
from tests.support.edit_laws import agrees_with_protobuf, check_file
from tests.support.fixture_nets import EVERY_FIXTURE
from tests.support.nets import TINY


@pytest.mark.parametrize("path", EVERY_FIXTURE, ids=lambda path: path.stem)
def test_set_back_made_and_deleted_added_and_removed_are_the_same_bytes(path):
    assert check_file(path.read_bytes(), path.name, Random(1), layers=9, paths=99) > 3


@pytest.mark.corpus
@pytest.mark.parametrize("files", corpus_shares(every=4))
def test_real_files(files):
    for path in files:
        try:
            net = EditableNet(path.read_bytes(), path.name)
        except SurgeryError:
            continue  # tests/outside/test_corpus.py says what is refused
        tried = check_file(path.read_bytes(), path.name, Random(path.name), layers=1, paths=1)
        assert tried or not net.layers


@pytest.mark.parametrize("path", EVERY_FIXTURE, ids=lambda path: path.stem)
def test_protobuf_reads_an_edited_text_as_it_was_meant(path):
    """Whatever protobuf can read before the edits it reads after them, and what it reads is what was set."""
    data = path.read_bytes()
    net = EditableNet(data, path.name)
    layer = net.layers_of("Convolution", "InnerProduct")[0]
    for way in ("weight_filler", "bias_filler"):
        layer.set(f"convolution_param.{way}", {"type": "gaussian", "std": 0.25})
    layer.set("loss_weight", [1, 0.5])
    layer.set("convolution_param.dilation", [2])
    (new,) = net._put_behind(layer, {"name": "new", "bottom": ["x", "y"], "top": "x"}, False)
    assert agrees_with_protobuf(bytes(net), path.name) == agrees_with_protobuf(data, path.name)
    again = EditableNet(bytes(net), path.name).layers[net.layers.index(layer)]
    assert again.get("convolution_param.weight_filler") == {"type": "gaussian", "std": 0.25}
    assert again.values("loss_weight") == [1, 0.5]
    assert again.values("convolution_param.dilation") == [2]
    assert new.get("name") == "new"


def test_a_planted_fault_is_found(monkeypatch):
    """The laws fail where an edit forgets how a value was spelled, or takes a byte more than its field."""
    odd = TINY.replace("kernel_size: 3", "kernel_size: 0x3").encode()
    check_file(odd, "odd", Random(1), layers=9, paths=99)
    with monkeypatch.context() as patched:
        patched.setattr("split_surgery.documents.edit.field_edit.same_content", lambda *_: False)
        with pytest.raises(AssertionError, match="was set to what it was"):
            check_file(odd, "odd", Random(1), layers=9, paths=99)
    with monkeypatch.context() as patched:
        from split_surgery.documents.edit import field_edit

        removal = field_edit.removal_of_value
        patched.setattr(
            field_edit, "removal_of_value", lambda *args: [one._replace(start=one.start - 1) for one in removal(*args)]
        )
        with pytest.raises((AssertionError, SurgeryError)):
            check_file(odd, "odd", Random(1), layers=9, paths=99)


def test_a_thousand_edits_read_no_layer_but_their_own(monkeypatch):
    """What an edit costs does not grow with the net: no text is read that is as long as the net's."""
    layer = TINY[TINY.index('layer {\n  name: "conv1_1"') : TINY.index('layer {\n  name: "relu1_1"')]
    text = "".join(layer.replace("conv1_1", f"conv{at}") for at in range(1000))
    net = EditableNet(text.encode(), "large")
    read = []
    from split_surgery.operations import editable_layer

    document = editable_layer.Document
    monkeypatch.setattr(editable_layer, "Document", lambda data, name: read.append(len(data)) or document(data, name))
    for at, one in enumerate(net.layers):
        one.set("convolution_param.pad", at)
    for at in range(0, 1000, 4):
        net.add_after(f"conv{at}", {"name": f"relu{at}", "type": "ReLU", "bottom": f"conv{at}", "top": f"conv{at}"})
        net.remove(f"conv{at + 1}")
    assert len(read) == 999 + 250  # the one that has a pad of 1 already is not edited
    assert max(read) < 400
    again = EditableNet(bytes(net), "large")
    assert [one.name for one in again.layers[:5]] == ["conv0", "relu0", "conv2", "conv3", "conv4"]
    assert [one.get("convolution_param.pad") for one in again.layers[2:4]] == [2, 3]
