"""Prototxts of nets and solvers: read, held against protobuf's own reading, shown, and left as they were."""

from __future__ import annotations

import contextlib
import re
from random import Random

from fuzz.edits import edited
from fuzz.law import lawful, written
from split_surgery import show
from split_surgery.documents.net.net import Prototxt
from split_surgery.documents.prototxt import Document
from split_surgery.documents.spans import apply_splices
from tests.support.paths import EXAMPLE, FIXTURES
from tests.support.protobuf_oracle import Mixed, agrees

SEEDS = [path.read_bytes() for path in (*sorted(FIXTURES.glob("*.prototxt")), *sorted(EXAMPLE.glob("*.prototxt")))]

_TOKEN = re.compile(rb"\"[^\"\n]*\"|'[^'\n]*'|#[^\n]*|\w+|\s+|.", re.DOTALL)
_OTHERS = [
    *(token for seed in SEEDS for token in _TOKEN.findall(seed)),
    *(f'layer {{ name: "a" type: "{kind}" bottom: "data" top: "a" }}'.encode() for kind in (
        "Convolution", "Deconvolution", "Pooling", "InnerProduct", "Concat", "Slice", "Split", "Reshape", "Flatten", "Crop",
        "Eltwise",
        "BatchNorm", "Scale", "Bias", "Data", "DummyData", "MemoryData", "PriorBox", "Permute", "Tile", "Reduction", "Im2col", "SPP",
        "Embed", "LSTM", "ArgMax", "Silence", "BatchReindex", "Accuracy", "SoftmaxWithLoss", "Python",
    )),
    b"axis: ", b"dim: ", b"slice_point: ", b"stride_h: ", b"dilation: ", b"group: ", b"include { phase: TEST }", b"\\377", b"\xff",
    b"\0",
    b"{" * 90, b"}" * 90, b"input_shape { dim: 0 }", b"input_dim: -1 ", b"param { name: 'p' }",
    b"reshape_param { shape { dim: -1 dim: 0 } }",
]  # fmt: skip


def mutated(data: bytes, random: Random) -> bytes:
    return edited(_TOKEN.findall(data), _OTHERS, random)


def check(data: bytes) -> None:
    document = lawful(lambda: Document(data, "net.prototxt"))
    if document is not None:
        assert apply_splices(data, []) == document.data == data
        lawful(lambda: Prototxt(document))
        # The oracle makes a schema of every file; and Python's parser spells out a letter beyond ASCII after a backslash.
        if len(data) < 4096 and not re.search(rb"\\[^\x00-\x7f]", data):
            with contextlib.suppress(Mixed, UnicodeError):
                agrees(document)
    with written(data, ".prototxt") as path:
        lawful(lambda: list(show(path).lines(verbose=True)))
