"""Folds of other programs, which compute in float32: what their rounding makes of the numbers is no change, and anything else is."""

from __future__ import annotations

import numpy as np
import pytest

from split_surgery import verify
from tests.support.nets import weights

F32 = np.float32
HEAD = 'input: "data" input_shape {{ dim: 1 dim: {} dim: 8 dim: 8 }}\n'
END = 'layer { name: "relu" type: "ReLU" bottom: "y" top: "out" }\n'
BATCH_NORM = (
    'layer {{ name: "bn{0}" type: "BatchNorm" bottom: "{1}" top: "bn{0}" batch_norm_param {{ use_global_stats: true }} }}\n'
    'layer {{ name: "sc{0}" type: "Scale" bottom: "bn{0}" top: "{2}" scale_param {{ bias_term: true }} }}\n'
)
KINDS = ("plain", "wide", "cancels")
EPS = F32(1e-5)


def convolution(name, bottom, top, outputs, kernel, more=""):
    param = f"num_output: {outputs} kernel_size: {kernel} {more}"
    return f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{top}" convolution_param {{ {param} }} }}\n'


def spread(draw, count, kind):
    """Numbers of about one size, or of sizes from 1e-6 to 1e6."""
    return (draw.normal(size=count) * (10.0 ** draw.uniform(-6, 6, count) if kind == "wide" else 1)).astype(F32)


def batch_norm(draw, count, kind):
    """mean, variance, scale, shift; where it cancels, the shift takes back most of the mean."""
    mean, variance, scale, shift = (spread(draw, count, kind) for _ in range(4))
    variance = np.abs(variance)
    if kind == "cancels":
        mean *= 1000
        shift = (mean * scale / np.sqrt(variance + EPS) * (1 + 1e-4 * draw.normal(size=count))).astype(F32)
    return mean, variance, scale, shift


# How programs merge a BatchNorm and a Scale into a convolution.
MERGES = {
    "factor first": lambda w, b, m, v, g, s: (w * (f := g / np.sqrt(v + EPS))[:, None, None, None], (b - m) * f + s),
    "one after the other": lambda w, b, m, v, g, s: (
        w / (d := np.sqrt(v + EPS))[:, None, None, None] * g[:, None, None, None],
        (b - m) / d * g + s,
    ),
    "a power": lambda w, b, m, v, g, s: (
        w * (f := g * (v + EPS) ** F32(-0.5))[:, None, None, None],
        s - m * f + b * f,
    ),
}


def merged(draw, kind, merge):
    weight = (draw.normal(size=(9, 4, 3, 3)) * spread(draw, 9, kind)[:, None, None, None]).astype(F32)
    bias, norm = spread(draw, 9, kind), batch_norm(draw, 9, kind)
    records = [
        ("conv", "Convolution", [], [], [weight, bias], None),
        ("bn", "BatchNorm", [], [], [*norm[:2], np.ones(1, F32)], None),
        ("sc", "Scale", [], [], [*norm[2:]], None),
    ]
    text = convolution("conv", "data", "conv", 9, 3) + BATCH_NORM.format("", "conv", "y")
    return text, records, convolution("conv", "data", "y", 9, 3), "conv", MERGES[merge](weight, bias, *norm)


def multiplied(draw, kind, terms):
    """Two convolutions as one, the products added one after the other; where they do not cancel, so that errors add up."""
    first, second = draw.normal(size=(terms, 3, 3, 3)).astype(F32), draw.normal(size=(4, terms, 1, 1)).astype(F32)
    if kind == "plain":
        first, second = np.abs(first), np.abs(second)
    biases = spread(draw, terms, kind), spread(draw, 4, kind)
    flat = np.concatenate([first.reshape(terms, -1), biases[0][:, None]], 1)
    whole = np.zeros((4, flat.shape[1]), F32)
    for at in range(terms):
        whole += second[:, at, :, 0] * flat[at]
    records = [
        ("one", "Convolution", [], [], [first, biases[0]], None),
        ("two", "Convolution", [], [], [second, biases[1]], None),
    ]
    text = convolution("one", "data", "one", terms, 3) + convolution("two", "one", "y", 4, 1)
    made = whole[:, :-1].reshape(4, 3, 3, 3), whole[:, -1] + biases[1]
    return text, records, convolution("two", "data", "y", 4, 3), "two", made


def branches(draw, kind):
    """A 3x3 and a 1x1 convolution with a BatchNorm each, added (RepVGG); where they cancel, one all but takes the other away."""
    large, small = draw.normal(size=(4, 4, 3, 3)).astype(F32), draw.normal(size=(4, 4, 1, 1)).astype(F32)
    norms = [batch_norm(draw, 4, "wide" if kind == "wide" else "plain") for _ in range(2)]
    if kind == "cancels":
        large[:, :, 1:2, 1:2] = -small * (1 + 1e-5 * draw.normal(size=small.shape)).astype(F32)
        norms[1] = norms[0]
    text, records, parts = "", [], []
    for at, (weight, norm) in enumerate(zip((large, small), norms)):
        padded = "bias_term: false" + (" pad: 1" if at == 0 else "")
        text += convolution(f"c{at}", "data", f"c{at}", 4, 3 - 2 * at, padded) + BATCH_NORM.format(
            at, f"c{at}", f"s{at}"
        )
        records += [
            (f"c{at}", "Convolution", [], [], [weight], None),
            (f"bn{at}", "BatchNorm", [], [], [*norm[:2], np.ones(1, F32)], None),
            (f"sc{at}", "Scale", [], [], [*norm[2:]], None),
        ]
        parts.append(MERGES["factor first"](weight, np.zeros(4, F32), *norm))
    text += 'layer { name: "sum" type: "Eltwise" bottom: "s0" bottom: "s1" top: "y" }\n'
    whole = parts[0][0].copy()
    whole[:, :, 1:2, 1:2] += parts[1][0]
    return text, records, convolution("rep", "data", "y", 4, 3, "pad: 1"), "rep", (whole, parts[0][1] + parts[1][1])


FOLDS = {
    **{f"BatchNorm, {merge}": lambda draw, kind, merge=merge: merged(draw, kind, merge) for merge in MERGES},
    **{f"{terms} terms": lambda draw, kind, terms=terms: multiplied(draw, kind, terms) for terms in (8, 512, 4096)},
    "branches": branches,
}


@pytest.fixture
def proof(tmp_path):
    """The verdict of `verify` on a net and a fold of it, whose numbers another program may have made."""

    def verdict(case, numbers):
        text, records, folded, name, _ = case
        channels = next(blobs[0].shape[1] for _, _, _, _, blobs, _ in records)
        (tmp_path / "a.prototxt").write_text(HEAD.format(channels) + text + END)
        (tmp_path / "b.prototxt").write_text(HEAD.format(channels) + folded + END)
        (tmp_path / "a.caffemodel").write_bytes(weights(records))
        (tmp_path / "b.caffemodel").write_bytes(weights([(name, "Convolution", [], [], [*numbers], None)]))
        return verify(
            tmp_path / "a.prototxt", tmp_path / "a.caffemodel", (tmp_path / "b.prototxt", tmp_path / "b.caffemodel")
        )

    return verdict


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fold", FOLDS)
def test_a_fold_in_float32_is_right_and_a_change_is_found(proof, fold, kind, seed):
    draw = np.random.default_rng(seed)
    case = FOLDS[fold](draw, kind)
    weight, bias = case[-1]
    report = proof(case, (weight, bias))
    (block,) = report.blocks
    assert (report.exit_code, block.folded) == (0, True)
    assert block.exact or block.excess < 0.8
    changed = weight.copy()
    at = np.unravel_index(np.abs(weight[draw.integers(len(weight))]).argmax(), weight[0].shape)
    row = draw.integers(len(weight))
    changed[(row, *at)] += F32(1e-2) * np.abs(weight[row]).max()
    damaged = proof(case, (changed, bias))
    # Where branches cancel, what is left of them is as large as their rounding.
    if (fold, kind) != ("branches", "cancels"):
        assert damaged.exit_code == 1
        assert damaged.blocks[0].excess > 1


def test_a_bias_beside_far_larger_weights_is_held_against_its_own_size(proof):
    draw = np.random.default_rng(0)
    case = merged(draw, "plain", "factor first")
    case[1][0][4][0] *= F32(1e20)
    numbers = case[-1][0] * F32(1e20), case[-1][1]
    assert proof(case, numbers).exit_code == 0
    bias = numbers[1].copy()
    bias[3] *= F32(1.001)
    report = proof(case, (numbers[0], bias))
    assert report.exit_code == 1
    assert report.blocks[0].worst < report.blocks[0].rounding  # beside the weights it is nothing
    assert "times what it explains)" in report.problems[0]
    assert report.to_dict()["blocks"][0]["excess"] == report.blocks[0].excess


def test_of_two_phases_the_one_that_is_wrong_counts(proof):
    """Whose change is smaller, beside large weights: in the other phase these are rounded."""
    weight, zeros = np.ones((2, 3, 1, 1), F32), np.zeros(2, F32)
    weight[1] = 1e-6
    later = F32(1 + 2**-22)  # TRAIN's large kernel is what the fold has, and TEST's is as good as that
    scales = {"TEST": np.array([1, 1], F32), "TRAIN": np.array([later, 1.001], F32)}
    text = convolution("conv", "data", "conv", 2, 1)
    records = [("conv", "Convolution", [], [], [weight, zeros], None)]
    for phase, scale in scales.items():
        param = f"include {{ phase: {phase} }} scale_param {{ bias_term: true }}"
        text += f'layer {{ name: "{phase}" type: "Scale" bottom: "conv" top: "y" {param} }}\n'
        records.append((phase, "Scale", [], [], [scale, zeros], None))
    fold = convolution("conv", "data", "y", 2, 1)
    made = weight * np.array([later, 1], F32)[:, None, None, None]
    report = proof((text, records, fold, "conv", None), (made, zeros))
    (problem,) = report.problems
    assert "more than rounding explains" in problem
    assert report.blocks[0].worst < report.blocks[0].rounding
    assert report.blocks[0].members == ("TEST", "TRAIN", "conv")
    scales["TRAIN"][1] = 1
    assert proof((text, records, fold, "conv", None), (made, zeros)).exit_code == 0
