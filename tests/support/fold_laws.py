"""What folding must keep, each law on a small net. The tests run them, and so does every planted fault (fold_faults.py)."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

import split_surgery.folding.collapse
from split_surgery import extension, fold, residual, skip
from tests.support.linear_nets import (
    FOR_OPENCV,
    INPUT,
    SHAPES_FOR_OPENCV,
    batch_norm,
    conv,
    inner_product,
    layer,
    model_of,
    relu,
    run_opencv,
    scale,
    write_net,
)
from tests.support.nets import conv_arrays, read_weights, weights

PLAIN = INPUT + conv("conv1", "data", num_output=8, kernel_size=3, pad=1, stride=2) + relu("conv1")
PLAIN_SHAPES = {"conv1": [(8, 4, 3, 3), (8,)]}

TOLERANCE = 2e-5
"""Relative to the largest output; the nets here sum at most some hundred products a number, over five layers."""


def images(seed: int = 3, size: int = 13):
    return np.random.RandomState(seed).standard_normal((1, 4, size, size)).astype(np.float32)


def retrained(path: Path, seed: int = 5) -> None:
    """Random numbers in every blob, as if the net had been trained for long."""
    found = read_weights(path.read_bytes())
    draw = np.random.RandomState(seed)
    records = []
    for name, (record, arrays) in found.items():
        arrays = [draw.standard_normal(array.shape).astype(np.float32) for array in arrays]
        kind = record.type
        records.append((name, kind, list(record.bottom), list(record.top), arrays, None))
    path.write_bytes(weights(records))


def agree(before: tuple[Path, Path], after: tuple[Path, Path], blob: tuple[str, str], size: int = 13) -> None:
    given = images(size=size)
    (was,), (now,) = run_opencv(*before, given, blob[:1]), run_opencv(*after, given, blob[1:])
    assert was.shape == now.shape
    assert np.abs(was - now).max() <= TOLERANCE * np.abs(was).max()


def files(folder: Path) -> tuple[Path, Path]:
    return folder / "net.prototxt", folder / "net.caffemodel"


def law_moved_values_keep_their_bits(folder: Path) -> None:
    base = write_net(folder, PLAIN, model_of(PLAIN, PLAIN_SHAPES))
    extension(*base, folder / "one", layer="conv1", noise=0, fast="3")
    extension(folder / "one", None, folder / "two", layer="conv1_split2", noise=0)
    extension(folder / "two", None, folder / "three", layer=("conv1_split1", "conv1_split2_split2"), noise=0)
    report = fold(folder / "three", None, folder / "back")
    (region,) = report.regions
    assert (region.layer, region.split, region.error, report.left) == ("conv1", True, 0.0, ())
    assert (folder / "back" / "net.prototxt").read_bytes() == base[0].read_bytes()
    (_, was), (_, now) = (read_weights(p.read_bytes())["conv1"] for p in (base[1], folder / "back" / "net.caffemodel"))
    assert [a.tobytes() for a in now] == [a.tobytes() for a in was]
    assert list(read_weights((folder / "back" / "net.caffemodel").read_bytes())) == ["conv1", "relu_conv1"]


def law_trained_splits_compute_the_same(folder: Path) -> None:
    for verb, options in ((residual, {}), (extension, {}), (skip, {}), (skip, {"skip": "average"})):
        size = 14 if options else 13  # the average fits where the stride divides the image
        plain = PLAIN.replace("13 dim: 13", f"{size} dim: {size}")
        base = write_net(folder, plain, model_of(plain, PLAIN_SHAPES))
        out = folder / (verb.__name__ + "".join(options))
        verb(*base, out, layer="conv1", **options)
        retrained(out / "net.caffemodel")
        verb(out, None, folder / f"{out.name}2", layer="conv1_split2")
        retrained(folder / f"{out.name}2" / "net.caffemodel")
        for name in (out.name, f"{out.name}2"):
            fold(folder / name, None, folder / f"back_{name}")
            text = base[0].read_text()
            assert files(folder / f"back_{name}")[0].read_text() == text
            agree(files(folder / name), files(folder / f"back_{name}"), ("relu_conv1", "relu_conv1"), size)


def law_every_region_computes_the_same(folder: Path) -> None:
    base = write_net(folder, FOR_OPENCV, model_of(FOR_OPENCV, SHAPES_FOR_OPENCV))
    report = fold(*base, folder / "out", all=True)
    assert [region.layer for region in report.regions] == ["c1", "c2a", "c3b", "c4a", "ip5"]
    assert report.left == ()
    for blob in ("relu_c1", "relu_bias2", "relu_c3c", "relu_cat4", "relu_ip5", "ip6"):
        agree(base, files(folder / "out"), (blob, blob))
    again = fold(*files(folder / "out"), folder / "twice", all=True)
    assert again.regions == ()
    for one, other in zip(files(folder / "out"), files(folder / "twice")):
        assert one.read_bytes() == other.read_bytes()


def law_channels_before_an_inner_product(folder: Path) -> None:
    text = INPUT + batch_norm("b", "data", "b") + scale("s", "b") + inner_product("ip", "b", 3) + relu("ip")
    base = write_net(
        folder, text, model_of(text, {"b": [(4,), (4,), (1,)], "s": [(4,), (4,)], "ip": [(3, 4 * 13 * 13), (3,)]})
    )
    (region,) = fold(*base, folder / "out", all=True).regions
    assert (region.layer, region.layers) == ("ip", ("b", "s", "ip"))
    agree(base, files(folder / "out"), ("relu_ip", "relu_ip"))


def law_a_transposed_matrix_stays_transposed(folder: Path) -> None:
    text = (
        'input: "data" input_shape { dim: 2 dim: 3 }\n'
        + inner_product("ip", "data", 4, "transpose: true")
        + scale("s", "ip")
    )
    base = write_net(folder, text, model_of(text, {"ip": [(3, 4), (4,)], "s": [(4,), (4,)]}))
    fold(*base, folder / "out", all=True)
    was, now = (read_weights(path.read_bytes()) for path in (base[1], folder / "out" / "net.caffemodel"))
    (weight, bias), (times, plus) = was["ip"][1], was["s"][1]
    assert np.array_equal(now["ip"][1][0], (weight * times).astype(np.float32))
    assert np.array_equal(now["ip"][1][1], (bias * times + plus).astype(np.float32))


def law_a_stride_before_a_kernel_spreads_its_taps(folder: Path) -> None:
    text = (
        INPUT
        + conv("a", "data", num_output=9, kernel_size=1, stride=2)
        + conv("b", "a", num_output=2, kernel_size=3)
        + relu("b")
    )
    base = write_net(folder, text, model_of(text, {"a": [(9, 4, 1, 1), (9,)], "b": [(2, 9, 3, 3), (2,)]}))
    (region,) = fold(*base, folder / "out", all=True).regions
    assert (region.layer, region.parameters) == ("b", (209, 74))
    agree(base, files(folder / "out"), ("relu_b", "relu_b"))


def law_a_block_that_is_read_elsewhere_is_left(folder: Path) -> None:
    base = write_net(folder, PLAIN, model_of(PLAIN, PLAIN_SHAPES))
    residual(*base, folder / "out", layer="conv1")
    net, model = files(folder / "out")
    net.write_text(net.read_text() + layer("probe", "Sigmoid", "conv1_split2", "probe"))
    report = fold(net, model, folder / "back")
    assert report.regions == ()
    assert 'its blob "conv1_split2" is read by "probe" too' in report.left[0].reason
    assert files(folder / "back")[0].read_bytes() == net.read_bytes()


def law_what_is_not_exact_is_left(folder: Path) -> None:
    for name, text, shapes in (
        ("pad", INPUT + batch_norm("b", "data", "b") + conv("c", "b", num_output=2, kernel_size=3, pad=1),
         {"b": [(4,), (4,), (1,)], "c": [(2, 4, 3, 3), (2,)]}),
        ("bias", INPUT + conv("a", "data", num_output=4, kernel_size=1) + conv("c", "a", num_output=2, kernel_size=3, pad=1),
         {"a": [(4, 4, 1, 1), (4,)], "c": [(2, 4, 3, 3), (2,)]}),
        ("read", INPUT + conv("c", "data", num_output=2, kernel_size=3) + batch_norm("b", "c", "b") + layer("e", "Sigmoid", "c", "e"),
         {"b": [(2,), (2,), (1,)], "c": [(2, 4, 3, 3), (2,)]}),
        ("train", INPUT + conv("c", "data", num_output=2, kernel_size=3) + batch_norm("b", "c")
         + layer("l", "Sigmoid", "c", "l", "include { phase: TRAIN }"), {"b": [(2,), (2,), (1,)], "c": [(2, 4, 3, 3), (2,)]}),
    ):  # fmt: skip
        (folder / name).mkdir()
        base = write_net(folder / name, text, model_of(text, shapes))
        report = fold(*base, folder / name / "out", all=True)
        assert report.regions == (), name
        assert report.left, name
        for one, other in zip(base, files(folder / name / "out")):
            assert one.read_bytes() == other.read_bytes(), name


def law_names_and_ties_come_back(folder: Path) -> None:
    """Siamese layers: split together, folded together, and still tied."""
    tied = 'param { name: "w" lr_mult: 1 } param { name: "b" }'
    text = INPUT + "".join(
        layer(name, "Convolution", "data", name, f"{tied} convolution_param {{ num_output: 6 kernel_size: 3 }}")
        for name in ("left", "right")
    )
    arrays = conv_arrays(6, 4)
    base = write_net(
        folder, text, weights([(n, "Convolution", ["data"], [n], arrays, None) for n in ("left", "right")])
    )
    residual(*base, folder / "out", layer="left")
    report = fold(folder / "out", None, folder / "back")
    assert [region.layer for region in report.regions] == ["left", "right"]
    assert (folder / "back" / "net.prototxt").read_text() == text
    back = read_weights((folder / "back" / "net.caffemodel").read_bytes())
    assert [a.tolist() for a in back["left"][1]] == [a.tolist() for a in back["right"][1]]


LAWS = [law for name, law in list(globals().items()) if name.startswith("law_")]


def broken() -> str:
    """The first law that does not hold, and how it fails; or ""."""
    for law in LAWS:
        with tempfile.TemporaryDirectory() as folder:
            try:
                law(Path(folder))
            except Exception as error:
                return f"{law.__name__}: {type(error).__name__}: {error}"
    return ""


class _BlindProbe:
    """A probe that finds nothing."""

    def __init__(self, *_, **__) -> None: ...
    def add(self, *_) -> None: ...
    def prove(self, *_) -> None: ...


def broken_without_probe() -> str:
    """The same where a fold does not prove itself: what the laws alone catch."""
    probe = split_surgery.folding.collapse.Probe
    split_surgery.folding.collapse.Probe = _BlindProbe
    try:
        return broken()
    finally:
        split_surgery.folding.collapse.Probe = probe
