"""What verbs are called with, in one file: a line of words, a prototxt and a caffemodel, each changed within its own format."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from fuzz import fields, prototxt
from fuzz.law import MEMORY, Found, lawful
from split_surgery.documents.net.net import Net, Prototxt
from split_surgery.documents.prototxt import Document
from split_surgery.documents.source import Source, read_file
from split_surgery.documents.weights.opening import weights_in
from tests.support.converted import V1_TEXT, raw_weights, v1_weights
from tests.support.nets import conv_arrays, random_weights, weights
from tests.support.paths import FIXTURES
from tests.support.reshaped import GROUPED, LAYOUTS, as_v1, fc_net

_BAR = b"\n%%%%\n"
_NAME = re.compile(rb"\b(?:name|top)\s*:\s*[\"']([^\"'\n]*)")


def joined(words: bytes, text: bytes, model: bytes) -> bytes:
    return _BAR.join((words, text, model))


def parted(data: bytes) -> tuple[list[str], bytes, bytes]:
    """The words, the prototxt and the weights; what is missing is empty."""
    words, text, model, *_ = [*data.split(_BAR, 2), b"", b""]
    return words.decode("utf-8", "surrogateescape").split(), text, model


def mutated(data: bytes, random: Random, words: Callable[[Random, Sequence[str]], str]) -> bytes:
    """One of the three, or more, as another.

    Args:
        words: a line of them, given the names in the prototxt.
    """
    said, text, model, *_ = [*data.split(_BAR, 2), b"", b""]
    which = random.choice(("words", "text", "text", "model", "model", "both"))
    if which in ("text", "both"):
        text = prototxt.mutated(text, random)
    if which in ("model", "both"):
        model = fields.mutated(model, random)
    if which == "words" or random.random() < 0.5:
        names = [name.decode("utf-8", "replace") for name in _NAME.findall(text)] or ["none"]
        said = words(random, names).encode("utf-8", "surrogateescape")
    return joined(said, text, model)


@contextmanager
def files(text: bytes, model: bytes) -> Iterator[tuple[Path, Path, Path]]:
    """A prototxt, a caffemodel, and a folder for what is made of them."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        net, model_path = Path(name, "a.prototxt"), Path(name, "a.caffemodel")
        net.write_bytes(text)
        model_path.write_bytes(model)
        yield net, model_path, Path(name)


def report(call: Callable[[], Found]) -> Found | None:
    """What a verb reports, which can be shown in every way; None where it ends in an error of ours."""
    found: Any = lawful(call)
    if found is not None:
        lawful(lambda: [str(found), found.to_dict(), found.tables()])
    return found


def nets(path: Path) -> list[Net]:
    """The nets of a prototxt that a verb has read or written."""
    return list(Prototxt(Document(read_file(path), path.name)).nets)


def numbers(path: Path) -> list[tuple[str, dict[int, np.ndarray]]]:
    """All blobs of weights that a verb has read or written, by their layers and indices; without those that hold another number of
    numbers than they say, which a verb may leave as they are."""
    with Source(path) as source:
        return [
            (record.name, {blob.index: blob.load() for blob in record.blobs if not blob.fault})
            for record in weights_in(source).layers
        ]


def canonical(model: bytes) -> bool:
    """Whether a message is spelled as protobuf does: every length and number in as few bytes as it needs."""
    return fields.encoded(fields.parsed(model) or []) == model


def _fixtures() -> list[tuple[bytes, bytes]]:
    found = []
    for path in sorted(FIXTURES.glob("*.prototxt")):
        net = Prototxt(Document(path.read_bytes(), path.name)).net
        v1 = any(layer.v1 for layer in net.layers)
        found.append((path.read_bytes(), random_weights(net, v1=v1)))
    return found


def _grouped(text: str = GROUPED, **options: Any) -> tuple[bytes, bytes]:
    param = {"num_output": 8, "group": 2, "kernel_size": 3, "pad": 1}
    return text.encode(), weights([("conv", "Convolution", ["data"], ["conv"], conv_arrays(8, 2), param)], **options)


_RAW = b'input: "x" layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param { num_output: 2 } }\n'
_SPLIT = weights([
    ("conv", "Convolution", ["data"], ["conv"], conv_arrays(8, 2), {"num_output": 8}),
    ("conv_conv_0_split", "Split", ["conv"], ["conv_conv_0_split_0", "conv_conv_0_split_1"], [], None),
    ("relu", "ReLU", ["conv_conv_0_split_0"], ["relu"], [], None),
    ("conv", "Convolution", ["conv_conv_0_split_1"], ["conv"], conv_arrays(8, 2, seed=2), {"group": 2}),
])  # fmt: skip

DENSE = [
    (net.text, net.model)
    for net in (
        *(fc_net(layout=layout) for layout in LAYOUTS), fc_net(v1=True, legacy=True), fc_net(bias=False, dtype="<f8"),
        fc_net(shape=(3, 1, 2), eol="\r\n"),
    )
]  # fmt: skip
GROUPS = [_grouped(), _grouped(as_v1(GROUPED), v1=True, legacy=True), _grouped(dtype="<f8")]
OTHERS = [
    *((_RAW, raw_weights(np.arange(3, dtype=kind))) for kind in ("<f2", "<f4", "<f8")),
    (V1_TEXT.encode(), v1_weights()), (GROUPED.encode(), _SPLIT),
]  # fmt: skip
PLAIN = _fixtures()
