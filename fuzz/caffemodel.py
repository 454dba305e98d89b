"""Binary weights: indexed, every blob read, shown."""

from __future__ import annotations

import numpy as np

from fuzz.fields import mutated
from fuzz.law import lawful, written
from split_surgery import show
from split_surgery.documents.source import Source
from split_surgery.documents.weights.opening import weights_in
from tests.support.nets import conv_arrays, weights

__all__ = ["SEEDS", "check", "mutated"]

_SMALL = [("conv1", "Convolution", ["data"], ["conv1"], conv_arrays(2, 1, 2, 2), {"num_output": 2, "kernel_size": 2})]
_SEVERAL = [
    *_SMALL,
    ("relu", "ReLU", ["conv1"], ["conv1"], [], None),
    ("ip", "InnerProduct", ["conv1"], ["ip"], [np.ones((2, 3), np.float32), np.zeros(2, np.float32)], None),
]
SEEDS = [
    weights(_SMALL), weights(_SEVERAL), weights(_SEVERAL, dtype="<f8"), weights(_SEVERAL, legacy=True), weights(_SEVERAL, v1=True),
]  # fmt: skip


def check(data: bytes) -> None:
    with written(data, ".caffemodel") as path:
        lawful(lambda: list(show(path).lines(verbose=True)))
        with Source(path) as source:
            index = lawful(lambda: weights_in(source))
            for record in index.layers if index is not None else ():
                lawful(record.digest)
                for blob in record.blobs:
                    lawful(blob.load)
