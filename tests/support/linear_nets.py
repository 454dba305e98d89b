"""A net with every linear layer that can be folded, and random weights for it; and how OpenCV runs it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from split_surgery.documents.net.net import Net
from split_surgery.documents.prototxt import Document
from tests.support.nets import weights


def layer(name, kind, bottoms, top, more=""):
    bottoms = "".join(f' bottom: "{bottom}"' for bottom in bottoms.split())
    return f'layer {{ name: "{name}" type: "{kind}"{bottoms} top: "{top}" {more} }}\n'


def conv(name, bottom, top=None, **fields):
    inside = " ".join(f"{key}: {value}" for key, value in fields.items())
    return layer(name, "Convolution", bottom, top or name, f"convolution_param {{ {inside} }}")


def batch_norm(name, bottom, top=None, more=""):
    return layer(name, "BatchNorm", bottom, top or bottom, f"batch_norm_param {{ {more} }}" if more else "")


def scale(name, bottom, top=None, bias="true"):
    return layer(name, "Scale", bottom, top or bottom, f"scale_param {{ bias_term: {bias} }}")


def relu(bottom):
    return layer(f"relu_{bottom}", "ReLU", bottom, bottom)


def inner_product(name, bottom, count, more=""):
    return layer(name, "InnerProduct", bottom, name, f"inner_product_param {{ num_output: {count} {more} }}")


INPUT = 'name: "linear"\ninput: "data"\ninput_shape { dim: 1 dim: 4 dim: 13 dim: 13 }\n'

EVERYTHING = (
    INPUT
    # a convolution without bias, its batch statistics and their scale, in place
    + conv("c1", "data", num_output=8, kernel_size=3, pad=1, group=2, bias_term="false")
    + batch_norm("b1", "c1", more="eps: 0.25") + scale("s1", "c1") + relu("c1")
    # two branches that stride alike, one dilated, summed with coefficients; a channel-wise layer after them
    + conv("c2a", "c1", num_output=6, kernel_size=3, pad=2, dilation=2, stride=2)
    + conv("c2b", "c1", num_output=6, kernel_size=1, stride=2)
    + layer("sum2", "Eltwise", "c2a c2b", "sum2", "eltwise_param { operation: SUM coeff: 0.5 coeff: -2 }")
    + layer("bias2", "Bias", "sum2", "bias2") + relu("bias2")
    # a bottleneck: 1x1, then a kernel without padding, then 1x1 with a stride
    + conv("c3a", "bias2", num_output=20, kernel_size=1)
    + conv("c3b", "c3a", num_output=12, kernel_size=3)
    + conv("c3c", "c3b", num_output=5, kernel_size=1, stride=2) + relu("c3c")
    # branches laid one after the other
    + conv("c4a", "c3c", num_output=3, kernel_size=3, pad=1)
    + conv("c4b", "c3c", num_output=4, kernel_size=3, pad=1, bias_term="false")
    + layer("cat4", "Concat", "c4a c4b", "cat4") + scale("s4", "cat4", bias="false") + relu("cat4")
    + inner_product("ip5", "cat4", 6, "bias_term: false transpose: true") + batch_norm("b5", "ip5") + scale("s5", "ip5") + relu("ip5")
    + inner_product("ip6", "ip5", 5) + layer("soft", "Softmax", "ip6", "soft")
)  # fmt: skip
"""Every kind of region; the numbers are such that none grows."""


def net_of(text: str) -> Net:
    return Net(Document(text.encode(), "net.prototxt"))


def random_arrays(
    shapes: dict[str, list[tuple[int, ...]]], kinds: dict[str, str], seed: int = 0, positive: bool = False
):
    """Numbers by layer: statistics away from 0 and 1, with a factor that is not 1. positive: none is below 0."""
    draw = np.random.RandomState(seed)
    found = {}
    for name, sizes in shapes.items():
        arrays = [draw.standard_normal(size).astype(np.float32) for size in sizes]
        arrays = [np.abs(array) for array in arrays] if positive else arrays
        if kinds[name] == "BatchNorm":
            factor = np.float32(2.5)
            arrays[:3] = [arrays[0] * factor, (0.5 + np.abs(arrays[1])) * factor, np.full(sizes[2], factor)]
        found[name] = arrays
    return found


SHAPES = {
    "c1": [(8, 2, 3, 3)], "b1": [(8,), (8,), (1,)], "s1": [(8,), (8,)],
    "c2a": [(6, 8, 3, 3), (6,)], "c2b": [(6, 8, 1, 1), (6,)], "bias2": [(6,)],
    "c3a": [(20, 6, 1, 1), (20,)], "c3b": [(12, 20, 3, 3), (12,)], "c3c": [(5, 12, 1, 1), (5,)],
    "c4a": [(3, 5, 3, 3), (3,)], "c4b": [(4, 5, 3, 3)], "s4": [(7,)],
    "ip5": [(7 * 3 * 3, 6)], "b5": [(6,), (6,), (1,)], "s5": [(6,), (6,)], "ip6": [(5, 6), (5,)],
}  # fmt: skip
"""Shapes of the blobs in EVERYTHING."""


def model_of(text: str, shapes=SHAPES, seed: int = 0, positive: bool = False, **options) -> bytes:
    """A caffemodel of random numbers for the layers of a net that `shapes` names."""
    net = net_of(text)
    kinds = {layer.name: layer.type for layer in net.layers}
    arrays = random_arrays({name: shapes[name] for name in kinds if name in shapes}, kinds, seed, positive)
    return weights(
        [(one.name, one.type, list(one.bottoms), list(one.tops), arrays.get(one.name, []), None) for one in net.layers],
        **options,
    )


def write_net(folder: Path, text: str, model: bytes) -> tuple[Path, Path]:
    (folder / "base.prototxt").write_text(text)
    (folder / "base.caffemodel").write_bytes(model)
    return folder / "base.prototxt", folder / "base.caffemodel"


def run_opencv(net: Path, model: Path, images, blobs=()):
    """The outputs of a net, and the blobs asked for (by the name of the layer that makes them)."""
    import cv2

    loaded = cv2.dnn.readNetFromCaffe(str(net), str(model))
    loaded.enableFusion(False)
    loaded.setInput(np.asarray(images, np.float32))
    return [np.array(out) for out in loaded.forward(list(blobs) or loaded.getUnconnectedOutLayersNames())]


FOR_OPENCV = EVERYTHING.replace(
    layer("bias2", "Bias", "sum2", "bias2"), scale("bias2", "sum2", "bias2", "false")
).replace(" transpose: true", "")
"""The same for OpenCV, which knows no Bias layer, and does not transpose."""

SHAPES_FOR_OPENCV = SHAPES | {"ip5": [(6, 7 * 3 * 3)]}
