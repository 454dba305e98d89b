"""The random weights of examples/small_ssd: `python -m tests.support.small_ssd` writes them anew."""

from __future__ import annotations

import numpy as np

from tests.support.nets import weights
from tests.support.paths import ROOT

FOLDER = ROOT / "examples" / "small_ssd"

SHAPES = {
    "conv1_1": ("data", (16, 3, 3, 3)),
    "conv2_1": ("conv1_1", (24, 16, 3, 3)),
    "mbox_loc": ("conv2_1", (8, 24, 3, 3)),
    "mbox_conf": ("conv2_1", (6, 24, 3, 3)),
}
"""Layer -> (bottom, shape of its weight)."""


def model() -> bytes:
    """The caffemodel: weights as the filler `msra` draws them, biases 0."""
    draw = np.random.RandomState(20)
    records = []
    for name, (bottom, shape) in SHAPES.items():
        deviation = np.sqrt(2 / np.prod(shape[1:]))
        arrays = [(draw.standard_normal(shape) * deviation).astype(np.float32), np.zeros(shape[0], np.float32)]
        records.append((name, "Convolution", [bottom], [name], arrays, None))
    return weights(records)


if __name__ == "__main__":
    (FOLDER / "small_ssd.caffemodel").write_bytes(model())
