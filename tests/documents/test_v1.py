"""V1 layers as new ones and back, in the text: Caffe's rules of upgrade, comments and all that is not V1's kept."""

from __future__ import annotations

import pytest

from split_surgery.documents.edit.v1_text import to_new, to_v1
from split_surgery.documents.net.net import Prototxt
from split_surgery.documents.prototxt import Document
from split_surgery.errors import FileError, Unsupported
from tests.support.converted import NEW_TEXT, V1_TEXT


def edited(text: str, rule) -> str:
    prototxt = Prototxt(Document(text.encode(), "net.prototxt"))
    return prototxt.edited([splice for net in prototxt.nets for splice in rule(net)]).document.data.decode()


def layer(inside: str, field: str = "layers") -> str:
    return f'{field} {{ name: "a" {inside} }}\n'


def test_a_whole_net():
    assert edited(V1_TEXT, to_new) == NEW_TEXT


def test_comments_and_everything_else_stay():
    words = [line.partition("#")[2] for line in V1_TEXT.splitlines() if "#" in line]
    assert [line.partition("#")[2] for line in edited(V1_TEXT, to_new).splitlines() if "#" in line] == words


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("type: 14", 'type: "InnerProduct"'),
        ("type: RELU;", 'type: "ReLU";'),
        ("blobs_lr: [1, 2.] weight_decay: [0]", "param { lr_mult: 1 decay_mult: 0 } param { lr_mult: 2. } "),
        ("weight_decay: 3 blobs_lr: 1 param: 'w'", "param { name: 'w' lr_mult: 1 decay_mult: 3 } "),
        ("param: '' param: 'b'", "param { name: '' } param { name: 'b' }"),
        ("fork_field: 3", "fork_field: 3"),
        ("type: DATA data_param { scale: 2 }", 'type: "Data" data_param { } transform_param { scale: 2 } '),
        (
            "type: DATA data_param { scale: 2 } transform_param { crop_size: 3 }",
            'type: "Data" data_param { } transform_param { crop_size: 3  scale: 2 }',
        ),
        ("type: POOLING data_param { scale: 2 }", 'type: "Pooling" data_param { scale: 2 }'),
    ],
)
def test_v1_to_new(old, new):
    assert edited(layer(old), to_new).split() == layer(new, "layer").split()


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }",
         "blobs_lr: 1 weight_decay: 1 blobs_lr: 2 weight_decay: 0"),
        ("param { lr_mult: 3 } param { decay_mult: 0 }", "blobs_lr: 3 weight_decay: 1 weight_decay: 0"),
        ('param { } param { name: "b" share_mode: PERMISSIVE }',
         'param: "" blob_share_mode: STRICT param: "b" blob_share_mode: PERMISSIVE'),
        ("param { lr_mult: 1 } param { }", "blobs_lr: 1"),
        ("param{lr_mult:1}param{lr_mult:2}", "blobs_lr:1 blobs_lr:2"),
        ("param {\n  lr_mult: 1 # of w\n  decay_mult: 1\n}", "blobs_lr: 1 # of w\nweight_decay: 1\n"),
    ],
)  # fmt: skip
def test_new_to_v1(new, old):
    made = edited(layer(f'type: "Pooling" {new}', "layer"), to_v1)
    assert made.split() == layer(f"type: POOLING {old}").split()


def test_fields_of_a_parameter_stand_where_it_stood():
    text = 'layer {\n  name: "a"\n  type: "Pooling"\n  param {  # w\n    lr_mult: 1\n  }\n  top: "b"\n}\n'
    assert edited(text, to_v1) == ('layers {\n  name: "a"\n  type: POOLING\n  # w\n  blobs_lr: 1\n  top: "b"\n}\n')


@pytest.mark.parametrize(
    ("rule", "text", "error", "message"),
    [
        (to_new, layer("type: PER_CLASS_ACCURACY"), Unsupported, "PER_CLASS_ACCURACY is none of Caffe's V1 types"),
        (to_new, layer("type: RELU param { lr_mult: 1 }"), FileError, "a V1 layer has no `param { }`"),
        (to_v1, layer('type: "BatchNorm"', "layer"), Unsupported, '1:1: layer "a": V1 has no layers of the type "BatchNorm"'),
        (to_v1, layer('type: "Input"', "layer"), Unsupported, "say it before the layers: input"),
        (to_v1, layer('type: "ReLU" phase: TEST', "layer"), Unsupported, r"1:\d+: layer \"a\": V1 layers have no `phase`"),
        (to_v1, layer('type: "ReLU" param { diag: 1 }', "layer"), Unsupported, "no `diag` of a parameter"),
        (to_v1, layer('type: "ReLU" param [{ lr_mult: 1 }]', "layer"), Unsupported, "a list of `param` is not converted"),
        (to_v1, layer('type: "ReLU" param { lr_mult: 1 lr_mult: 2 }', "layer"), FileError, "says `lr_mult` of a parameter twice"),
        (to_v1, layer('type: "Data" data_param { scale: 2 }', "layer"), Unsupported, "would count in a V1 layer"),
    ],
)  # fmt: skip
def test_refusals(rule, text, error, message):
    with pytest.raises(error, match=message):
        edited(text, rule)


def test_what_has_the_form_stays():
    assert edited(V1_TEXT, to_v1) == V1_TEXT
    assert edited(NEW_TEXT, to_new) == NEW_TEXT
