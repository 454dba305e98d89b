"""The verb show: one listing for one meaning, of every kind of file."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from split_surgery import diff, residual, show
from split_surgery.documents.prototxt import Document, Message, Scalar
from split_surgery.errors import FileError, SurgeryError, UsageError
from tests.support.fixture_nets import fixture
from tests.support.hdf5_files import tiny_layers, write_h5
from tests.support.nets import TINY, conv_arrays, tiny_state, tiny_weights, weights, write_tiny
from tests.support.paths import examples
from tests.support.respelling import RESPELLED, respelled


def listed(path, capsys) -> list[str]:
    print("\n".join(show(path).lines()))
    return capsys.readouterr().out.splitlines()


def test_a_net_reads_well(tmp_path, command):
    net, _ = write_tiny(tmp_path)
    done = command("show", net)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        'name: "tiny"',
        "layer data (Input) -> data",
        "  input_param.shape[0].dim: 1 3 8 8",
        "layer conv1_1 (Convolution) data -> conv1_1",
        "  num_output 6, kernel_size 3x3, stride 1x1, pad 1x1, dilation 1x1, group 1, bias_term true",
        "layer relu1_1 (ReLU) conv1_1 -> conv1_1",
        "layer ip (InnerProduct) conv1_1 -> ip",
        "  inner_product_param.num_output: 4",
        "sizes, and costs per image:",
        "  data: 1x3x8x8",
        "  conv1_1: 1x6x8x8, 168 parameters, 10,368 multiply-adds",
        "  relu1_1: 1x6x8x8",
        "  ip: 1x4, 1,540 parameters, 1,536 multiply-adds",
        "total in phase TEST: 1,708 parameters, 11,904 multiply-adds per image",
    ]


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(RESPELLED), st.randoms(use_true_random=False))
def test_the_same_meaning_is_the_same_listing(tmp_path, name, draw):
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(fixture(name))
    second.write_bytes(respelled(fixture(name), draw))
    assert show(first) == show(second)


def numbers(message: Message):
    for field in message.fields:
        for value in field.values:
            if isinstance(value, Message):
                yield from numbers(value)
            elif isinstance(value, Scalar) and value.kind == "number" and value.integer() is not None:
                yield value


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(RESPELLED), st.data())
def test_another_number_is_another_listing(tmp_path, name, data):
    text = fixture(name)
    value = data.draw(st.sampled_from(list(numbers(Document(text, name).root))))
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(text)
    second.write_bytes(text[: value.span.start] + b"%d" % (value.integer() + 1) + text[value.span.stop :])
    assert show(first) != show(second)


def test_a_layer_put_in_moves_no_other_line(tmp_path, capsys):
    net, _ = write_tiny(tmp_path)
    before = listed(net, capsys)
    extra = 'layer { name: "n" type: "Power" bottom: "data" top: "data" power_param { scale: 0.5 } }\nlayer {\n  name: "conv1_1"'
    net.write_text(TINY.replace('layer {\n  name: "conv1_1"', extra))
    after = listed(net, capsys)
    assert [line for line in after if line not in before] == [
        "layer n (Power) data -> data", "  power_param.scale: 0.5", "  n: 1x3x8x8",
    ]  # fmt: skip
    assert [line for line in after if line in before] == before


def test_twins_and_rules(tmp_path, capsys):
    (tmp_path / "net").write_bytes(fixture("same_name_train_and_test"))
    lines = listed(tmp_path / "net", capsys)
    assert "  include: phase TRAIN" in lines
    assert "  include: phase TEST" in lines


def test_a_directory_joins_text_and_weights(tmp_path, capsys):
    net, model = write_tiny(tmp_path)
    residual(net, model, tmp_path / "out")
    lines = listed(tmp_path / "out", capsys)
    at = lines.index(
        "layer conv1_1_split2_residual_post (Convolution) conv1_1_split2_residual_pre -> conv1_1_split2_residual_post"
    )
    assert lines[at + 2].startswith("  blob 0: 3x3x1x1 float32 ")
    assert "  conv1_1_split1: 1x3x8x8, 84 parameters, 5,184 multiply-adds" in lines
    (tmp_path / "out" / "net.prototxt").write_text(TINY)
    assert (
        "layer conv1_1_concat (Concat) conv1_1_split1 conv1_1_split2_residual_sum -> conv1_1_concat, which the net has not"
        in (listed(tmp_path / "out", capsys))
    )
    (tmp_path / "out" / "net.prototxt").unlink()
    with pytest.raises(FileError, match="it has no net.prototxt"):
        show(tmp_path / "out")


def test_protobuf_and_hdf5_hold_the_same_blobs(tmp_path):
    _, model = write_tiny(tmp_path)
    twin = write_h5(tmp_path / "model", tiny_layers())
    blobs = [{layer.name: layer.blobs for layer in show(path).nets[0].layers} for path in (model, twin)]
    assert blobs[0] == blobs[1]


@pytest.mark.parametrize("piece", [64, 8 * 1024 * 1024])
@pytest.mark.parametrize("options", [{}, {"dtype": "<f8"}, {"legacy": True}])
def test_what_a_blob_line_says(tmp_path, monkeypatch, piece, options):
    monkeypatch.setattr("split_surgery.documents.weights.blobs.PIECE", piece)
    arrays = conv_arrays()
    arrays[1][:3] = np.nan, np.inf, -7
    _, model = write_tiny(tmp_path, model=tiny_weights(arrays, **options))
    layer = next(layer for layer in show(model).nets[0].layers if layer.name == "conv1_1")
    weight, bias = (shown.numbers for shown in layer.blobs)
    assert layer.type == "Convolution"
    assert (weight.smallest, weight.largest) == (arrays[0].min(), arrays[0].max())
    assert weight.norm == pytest.approx(np.linalg.norm(arrays[0].astype(float)))
    assert (bias.smallest, bias.nan, bias.infinite) == (-7, 1, 1)
    stored = arrays[0].astype(options.get("dtype", "<f4"))
    assert weight.digest == hashlib.sha256(stored.tobytes()).hexdigest()[:16]


def test_a_solver_state(tmp_path, capsys):
    (tmp_path / "state").write_bytes(tiny_state())
    lines = listed(tmp_path / "state", capsys)
    assert lines[:3] == ["iter: 7", 'learned_net: "a.caffemodel"', "current_step: 2"]
    assert lines[3].startswith("history 0: 6x3x3x3 float32 ")


def test_the_total_is_of_the_phase_of_which_the_most_is_known(tmp_path):
    rule = 'name: "data"\n  include { phase: TRAIN }'
    net, _ = write_tiny(tmp_path, TINY.replace('name: "data"', rule))
    total = show(net).nets[0].total
    assert (total.phase, total.multiply_adds, total.unknown_multiply_adds) == ("TRAIN", 11904, 0)


def test_a_solver_that_names_its_net(tmp_path, capsys):
    (tmp_path / "solver").write_text("net: 'x' base_lr: 1e-2 # so\n")
    assert listed(tmp_path / "solver", capsys) == ["base_lr: 0.01", 'net: "x"']


def test_odd_names_stay_on_their_line(tmp_path, capsys):
    text = 'layer { name: "a b\\n\\"\\377" type: "x" top: "t\\033" fork { s: "\\377\\n" n: 010 m: - # so\n 5 } }'
    (tmp_path / "net").write_text(text)
    assert listed(tmp_path / "net", capsys)[:4] == [
        'layer "a b\\n\\"\\udcff" (x) -> "t\\x1b"', "  fork.m: -5", "  fork.n: 8", '  fork.s: "\\377\\012"',
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0", "is a picture"),
        (b"\x08\x01\x10\x03\x18\x04\x20\x04\x2a\x04\0\0\0\0", "is neither text"),  # a mean image
        (TINY.encode("utf-16"), "is text in UTF-16"),
        (tiny_weights()[:-9], "is the file truncated"),
        (b"layer {", "never closed"),
    ],
)
def test_what_is_no_such_file(tmp_path, data, message):
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(SurgeryError, match=message) as caught:
        show(tmp_path / "x")
    assert caught.value.exit_code == 3


def test_input_shapes_are_for_blobs_of_nets(tmp_path, command):
    net, model = write_tiny(tmp_path, TINY.replace("input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } }", ""))
    assert "(not counted: 2 layers)" in command("show", net, "-q").stdout
    done = command("show", net, "--input-shape", "data:1,3,8,8", "-q")
    assert done.stdout == "total in phase TEST: 1,708 parameters, 11,904 multiply-adds per image\n"
    with pytest.raises(UsageError, match="no such blob"):
        show(net, input_shape={"dat": (1,)})
    with pytest.raises(UsageError, match="is for a net"):
        show(model, input_shape={"data": (1,)})


def test_json(tmp_path, command):
    net, model = write_tiny(tmp_path)
    found = json.loads(command("show", net, "--json").stdout)
    assert found["nets"][0]["layers"][1]["multiply_adds"] == 10368
    found = json.loads(command("show", model, "--json").stdout)
    assert found["nets"][0]["layers"][1]["blobs"][0]["shape"] == [6, 3, 3, 3]


def test_git_compares_by_it(tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=b"]
        done = subprocess.run(["git", *identity, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout

    git("init", "-q")
    net, model = write_tiny(tmp_path)
    (tmp_path / ".gitattributes").write_text("*.caffemodel diff=caffe\n*.prototxt diff=caffe\n")
    git("config", "diff.caffe.textconv", f"'{sys.executable}' -m split_surgery show")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    net.write_text(TINY.replace("  name", "\tname").replace("pad: 1", "pad: 2 # wider"))
    changed = conv_arrays()
    changed[1][0] += 1
    model.write_bytes(tiny_weights(changed))
    lines = [line for line in git("diff", "-U0").splitlines() if line[:2] in ("+l", "-l", "+ ", "- ", "-t", "+t")]
    assert [line.split(" blob ")[-1].split(" float32")[0] for line in lines if "blob" in line] == ["1: 6"] * 2
    assert "+  num_output 6, kernel_size 3x3, stride 1x1, pad 2x2, dilation 1x1, group 1, bias_term true" in lines
    assert not any("layer" in line for line in lines)


def test_numbers_of_all_sizes(tmp_path):
    model = weights([("a", "Convolution", [], [], [np.zeros((0, 3, 1, 1)), np.full(3, 3e38)], None)])
    (tmp_path / "x").write_bytes(model)
    empty, large = show(tmp_path / "x").nets[0].layers[0].blobs
    assert (empty.numbers.smallest, empty.numbers.norm) == (None, None)
    assert large.numbers.norm == pytest.approx(3e38 * 3**0.5)


FILES = [TINY.encode(), fixture("v1_layers"), tiny_weights(), tiny_weights(legacy=True, dtype="<f8"), tiny_state()]


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(FILES), st.integers(0, 400), st.binary(max_size=3), st.integers(0, 3), st.booleans())
def test_damaged_files_fail_with_a_sentence_or_are_shown(tmp_path, data, at, put, skipped, cut):
    file = tmp_path / "x"
    file.write_bytes(data[:at] + put + (b"" if cut else data[at + skipped :]))
    try:
        report = show(file)
        print("\n".join(report.lines()))
        assert diff(file, file).equal
    except SurgeryError as error:
        assert error.exit_code == 3
