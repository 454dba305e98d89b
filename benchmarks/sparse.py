"""A 2.5 GB caffemodel (sparse: its second layer is one long hole) split and verified; fails above 80 MB of memory."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
from bench_split import PROGRAM, WORK, once

from split_surgery.documents.weights.wire import tagged, varint

SIZE = 4 * 1000 * 64 * 98 * 100
"""Bytes of fc's numbers: 1,000 outputs, each from 64 maps of 98 x 100."""

LIMIT = 80
"""MB of resident memory, whatever the file's size (DESIGN: what a split may take)."""

NET = """\
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 100 dim: 102 } } }
layer { name: "conv1_1" type: "Convolution" bottom: "data" top: "conv1_1" convolution_param { num_output: 64 kernel_size: 3 } }
layer { name: "fc" type: "InnerProduct" bottom: "conv1_1" top: "fc" inner_product_param { num_output: 1000 } }
"""


def record(name: str, kind: str, data: bytes, shape: tuple[int, ...], hole: int = 0) -> bytes:
    """A layer's record with one blob; of `hole` bytes of its numbers only the length is written, and they come last."""
    head = tagged(1, name.encode()) + tagged(2, kind.encode())
    dims = tagged(7, tagged(1, b"".join(map(varint, shape))))
    numbers = dims + varint(5 << 3 | 2) + varint(len(data) + hole) + data
    blob = varint(7 << 3 | 2) + varint(len(numbers) + hole) + numbers
    return varint(100 << 3 | 2) + varint(len(head) + len(blob) + hole) + head + blob


def main() -> None:
    WORK.mkdir(exist_ok=True)
    net, weights, out = WORK / "sparse.prototxt", WORK / "sparse.caffemodel", WORK / "sparse-out"
    net.write_text(
        NET.replace("kernel_size: 3", "kernel_size: 3 bias_term: false").replace("1000", "1000 bias_term: false")
    )
    kernels = np.random.RandomState(0).standard_normal((64, 3, 3, 3)).astype("<f4").tobytes()
    with open(weights, "wb") as file:
        file.write(record("conv1_1", "Convolution", kernels, (64, 3, 3, 3)))
        file.write(record("fc", "InnerProduct", b"", (1000, SIZE // 4000), SIZE))
        file.truncate(file.tell() + SIZE)
    shutil.rmtree(out, ignore_errors=True)
    worst = 0.0
    for name, command in (
        ("split", [PROGRAM, "extension", net, weights, "-o", out, "--noise", "0"]),
        ("verify", [PROGRAM, "verify", net, weights, out, "--max-drift", "0"]),
    ):
        seconds, memory = once(command)
        worst = max(worst, memory)
        print(f"{weights.stat().st_size / 1e9:.2f} GB, {name}: {seconds:.1f} s, {memory:.1f} MB")
    shutil.rmtree(Path(WORK))
    if worst > LIMIT:
        sys.exit(f"{worst:.1f} MB is above {LIMIT} MB")


if __name__ == "__main__":
    main()
