"""What a split writes: every blob and connection against a plain reading of the method, every other byte untouched."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from split_surgery import extension, residual, verify
from split_surgery.documents.net.net import Net, Prototxt
from split_surgery.documents.prototxt import Document
from split_surgery.errors import TextPlace, Unsupported, UsageError
from split_surgery.kernels.partition import rng
from tests.support.fixture_nets import EVERY_FIXTURE, fixture_net, options_for
from tests.support.nets import (
    CONV,
    DATA,
    TAIL,
    TINY,
    conv_arrays,
    net_of,
    read_weights,
    tiny_weights,
    write_tiny,
)
from tests.support.paths import examples
from tests.support.protobuf_oracle import Mixed, agrees

SPLITS = {"residual": residual, "extension": extension}


def noise(layer, count, std=0.01, seed=0):
    return (rng(seed, layer, 0).standard_normal((count, count)) * std).astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("recipe", SPLITS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
@pytest.mark.parametrize("legacy", [False, True])
def test_every_blob_is_as_the_method_says(tmp_path, recipe, bias, dtype, legacy):
    arrays = conv_arrays(bias=bias)
    text = TINY if bias else TINY.replace("pad: 1", "pad: 1 bias_term: false")
    net, weights = write_tiny(tmp_path, text, tiny_weights(arrays, dtype=dtype, legacy=legacy))
    report = SPLITS[recipe](net, weights, tmp_path / "out", fast="2", seed=5)
    fast, slow = map(list, (report.layer.fast, report.layer.slow))
    scores = np.linalg.norm(arrays[0].reshape(6, -1).astype(np.float64), axis=1)
    assert fast == sorted(np.argsort(-scores)[:2].tolist())
    found = {
        name: layer_arrays
        for name, (_, layer_arrays) in read_weights((tmp_path / "out" / "net.caffemodel").read_bytes()).items()
    }
    zeros = lambda n: [np.zeros(n)] if bias else []  # noqa: E731
    n, w = "conv1_1", arrays[0].astype(np.float64)
    old_bias = [arrays[1]] if bias else []
    permutation = np.zeros((6, 6))
    for place, channel in enumerate(fast + slow):
        permutation[channel, place] = 1
    expected = {
        f"{n}_split1": [arrays[0][fast], *(b[fast] for b in old_bias)],
        f"{n}_split2": [arrays[0][slow], *(b[slow] for b in old_bias)],
        f"{n}_concat": [],
        f"{n}_reorder": [(permutation + noise(f"{n}_reorder", 6, seed=5))[:, :, None, None], *zeros(6)],
    }
    if recipe == "extension":
        name = f"{n}_split2_extension"
        expected[name] = [(np.eye(4) + noise(name, 4, seed=5))[:, :, None, None], *zeros(4)]
    else:
        start = -0.2 * w[slow]
        start[:, :, 1, 1] += 2.0 * w[slow][:, :, 1, 1]
        expected[f"{n}_split2_residual_pre"] = [start, *zeros(4)]
        name = f"{n}_split2_residual_post"
        expected[name] = [(np.eye(4) + noise(name, 4, seed=5))[:, :, None, None], *zeros(4)]
        expected[f"{n}_split2_residual_sum"] = []
    assert set(found) - {"data", "relu1_1", "ip"} == set(expected)
    for name, blobs in expected.items():
        assert len(found[name]) == len(blobs), name
        for got, want in zip(found[name], blobs):
            assert got.astype(dtype).tobytes() == np.asarray(want).astype(dtype).tobytes(), name


@pytest.mark.parametrize("recipe", SPLITS)
def test_connections(tmp_path, recipe):
    net, weights = write_tiny(tmp_path)
    SPLITS[recipe](net, weights, tmp_path / "out")
    made = {
        layer.name.removeprefix("conv1_1_"): (layer.type, layer.bottoms, layer.tops)
        for layer in net_of(tmp_path / "out" / "net.prototxt").layers
    }
    c = "conv1_1_"
    second = "split2_extension" if recipe == "extension" else "split2_residual_sum"
    expected = {
        "split1": ("Convolution", ("data",), (c + "split1",)),
        "split2": ("Convolution", ("data",), (c + "split2",)),
        "concat": ("Concat", (c + "split1", c + second), (c + "concat",)),
        "reorder": ("Convolution", (c + "concat",), ("conv1_1",)),
    }
    if recipe == "extension":
        expected["split2_extension"] = ("Convolution", (c + "split2",), (c + "split2_extension",))
    else:
        expected["split2_residual_pre"] = ("Convolution", ("data",), (c + "split2_residual_pre",))
        expected["split2_residual_post"] = ("Convolution", (c + "split2_residual_pre",), (c + "split2_residual_post",))
        expected["split2_residual_sum"] = (
            "Eltwise",
            (c + "split2", c + "split2_residual_post"),
            (c + "split2_residual_sum",),
        )
    assert {name: made[name] for name in expected} == expected
    assert list(made) == ["data", *(n for n in made if n in expected), "relu1_1", "ip"], (
        "contiguous, in the old layer's place"
    )
    records = read_weights((tmp_path / "out" / "net.caffemodel").read_bytes())
    for name, (kind, bottoms, tops) in expected.items():
        record = records[c + name][0]
        assert (record.type, tuple(record.bottom), tuple(record.top)) == (kind, bottoms, tops)
    geometry = records[c + "reorder"][0].convolution_param
    assert (geometry.num_output, list(geometry.kernel_size), list(geometry.pad), list(geometry.stride)) == (
        6,
        [1],
        [],
        [],
    )
    assert list(records[c + "split2"][0].convolution_param.pad) == [1]


def nets_of(net: Net) -> list[Net]:
    """The net, or all that stand in its solver."""
    return Prototxt(net.document).nets


@pytest.mark.parametrize("recipe", SPLITS)
@pytest.mark.parametrize("path", EVERY_FIXTURE, ids=lambda path: path.stem)
def test_only_the_layer_changes(tmp_path, path, recipe):
    """Outside the replaced layers not one byte differs; inside, protobuf reads what was meant."""
    data = path.read_bytes()
    before, weights = fixture_net(path, tmp_path)
    name = before.convolutions()[0].name
    SPLITS[recipe](path, weights, tmp_path / "out", layer=name, noise=0, **options_for(path, recipe))
    written = "solver.prototxt" if before.inside_solver else "net.prototxt"
    after = (tmp_path / "out" / written).read_bytes()
    split = [layer for net in nets_of(before) for layer in net.convolutions()]
    pieces, at = [], 0
    for layer in split:
        pieces.append(data[at : layer.span.start])
        at = layer.span.stop
    pieces.append(data[at:])
    if before.inside_solver:
        after = after.replace(str(tmp_path / "out").encode() + b"/base", b"snap/base")
        after = after.replace(b'snapshot_prefix: "' + str(tmp_path / "out").encode() + b'/net"\n', b"")
    position = 0
    for index, piece in enumerate(pieces):
        # A comment behind the old layer's closing brace stays behind split1's, before the layers that follow.
        comment, _, rest = piece.partition(b"\n") if index and piece[:2] == b" #" else (b"", b"", piece)
        for part in (comment, rest):
            found = after.find(part, position)
            assert found >= 0, part
            position = found + len(part)
    assert after.startswith(pieces[0])
    assert after.endswith(rest if comment else pieces[-1])
    document = Document(after, "out")
    if path.stem not in ("invalid_utf8_comment", "v1_type_as_a_number"):  # that one then has numbers and names as types
        assert agrees(document)
    count = {"residual": 7, "extension": 5}[recipe]
    for old, new in zip(nets_of(before), nets_of(Net(document))):
        assert len(new.layers) == len(old.layers) + len(old.convolutions()) * (count - 1)
        assert {layer.v1 for layer in new.layers} == {layer.v1 for layer in old.layers}
    eol = b"\r\n" if b"\r\n" in data else b"\n"
    assert after.count(b"\n") == after.count(eol)
    if recipe == "extension":
        report = verify(path, weights, tmp_path / "out", max_drift=0)
        assert report.blocks
        assert all(block.exact for block in report.blocks)
        refused = ("net.prototxt: starts with a byte order mark, which Caffe's parser refuses: remove it",)
        assert report.problems == (refused if data.startswith(b"\xef\xbb\xbf") else ())


@pytest.mark.parametrize("recipe", SPLITS)
def test_the_weights_outside_the_layer_stay(tmp_path, recipe):
    net, weights = write_tiny(tmp_path)
    SPLITS[recipe](net, weights, tmp_path / "out")
    old, new = weights.read_bytes(), (tmp_path / "out" / "net.caffemodel").read_bytes()
    from split_surgery.documents.weights.caffemodel import Caffemodel
    from split_surgery.documents.weights.wire import Buffer

    record = Caffemodel(Buffer(old)).named("conv1_1")[0]
    assert new.startswith(old[: record.span.start])
    assert new.endswith(old[record.span.stop :])


def split_text(tmp_path, extra="", where="  convolution_param {", recipe="residual", arrays=None, text=CONV):
    """The derived net of TINY with `extra` lines before `where`."""
    net, weights = write_tiny(tmp_path, DATA + text.replace(where, extra + where, 1) + TAIL, tiny_weights(arrays))
    SPLITS[recipe](net, weights, tmp_path / "out")
    return {layer.name.removeprefix("conv1_1_"): layer for layer in net_of(tmp_path / "out" / "net.prototxt").layers}


def test_parameter_names_get_the_layers_suffix(tmp_path):
    made = split_text(tmp_path, '  param { name: "w" lr_mult: 1 }\n  param { name: "b" }\n')
    names = {role: [name for _, name, _ in layer.param_names()] for role, layer in made.items()}
    assert names["split1"] == ["w_split1", "b_split1"]
    assert names["split2_residual_post"] == ["w_split2_residual_post", "b_split2_residual_post"]
    everything = [name for found in names.values() for name in found]
    assert len(everything) == len(set(everything)) == 10
    assert names["concat"] == names["split2_residual_sum"] == []


def test_params_propagate_down_loss_weight_and_rules(tmp_path):
    made = split_text(
        tmp_path,
        "  param { lr_mult: 1 decay_mult: 0.5 }\n  propagate_down: false\n  loss_weight: 0.25\n"
        '  include { stage: "x" }\n  phase: TRAIN\n',
    )
    roles = [role for role in made if role.startswith(("split", "concat", "reorder"))]
    has = lambda key: {role for role in roles if any(True for _ in made[role].message.named(key))}  # noqa: E731
    assert has("propagate_down") == {"split1", "split2", "split2_residual_pre"}
    assert has("loss_weight") == {"reorder"}
    assert has("include") == has("phase") == set(roles)
    assert has("param") == set(roles) - {"concat", "split2_residual_sum"}
    assert made["reorder"].message.messages("param")[0].text("decay_mult") == "0.5"


def test_blobs_in_the_prototxt_are_not_copied(tmp_path):
    made = split_text(tmp_path, "  blobs { data: 1 }\n")
    assert not any(True for layer in made.values() for _ in layer.message.named("blobs"))


def test_fork_fields_and_fillers_carry_over(tmp_path):
    inside = '    weight_filler { type: "msra" }\n    cudnn_workspace_limit: 7\n'
    made = split_text(tmp_path, "  fork_mode: FAST\n", text=CONV.replace("    num_output", inside + "    num_output"))
    for role in ("split1", "split2", "split2_residual_pre", "split2_residual_post", "reorder"):
        assert made[role].message.text("fork_mode") == "FAST"
        texts = [param.text("cudnn_workspace_limit") for param in made[role].message.messages("convolution_param")]
        assert "7" in texts
    assert made["concat"].message.text("fork_mode") is None


def test_a_frozen_layer_is_inherited_with_a_warning(tmp_path):
    text = (
        DATA
        + CONV.replace("  convolution_param", "  param { lr_mult: 0 }\n  param { lr_mult: 0 }\n  convolution_param")
        + TAIL
    )
    net, weights = write_tiny(tmp_path, text)
    report = residual(net, weights, tmp_path / "out")
    assert any("frozen" in warning for warning in report.warnings)
    assert (tmp_path / "out" / "net.prototxt").read_bytes().count(b"lr_mult: 0") == 10


def test_geometry_of_the_copies_and_of_the_1x1(tmp_path):
    arrays = conv_arrays(kh=3, kw=5)
    text = (
        DATA
        + CONV.replace(
            "kernel_size: 3\n    pad: 1",
            "kernel_h: 3\n    kernel_w: 5\n    pad_h: 1 pad_w: 2\n    stride: 2\n    dilation: 1",
        )
        + TAIL
    )
    net, weights = write_tiny(tmp_path, text, tiny_weights(arrays))
    residual(net, weights, tmp_path / "out", surround=0.0, center=1.0)
    made = {layer.name.removeprefix("conv1_1_"): layer for layer in net_of(tmp_path / "out" / "net.prototxt").layers}
    pre, post = made["split2_residual_pre"].geometry(), made["split2_residual_post"].geometry()
    assert (pre.kernel, pre.stride, pre.pad) == ((3, 5), (2, 2), (1, 2))
    assert (post.kernel, post.stride, post.pad, post.dilation, post.group) == ((1, 1), (1, 1), (0, 0), (1, 1), 1)
    start = read_weights((tmp_path / "out" / "net.caffemodel").read_bytes())["conv1_1_split2_residual_pre"][1][0]
    assert np.argwhere(start.any(axis=(0, 1))).tolist() == [[1, 2]], "only the centre of 3 x 5 is kept"


def test_an_even_kernel_has_no_centre(tmp_path):
    net, weights = write_tiny(
        tmp_path, DATA + CONV.replace("kernel_size: 3", "kernel_size: 4") + TAIL, tiny_weights(conv_arrays(kh=4, kw=4))
    )
    extension(net, weights, tmp_path / "out", noise=0)
    assert verify(net, weights, tmp_path / "out", max_drift=0).blocks[0].exact
    with pytest.raises(Unsupported, match="kernel of size 4 has no centre, which residual needs; extension does not"):
        residual(net, weights, tmp_path / "out2")
    for choice, taps in (("low", [1]), ("high", [2]), ("both", [1, 2])):
        residual(net, weights, tmp_path / choice, even_center=choice, surround=0.0, center=1.0)
        made = read_weights((tmp_path / choice / "net.caffemodel").read_bytes())
        old, start = made["conv1_1_split2"][1][0], made["conv1_1_split2_residual_pre"][1][0]
        expected = np.zeros_like(old)
        expected[:, :, min(taps) : max(taps) + 1, min(taps) : max(taps) + 1] = 1 / len(taps) ** 2
        assert start == pytest.approx(old * expected)


shapes = st.tuples(
    st.integers(2, 7), st.integers(1, 4), st.sampled_from([1, 3, 5]), st.sampled_from([1, 3, 7]), st.booleans()
)


@given(shapes, st.sampled_from(sorted(SPLITS)), st.integers(0, 2**32), st.integers(1, 6))
@settings(max_examples=examples(60), deadline=None)
def test_law_the_block_folds_back(tmp_path_factory, shape, recipe, seed, fast):
    """A noise-free extension equals the layer bit for bit; a residual drifts as the algebra says."""
    n, c, kh, kw, bias = shape
    folder = tmp_path_factory.mktemp("law")
    arrays = conv_arrays(n, c, kh, kw, bias, seed % 1000)
    arrays[0].ravel()[::5] *= -0.0
    text = TINY.replace("num_output: 6", f"num_output: {n}").replace("kernel_size: 3", f"kernel_h: {kh} kernel_w: {kw}")
    text = text.replace("    pad: 1\n", "" if bias else "    bias_term: false\n")
    net, weights = write_tiny(folder, text, tiny_weights(arrays))
    if fast >= n:
        with pytest.raises(UsageError):
            SPLITS[recipe](net, weights, folder / "out", fast=str(fast))
        return
    report = SPLITS[recipe](net, weights, folder / "out", fast=str(fast), noise=0, seed=seed, order="random")
    (block,) = verify(net, weights, folder / "out").blocks
    if recipe == "extension":
        assert block.exact
    else:
        slow = list(report.layer.slow)
        change = np.zeros_like(arrays[0], np.float64)
        change[slow] = -0.2 * arrays[0][slow]
        change[slow, :, kh // 2, kw // 2] += 2 * arrays[0][slow, :, kh // 2, kw // 2].astype(np.float64)
        norm = np.sqrt(sum((a.astype(np.float64) ** 2).sum() for a in arrays))
        assert block.drift == pytest.approx(np.linalg.norm(change) / norm, rel=1e-5)


def test_the_same_command_gives_the_same_bytes(tmp_path, program):
    """Twice, from another directory, with other paths and another hash seed."""
    net, weights = write_tiny(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    runs = [
        (tmp_path, net.name, weights.name, "one", "1"),
        (tmp_path / "elsewhere", f"../{net.name}", weights, "two", "4711"),
    ]
    for cwd, net_path, weights_path, out, hash_seed in runs:
        done = program("residual", net_path, weights_path, "-o", out, cwd=cwd, PYTHONHASHSEED=hash_seed)
        assert done.returncode == 0, done.stderr
    for name in ("net.prototxt", "net.caffemodel", "split.yaml"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "elsewhere" / "two" / name).read_bytes()


def test_comments_that_are_not_utf8(tmp_path):
    net, weights = write_tiny(tmp_path)
    net.write_bytes((DATA + CONV.rstrip()).encode() + b" # caf\xe9\n" + TAIL.encode())
    residual(net, weights, tmp_path / "out")
    assert b"} # caf\xe9\nlayer {\n" in (tmp_path / "out" / "net.prototxt").read_bytes()


@pytest.mark.parametrize("spelling", [b"conv\xe91_", b"conv\\3511_"], ids=["raw", "escaped"])
def test_names_that_are_not_utf8(tmp_path, spelling):
    net, weights = write_tiny(tmp_path)
    net.write_bytes(TINY.encode().replace(b"conv1_1", spelling))
    weights.write_bytes(weights.read_bytes().replace(b"conv1_1", b"conv\xe91_"))
    extension(net, weights, tmp_path / "out", noise=0)
    assert b"conv\xe91__reorder" in (tmp_path / "out" / "net.caffemodel").read_bytes()
    assert verify(net, weights, tmp_path / "out", max_drift=0).problems == ()


def test_empty_lists_say_nothing(tmp_path):
    text = CONV.replace("pad: 1", "pad: 1 bias_term: [] group: [] axis: []")
    text = text.replace('  bottom: "data"', '  bottom: []\n  bottom: "data"')
    net, weights = write_tiny(tmp_path, "net_param: []\n" + DATA + text + TAIL)
    extension(net, weights, tmp_path / "out", noise=0)
    assert verify(net, weights, tmp_path / "out", max_drift=0).problems == ()


@pytest.mark.parametrize("case", ["no num_output", "twice", "param twice", "none"])
def test_records_with_an_odd_convolution_param(tmp_path, case):
    from split_surgery.documents.weights.wire import tagged

    param = {
        "no num_output": tagged(4, 3),
        "twice": tagged(1, 9) + tagged(1, 6) + tagged(4, 3),
        "param twice": tagged(4, 3),
        "none": b"",
    }[case]
    odd = tagged(106, param) * (2 if case == "param twice" else 1) if case != "none" else b""
    data = tiny_weights()
    plain = tagged(106, tagged(1, 6) + tagged(3, 1) + tagged(4, 3))
    packed = data.index(b"\xd2\x06", data.index(b"conv1_1"))
    length = 3 + data[packed + 2]
    assert plain[:2] == data[packed : packed + 2]
    start = data.index(b"\xa2\x06", 10)  # the second record's tag
    from split_surgery.documents.weights.caffemodel import Caffemodel
    from split_surgery.documents.weights.wire import Buffer

    record = Caffemodel(Buffer(data)).named("conv1_1")[0]
    assert start == record.span.start
    body = data[record.body.start : packed] + odd + data[packed + length : record.body.stop]
    net, weights = write_tiny(tmp_path, TINY, data[:start] + tagged(100, body) + data[record.span.stop :])
    residual(net, weights, tmp_path / "out")
    made = read_weights((tmp_path / "out" / "net.caffemodel").read_bytes())
    assert verify(net, weights, tmp_path / "out").problems == ()
    if case != "none":
        geometry = made["conv1_1_reorder"][0].convolution_param
        assert (geometry.num_output, list(geometry.kernel_size)) == (6, [1])
        assert made["conv1_1_split2"][0].convolution_param.num_output == 3


@pytest.mark.parametrize("recipe", SPLITS)
def test_groups_stay_groups(tmp_path, recipe):
    """conv1_1 with 3 groups of 4 kernels on one channel each: 2 fast and 2 slow from each."""
    text = TINY.replace("num_output: 6", "num_output: 12").replace("pad: 1", "pad: 1 group: 3")
    net, weights = write_tiny(tmp_path, text, tiny_weights(conv_arrays(12, 1)))
    report = SPLITS[recipe](net, weights, tmp_path / "out", noise=0)
    assert [channel // 4 for channel in report.layer.fast] == [0, 0, 1, 1, 2, 2]
    made = {layer.name.removeprefix("conv1_1_"): layer for layer in net_of(tmp_path / "out" / "net.prototxt").layers}
    assert [made[role].geometry().group for role in ("split1", "split2", "reorder")] == [3, 3, 1]
    (block,) = verify(net, weights, tmp_path / "out", engine="opencv").blocks
    assert block.exact == (recipe == "extension")
    with pytest.raises(UsageError, match="give a multiple of 3"):
        SPLITS[recipe](net, weights, tmp_path / "out2", fast="4")


def test_one_frozen_param_leaves_the_bias_learning(tmp_path):
    text = DATA + CONV.replace("  convolution_param", "  param { lr_mult: 0 }\n  convolution_param") + TAIL
    net, weights = write_tiny(tmp_path, text)
    assert not any("frozen" in warning for warning in residual(net, weights, tmp_path / "out").warnings)


def test_mixed_line_endings_follow_the_layer(tmp_path):
    net, weights = write_tiny(tmp_path)
    net.write_bytes(b"# from another editor\r\n" + TINY.encode())
    residual(net, weights, tmp_path / "out")
    assert (tmp_path / "out" / "net.prototxt").read_bytes().count(b"\r\n") == 1


LAYER_LINES = [
    "param { lr_mult: 1 decay_mult: 0 }",
    'param { name: "w" lr_mult: 2. }',
    "param: [{ lr_mult: 1 }, { decay_mult: .5 share_mode: PERMISSIVE }]",
    "propagate_down: true",
    "propagate_down: [false]",
    "loss_weight: 0.5",
    "loss_weight: [1e-1]",
    'include { phase: TRAIN stage: \'a\' not_stage: ["b", "c"] }',
    "include < phase: 1 min_level: -1 max_level: 0x2 >",
    "exclude { stage: 'never' }",
    "phase: TEST",
    "phase: 0",
    "fork_field: SOMETHING fork_message { a: 1 b { c: 'd' } }",
    "# a comment { with braces",
    "blobs { shape { dim: 1 } data: [1, 2] }",
]
INNER_LINES = [
    'weight_filler { type: "gaussian" std: 1e-2 variance_norm: AVERAGE }',
    'bias_filler: { type: "constant", value: 0.5f; }',
    "engine: CAFFE",
    "engine: FORK_ENGINE",
    "stride: 2",
    "stride: [1, 2]",
    "dilation: 1",
    "force_nd_im2col: false",
    "axis: 1",
    "group: 1",
    "cudnn_workspace_limit: 7",
    "bias_term: true",
    "# num_output: 9",
]


@given(
    st.permutations(LAYER_LINES),
    st.permutations(INNER_LINES),
    st.integers(0, 8),
    st.integers(0, 6),
    st.sampled_from(["\n", "\r\n", " \n\t"]),
    st.sampled_from(sorted(SPLITS)),
)
@settings(max_examples=examples(80), deadline=None)
def test_any_mix_of_fields_is_split_without_a_defect(tmp_path_factory, outer, inner, count, inner_count, eol, recipe):
    """What the run proves of itself must hold for all that a convolution may say; a false alarm would stop a good split."""
    folder = tmp_path_factory.mktemp("mix")
    chosen, seen = [], set()
    for line in outer[:count]:  # a singular field once
        name = line.split(":")[0].split()[0]
        if name not in seen or name in ("param", "include"):
            chosen.append(line)
        seen |= {name} if name not in ("param", "include") else set()
    inside, seen = [], set()
    for line in inner[:inner_count]:
        if line.split(":")[0].split()[0] not in seen:
            inside.append(line)
        seen.add(line.split(":")[0].split()[0])
    body = eol.join(["num_output: 6 kernel_size: 3 pad: 1", *inside, ""])
    lines = ['name: "conv1_1"', 'type: "Convolution"', 'bottom: "data"', 'top: "conv1_1"', *chosen]
    text = f"layer {{{eol}{eol.join(lines)}{eol}convolution_param {{ {body} }}{eol}}}{eol}"
    net, weights = write_tiny(folder, DATA + text + TAIL)
    report = SPLITS[recipe](net, weights, folder / "out", noise=0)
    assert report.status == "written"
    derived = net_of(folder / "out" / "net.prototxt")
    assert len(derived.layers) == len(net_of(net).layers) + len(report.splits[0].new_layers) - 1
    with contextlib.suppress(Mixed):
        assert agrees(derived.document)


def test_deeply_nested_fork_messages_are_rendered_once(tmp_path):
    """Forty levels over several lines: work that doubled at each level would never end."""
    nested = "  fork {\n" + "    deep {\n" * 40 + "      x: 1\n" + "    }\n" * 40 + "  }\n"
    made = split_text(tmp_path, nested)
    assert values_of(made["reorder"].message.messages("fork")[0]) == "1"


def values_of(message):
    inner = message.messages("deep")
    return values_of(inner[0]) if inner else message.text("x")


def test_no_line_is_counted_where_nothing_is_said(tmp_path, monkeypatch):
    net, weights = write_tiny(tmp_path)
    asked, said = [], TextPlace.__str__
    monkeypatch.setattr(TextPlace, "__str__", lambda place: asked.append(place) or said(place))
    residual(net, weights, tmp_path / "out")
    assert asked == [], "the line of each layer is found by counting from the start of the file"
