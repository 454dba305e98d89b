"""`verify` beside real Caffe: of many nets, damages and re-savings it passes exactly those that Caffe loads with every blob copied."""

from __future__ import annotations

import json
import subprocess

import pytest

from split_surgery import verify
from split_surgery.errors import SurgeryError
from tests.support.paths import SUPPORT

pytestmark = pytest.mark.caffe

INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 4 dim: 8 dim: 8 } } }\n'
CONV = 'layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 6 kernel_size: 3 } }\n'


def layer(name: str, kind: str, rest: str = "", bottom: str = "conv") -> str:
    return f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{name}" {rest} }}\n'


NETS = {
    "plain": INPUT + CONV + layer("ip", "InnerProduct", "inner_product_param { num_output: 5 }"),
    "transposed": INPUT + CONV + layer("ip", "InnerProduct", "inner_product_param { num_output: 5 transpose: true }"),
    "axis": INPUT + CONV + layer("ip", "InnerProduct", "inner_product_param { num_output: 5 axis: 2 bias_term: false }"),
    "normalised": INPUT + CONV + layer("bn", "BatchNorm") + layer("sc", "Scale", "scale_param { bias_term: true }", "bn"),
    "affine": INPUT + CONV + layer("sc", "Scale", "scale_param { axis: 1 num_axes: 2 }") + layer("bi", "Bias", bottom="sc"),
    "prelu": INPUT + CONV + layer("pr", "PReLU") + layer("shared", "PReLU", "prelu_param { channel_shared: true }", "pr"),
    "deconv": INPUT + CONV + layer("up", "Deconvolution", "convolution_param { num_output: 4 kernel_size: 2 stride: 2 }"),
    "branches": INPUT + CONV + layer("b", "Convolution", "convolution_param { num_output: 6 kernel_size: 1 }")
    + 'layer { name: "sum" type: "Eltwise" bottom: "conv" bottom: "b" top: "sum" }\n'
    + layer("pool", "Pooling", "pooling_param { kernel_size: 2 stride: 2 }", "sum")
    + layer("ip", "InnerProduct", "inner_product_param { num_output: 3 }", "pool"),
    "reshaped": INPUT + CONV + layer("flat", "Flatten") + layer("ip", "InnerProduct", "inner_product_param { num_output: 3 }", "flat"),
    "old": 'input: "data"\ninput_dim: 2\ninput_dim: 4\ninput_dim: 8\ninput_dim: 8\n' + CONV,
}  # fmt: skip


def test_verify_passes_exactly_what_caffe_loads_whole(caffe, tmp_path, record_property):
    words = json.dumps({"nets": NETS, "folder": str(tmp_path)})
    done = subprocess.run(
        [caffe[1], SUPPORT / "caffe_verdicts.py"], input=words, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = json.loads(done.stdout.strip().splitlines()[-1])
    matrix = {(ours, theirs): [] for ours in (True, False) for theirs in (True, False)}
    for text, model, what, theirs in rows:
        try:
            ours = verify(text, model).exit_code == 0
        except SurgeryError:
            ours = False
        matrix[ours, theirs].append((text.rpartition("/")[2], what))
    counts = {f"verify {ours}, Caffe {theirs}": len(found) for (ours, theirs), found in matrix.items()}
    record_property("verdicts", counts)
    print(counts)
    assert matrix[True, False] == [], "passed, and Caffe does not take it"
    assert matrix[False, True] == [], "failed, and Caffe takes it"
    assert len(rows) >= 200, counts
    assert len(matrix[True, True]) >= 40, counts
