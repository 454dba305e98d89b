"""Nets of many layers: convolutions with a ReLU behind each, or bare ones, which `fold --all` makes one of.

chain.py DIR COUNT [bare] writes DIR/chain.prototxt and DIR/chain.caffemodel.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from split_surgery.documents.weights.wire import tagged, varint

DATA = 'input: "data" input_shape { dim: 1 dim: 4 dim: 8 dim: 8 }\n'  # which V1 can say, too


def write_chain(folder: Path, count: int, bare: bool) -> None:
    """Write a net of so many convolutions; bare ones are 1x1 and all but permute channels, so that no product of them overflows."""
    draw, size = np.random.RandomState(0), 1 if bare else 3
    text, bottom = [DATA], "data"
    with open(folder / "chain.caffemodel", "wb") as out:
        for at in range(count):
            name = f"c{at}"
            param = f"num_output: 4 kernel_size: {size}" + ("" if bare else " pad: 1")
            text.append(
                f'layer {{\n  name: "{name}"\n  type: "Convolution"\n  bottom: "{bottom}"\n  top: "{name}"\n'
                f"  convolution_param {{ {param} }}\n}}\n"
            )
            if not bare:
                text.append(f'layer {{ name: "r{at}" type: "ReLU" bottom: "{name}" top: "{name}" }}\n')
            weight = np.eye(4)[draw.permutation(4)] if bare else draw.standard_normal((4, 4, size, size))
            out.write(_record(name, bottom, weight.reshape(4, 4, size, size) + 0.001, draw.uniform(size=4)))
            bottom = name
    (folder / "chain.prototxt").write_text("".join(text))


def _record(name: str, bottom: str, *arrays: np.ndarray) -> bytes:
    said = tagged(1, name.encode()) + tagged(2, b"Convolution") + tagged(3, bottom.encode()) + tagged(4, name.encode())
    for array in arrays:
        dims = tagged(7, tagged(1, b"".join(map(varint, array.shape))))
        said += tagged(7, tagged(5, array.astype("<f4").tobytes()) + dims)
    return tagged(100, said)


if __name__ == "__main__":
    write_chain(Path(sys.argv[1]), int(sys.argv[2]), "bare" in sys.argv)
