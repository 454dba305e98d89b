"""The verb rename: the same net and the same numbers under other names, and back to the same bytes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import split_surgery
from split_surgery import rename
from split_surgery.documents.spans import Splice
from split_surgery.errors import Defect, OptionError, SurgeryWarning, UsageError
from split_surgery.operations import rename_files
from tests.support.fixture_nets import EVERY_FIXTURE, fixture_net
from tests.support.hdf5_files import h5_case
from tests.support.nets import TINY, read_weights, weights, write_tiny


def all_names(net) -> dict[str, str]:
    found = [name for one in net.layers for name in (one.name, *one.bottoms, *one.tops)]
    return {name: f"new/{name}" for name in dict.fromkeys(found) if name}


@pytest.mark.parametrize("path", EVERY_FIXTURE, ids=lambda path: path.stem)
def test_everything_renamed_and_back_is_the_same_bytes(path, tmp_path):
    """Numbers, twins, shared parameters, forks, V1, nets in a solver: all stays but the names."""
    _, model = fixture_net(path, tmp_path)
    names = all_names(split_surgery.open(path))
    there = rename(path, model, names, tmp_path / "there", only=None)
    assert there.layers.keys() | there.blobs.keys() == names.keys()
    text = split_surgery.open(
        tmp_path / "there" / ("solver.prototxt" if "solver" in there.files[-1] else "net.prototxt")
    )
    assert {one.name for one in text.layers if one.name} == {name for name in names.values() if name in text._names()}
    assert not {name for one in text.layers for name in (one.name, *one.bottoms, *one.tops)} & names.keys()
    was, now = read_weights(model.read_bytes()), read_weights((tmp_path / "there" / "net.caffemodel").read_bytes())
    assert [names.get(name, name) for name in was] == list(now)
    for name, (_, arrays) in was.items():
        assert all(map(np.array_equal, arrays, now[names.get(name, name)][1]))
    given = tmp_path / "there" / ("solver.prototxt" if "solver.prototxt" in there.files else "net.prototxt")
    rename(given, tmp_path / "there" / "net.caffemodel", {new: old for old, new in names.items()}, tmp_path / "back")
    assert (tmp_path / "back" / "net.caffemodel").read_bytes() == model.read_bytes()
    if "solver.prototxt" not in there.files and path.stem not in ("adjacent_strings", "escaped_strings"):
        assert (tmp_path / "back" / "net.prototxt").read_bytes() == path.read_bytes()


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3),
    repeats=st.sampled_from([1, 40, 127, 5500]),
)
def test_names_of_any_length_and_any_characters(name, repeats, tmp_path_factory):
    """The lengths of records grow by bytes; what must hold is in the verb's own proof too, which this does not use."""
    folder = tmp_path_factory.mktemp("any")
    net, model = write_tiny(folder)
    new = name * repeats
    if new in ("data", "relu1_1", "ip"):
        return
    rename(net, model, {"conv1_1": new}, folder / "there")
    found = read_weights((folder / "there" / "net.caffemodel").read_bytes())
    assert list(found)[1] == new
    assert list(found[new][0].top) == [new]
    assert split_surgery.open(folder / "there" / "net.prototxt").layer("relu1_1").bottoms == (new,)
    rename(folder / "there" / "net.prototxt", folder / "there" / "net.caffemodel", {new: "conv1_1"}, folder / "back")
    assert (folder / "back" / "net.caffemodel").read_bytes() == model.read_bytes()
    assert (folder / "back" / "net.prototxt").read_bytes() == net.read_bytes()


def test_only_layers_or_only_blobs(tmp_path):
    net, model = write_tiny(tmp_path)
    report = rename(net, model, {"conv1_1": "c"}, tmp_path / "layers", only="layers")
    assert (report.layers, report.blobs) == ({"conv1_1": "c"}, {})
    assert (tmp_path / "layers" / "net.prototxt").read_text() == TINY.replace('name: "conv1_1"', 'name: "c"')
    rename(net, model, {"conv1_1": "c"}, tmp_path / "blobs", only="blobs")
    text = TINY.replace('top: "conv1_1"', 'top: "c"').replace('bottom: "conv1_1"', 'bottom: "c"')
    assert (tmp_path / "blobs" / "net.prototxt").read_text() == text
    record = read_weights((tmp_path / "blobs" / "net.caffemodel").read_bytes())["conv1_1"][0]
    assert (record.name, list(record.top)) == ("conv1_1", ["c"])


def test_a_prefix_is_taken_from_all_that_have_it(tmp_path):
    net, model = write_tiny(tmp_path)
    first = rename(net, model, {name: f"vgg/{name}" for name in ("conv1_1", "ip")}, tmp_path / "first")
    again = rename(
        tmp_path / "first" / "net.prototxt",
        tmp_path / "first" / "net.caffemodel",
        None,
        tmp_path / "back",
        strip_prefix="vgg/",
    )
    assert again.layers == {new: old for old, new in first.layers.items()}
    assert (tmp_path / "back" / "net.prototxt").read_text() == TINY
    assert (tmp_path / "back" / "net.caffemodel").read_bytes() == model.read_bytes()
    for prefix, message in (
        ("x/", "no layer and no blob begins with it"),
        ("ip", 'is the whole name of "ip"'),
        ("", "is empty"),
    ):
        with pytest.raises(OptionError, match=message):
            rename(net, model, output=tmp_path / "no", strip_prefix=prefix)


def test_parameter_names_stay_and_two_may_exchange_theirs(tmp_path):
    text = TINY.replace("convolution_param {", 'param { name: "ip" }\n  convolution_param {')
    net, model = write_tiny(tmp_path, text)
    rename(net, model, {"conv1_1": "ip", "ip": "conv1_1"}, tmp_path / "out")
    out = split_surgery.open(tmp_path / "out" / "net.prototxt")
    assert [(one.name, one.type, one.tops) for one in out.layers[1:]] == [
        ("ip", "Convolution", ("ip",)), ("relu1_1", "ReLU", ("ip",)), ("conv1_1", "InnerProduct", ("conv1_1",)),
    ]  # fmt: skip
    assert out.layer("ip").get("param.name") == "ip"
    assert [*read_weights((tmp_path / "out" / "net.caffemodel").read_bytes())][1] == "ip"


def test_split_layers_that_caffe_put_in_follow(tmp_path):
    """Caffe names them after the blob and its layer; only their own blobs are called so."""
    net, _ = write_tiny(tmp_path)
    model = tmp_path / "split.caffemodel"
    arrays = [np.ones((6, 3, 3, 3), np.float32), np.zeros(6, np.float32)]
    model.write_bytes(weights([
        ("conv1_1", "Convolution", ["data"], ["conv1_1"], arrays, None),
        ("conv1_1_relu1_1_0_split", "Split", ["conv1_1"], ["conv1_1_relu1_1_0_split_0", "conv1_1_relu1_1_0_split_1"], [], None),
        ("relu1_1", "ReLU", ["conv1_1"], ["conv1_1"], [], None),
        ("ip", "InnerProduct", ["conv1_1_relu1_1_0_split_0"], ["ip"], [np.ones((4, 384), np.float32)], None),
    ]))  # fmt: skip
    rename(net, model, {"conv1_1": "c", "relu1_1": "r"}, tmp_path / "out")
    found = read_weights((tmp_path / "out" / "net.caffemodel").read_bytes())
    assert list(found) == ["c", "c_r_0_split", "r", "ip"]
    assert list(found["c_r_0_split"][0].top) == ["c_r_0_split_0", "c_r_0_split_1"]
    assert list(found["ip"][0].bottom) == ["c_r_0_split_0"]


def test_hdf5(tmp_path):
    pytest.importorskip("h5py")
    net, model = h5_case(tmp_path, diff=True)
    rename(net, model, {"conv1_1": "c", "ip": "conv1_1"}, tmp_path / "out")
    was, now = split_surgery.weights(model), split_surgery.weights(tmp_path / "out" / "net.caffemodel.h5")
    assert set(now) == {"data", "c", "relu1_1", "conv1_1"}
    for old, new in (("conv1_1", "c"), ("ip", "conv1_1")):
        assert [now[new][at].tobytes() for at in now[new]] == [was[old][at].tobytes() for at in was[old]]
    assert rename(net, model, {"conv1_1": "c", "ip": "conv1_1"}, tmp_path / "out").status == "unchanged"
    with pytest.raises(UsageError, match="no layer can be named 'a/b' in it: HDF5 takes a `/`"):
        rename(net, model, {"conv1_1": "a/b"}, tmp_path / "no")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"conv1_1": "ip"}, '"conv1_1" cannot become "ip": another layer would have that name too'),
        ({"conv1_1": "x", "ip": "x"}, 'cannot become "x": another layer would have that name too'),
        ({"conv": "x"}, 'nothing is called "conv" in .*\n  nearest: conv1_1'),
        ({"conv1_1": ""}, "a layer without a name"),
        ({}, "nothing is to be renamed\n  OLD=NEW says what"),
    ],
)
def test_what_is_refused(names, message, tmp_path):
    net, model = write_tiny(tmp_path)
    with pytest.raises(UsageError, match=message):
        rename(net, model, names, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_name_that_only_the_weights_have(tmp_path):
    """As a deploy net with the weights of training: what is in one file only is renamed there, and taken names are those of both."""
    net, _ = write_tiny(tmp_path)
    model = tmp_path / "more.caffemodel"
    model.write_bytes(weights([("aux", "InnerProduct", ["conv1_1"], ["aux"], [np.ones((1, 1), np.float32)], None),
                               ("ip", "InnerProduct", ["conv1_1"], ["ip"], [np.ones((4, 384), np.float32)], None)]))  # fmt: skip
    assert rename(net, model, {"aux": "aux2"}, tmp_path / "out").layers == {"aux": "aux2"}
    assert list(read_weights((tmp_path / "out" / "net.caffemodel").read_bytes())) == ["aux2", "ip"]
    with pytest.raises(UsageError, match=r'"ip" cannot become "aux": .*more.caffemodel has a layer of that name'):
        rename(net, model, {"ip": "aux"}, tmp_path / "no", only="layers")
    with pytest.warns(SurgeryWarning, match="more.caffemodel has none of the layers that are renamed"):
        rename(net, model, {"conv1_1": "c"}, tmp_path / "warned")


def loses_one(splices):
    return splices[1:]


def changes_a_number(splices):
    first = splices[0]
    *head, last = first.chunks()
    end = last if isinstance(last, bytes) else None
    return [
        Splice(first.start, first.stop, (*head, end[:-1] + b"?")) if end else first._replace(stop=first.stop - 1),
        *splices[1:],
    ]


def another_name(splices):
    return [
        one._replace(replacement=tuple(c.replace(b"c9", b"c8") if isinstance(c, bytes) else c for c in one.chunks()))
        for one in splices
    ]


@pytest.mark.parametrize("fault", [loses_one, changes_a_number, another_name])
def test_a_planted_fault_in_the_weights_is_found(fault, tmp_path, monkeypatch):
    net, model = write_tiny(tmp_path)
    was = rename_files.rename_splices
    monkeypatch.setattr(rename_files, "rename_splices", lambda *args: fault(was(*args)))
    with pytest.raises((Defect, split_surgery.SurgeryError)):
        rename(net, model, {"conv1_1": "c9", "ip": "i9"}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_planted_fault_in_the_text_is_found(tmp_path, monkeypatch):
    net, model = write_tiny(tmp_path)
    was = rename_files.EditableNet.__bytes__
    monkeypatch.setattr(rename_files.EditableNet, "__bytes__", lambda self: was(self).replace(b"pad: 1", b"pad: 2"))
    with pytest.raises(Defect, match="says something else than was meant"):
        rename(net, model, {"conv1_1": "c9"}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command(tmp_path, command):
    net, model = write_tiny(tmp_path)
    (tmp_path / "deploy.prototxt").write_text(TINY.replace("tiny", "deploy"))
    done = command("rename", net, model, "ip=head", "-o", "out", "--also", "deploy.prototxt", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "renamed: 1 layer, 1 blob\n  layer and blob  ip  ->  head\n" in done.stdout
    assert (tmp_path / "out" / "deploy.prototxt").read_text() == TINY.replace("tiny", "deploy").replace(
        '"ip"', '"head"'
    )
    words = ("rename", net, model, "ip=head", "-o", "out", "--also", "deploy.prototxt")
    assert (
        command(*words, "-q", cwd=tmp_path).stdout
        == "out: unchanged: it already holds exactly this; renamed: 1 layer, 1 blob\n"
    )
    assert command(*words, "--check", cwd=tmp_path).returncode == 0
    (tmp_path / "out" / "net.prototxt").write_text(TINY)
    assert command(*words, "--check", cwd=tmp_path).returncode == 1
    assert "--force" in command(*words, cwd=tmp_path).stderr
    tree = json.loads(command(*words, "--force", "--json", cwd=tmp_path).stdout)
    assert (tree["layers"], tree["files"][0]) == ({"ip": "head"}, "net.caffemodel")
    shown = command("rename", net, model, "ip=head", "-o", "new", "--dry-run", cwd=tmp_path).stdout
    assert '-  name: "ip"\n' in shown
    assert "+head  [(4, 384), (4,)]" in shown
    text = command("rename", net, "ip=head", "-o", "text", cwd=tmp_path)
    assert "the weights are not renamed: Caffe starts a renamed layer at random" in text.stdout
    assert [one.name for one in (tmp_path / "text").iterdir()] == ["net.prototxt"]
    for wrong, code, message in (
        (("rename", net, model, "-o", "x"), 2, "nothing is to be renamed"),
        (("rename", net, model, "ip=", "-o", "x"), 2, "ip= is not OLD=NEW"),
        (("rename", net, "ip=head", model, "-o", "x"), 2, "WEIGHTS stands before the names"),
        (("rename", net, model, "ip=a", "ip=b", "-o", "x"), 2, "a name is given twice"),
        (("rename", net, model, "ip=conv1_1", "-o", "x"), 2, "another layer would have that name too"),
        (("rename", net, tmp_path / "nosuch", "ip=x", "-o", "x"), 3, "No such file"),
        (("relabel", net), 2, "rename gives layers and blobs other names"),
    ):
        refused = command(*wrong, cwd=tmp_path)
        assert (refused.returncode, message in refused.stderr) == (code, True), refused.stderr
    assert not (tmp_path / "x").exists()


def test_a_solver_and_a_directory(tmp_path):
    """NET may be the directory of a split; a solver is pointed into DIR."""
    net, model = write_tiny(tmp_path)
    split_surgery.extension(net, model, tmp_path / "derived", noise=0)
    (tmp_path / "solver.prototxt").write_text('net: "base.prototxt"\nbase_lr: 0.1\n')
    with pytest.warns(SurgeryWarning, match="untrained"):
        report = rename(tmp_path / "derived", None, {"conv1_1_split1": "a"}, tmp_path / "out")
    assert report.layers == report.blobs == {"conv1_1_split1": "a"}
    assert "a" in split_surgery.weights(tmp_path / "out" / "net.caffemodel")
    rename(net, model, {"ip": "head"}, tmp_path / "with", solver=tmp_path / "solver.prototxt", as_path="there")
    assert split_surgery.open(tmp_path / "with" / "solver.prototxt").get("net") == "there/net.prototxt"
