"""Nets of many layers with a ReLU behind each: convolutions, `grouped` ones, or `dense` (InnerProducts); or `bare` convolutions, which
`fold --all` makes one of.

chain.py DIR COUNT [bare|grouped|dense] writes DIR/chain.prototxt and DIR/chain.caffemodel.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from split_surgery.documents.weights.wire import tagged, varint

DATA = 'input: "data" input_shape { dim: 1 dim: 4 dim: 8 dim: 8 }\n'  # which V1 can say, too


def write_chain(folder: Path, count: int, kind: str = "") -> None:
    """Write a net of so many layers. Bare ones are 1x1 and all but permute channels, so that no product of them overflows."""
    draw, size, inputs = np.random.RandomState(0), 1 if kind == "bare" else 3, 4 * 8 * 8
    text, bottom = [DATA], "data"
    param = {
        "bare": "convolution_param { num_output: 4 kernel_size: 1 }",
        "grouped": "convolution_param { num_output: 4 kernel_size: 3 pad: 1 group: 2 }",
        "dense": "inner_product_param { num_output: 4 }",
    }.get(kind, "convolution_param { num_output: 4 kernel_size: 3 pad: 1 }")
    made = "InnerProduct" if kind == "dense" else "Convolution"
    with open(folder / "chain.caffemodel", "wb") as out:
        for at in range(count):
            name = f"c{at}"
            text.append(
                f'layer {{\n  name: "{name}"\n  type: "{made}"\n  bottom: "{bottom}"\n  top: "{name}"\n  {param}\n}}\n'
            )
            if kind != "bare":
                text.append(f'layer {{ name: "r{at}" type: "ReLU" bottom: "{name}" top: "{name}" }}\n')
            shape = (4, inputs) if kind == "dense" else (4, 2 if kind == "grouped" else 4, size, size)
            weight = np.eye(4)[draw.permutation(4)] if kind == "bare" else draw.standard_normal(shape)
            out.write(_record(name, made, bottom, weight.reshape(shape) + 0.001, draw.uniform(size=4)))
            bottom, inputs = name, 4
    (folder / "chain.prototxt").write_text("".join(text))


def _record(name: str, kind: str, bottom: str, *arrays: np.ndarray) -> bytes:
    said = tagged(1, name.encode()) + tagged(2, kind.encode()) + tagged(3, bottom.encode()) + tagged(4, name.encode())
    for array in arrays:
        dims = tagged(7, tagged(1, b"".join(map(varint, array.shape))))
        said += tagged(7, tagged(5, array.astype("<f4").tobytes()) + dims)
    return tagged(100, said)


if __name__ == "__main__":
    write_chain(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
