"""Nets of two forms are compared in one: V1 layers beside new ones, and inputs that are declared beside Input layers."""

from __future__ import annotations

import pytest

from split_surgery import diff, verify
from tests.support.nets import CONV, DATA, TAIL, conv_arrays, weights, write_tiny

DECLARED = 'name: "tiny"\ninput: "data"\ninput_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8\n'
V1 = """\
layers { name: "conv1_1" type: CONVOLUTION bottom: "data" top: "conv1_1" param: "w" blobs_lr: 1 blobs_lr: 2 weight_decay: 1
  convolution_param { num_output: 6 kernel_size: 3 pad: 1 } }
"""
NEW = """\
layer { name: "conv1_1" type: "Convolution" bottom: "data" top: "conv1_1"
  param { name: "w" lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 }
  convolution_param { num_output: 6 kernel_size: 3 pad: 1 } }
"""
IMAGES = 'layers { name: "d" type: DATA top: "data" data_param { source: "s" scale: 2 } transform_param { scale: 1 mirror: true } }\n'
NEW_IMAGES = (
    'layer { name: "d" type: "Data" top: "data" data_param { source: "s" } transform_param { mirror: 1 scale: 2.0 } }\n'
)


def compared(folder, old, new):
    a, b = folder / "a.prototxt", folder / "b.prototxt"
    a.write_text(old)
    b.write_text(new)
    return diff(a, b)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (DECLARED + V1, DECLARED + NEW),
        (DECLARED + V1, DATA + NEW),
        (DECLARED + CONV + TAIL, DATA + CONV + TAIL),
        (DECLARED.replace("input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8", "input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }") + CONV,
         DATA + CONV),
        (IMAGES + V1, NEW_IMAGES + NEW),
    ],
)  # fmt: skip
def test_the_same_in_two_forms(old, new, tmp_path):
    assert compared(tmp_path, old, new).equal
    assert compared(tmp_path, new, old).equal


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (DECLARED + V1, DECLARED + NEW.replace("lr_mult: 2", "lr_mult: 1"), "param[1].lr_mult"),
        (DECLARED + V1, DECLARED + NEW.replace('name: "w"', ""), "param[0].name"),
        (DECLARED + CONV, DATA.replace("dim: 8", "dim: 9") + CONV, 'input "data"'),
        (DECLARED + CONV, DATA.replace('top: "data"', 'top: "data" top: "more"') + CONV, 'input "more"'),
        (IMAGES + V1, NEW_IMAGES.replace("2.0", "1") + NEW, "transform_param.scale"),
        # Between nets of one form nothing is taken for another.
        (DECLARED + V1, DECLARED + V1.replace("blobs_lr: 1 blobs_lr: 2", "blobs_lr: 1"), "blobs_lr"),
        (DATA + CONV, DATA.replace('"data"', '"d"', 1) + CONV, None),
    ],
)
def test_what_differs_in_two_forms(old, new, found, tmp_path):
    report = compared(tmp_path, old, new)
    paths = [change.path for part in report.parts for changed in (part, *part.layers) for change in changed.fields]
    assert not report.equal
    assert found is None or found in paths


def test_an_input_with_a_rule_is_a_layer(tmp_path):
    """A declared input is there in each phase."""
    ruled = DATA.replace('type: "Input"', 'type: "Input" include { phase: TEST }')
    assert not compared(tmp_path, DECLARED + CONV, ruled + CONV).equal


def test_verify_takes_both_for_one_net(tmp_path):
    arrays = conv_arrays()
    model = weights([("conv1_1", "Convolution", ["data"], ["conv1_1"], arrays, None)])
    net, path = write_tiny(tmp_path, DECLARED + V1, model)
    new = tmp_path / "new.prototxt"
    new.write_text(DATA + NEW)
    assert verify(net, path, derived=(new, path)).exit_code == 0
    assert verify(new, path, derived=(net, path)).exit_code == 0
    new.write_text(DATA + NEW.replace("lr_mult: 2", "lr_mult: 3"))
    report = verify(net, path, derived=(new, path))
    assert (report.exit_code, report.problems) == (1, ("conv1_1: differs outside the split layers (text)",))
