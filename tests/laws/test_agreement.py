"""`diff` and `verify` judge by one rule: what one calls the same the other passes, however it is spelled and stored."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from split_surgery import diff, verify
from split_surgery.documents.net.net import Net
from split_surgery.documents.prototxt import Document
from tests.support.caffe_proto import message_class
from tests.support.fixture_nets import fixture
from tests.support.hdf5_files import write_h5
from tests.support.nets import random_weights, read_weights
from tests.support.paths import examples
from tests.support.respelling import RESPELLED, respelled

NETS = sorted(
    {
        *RESPELLED,
        "shared_parameters",
        "v1_parameter_names",
        "parameter_names",
        "no_bias",
        "top_read_by_many_and_an_output",
    }
)


def saved_again(data: bytes, draw: Random) -> bytes:
    """Weights as other programs store them: another order, records without blobs or none, no fork's fields, Caffe's own Split layers,
    legacy shapes."""
    old, new = (message_class("NetParameter")() for _ in range(2))
    old.ParseFromString(data)
    new.name = draw.choice(["", "another"])
    v1 = bool(old.layers)
    whole, legacy, bare = (draw.random() < 0.5 for _ in range(3))
    records = old.layers if v1 else old.layer
    kept = [record for record in records if whole or record.blobs] or list(records)
    for record in draw.sample(kept, len(kept)):
        made = (new.layers if v1 else new.layer).add()
        made.CopyFrom(record)
        if bare:
            made.ClearField("convolution_param")
        for blob in made.blobs if legacy else ():
            dims = [1] * (4 - len(blob.shape.dim)) + list(blob.shape.dim)
            if blob.HasField("shape") and len(dims) == 4:
                blob.num, blob.channels, blob.height, blob.width = dims
                blob.ClearField("shape")
    if whole and not v1:
        new.layer.add(name="data", type="Input", top=["data"])
        new.layer.add(name="data_data_0_split", type="Split", bottom=["data"], top=["data_data_0_split_0"])
    return new.SerializeToString()


def number_changed(data: bytes, draw: Random) -> bytes:
    net = message_class("NetParameter")()
    net.ParseFromString(data)
    blobs = [blob for record in [*net.layer, *net.layers] for blob in record.blobs]
    blob = draw.choice(blobs)
    at = draw.randrange(len(blob.data))
    blob.data[at] = draw.choice([-blob.data[at], blob.data[at] + 1, float("nan")])
    return net.SerializeToString()


def blobs_lost(data: bytes, draw: Random) -> bytes:
    net = message_class("NetParameter")()
    net.ParseFromString(data)
    records = net.layers or net.layer
    del draw.choice([record for record in records if record.blobs]).blobs[:]
    return net.SerializeToString()


def field_added(text: bytes, draw: Random) -> bytes:
    """A layer says more than it did."""
    layer = draw.choice(Net(Document(text, "net")).layers)
    more = draw.choice(
        [b"loss_weight: 2", b'top: "more"', b"propagate_down: false", b'exclude { stage: "none" }', b"fork_field: 1"]
    )
    return text[: layer.span.stop - 1] + b" " + more + b" " + text[layer.span.stop - 1 :]


def layer_lost(text: bytes, draw: Random) -> bytes:
    layer = draw.choice(Net(Document(text, "net")).layers)
    return text[: layer.span.start] + text[layer.span.stop :]


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(NETS),
    change=st.sampled_from([None, None, number_changed, blobs_lost, field_added, layer_lost]),
    form=st.sampled_from(["as it is", "saved again", "HDF5"]),
    draw=st.randoms(use_true_random=False),
)
def test_what_is_the_same_for_one_is_the_same_for_the_other(tmp_path, name, change, form, draw):
    text = fixture(name)
    net = Net(Document(text, "net"))
    model = random_weights(net, v1=any(layer.v1 for layer in net.layers))
    base = written(tmp_path / "base.prototxt", text), written(tmp_path / "base.caffemodel", model)
    if change in (number_changed, blobs_lost):
        model = change(model, draw)
    elif change is not None:
        text = change(text, draw)
    other = written(tmp_path / "other.prototxt", respelled(text, draw)), tmp_path / "other.caffemodel"
    if form == "HDF5":
        stored = tmp_path / "other.caffemodel.h5"
        arrays = {layer: dict(enumerate(found)) for layer, (_, found) in read_weights(model).items()}
        other = other[0], write_h5(stored, arrays)
    else:
        other[1].write_bytes(saved_again(model, draw) if form == "saved again" else model)
    same = all(diff(a, b).equal for a, b in zip(base, other))
    report = verify(*base, other)
    assert (report.exit_code == 0 and not report.changed) == same, report.problems
    if change is not blobs_lost or form != "HDF5":  # which stores what several layers share with the first only
        assert same == (change is None)


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", NETS)
def test_a_net_is_the_same_as_itself(tmp_path, name):
    net = Net(Document(fixture(name), "net"))
    model = random_weights(net, v1=any(layer.v1 for layer in net.layers))
    files = written(tmp_path / "net.prototxt", fixture(name)), written(tmp_path / "net.caffemodel", model)
    assert diff(files[0], files[0]).equal
    assert diff(files[1], files[1]).equal
    assert verify(*files, files).problems == ()
