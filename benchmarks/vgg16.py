"""A net of the size and layout of VGG-16 (138,357,544 parameters, 553 MB), with random weights, written a layer at a time.

vgg16.py DIR writes DIR/vgg16.prototxt and DIR/vgg16.caffemodel.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from split_surgery.documents.weights.wire import tagged, varint

BLOCKS = ((1, 2, 64), (2, 2, 128), (3, 3, 256), (4, 3, 512), (5, 3, 512))
DENSE = (("fc6", 25088, 4096), ("fc7", 4096, 4096), ("fc8", 4096, 1000))


Row = tuple[str, str, str, tuple[int, ...]]
"""A layer with weights: its name, type and bottom, and the shape of its weight."""


def layers() -> Iterator[Row]:
    channels, bottom = 3, "data"
    for block, count, width in BLOCKS:
        for index in range(1, count + 1):
            name = f"conv{block}_{index}"
            yield name, "Convolution", bottom, (width, channels, 3, 3)
            channels, bottom = width, name
        bottom = f"pool{block}"
    for name, size, width in DENSE:
        yield name, "InnerProduct", bottom, (width, size)
        bottom = name


def write_prototxt(path: Path) -> None:
    shape_text = "shape { dim: 1 dim: 3 dim: 224 dim: 224 }"
    text = f'name: "vgg16_sized"\nlayer {{ name: "data" type: "Input" top: "data" input_param {{ {shape_text} }} }}\n'
    for name, kind, bottom, shape in layers():
        head = f'layer {{\n  name: "{name}"\n  type: "{kind}"\n  bottom: "{bottom}"\n  top: "{name}"\n'
        if kind == "Convolution":
            text += (
                head + f"  convolution_param {{\n    num_output: {shape[0]}\n    pad: 1\n    kernel_size: 3\n  }}\n}}\n"
            )
            text += f'layer {{ name: "relu{name[4:]}" type: "ReLU" bottom: "{name}" top: "{name}" }}\n'
            block, index = name[4:].split("_")
            if (int(block), int(index)) in [(number, count) for number, count, _ in BLOCKS]:
                pool = f'name: "pool{block}" type: "Pooling" bottom: "{name}" top: "pool{block}"'
                text += f"layer {{ {pool} pooling_param {{ pool: MAX kernel_size: 2 stride: 2 }} }}\n"
        else:
            text += head + f"  inner_product_param {{ num_output: {shape[0]} }}\n}}\n"
    path.write_text(text)


def write_caffemodel(path: Path, net: str, rows: Iterable[Row], seed: int = 0) -> None:
    draw = np.random.RandomState(seed)
    with open(path, "wb") as out:
        out.write(tagged(1, net.encode()))
        for name, kind, bottom, shape in rows:
            blobs = []
            for dims in (shape, shape[:1]):
                data = (draw.random_sample(dims) - 0.5).astype("<f4").tobytes()
                blobs.append(tagged(7, tagged(5, data) + tagged(7, tagged(1, b"".join(map(varint, dims))))))
            record = (
                tagged(1, name.encode())
                + tagged(2, kind.encode())
                + tagged(3, bottom.encode())
                + tagged(4, name.encode())
            )
            out.write(tagged(100, record + b"".join(blobs)))


if __name__ == "__main__":
    write_prototxt(Path(sys.argv[1], "vgg16.prototxt"))
    write_caffemodel(Path(sys.argv[1], "vgg16.caffemodel"), "vgg16_sized", layers())
