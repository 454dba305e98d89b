"""Several splits in one run, splits of split layers, and plans applied again."""

from __future__ import annotations

import itertools
import shutil

import numpy as np
import pytest
import yaml

from split_surgery import apply, extension, residual, skip, verify
from split_surgery.errors import FileError, SurgeryError, Unsupported, UsageError
from split_surgery.splitting.plan_file import read_plan
from tests.support.nets import CONV, DATA, TAIL, conv_arrays, net_of, random_weights, read_weights, write_tiny
from tests.support.paths import EXAMPLE, FIXTURES, ROOT

SECOND = (
    CONV.replace("conv1_1", "conv1_2")
    .replace('bottom: "data"', 'bottom: "conv1_1"')
    .replace("num_output: 6", "num_output: 4")
)
TWO = DATA + CONV + SECOND


def two(tmp_path):
    """Two convolutions, the second on the first."""
    net, weights = write_tiny(tmp_path, TWO)
    arrays = {"conv1_1": conv_arrays(), "conv1_2": conv_arrays(4, 6, seed=7)}
    from tests.support.nets import weights as weights_of

    rows = [(n, "Convolution", [b], [n], arrays[n], {"num_output": len(arrays[n][0])}) for n, b in
            (("conv1_1", "data"), ("conv1_2", "conv1_1"))]  # fmt: skip
    weights.write_bytes(weights_of(rows))
    return net, weights


def config(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return path


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


MULTI = """\
noise: 0
layers:
  - {layer: conv1_2, recipe: extension}
  - {layer: conv1_1, recipe: extension, fast: 2}
  - {layer: conv1_1_split2, recipe: extension}
"""


def test_several_layers_and_a_layer_of_a_split(tmp_path):
    net, weights = two(tmp_path)
    report = apply(config(tmp_path, MULTI), net, weights, tmp_path / "out")
    assert [split.plan.layer for split in report.splits] == ["conv1_2", "conv1_1", "conv1_1_split2"]
    assert len(report.splits[1].plan.fast) == 2
    names = [layer.name for layer in net_of(tmp_path / "out" / "net.prototxt").layers]
    assert names.index("conv1_1_split2_split1") < names.index("conv1_1_reorder") < names.index("conv1_2_split1")
    proof = verify(net, weights, tmp_path / "out", max_drift=0)
    assert proof.problems == ()
    assert {block.layer: block.exact for block in proof.blocks} == {"conv1_1": True, "conv1_2": True}


def test_the_order_of_independent_splits_does_not_matter_to_the_files(tmp_path):
    net, weights = two(tmp_path)
    for folder, order in (("a", ("conv1_1", "conv1_2")), ("b", ("conv1_2", "conv1_1"))):
        residual(net, weights, tmp_path / folder, layer=order, as_path="d")
    a, b = files(tmp_path / "a"), files(tmp_path / "b")
    assert a["net.prototxt"] == b["net.prototxt"]
    assert a["net.caffemodel"] == b["net.caffemodel"]
    with pytest.raises(UsageError, match="chosen twice"):
        residual(net, weights, tmp_path / "c", layer=("conv1_1", "conv1_1"))


def test_one_run_is_the_runs_one_after_the_other(tmp_path):
    """Nested in one run, or directory by directory: the same prototxt and the same weights."""
    net, weights = write_tiny(tmp_path, DATA + CONV)
    weights.write_bytes(random_weights(net_of(net)))
    steps = (
        "layers:\n  - {layer: conv1_1, recipe: residual}\n  - {layer: conv1_1_split2_residual_pre, recipe: extension}\n"
    )
    apply(config(tmp_path, steps), net, weights, tmp_path / "once", as_path="d")
    residual(net, weights, tmp_path / "one", layer="conv1_1")
    extension(
        tmp_path / "one" / "net.prototxt", tmp_path / "one" / "net.caffemodel", tmp_path / "two",
        layer="conv1_1_split2_residual_pre", as_path="d",
    )  # fmt: skip
    once, twice = files(tmp_path / "once"), files(tmp_path / "two")
    assert once["net.prototxt"] == twice["net.prototxt"]
    assert once["net.caffemodel"] == twice["net.caffemodel"]


@pytest.mark.parametrize("depth", [3])
def test_nested_noise_free_extensions_fold_to_the_same_bits(tmp_path, depth):
    net, weights = write_tiny(tmp_path, DATA + CONV.replace("num_output: 6", "num_output: 24"))
    weights.write_bytes(random_weights(net_of(net)))
    layer, text = "conv1_1", "noise: 0\nrecipe: extension\nlayers:\n"
    for _ in range(depth):
        text += f"  - {{layer: {layer}}}\n"
        layer += "_split2"
    apply(config(tmp_path, text), net, weights, tmp_path / "out")
    (block,) = verify(net, weights, tmp_path / "out", max_drift=0).blocks
    assert block.exact
    assert len(block.members) == depth * 4 + 1


def test_a_plan_reproduces_its_directory(tmp_path):
    net, weights = two(tmp_path)
    (tmp_path / "deploy.prototxt").write_text(TWO + TAIL.replace("conv1_1", "conv1_2"))
    also = (tmp_path / "deploy.prototxt",)
    apply(config(tmp_path, MULTI + "also: deploy.prototxt\n"), net, weights, tmp_path / "out", also=also, as_path="d")
    plan = tmp_path / "out" / "split.yaml"
    assert apply(plan, net, weights, tmp_path / "again", also=also, as_path="d").status == "written"
    assert files(tmp_path / "again") == files(tmp_path / "out")
    moved = tmp_path / "moved.prototxt"
    shutil.copy(net, moved)
    apply(plan, moved, weights, tmp_path / "third", also=also, as_path="d")
    assert files(tmp_path / "third") == files(tmp_path / "out"), "a file's own name does not matter, its bytes do"
    assert apply(plan, net, weights, tmp_path / "out", also=also, as_path="d", check=True).status == "same"
    with pytest.raises(UsageError, match="the plan edited base.prototxt, deploy.prototxt"):
        apply(plan, net, weights, tmp_path / "fourth")


@pytest.mark.parametrize("form", ["shared_parameters", "grouped", "train_and_test_net_in_solver", "v1_parameter_names"])
@pytest.mark.parametrize("verb", [residual, extension, skip])
def test_plans_of_every_kind_of_net(tmp_path, form, verb):
    net = FIXTURES / f"{form}.prototxt"
    weights = tmp_path / "w.caffemodel"
    weights.write_bytes(random_weights(net_of(net), v1=form.startswith("v1")))
    layer = net_of(net).convolutions()[0].name
    verb(net, weights, tmp_path / "out", layer=layer, as_path="d", seed=3, noise=1e-5)
    apply(tmp_path / "out" / "split.yaml", net, weights, tmp_path / "again", as_path="d")
    assert files(tmp_path / "again") == files(tmp_path / "out")
    found = apply(tmp_path / "out" / "split.yaml", net, None, tmp_path / "out", as_path="d", check=True)
    assert found.status == "same"
    assert any("no weights were given" in warning for warning in found.warnings)


def test_the_check_without_weights_sees_an_edited_prototxt(tmp_path):
    net, weights = two(tmp_path)
    residual(net, weights, tmp_path / "out", layer="conv1_1", as_path="d")
    plan, written = tmp_path / "out" / "split.yaml", tmp_path / "out" / "net.prototxt"
    written.write_bytes(written.read_bytes().replace(b"pad: 1", b"pad: 2", 1))
    report = apply(plan, net, None, tmp_path / "out", as_path="d", check=True)
    assert (report.status, report.exit_code, report.differing) == ("differs", 1, ("net.prototxt",))
    with pytest.raises(UsageError, match="WEIGHTS is missing"):
        apply(plan, net, None, tmp_path / "out")


def test_plans_refuse_other_files(tmp_path):
    net, weights = two(tmp_path)
    residual(net, weights, tmp_path / "out", layer="conv1_1")
    plan = tmp_path / "out" / "split.yaml"
    net.write_bytes(net.read_bytes() + b"# later\n")
    with pytest.raises(FileError, match="is not the base.prototxt that the plan was made for"):
        apply(plan, net, weights, tmp_path / "other")
    net.write_text(TWO)
    data = bytearray(weights.read_bytes())
    data[data.index(b"conv1_1") + 60] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(FileError, match='record of layer "conv1_1" is not the one'):
        apply(plan, net, weights, tmp_path / "other")
    with pytest.raises(UsageError, match="is a plan, of which noise cannot be changed"):
        apply(plan, net, weights, tmp_path / "other", noise=0.1)
    assert not (tmp_path / "other").exists()


def test_damaged_plans_are_named(tmp_path):
    net, weights = two(tmp_path)
    residual(net, weights, tmp_path / "out", layer="conv1_1")
    tree = yaml.safe_load((tmp_path / "out" / "split.yaml").read_text())
    for path, value in (
        (("format",), 2), (("net",), 3), (("layers",), {}), (("layers", 0, "recipe"), "none"), (("layers", 0, "names"), {}),
        (("layers", 0, "fast_channels"), [5, 1]), (("layers", 0, "scores"), ["a"]), (("layers", 0, "seed"), "x"),
        (("layers", 0, "noise"), None), (("layers", 0, "slow_channels"), [0, 1]), (("layers", 0, "record_sha256"), 5),
        (("layers", 0, "scores", 0), float("nan")), (("layers", 0, "scores", 0), 10**400), (("layers", 0, "scores", 0), True),
    ):  # fmt: skip
        damaged = yaml.safe_load(yaml.safe_dump(tree))
        inner = damaged
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        with pytest.raises(SurgeryError) as caught:
            apply(config(tmp_path, yaml.safe_dump(damaged)), net, weights, tmp_path / "other")
        assert caught.value.exit_code in (2, 3), path
    for odd in ("!!timestamp abc", "!!bool abc", "!!int abc"):
        with pytest.raises(FileError, match="not YAML"):
            read_plan(config(tmp_path, f"format: 1\nx: {odd}\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layers: 3\n", "c.yaml:1:1: layers must be a list"),
        ("layers:\n  - 3\n", "c.yaml:2:5: must be a mapping"),
        ("layers:\n  - layer: conv1_1\n    recip: residual\n", "c.yaml:3:5: there is no option 'recip'.*recipe"),
        ("recipe: residal\n", "c.yaml:1:1: there is no recipe 'residal'.*residual"),
        ("recipe: residual\nlayers:\n  - {layer: conv1_1, solver: x}\n", "solver is an option of the whole run"),
        ("layers:\n  - layer: conv1_1\n", "says no recipe"),
        ("recipe: skip\nnames: {split9: a}\nlayer: conv1_1\n", "the skip split has no 'split9'"),
        ("recipe: residual\nlayer: nosuch\n", 'no layer "nosuch"'),
        (
            "recipe: residual\nlayers:\n  - {layer: conv1_1}\n  - {layer: conv1_2, order: tmp}\n",
            "c.yaml:4:22: order=tmp: must be one of",
        ),
        ("recipe: residual\nnoise: -1\nlayer: conv1_1\n", "c.yaml:2:1: noise=-1.0: a standard deviation"),
        ("recipe: skip\nnames: {split9: a}\nlayer: conv1_1\n", "c.yaml:2:1: names: the skip split"),
    ],
)
def test_configs_that_are_refused(tmp_path, text, message):
    net, weights = two(tmp_path)
    with pytest.raises(SurgeryError, match=f"(?s){message}") as caught:
        apply(config(tmp_path, text), net, weights, tmp_path / "out")
    assert caught.value.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_the_command_applies_and_flags_override(tmp_path, command):
    net, weights = two(tmp_path)
    path = config(tmp_path, "recipe: extension\nnoise: 0.5\nlayers:\n  - layer: [conv1_1, conv1_2]\n")
    done = command("apply", path, net, weights, "-o", tmp_path / "out", "--noise", "0", "-q")
    assert done.returncode == 0, done.stderr
    assert "extension split of conv1_2" in done.stdout
    assert verify(net, weights, tmp_path / "out", max_drift=0).problems == ()
    done = command("apply", tmp_path / "out" / "split.yaml", net, "-o", tmp_path / "out", "--check", "-q")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_reorder_layer_is_split_when_it_is_named(tmp_path):
    net, weights = two(tmp_path)
    steps = "recipe: residual\nlayers:\n  - {layer: conv1_1}\n  - {layer: conv1_1_reorder}\n"
    apply(config(tmp_path, steps), net, weights, tmp_path / "out", noise=0)
    names = {layer.name for layer in net_of(tmp_path / "out" / "net.prototxt").layers}
    assert "conv1_1_reorder_split2_residual_pre" in names
    proof = verify(net, weights, tmp_path / "out")
    assert proof.problems == ()
    assert proof.blocks[0].fault == ""


def test_the_multi_split_config_that_comes_with_the_project(tmp_path):
    net, weights = two(tmp_path)
    report = apply(ROOT / "configs" / "multi_split.yaml", net, weights, tmp_path / "out")
    assert [split.plan.layer for split in report.splits] == ["conv1_1", "conv1_2", "conv1_1_split2"]
    assert verify(net, weights, tmp_path / "out").problems == ()


# The skip split.


@pytest.mark.parametrize(
    ("geometry", "kernel", "options"),
    [
        ("kernel_size: 3 pad: 1", (1, 1), {}),
        ("kernel_size: 3 pad: 1 stride: 2", (1, 1), {}),
        ("kernel_size: 3", (3, 3), {}),
        ("kernel_size: 3 pad: 2 dilation: 2", (1, 1), {}),
        ("kernel_h: 3 kernel_w: 1 pad_h: 1 pad_w: 0", (1, 1), {}),
        ("kernel_size: 2 stride: 2", (2, 2), {"even_center": "high"}),
        ("kernel_size: 3 pad: 1 stride: 2", (2, 2), {"skip": "average"}),
    ],
)
def test_the_skip_path(tmp_path, geometry, kernel, options):
    net, weights = write_tiny(tmp_path, DATA + CONV.replace("kernel_size: 3\n    pad: 1", geometry))
    weights.write_bytes(random_weights(net_of(net)))
    report = skip(net, weights, tmp_path / "out", noise=0, **options)
    layers = {layer.name: layer for layer in net_of(tmp_path / "out" / "net.prototxt").layers}
    path = layers["conv1_1_split2_skip"]
    assert path.frozen(1)
    assert path.bottoms == ("data",)
    found = path.geometry()
    assert (found.kernel, found.bias_term) == (kernel, False)
    (blob,) = read_weights((tmp_path / "out" / "net.caffemodel").read_bytes())["conv1_1_split2_skip"][1]
    value = 0.25 if options.get("skip") else 1.0
    assert blob.shape == (len(report.layer.slow), 3, *kernel)
    assert np.allclose(blob.sum(axis=(2, 3)), np.eye(len(report.layer.slow), 3))
    assert set(np.unique(blob)) == {0.0, value}
    proof = verify(net, weights, tmp_path / "out")
    assert proof.problems == ()
    assert proof.blocks[0].fault == ""


def test_an_average_that_cannot_fit_is_refused(tmp_path):
    net, weights = write_tiny(tmp_path, DATA + CONV.replace("pad: 1", "stride: 2"))
    with pytest.raises(Unsupported, match="has not the size of an average over 2 pixels"):
        skip(net, weights, tmp_path / "out", skip="average")


@pytest.mark.parametrize(
    ("order", "fast", "measure", "verb"),
    list(
        itertools.product(
            ["tpm", "random", "reverse"],
            ["half", "3", "25%"],
            ["coherence", "ratio", "update", "norm"],
            [residual, extension, skip],
        )
    ),
)
def test_every_combination_on_the_example(tmp_path, order, fast, measure, verb):
    options = {
        "order": order,
        "fast": fast,
        "measure": measure,
        "snapshots": str(EXAMPLE / "snapshots" / "*_iter_?000.caffemodel"),
    }
    net, weights = EXAMPLE / "train_val.prototxt", EXAMPLE / "fashion_vgg.caffemodel"
    if measure == "update":  # of the one snapshot whose solver state is kept
        weights = EXAMPLE / "snapshots" / "fashion_vgg_iter_1000.caffemodel"
        del options["snapshots"]
    report = verb(net, weights, tmp_path / "out", noise=0, **options)
    count = {"half": 16, "3": 3, "25%": 8}[fast]
    assert (len(report.layer.fast), len(report.layer.slow)) == (count, 32 - count)
    proof = verify(net, weights, tmp_path / "out")
    assert proof.problems == ()
    assert proof.blocks[0].exact == (verb is extension)


def test_the_check_without_weights_prints_and_names_no_text_as_weights(tmp_path, command):
    net, weights = two(tmp_path)
    residual(net, weights, tmp_path / "out", layer="conv1_1")
    done = command("apply", tmp_path / "out" / "split.yaml", net, "-o", tmp_path / "out", "--check")
    assert done.returncode == 0, done.stderr
    assert "up to date" in done.stdout
    report = apply(tmp_path / "out" / "split.yaml", net, None, tmp_path / "out", check=True)
    assert f"--weights {tmp_path}/out/net.caffemodel" in report.next_command


def test_a_plan_applied_to_its_own_directory_is_unchanged(tmp_path):
    net, weights = two(tmp_path)
    residual(net, weights, tmp_path / "out", layer="conv1_1")
    assert apply(tmp_path / "out" / "split.yaml", net, weights, tmp_path / "out").status == "unchanged"


def test_a_chain_is_checked_without_weights(tmp_path):
    net, weights = two(tmp_path)
    residual(net, weights, tmp_path / "one", layer="conv1_1")
    extension(tmp_path / "one", None, tmp_path / "two", layer="conv1_1_split2")
    (tmp_path / "one" / "net.caffemodel").unlink()
    assert apply(tmp_path / "two" / "split.yaml", tmp_path / "one", None, tmp_path / "two", check=True).status == "same"


def test_the_centre_of_an_even_skip_path_is_frozen_too(tmp_path):
    net, weights = write_tiny(tmp_path, DATA + CONV.replace("kernel_size: 3\n    pad: 1", "kernel_size: 2"))
    weights.write_bytes(random_weights(net_of(net)))
    skip(net, weights, tmp_path / "out", even_center="low", as_path="d")
    apply(tmp_path / "out" / "split.yaml", net, weights, tmp_path / "again", as_path="d")
    assert files(tmp_path / "again") == files(tmp_path / "out")


@pytest.mark.parametrize(
    ("geometry", "options"),
    [
        ("kernel_size: 1 stride: 2", {"skip": "average"}),
        ("kernel_size: 2 dilation: 2 pad: 1", {"skip": "average"}),
        ("kernel_size: 3 dilation: 2 dilation: 1 pad: 2 pad: 1 stride: 2 stride: 1", {"skip": "average"}),
        ("kernel_size: 2 dilation: 2 pad: 1", {}),
    ],
)
def test_skip_paths_that_read_other_pixels_than_the_layer_fold(tmp_path, geometry, options):
    net, weights = write_tiny(tmp_path, DATA + CONV.replace("kernel_size: 3\n    pad: 1", geometry))
    weights.write_bytes(random_weights(net_of(net)))
    skip(net, weights, tmp_path / "out", **options)
    proof = verify(net, weights, tmp_path / "out")
    assert proof.problems == ()
    assert proof.blocks[0].fault == ""


def test_an_average_that_fits_some_sizes_only_is_remarked(tmp_path):
    net, weights = write_tiny(tmp_path, DATA + CONV.replace("pad: 1", "pad: 1 stride: 2"))
    weights.write_bytes(random_weights(net_of(net)))
    report = skip(net, weights, tmp_path / "out", skip="average")
    assert any("conv1_1: the average fits where the stride divides" in warning for warning in report.warnings)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recipe: extension\nnames: {split1: x, split2: x}\n", "split1 and split2 would both be 'x'"),
        ("recipe: [residual]\n", "there is no recipe"),
        ("recipe: residual\n? [a, b]\n: 3\n", "is no option"),
        ("recipe: residual\nnoise: " + "9" * 401 + "\n", "c.yaml:2:8: a number of 401 characters"),
        ("recipe: residual\nlayers: [{layer: conv1_1}]\nlayers: [{layer: conv1_2}]\n", "layers is given twice"),
    ],
)
def test_configs_that_once_ended_in_a_traceback(tmp_path, text, message):
    net, weights = two(tmp_path)
    with pytest.raises(SurgeryError, match=message):
        apply(config(tmp_path, text), net, weights, tmp_path / "out")


def test_named_snapshots_that_know_the_net_but_not_a_new_layer(tmp_path):
    net, weights = two(tmp_path)
    for step in (1, 2, 3):
        shutil.copy(weights, tmp_path / f"s_iter_{step}.caffemodel")
    options = {"snapshots": str(tmp_path / "s_iter_*.caffemodel")}
    report = apply(config(tmp_path, MULTI), net, weights, tmp_path / "out", **options)
    assert [split.plan.measure for split in report.splits] == ["coherence", "coherence", "norm"]
    assert any("conv1_1_split2: is in none of the snapshots" in warning for warning in report.warnings)
    assert not any("no snapshots were found" in warning for warning in report.warnings)


def test_weights_of_another_size_are_refused(tmp_path):
    net, weights = two(tmp_path)
    residual(net, weights, tmp_path / "out", layer="conv1_1")
    weights.write_bytes(weights.read_bytes() + b"\xa2\x06\x00")
    with pytest.raises(FileError, match="the base.caffemodel that the plan was made for"):
        apply(tmp_path / "out" / "split.yaml", net, weights, tmp_path / "other")


def test_the_skip_path_is_no_candidate(tmp_path):
    from split_surgery.splitting.choose_layers import candidates

    net, weights = two(tmp_path)
    skip(net, weights, tmp_path / "out", layer="conv1_1")
    names = candidates(net_of(tmp_path / "out" / "net.prototxt"), frozenset())
    assert names == ["conv1_1_split1", "conv1_1_split2", "conv1_2"]
