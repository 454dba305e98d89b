"""Nets with layers of Caffe's forks, each with an equal net of layers that every Caffe has: what the forks' sources say.

SegNet's BN in bn_mode INFERENCE is a Scale; PSPNet's BN is a BatchNorm and a Scale, and so is NVIDIA's BatchNorm with scale_bias; a
depthwise convolution is one with as many groups as channels.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.support.linear_nets import INPUT, batch_norm, conv, layer, net_of, relu, scale
from tests.support.nets import weights

Arrays = dict[str, list[np.ndarray]]


class ForkNet(NamedTuple):
    """text, arrays: the net. plain, plain_arrays: the equal one. folded: names of its layers once it is folded, without ReLUs."""

    name: str
    text: str
    arrays: Arrays
    plain: str
    plain_arrays: Arrays
    folded: tuple[str, ...]

    def write(self, folder: Path) -> tuple[Path, Path]:
        return _written(folder / "fork", self.text, self.arrays)

    def write_plain(self, folder: Path) -> tuple[Path, Path]:
        return _written(folder / "plain", self.plain, self.plain_arrays)


def _written(stem: Path, text: str, arrays: Arrays) -> tuple[Path, Path]:
    net, model = stem.with_suffix(".prototxt"), stem.with_suffix(".caffemodel")
    net.write_text(text)
    model.write_bytes(
        weights(
            [(x.name, x.type, list(x.bottoms), list(x.tops), arrays.get(x.name, []), None) for x in net_of(text).layers]
        )
    )
    return net, model


def as_plain(text: str) -> str:
    """The same text with its depthwise convolutions called what they are, for engines that do not know them."""
    text = text.replace('"DepthwiseConvolution"', '"Convolution"')
    head, *rest = text.split('"ConvolutionDepthwise"')
    return '"Convolution"'.join(
        [head, *(part.replace("convolution_param {", "convolution_param { group: 4", 1) for part in rest)]
    )


_draw = np.random.RandomState(11)


def _random(*shape: int) -> np.ndarray:
    return _draw.standard_normal(shape).astype(np.float32)


def _statistics(count: int, size: float = 1.0) -> list[np.ndarray]:
    """A mean and a variance."""
    return [_random(count), (np.float32(size) * (0.5 + np.abs(_random(count)))).astype(np.float32)]


ONE = np.ones(1, np.float32)
NO_BIAS = conv("c", "data", num_output=6, kernel_size=3, pad=1, bias_term="false")


def _segnet() -> ForkNet:
    kernel, times, plus = _random(6, 4, 3, 3), _random(1, 6, 1, 1), _random(1, 6, 1, 1)
    fork = layer("b", "BN", "c", "c", 'bn_param { bn_mode: INFERENCE scale_filler { type: "constant" value: 1 } }')
    return ForkNet(
        "SegNet", INPUT + NO_BIAS + fork + relu("c"), {"c": [kernel], "b": [times, plus]},
        INPUT + NO_BIAS + scale("b", "c") + relu("c"), {"c": [kernel], "b": [times.ravel(), plus.ravel()]}, ("c",),
    )  # fmt: skip


def _pspnet() -> ForkNet:
    kernel, slope, bias, (mean, variance) = _random(6, 4, 3, 3), _random(6), _random(6), _statistics(6)
    four = [blob.reshape(1, 6, 1, 1) for blob in (slope, bias, mean, variance)]
    fork = layer(
        "b", "BN", "c", "c", "bn_param { slope_filler { value: 1 } bias_filler { value: 0 } eps: 0.25 momentum: 0.95 }"
    )
    plain = batch_norm("n", "c", more="eps: 0.25") + scale("s", "c")
    return ForkNet(
        "PSPNet", INPUT + NO_BIAS + fork + relu("c"), {"c": [kernel], "b": four},
        INPUT + NO_BIAS + plain + relu("c"), {"c": [kernel], "n": [mean, variance, ONE], "s": [slope, bias]}, ("c",),
    )  # fmt: skip


def _nvidia() -> ForkNet:
    """The third blob is not looked at, and an eps is at least 1e-5: with variances so small it counts."""
    kernel, times, plus, (mean, variance) = _random(6, 4, 3, 3), _random(6), _random(6), _statistics(6, 1e-5)
    fork = batch_norm("b", "c", more="scale_bias: true eps: 1e-7")
    plain = batch_norm("b", "c", more="eps: 1e-5") + scale("s", "c")
    return ForkNet(
        "NVIDIA", INPUT + NO_BIAS + fork + relu("c"), {"c": [kernel], "b": [mean, variance, 3 * ONE, times, plus]},
        INPUT + NO_BIAS + plain + relu("c"), {"c": [kernel], "b": [mean, variance, ONE], "s": [times, plus]}, ("c",),
    )  # fmt: skip


def _depthwise() -> ForkNet:
    arrays = {
        "d": [_random(4, 1, 3, 3)], "n": [*_statistics(4), ONE], "s": [_random(4), _random(4)], "e": [_random(4, 1, 3, 3), _random(4)],
        "t": [_random(4)],
    }  # fmt: skip
    text = (
        INPUT
        + layer("d", "DepthwiseConvolution", "data", "d",
                "convolution_param { num_output: 4 group: 4 kernel_size: 3 pad: 1 bias_term: false }")
        + batch_norm("n", "d") + scale("s", "d") + relu("d")
        + scale("t", "d", "t", "false")
        + layer("e", "ConvolutionDepthwise", "t", "e", "convolution_param { num_output: 4 kernel_size: 3 pad: 1 stride: 2 }")
        + relu("e")
    )  # fmt: skip
    return ForkNet("depthwise", text, arrays, as_plain(text), arrays, ("d", "e"))


def _deconvolution() -> ForkNet:
    arrays = {
        "s": [_random(4)], "d": [_random(4, 3, 4, 4), _random(6)], "n": [*_statistics(6), ONE], "t": [_random(6), _random(6)],
        "e": [_random(6, 3, 3, 2)], "u": [_random(3), _random(3)],
    }  # fmt: skip
    text = (
        INPUT
        + scale("s", "data", "s", "false")
        + layer("d", "Deconvolution", "s", "d", "convolution_param { num_output: 6 kernel_size: 4 stride: 2 pad: 1 group: 2 }")
        + batch_norm("n", "d") + scale("t", "d") + relu("d")
        + layer("e", "Deconvolution", "d", "e",
                "convolution_param { num_output: 3 kernel_h: 3 kernel_w: 2 dilation: 2 bias_term: false }")
        + scale("u", "e") + relu("e")
    )  # fmt: skip
    return ForkNet("Deconvolution", text, arrays, text, arrays, ("d", "e"))


def _power() -> ForkNet:
    arrays = {"c": [_random(6, 4, 3, 3)], "d": [_random(2, 6, 3, 3), _random(2)], "n": [*_statistics(6), ONE]}
    text = (
        INPUT
        + layer("p", "Power", "data", "p", "power_param { scale: 0.5 shift: -3 }")
        + conv("c", "p", num_output=6, kernel_size=3, bias_term="false")
        + layer("q", "Power", "c", "q", "power_param { power: 1.0 shift: 1 }") + batch_norm("n", "q") + relu("q")
        + layer("r", "Power", "q", "r", "power_param { scale: -2 }") + conv("d", "r", num_output=2, kernel_size=3, pad=1) + relu("d")
    )  # fmt: skip
    return ForkNet("Power", text, arrays, text, arrays, ("c", "d"))


def _slices() -> ForkNet:
    """Groups spelled out as a Slice, a convolution for each part, and a Concat; then a Slice of what a convolution makes."""
    arrays = {
        "a": [_random(3, 2, 3, 3), _random(3)], "b": [_random(3, 2, 3, 3), _random(3)],
        "c": [_random(8, 6, 3, 3), _random(8)], "e": [_random(2, 3, 1, 1)], "f": [_random(3, 5, 1, 1)],
    }  # fmt: skip
    text = (
        INPUT
        + layer("cut", "Slice", "data", "x", 'top: "y" slice_param { slice_point: 2 }')
        + conv("a", "x", num_output=3, kernel_size=3, pad=1) + conv("b", "y", num_output=3, kernel_size=3, pad=1)
        + layer("cat", "Concat", "a b", "cat") + relu("cat")
        + conv("c", "cat", num_output=8, kernel_size=3, stride=2)
        + layer("cut2", "Slice", "c", "u", 'top: "v" slice_param { axis: 1 slice_point: 3 }')
        + conv("e", "u", num_output=2, kernel_size=1, bias_term="false")
        + conv("f", "v", num_output=3, kernel_size=1, bias_term="false")
        + layer("cat2", "Concat", "f e", "cat2") + relu("cat2")
    )  # fmt: skip
    return ForkNet("Slice", text, arrays, text, arrays, ("a", "c"))


def _pre_activation() -> ForkNet:
    """As in ResNet v2: behind a sum, and on the net's input before a padded convolution; with what else works by channel."""
    arrays = {
        "n": [*_statistics(4), 2 * ONE], "s": [_random(4), _random(4)], "k": [_random(4, 4, 3, 3)],
        "b": [*_statistics(4), ONE], "t": [_random(4)], "u": [_random(4), _random(4)],
    }  # fmt: skip
    text = (
        INPUT
        + batch_norm("n", "data", "n") + scale("s", "n") + conv("k", "n", num_output=4, kernel_size=3, pad=1, bias_term="false")
        + layer("sum", "Eltwise", "k data", "sum") + batch_norm("b", "sum", "b") + scale("t", "b", bias="false")
        + layer("p", "Power", "b", "p", "power_param { scale: 0.5 shift: 2 }") + scale("u", "p") + relu("p")
    )  # fmt: skip
    return ForkNet("one Scale", text, arrays, text, arrays, ("s", "u"))


def _twins() -> ForkNet:
    """A net for both phases, whose BatchNorm is another layer in each."""
    arrays = {"c": [_random(6, 4, 3, 3)], "b": [*_statistics(6), 2 * ONE], "s": [_random(6), _random(6)]}
    tested = batch_norm("b", "c", more="use_global_stats: true eps: 0.5")
    twins = "".join(
        layer(
            "b",
            "BatchNorm",
            "c",
            "c",
            f"include {{ phase: {phase} }} batch_norm_param {{ use_global_stats: {stored} eps: 0.5 }}",
        )
        for phase, stored in (("TRAIN", "false"), ("TEST", "true"))
    )
    rest = scale("s", "c") + relu("c")
    return ForkNet("twins", INPUT + NO_BIAS + twins + rest, arrays, INPUT + NO_BIAS + tested + rest, arrays, ("c",))


FORK_NETS = (
    _segnet(),
    _pspnet(),
    _nvidia(),
    _depthwise(),
    _deconvolution(),
    _power(),
    _slices(),
    _pre_activation(),
    _twins(),
)


Part = tuple[str, list[np.ndarray], str, Arrays]
"""A layer's text and its blobs; the text of the equal layers, and their blobs."""


def _by_segnet(name: str, blob: str, draw: np.random.RandomState) -> Part:
    times, plus = _two(draw)
    fork = layer(name, "BN", blob, blob, "bn_param { bn_mode: INFERENCE }")
    return fork, [times.reshape(1, 4, 1, 1), plus.reshape(1, 4, 1, 1)], scale(name, blob), {name: [times, plus]}


def _by_pspnet(name: str, blob: str, draw: np.random.RandomState) -> Part:
    (times, plus), (mean, spread) = _two(draw), _two(draw)
    variance = (0.5 + np.abs(spread)).astype(np.float32)
    fork = layer(name, "BN", blob, blob, "bn_param { slope_filler { } eps: 0.125 }")
    plain = batch_norm(f"{name}n", blob, more="eps: 0.125") + scale(name, blob)
    return fork, [times, plus, mean, variance], plain, {f"{name}n": [mean, variance, ONE], name: [times, plus]}


def _by_nvidia(name: str, blob: str, draw: np.random.RandomState) -> Part:
    _, (times, plus, mean, variance), _, plain = _by_pspnet(name, blob, draw)
    fork = batch_norm(name, blob, more="scale_bias: true eps: 0.125")
    return (
        fork,
        [mean, variance, ONE, times, plus],
        batch_norm(f"{name}n", blob, more="eps: 0.125") + scale(name, blob),
        plain,
    )


def _by_caffe(name: str, blob: str, draw: np.random.RandomState) -> Part:
    mean, spread = _two(draw)
    blobs = [mean, (0.5 + np.abs(spread)).astype(np.float32), 2 * ONE]
    return batch_norm(name, blob), blobs, batch_norm(name, blob), {name: blobs}


def _by_scale(name: str, blob: str, draw: np.random.RandomState) -> Part:
    blobs = _two(draw)
    return scale(name, blob), blobs, scale(name, blob), {name: blobs}


def _by_factor(name: str, blob: str, draw: np.random.RandomState) -> Part:
    blobs = _two(draw)[:1]
    return scale(name, blob, bias="false"), blobs, scale(name, blob, bias="false"), {name: blobs}


def _by_power(name: str, blob: str, draw: np.random.RandomState) -> Part:
    text = layer(
        name,
        "Power",
        blob,
        blob,
        f"power_param {{ scale: {draw.uniform(0.5, 2):.3f} shift: {draw.uniform(-1, 1):.3f} }}",
    )
    return text, [], text, {}


def _two(draw: np.random.RandomState) -> list[np.ndarray]:
    return [draw.standard_normal(4).astype(np.float32) for _ in range(2)]


BY_CHANNEL = {
    "SegNet": _by_segnet, "PSPNet": _by_pspnet, "NVIDIA": _by_nvidia, "BatchNorm": _by_caffe, "Scale": _by_scale, "factor": _by_factor,
    "Power": _by_power,
}  # fmt: skip

KERNELS = {
    "none": ("", ()),
    "plain": ("Convolution", (4, 4, 3, 3), "kernel_size: 3"),
    "padded": ("Convolution", (4, 2, 3, 3), "kernel_size: 3 pad: 1 group: 2 bias_term: false"),
    "depthwise": ("DepthwiseConvolution", (4, 1, 3, 3), "kernel_size: 3 group: 4"),
    "deconvolution": ("Deconvolution", (4, 2, 4, 4), "kernel_size: 4 stride: 2 pad: 1 group: 2"),
}


def chain(before: list[str], kernel: str, after: list[str], seed: int) -> ForkNet:
    """Layers by channel, in place, before and after a kernel; four channels all the way."""
    draw = np.random.RandomState(seed)
    texts, arrays, plain, plain_arrays = (
        [layer("start", "Split", "data", "x")],
        {},
        [layer("start", "Split", "data", "x")],
        {},
    )
    kind, *rest = KERNELS[kernel]
    for at, part in enumerate([*before, "", *after]):
        blob = "x" if at < len(before) or not kind else "y"
        if part:
            text, blobs, equal, equal_blobs = BY_CHANNEL[part](f"l{at}", blob, draw)
            texts.append(text)
            plain.append(equal)
            arrays[f"l{at}"] = blobs
            plain_arrays |= equal_blobs
        elif kind:
            shape, more = rest
            text = layer("k", kind, "x", "y", f"convolution_param {{ num_output: 4 {more} }}")
            blobs = [draw.standard_normal(shape).astype(np.float32)]
            blobs += [] if "bias_term" in more else [draw.standard_normal(4).astype(np.float32)]
            texts.append(text)
            plain.append(as_plain(text))
            arrays["k"] = plain_arrays["k"] = blobs
    end = relu("y" if kind else "x")
    return ForkNet("chain", INPUT + "".join(texts) + end, arrays, INPUT + "".join(plain) + end, plain_arrays, ())
