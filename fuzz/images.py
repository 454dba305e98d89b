"""`reshape --channels` and `--raw-pixels` on a prototxt and its weights: an error of ours, or a net that computes the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np

from fuzz import pairs
from fuzz.pairs import canonical, joined, nets, numbers, parted, report
from split_surgery import reshape
from split_surgery.documents.net.meaning import layer_meaning
from split_surgery.operations.image_layers import images_of
from tests.support.nets import CONV, DATA, TAIL, conv_arrays, tiny_weights

SOURCES = (
    DATA, 'input: "data" input_dim: [1, 3, 8, 8]\n', 'input: "data"\ninput_shape { dim: 1 dim: 3 dim: 8 dim: 8 }\n',
    'layer { name: "d" type: "Data" top: "data" top: "label" transform_param { mean_value: 104 mean_value: 117 mean_value: 123 '
    'scale: 0.5 } data_param { source: "s" batch_size: 2 } }\n',
    'layer { name: "d" type: "ImageData" top: "data" transform_param { mean_value: [3] } image_data_param { source: "s" is_color: 1 } }'
    "\n",
    'layer { name: "d" type: "MemoryData" top: "data" top: "l" memory_data_param { batch_size: 1 channels: 3 height: 8 width: 8 } }\n',
    'layer { name: "d" type: "DummyData" top: "data" dummy_data_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }\n',
)  # fmt: skip
WORDS = ("gray", "swapped", "raw 3 0.5", "raw - -", "raw 104,117,123 -", "gray raw - -", "color", "color raw 5 2")
_MODELS = (
    (3, tiny_weights()), (3, tiny_weights(conv_arrays(bias=False), legacy=True)), (1, tiny_weights(conv_arrays(c=1), dtype="<f8"))
)  # fmt: skip


def _seeds() -> list[bytes]:
    found = []
    for at, source in enumerate(SOURCES):
        for channels, model in _MODELS:
            text = (source + CONV + TAIL).replace("pad: 1", "pad: 0") if at % 2 else source + CONV + TAIL
            if channels == 1:
                text = (
                    text.replace("dim: 3", "dim: 1").replace("1, 3, 8", "1, 1, 8").replace("channels: 3", "channels: 1")
                )
            if b"bias_term" not in model and model is _MODELS[1][1]:
                text = text.replace("kernel_size: 3", "bias_term: false kernel_size: 3")
            found.append(joined(WORDS[(at + channels) % len(WORDS)].encode(), text.encode(), model))
    return found


SEEDS = _seeds()


def words(random: Random, names: Sequence[str]) -> str:
    return random.choice(
        (*WORDS, "raw 1,2 -", "raw nan 1", "raw 1 1e39", "raw 1e38 1e38", f"raw {random.choice(names)} 1")
    )


def mutated(data: bytes, random: Random) -> bytes:
    return pairs.mutated(data, random, words)


def check(data: bytes) -> None:
    said, text, model = parted(data)
    kind = next((word for word in said if word in ("gray", "color", "swapped")), None)
    raw = said[said.index("raw") + 1 :][:2] if "raw" in said else []
    asked = {"channels": kind} if kind else {}
    asked |= {"raw_pixels": True} if "raw" in said else {}
    for key, value in zip(("mean", "scale"), raw):
        if value != "-":
            asked |= {key: value} if key == "mean" else {key: _number(value)}
    with pairs.files(text, model) as (net, weights, folder):
        there = folder / "there"
        made = report(lambda: reshape(net, weights, there, **asked))
        if made is not None:
            _hold(net, weights, there, folder / "back", kind if not raw else None)


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return float("nan")


def _hold(net: Path, weights: Path, there: Path, back: Path, kind: str | None) -> None:
    """What has changed is what reads the images, and what is said of them; swapped twice all of it is as it was."""
    text, model = there / "net.prototxt", there / "net.caffemodel"
    for old, new in zip(nets(net), nets(text), strict=True):
        was, now = images_of(old), images_of(new)
        assert (was is None) == (now is None) or now is None, "images come in where none did"
        touched = {layer.name for layer in (*was.sources, *was.readers)} if was is not None else set()
        kept = [(layer.name, layer_meaning(layer)) for layer in new.layers]
        for layer in old.layers:
            assert layer.name in touched or (layer.name, layer_meaning(layer)) in kept, f'"{layer.name}" has changed'
    if kind == "swapped":
        reshape(text, model, back, channels="swapped")
        assert [[layer_meaning(layer) for layer in one.layers] for one in nets(net)] == [
            [layer_meaning(layer) for layer in one.layers] for one in nets(back / "net.prototxt")
        ], "the text says something else when it is swapped back"
        pairs_of = zip(numbers(weights), numbers(back / "net.caffemodel"), strict=True)
        for (name, old), (_, new) in pairs_of:
            assert all(np.array_equal(old[at], new[at], equal_nan=True) for at in old), (
                f'"{name}" is another when it is swapped back'
            )
        # A blob that is written anew has its numbers and its shape; what else one held (a diff) is gone.
        if canonical(weights.read_bytes()) and model.stat().st_size == weights.stat().st_size:
            assert (back / "net.caffemodel").read_bytes() == weights.read_bytes(), (
                "the weights are others when they are swapped back"
            )
