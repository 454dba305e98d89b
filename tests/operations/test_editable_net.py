"""A prototxt edited as its text: what each call does to the bytes, and what it refuses with which words."""

from __future__ import annotations

import os

import pytest

import split_surgery
from split_surgery.errors import FileError, SurgeryError, UsageError
from split_surgery.operations.editable_net import EditableNet
from tests.support.fixture_nets import fixture
from tests.support.nets import TINY

PLAIN = fixture("plain").decode()


def net_of(text: str | bytes) -> EditableNet:
    return EditableNet(text.encode() if isinstance(text, str) else text, "net.prototxt")


def edited(text: str | bytes, layer: str, *calls) -> str:
    """The text after calls of one layer's methods: (method, path, value ...)."""
    net = net_of(text)
    for method, *words in calls:
        getattr(net.layer(layer), method)(*words)
    return str(net)


@pytest.mark.parametrize(
    ("before", "call", "after"),
    [
        ("layer { name: 'a' }", ("set", "type", "ReLU"), "layer { name: 'a' type: 'ReLU' }"),
        ("layer {name:'a'}", ("set", "type", "ReLU"), "layer {name:'a' type: 'ReLU'}"),
        ('layer {\r\n\tname: "a"  # why\r\n}\r\n', ("set", "type", "ReLU"),
         'layer {\r\n\tname: "a"  # why\r\n\ttype: "ReLU"\r\n}\r\n'),
        (
            'layer {\n    name: "a"\n}', ("set", "pooling_param.pool", "AVE"),
            'layer {\n    name: "a"\n    pooling_param {\n        pool: AVE\n    }\n}',
        ),
        ('layer { name: "a" top: "x" type: "b" }', ("add", "top", "y"), 'layer { name: "a" top: "x" top: "y" type: "b" }'),
        ('layer { name: "a" top: ["x", "y"] }', ("add", "top", "z"), 'layer { name: "a" top: ["x", "y", "z"] }'),
        ('layer { name: "a" top: ["x", "y"] }', ("set", "top", ["y"]), 'layer { name: "a" top: ["y"] }'),
        ('layer { name: "a" top: ["x", "y"] }', ("delete", "top[0]"), 'layer { name: "a" top: ["y"] }'),
        ('layer { name: "a" top: ["x"] }', ("delete", "top"), 'layer { name: "a" }'),
        ('layer { name: "a" loss_weight: 1 }', ("set", "loss_weight", [1, 1e-7]),
         'layer { name: "a" loss_weight: 1 loss_weight: 1e-07 }'),
        (
            'layer {\n  name: "a"\n  param { lr_mult: 1 }\n}', ("add", "param", {"lr_mult": 2}),
            'layer {\n  name: "a"\n  param { lr_mult: 1 }\n  param { lr_mult: 2 }\n}',
        ),
        ('layer {\n  name: "a"\n  top: "x"  # kept\n}', ("delete", "top"), 'layer {\n  name: "a"\n  # kept\n}'),
        ('layer { name: "a" param {} }', ("set", "param.lr_mult", 0), 'layer { name: "a" param {lr_mult: 0} }'),
        ('layer { name: "a" param { lr_mult: 1 } }', ("set", "param[1].lr_mult", 0),
         'layer { name: "a" param { lr_mult: 1 } param { lr_mult: 0 } }'),
        ('layer { name: "a" param { lr_mult: 1 name: "w" } }', ("set", "param", {"lr_mult": 3, "decay_mult": 0}),
         'layer { name: "a" param { lr_mult: 3 decay_mult: 0 } }'),
        ('layer { name: "a" param <lr_mult: 1;> param: {lr_mult: 0x1} }', ("set", "param[*].lr_mult", 0),
         'layer { name: "a" param <lr_mult: 0;> param: {lr_mult: 0} }'),
        ('layer { name: "a" tanh_param { engine: 1 } }', ("set", "tanh_param.engine", "CAFFE"),
         'layer { name: "a" tanh_param { engine: 1 } }'),
        ('layer { name: "a" tanh_param { engine: 1 } }', ("set", "tanh_param.engine", 2),
         'layer { name: "a" tanh_param { engine: CUDNN } }'),
        ('layer { name: "a" x: "1" "2" }', ("set", "x", "12"), 'layer { name: "a" x: "1" "2" }'),
        ('layer { name: "a" x: NEW }', ("set", "x", "OTHER"), 'layer { name: "a" x: OTHER }'),
        ('layer { name: "a" data_param { source: "p" } }', ("set", "data_param.source", os.path.join("q", '"')),
         'layer { name: "a" data_param { source: "q/\\"" } }'),
    ],
)  # fmt: skip
def test_edits(before, call, after):
    assert edited(before, "a", call) == after


def test_values_as_python_has_them():
    net = net_of(
        'layer { name: "a" type: "Convolution" convolution_param { pad: 0x10 kernel_size: [3, 5] bias_term: 0 engine: 2 '
        'weight_filler { type: "gaussian" std: 1e-2f } } relu_param { negative_slope: -inf } x { flag: true word: NEW } }'
    )
    layer = net.layer("a")
    assert layer.get("convolution_param.pad") == 16
    assert layer.get("convolution_param.kernel_size") == [3, 5]
    assert layer.get("convolution_param.kernel_size[-1]") == 5
    assert layer.values("convolution_param.pad") == [16]
    assert layer.get("convolution_param.bias_term") is False
    assert layer.get("convolution_param.engine") == "CUDNN"
    assert layer.get("convolution_param.weight_filler") == {"type": "gaussian", "std": 0.01}
    assert layer.get("relu_param.negative_slope") == float("-inf")
    assert layer.get("x") == {"flag": True, "word": "NEW"}
    assert layer.get("param.lr_mult") is None
    assert layer.get("convolution_param.stride", 1) == 1
    assert layer.values("convolution_param.stride") == []
    layer.set("x", layer.get("x"))
    assert net.diff() == ""


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (("set", "convolution_param.pads", 1), "net.prototxt:13:3: layer \"conv1_1\": pads is no field of ConvolutionParameter"),
        (("set", "convolution_param.pads", 1), "nearest: pad, pad_w, pad_h; what only a fork has is taken with fork=True"),
        (("set", "convolution_param.pad", "1"), "net.prototxt:16:10: layer \"conv1_1\": convolution_param.pad takes a value of type"),
        (("set", "convolution_param.pad", True), "takes a value of type uint32, not True"),
        (("set", "convolution_param.pad", -1), "takes whole numbers of 0 to 4294967295, not -1"),
        (("set", "convolution_param.bias_term", 1), "takes a value of type bool, not 1"),
        (("set", "convolution_param.engine", "GPU"), "takes one of DEFAULT, CAFFE, CUDNN, not 'GPU'"),
        (("set", "convolution_param", 3), "is a message: give its fields, as a dict"),
        (("set", "convolution_param", {"pads": 3}), "pads is no field of ConvolutionParameter"),
        (("set", "convolution_param", {"pad": 3, "weight_filler": {"std": "x"}}), "weight_filler std takes a value of type float"),
        (("set", "bottom", ["a", 1]), "bottom takes a value of type string, not 1"),
        (("set", "weight_filler.type", "xavier"), "weight_filler is no field of LayerParameter"),
        (("set", "name", ["a", "b"]), "name takes one value, not a list"),
        (("set", "name", {"a": 1}), "name takes a value, not fields"),
        (("set", "name.x", 1), "name is a value, and has no fields in it"),
        (("set", "bottom[2]", "x"), "there is no bottom[2]: bottom stands 1 times"),
        (("set", "type[1]", "x"), "there is no type[1]: type stands once"),
        (("set", "param[*].lr_mult", 0), "has no param[*].lr_mult"),
        (("set", "bottom[0]", ["x"]), "a list is for all of them; leave out [0]"),
        (("add", "type", "x"), "type stands once; `set` gives it another value"),
        (("add", "bottom[0]", "x"), "what is added goes to the end; leave out [0]"),
        (("get", "a b"), "'a b' is no path of fields"),
    ],
)  # fmt: skip
def test_what_is_refused_changes_nothing(call, message):
    net = net_of(TINY)
    with pytest.raises(UsageError) as error:
        getattr(net.layer("conv1_1"), call[0])(*call[1:])
    assert message in str(error.value)
    assert str(net) == TINY


def test_several_are_no_one():
    net = net_of('layer { name: "a"\n param { lr_mult: 1 }\n param { lr_mult: 2 }\n}')
    with pytest.raises(UsageError, match=r"net.prototxt:3:19: .*param.lr_mult stands 2 times\n.*param.lr_mult\[\*\]"):
        net.layer("a").set("param.lr_mult", 0)
    with pytest.raises(UsageError, match=r"param stands 2 times"):
        net.layer("a").set("param.decay_mult", 0)
    assert net.layer("a").values("param[*].lr_mult") == net.layer("a").values("param.lr_mult") == [1, 2]


def test_places_are_those_of_the_text_as_it_is_now():
    net = net_of(TINY)
    net.add_before("conv1_1", {"name": "new", "type": "ReLU", "bottom": "data", "top": "data"})
    net.layer("conv1_1").set("convolution_param.stride", 2)
    with pytest.raises(UsageError, match=r"^net.prototxt:22:10: "):
        net.layer("conv1_1").set("convolution_param.pad", "x")
    assert str(net).splitlines()[21] == "    pad: 1"
    assert str(net.layer("relu1_1").place) == "net.prototxt:26:1"
    assert str(net).splitlines()[25] == "layer {"


def test_names_phases_and_twins():
    net = net_of(fixture("same_name_train_and_test"))
    assert [one.phases for one in net.layers if one.name == "conv1_1"] == [("TRAIN",), ("TEST",)]
    with pytest.raises(
        UsageError,
        match=r'2 layers are named "conv1_1"; the first is at net.prototxt:\d+:1\n  phase="TRAIN" or phase="TEST"',
    ):
        net.layer("conv1_1")
    assert net.layer("conv1_1", phase="TEST") is net.layers_of("Convolution", phase="TEST")[-1]
    with pytest.raises(UsageError, match=r'no layer "conv1" in net.prototxt\n  nearest: conv1_1'):
        net.layer("conv1")
    with pytest.raises(UsageError, match="a phase is TRAIN or TEST, not 'test'"):
        net.layers_of(phase="test")
    inside = net_of(fixture("train_and_test_net_in_solver"))
    assert {one.phases for one in inside.layers} == {("TRAIN",), ("TEST",)}
    inside.layer("conv1_1", phase="TEST").set("convolution_param.pad", 7)
    assert inside.values("test_net_param.layer.convolution_param.pad") == [7]
    assert inside.values("train_net_param.layer.convolution_param.pad") == [1]


def test_layers_keep_their_identity():
    net = net_of(TINY)
    conv, relu = net.layer("conv1_1"), net.layer("relu1_1")
    net.set("force_backward", True)
    net.add_after(conv, 'layer { name: "x" type: "ReLU" bottom: "conv1_1" top: "conv1_1" }')
    conv.set("convolution_param.pad", 4)
    assert net.layer("conv1_1") is conv
    assert [one.name for one in net.layers] == ["data", "conv1_1", "x", "relu1_1", "ip"]
    net.remove(relu)
    for call in (lambda: relu.set("name", "y"), lambda: net.remove(relu), lambda: net.add_after(relu, "layer {}")):
        with pytest.raises(UsageError, match=r'layer "relu1_1" .*was removed from'):
            call()
    assert "pad: 4" in str(net)


COMMENTED = """\
# what this net is

layer { name: "a" type: "Input" top: "a" }  # the first

# about b
# and more of it
layer { name: "b" type: "ReLU" bottom: "a" top: "b" }
"""


def test_where_layers_go():
    net = net_of(COMMENTED)
    net.add_before("b", 'layer { name: "n" }')
    net.add_after("a", {"name": "m"})
    net.append('layer { name: "y" }\n\n  layer {\n    name: "z"\n  }\n')
    added = 'first\nlayer {\n  name: "m"\n}\nlayer { name: "n" }\n'
    end = 'layer { name: "y" }\nlayer {\n  name: "z"\n}\n'
    assert str(net) == COMMENTED.replace("first\n", added) + end
    first = net_of(COMMENTED)
    first.add_before("a", 'layer { name: "n" }')
    assert str(first) == COMMENTED.replace("is\n", 'is\nlayer { name: "n" }\n')
    empty = net_of('name: "empty"')
    assert [one.name for one in empty.append('layer { name: "x" }')] == ["x"]
    assert str(empty) == 'name: "empty"\nlayer { name: "x" }\n'


def test_layers_in_a_list():
    net = net_of(fixture("layers_in_a_list"))
    names = [one.name for one in net.layers]
    net.add_after(names[0], 'layer { name: "p" }')
    net.add_before(names[0], {"name": "o"})
    net.layer(names[1]).set("type", "Other")
    net.remove("p")
    again = net_of(bytes(net))
    assert [one.name for one in again.layers] == ["o", *names]
    assert again.layer(names[1]).type == "Other"


@pytest.mark.parametrize(
    ("text", "form", "message"),
    [
        ('layers { name: "x" }', "plain", "the text that is added:1:1: is a `layers`, and the net has `layer`"),
        ('layer { name: "x" }', "v1_layers", "the text that is added:1:1: is a `layer`, and the net has `layers`"),
        ('name: "x"', "plain", "the text that is added:1:1: holds name, which is no `layer { }`"),
        ("layer {", "plain", "the text that is added:1:7: this '{' is never closed"),
        ("", "plain", "what is added holds no layer"),
        ({"name": 1}, "plain", "the layer that is added: name takes a value of type string, not 1"),
        ({"nam": "x"}, "plain", "the layer that is added: nam is no field of LayerParameter"),
    ],
)
def test_what_is_no_layer_is_not_added(text, form, message):
    net = net_of(fixture(form))
    with pytest.raises(SurgeryError) as error:
        net.add_after("conv1_1", text)
    assert message in str(error.value)
    assert bytes(net) == fixture(form)


FLOW = """\
layer { name: "data" type: "Input" top: "data" }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "norm" type: "LRN" bottom: "conv" top: "norm" }
layer { name: "drop" type: "Dropout" bottom: "norm" top: "norm" }
layer { name: "ip" type: "InnerProduct" bottom: "norm" top: "ip" }
layer { name: "sum" type: "Eltwise" bottom: "ip" bottom: "norm" top: "sum" }
layer { name: "prob" type: "Softmax" bottom: "sum" top: "prob" }
"""


def test_what_a_remove_does_to_the_readers():
    net = net_of(FLOW)
    assert net.remove("relu") == ()  # in place: norm reads "conv" as before
    assert net.remove("norm") == ("drop",)  # which made "norm" in place, and makes it still
    assert net.layer("drop").bottoms == ("conv",)
    assert net.layer("ip").bottoms == ("norm",)
    with pytest.raises(
        UsageError, match=r'net.prototxt:\d:1: "sum" has 2 bottoms, and its top is read by "prob"\n.*reconnect=False'
    ):
        net.remove("sum")
    with pytest.raises(UsageError, match='"data" has no bottom, and its top is read by "conv"'):
        net.remove("data")
    assert not net.faults()
    assert net.remove("data", reconnect=False) == ()
    assert net.faults() == ['net.prototxt:1:1: layer "conv" reads "data", which nothing before it makes']
    assert net.remove("prob") == ()  # nobody reads it
    again = net_of('layer { name: "a" type: "Input" top: "a" } layer { name: "b" bottom: "a" top: "b" }\n'
                   'layer { name: "c" bottom: "a" top: "a" }\nlayer { name: "d" bottom: "b" bottom: "a" top: "d" }')  # fmt: skip
    with pytest.raises(
        UsageError, match='"b" reads "a", which "c" writes again before it is read, and its top is read by "d"'
    ):
        again.remove("b")


def test_a_remove_in_one_phase_only():
    """A reader that would have to read one blob in one phase, and another in the other."""
    text = (
        'layer { name: "data" type: "Input" top: "data" }\n'
        'layer { name: "x" type: "ReLU" bottom: "data" top: "x" include { phase: TRAIN } }\n'
        'layer { name: "y" type: "ReLU" bottom: "data" top: "x" include { phase: TEST } }\n'
        'layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" }\n'
    )
    net = net_of(text)
    assert net.remove("x") == ("ip",)
    assert net.faults() == []
    assert net.layer("ip").bottoms == ("data",)


def test_rename():
    net = net_of(
        FLOW.replace('"ip" top: "ip" }', '"ip" top: "ip" param { name: "norm" } }')
        + 'layer { name: "norm2" bottom: "norm" }'
    )
    net.rename("norm", "lrn")
    assert [one.name for one in net.layers_of("LRN")] == ["lrn"]
    assert net.layer("drop").bottoms == net.layer("drop").tops == ("lrn",)
    assert net.layer("sum").bottoms == ("ip", "lrn")
    assert net.layer("norm2").bottoms == ("lrn",)
    net.rename("lrn", "norm", layers=False)
    assert net.layer("lrn").tops == ("norm",)
    for call, message in (
        (lambda: net.rename("ip", "prob"), '"ip" cannot become "prob": another layer would have that name too'),
        (lambda: net.rename("nosuch", "x"), 'no layer and no blob "nosuch" in net.prototxt\n  '),
        (lambda: net.rename("lrn", "x", layers=False), 'no blob "lrn"'),
        (lambda: net.rename("ip", ""), 'a layer without a name: "ip" would be one'),
    ):
        before = str(net)
        with pytest.raises(UsageError) as error:
            call()
        assert message in str(error.value)
        assert str(net) == before
    net.rename_all({"ip": "prob", "prob": "ip"}, {})
    assert (net.layer("prob").type, net.layer("ip").type) == ("InnerProduct", "Softmax")


def test_a_rename_that_is_refused_changes_nothing():
    """The blob could be renamed, and of the layer it is not known which of its two names."""
    text = (
        'layer { name: "data" type: "Input" top: "data" }\n'
        'layer { name: "conv" name: "data" type: "ReLU" bottom: "data" top: "x" }\n'
    )
    net = EditableNet(text.encode(), "net.prototxt")
    handles = net.layers
    with pytest.raises(SurgeryError, match='layer "data": name stands 2 times'):
        net.rename("data", "image")
    assert (str(net), net.layers) == (text, handles)
    assert handles[0].tops == ("data",)


def test_rename_declared_inputs_and_twins():
    net = net_of('input: "data" input_dim: 1\n' + FLOW[FLOW.index("\n") + 1 :])
    net.rename("data", "image")
    assert net.get("input") == "image"
    assert net.layer("conv").bottoms == ("image",)
    twins = net_of(fixture("same_name_train_and_test"))
    twins.rename("conv1_1", "c")
    assert [one.name for one in twins.layers_of("Convolution")] == ["c", "c"]
    inside = net_of(fixture("net_in_solver").replace(b"net_param {", b'net_param {\n  input: "in"'))
    inside.rename("in", "out")
    assert inside.get("net_param.input") == "out"


def test_a_solver():
    solver = net_of('net: "a.prototxt"\n# rate\nbase_lr: 0.1\nstepvalue: 1\nstepvalue: 2\nsolver_mode: CPU\n')
    solver.set("solver_mode", "GPU")
    solver.set("stepvalue", [1, 5])
    solver.set("test_iter", [3])
    solver.add("stepvalue", 9)
    assert str(solver) == (
        'net: "a.prototxt"\n# rate\nbase_lr: 0.1\nstepvalue: 1\nstepvalue: 5\nstepvalue: 9\nsolver_mode: GPU\ntest_iter: 3\n'
    )
    assert (solver.layers, solver.get("base_lr")) == ((), 0.1)
    with pytest.raises(UsageError, match=r"net.prototxt:1:1: base_l is no field of SolverParameter"):
        solver.set("base_l", 1)
    with pytest.raises(UsageError, match="is a solver, and holds no net"):
        solver.append("layer {}")


def test_fields_outside_the_layers():
    net = net_of(PLAIN)
    net.set("force_backward", True)
    assert str(net) == PLAIN.replace('name: "odd"\n', 'name: "odd"\nforce_backward: true\n')
    bare = net_of(PLAIN.replace('name: "odd"\n', ""))
    bare.set("name", "even")
    assert str(bare) == PLAIN.replace('"odd"', '"even"')
    with pytest.raises(UsageError, match="would have 2 layers instead of 3\n  layers are added with add_after"):
        net.delete("layer[0]")


def test_save(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_bytes(fixture("crlf"))
    net = split_surgery.open(path)
    net.save()
    assert path.read_bytes() == fixture("crlf")
    net.layer("conv1_1").set("convolution_param.pad", 2)
    assert "+    pad: 2\r\n" in net.diff()
    net.save(tmp_path / "new" / "other.prototxt")
    assert (tmp_path / "new" / "other.prototxt").read_bytes() == fixture("crlf").replace(b"pad: 1", b"pad: 2")
    assert path.read_bytes() == fixture("crlf")
    net.save()
    assert net.diff() == ""
    assert path.read_bytes() == bytes(net)
    path.write_bytes(b"# by somebody else\n" + bytes(net))
    with pytest.raises(FileError, match="was changed since it was opened\n  open it again, or save to another path"):
        net.save()
    assert path.read_bytes().startswith(b"# by somebody else")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["net.prototxt", "new"]
    with pytest.raises(FileError, match="No such file or directory"):
        split_surgery.open(tmp_path / "nosuch")
