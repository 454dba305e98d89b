"""A 2.5 GB caffemodel that takes no room: its second layer is one long hole.

sparse.py DIR writes DIR/sparse.prototxt and DIR/sparse.caffemodel.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from split_surgery.documents.weights.wire import tagged, varint

SIZE = 4 * 1000 * 64 * 98 * 100
"""Bytes of fc's numbers: 1,000 outputs, each from 64 maps of 98 x 100."""

NET = """\
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 100 dim: 102 } } }
layer { name: "conv1_1" type: "Convolution" bottom: "data" top: "conv1_1"
  convolution_param { num_output: 64 kernel_size: 3 bias_term: false } }
layer { name: "fc" type: "InnerProduct" bottom: "conv1_1" top: "fc" inner_product_param { num_output: 1000 bias_term: false } }
"""


def write_sparse(folder: Path) -> None:
    """Write the net and its weights."""
    (folder / "sparse.prototxt").write_text(NET)
    kernels = np.random.RandomState(0).standard_normal((64, 3, 3, 3)).astype("<f4").tobytes()
    with open(folder / "sparse.caffemodel", "wb") as file:
        file.write(_record("conv1_1", "Convolution", kernels, (64, 3, 3, 3)))
        file.write(_record("fc", "InnerProduct", b"", (1000, SIZE // 4000), SIZE))
        file.truncate(file.tell() + SIZE)


def _record(name: str, kind: str, data: bytes, shape: tuple[int, ...], hole: int = 0) -> bytes:
    """A layer's record with one blob; of `hole` bytes of its numbers only the length is written, and they come last."""
    head = tagged(1, name.encode()) + tagged(2, kind.encode())
    dims = tagged(7, tagged(1, b"".join(map(varint, shape))))
    numbers = dims + varint(5 << 3 | 2) + varint(len(data) + hole) + data
    blob = varint(7 << 3 | 2) + varint(len(numbers) + hole) + numbers
    return varint(100 << 3 | 2) + varint(len(head) + len(blob) + hole) + head + blob


if __name__ == "__main__":
    write_sparse(Path(sys.argv[1]))
