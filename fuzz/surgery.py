"""The verbs rename, extract and reshape on a prototxt and its weights: each ends in an error of ours, or there and back is the same."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import numpy as np
from google.protobuf import text_format

from fuzz import pairs
from fuzz.pairs import DENSE, GROUPS, OTHERS, PLAIN, canonical, joined, nets, numbers, parted, report
from split_surgery import extract, rename, reshape
from split_surgery.documents.edit.protobuf_schema import message_class
from split_surgery.documents.edit.recast import HOLDERS, KEPT
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.meaning import layer_meaning
from split_surgery.documents.prototxt import Message, quote

FREE = "of_nobody"
"""A name that no seed has."""

RESHAPES = {"to_convolution": "InnerProduct", "to_inner_product": "Convolution", "ungroup": "Convolution"}
_TURNS = itertools.cycle((f"rename {{}}={FREE}", "extract", "extract {}/0", "rename --strip conv", "ungroup *"))


def _seed(words: str, pair: tuple[bytes, bytes]) -> bytes:
    return joined(words.encode(), *pair)


SEEDS = [
    *(_seed("to_convolution *", pair) for pair in DENSE), _seed("to_convolution fc6", DENSE[0]),
    *(_seed("ungroup *", pair) for pair in GROUPS), *(_seed("extract", pair) for pair in OTHERS),
    *(_seed(f"rename conv={FREE}", pair) for pair in (*GROUPS, *OTHERS)),
    *(_seed(next(_TURNS).format("conv1_1"), pair) for pair in PLAIN),
]  # fmt: skip


def words(random: Random, names: Sequence[str]) -> str:
    one, other = random.choice(names), random.choice((*names, FREE, FREE, FREE, "a/b", ".", "\u00e9", "x" * 200))
    return random.choice((
        f"rename {one}={other}", f"rename {one}={other} {random.choice(names)}={one}", f"rename {one}={FREE} only=layers",
        f"rename {one}={FREE} only=blobs", f"rename --strip {one[: random.randint(1, 9)]}", "extract",
        f"extract {one}/{random.choice(('0', '1', '7', '-1', '9' * 9))}", "to_convolution *", f"to_convolution {one}",
        "to_inner_product *", f"to_inner_product {one}", "ungroup *", f"ungroup {one}",
    ))  # fmt: skip


def mutated(data: bytes, random: Random) -> bytes:
    return pairs.mutated(data, random, words)


def check(data: bytes) -> None:
    said, text, model = parted(data)
    verb, rest = (said[0], said[1:]) if said else ("", [])
    with pairs.files(text, model) as (net, weights, folder):
        if verb == "rename":
            _rename(net, weights, folder, rest)
        elif verb == "extract":
            _extract(weights, folder, rest)
        elif verb in RESHAPES:
            _reshape(net, weights, folder, verb, rest)


def _rename(net: Path, weights: Path, folder: Path, said: Sequence[str]) -> None:
    there, back = folder / "there", folder / "back"
    if said[:1] == ["--strip"]:
        report(lambda: rename(net, weights, output=there, strip_prefix=" ".join(said[1:])))
        return
    only = next((word.removeprefix("only=") for word in said if word.startswith("only=")), None)
    names = dict(word.rsplit("=", 1) for word in said if "=" in word and not word.startswith("only="))
    if not report(lambda: rename(net, weights, names, there, only=only)) or list(names.values()) != [FREE]:
        return
    if FREE.encode() in net.read_bytes() + weights.read_bytes():
        return
    ((old, _),) = names.items()
    own = nets(net)
    inside = own[0].inside_solver  # which may hold other nets, and the name be in one of them
    rename(
        there / ("solver.prototxt" if inside else "net.prototxt"),
        there / "net.caffemodel",
        {FREE: old},
        back,
        only=only,
    )
    if not inside and all(_plainly_named(layer) for layer in own[0].layers):
        assert (back / "net.prototxt").read_bytes() == net.read_bytes(), "the text is another when it is renamed back"
    if canonical(weights.read_bytes()):
        assert (back / "net.caffemodel").read_bytes() == weights.read_bytes(), (
            "the weights are others when they are renamed back"
        )


def _plainly_named(layer: Layer) -> bool:
    """Whether names are spelled as a rename spells them: in one string without escapes that are not needed."""
    values = [value for field in ("name", "bottom", "top") for value in layer.message.scalars(field)]
    return all(value.raw == quote(value.text, value.raw[:1]) for value in values)


def _extract(weights: Path, folder: Path, said: Sequence[str]) -> None:
    if not said:
        made = report(lambda: extract(weights, folder / "net.prototxt"))
        if made is not None:
            text = (folder / "net.prototxt").read_bytes()
            if (
                not made.unknown and b"split" not in weights.read_bytes().lower()
            ):  # Split layers are left out of the text
                assert _protobuf_reads(text, weights.read_bytes()), (
                    "protobuf reads another net in the text than in the weights"
                )
        return
    wanted, target = " ".join(said), folder / "blob.npy"
    if report(lambda: extract(weights, target, blob=wanted)) is not None:
        name, _, index = wanted.rpartition("/")
        held = [blobs for layer, blobs in numbers(weights) if layer == name][-1]
        assert np.load(target).tobytes() == held[int(index)].tobytes(), "the extracted blob holds other numbers"


def _protobuf_reads(text: bytes, model: bytes) -> bool:
    """Whether protobuf reads the net of a caffemodel in a text; what stands twice or is no UTF-8 it takes from a caffemodel only."""
    try:
        said = text_format.Parse(text.decode(), message_class("NetParameter")())
    except (text_format.ParseError, UnicodeError):
        return True
    held = message_class("NetParameter")()
    held.ParseFromString(model)
    for layer in (*held.layer, *held.layers):
        layer.ClearField("blobs")
    return text_format.MessageToString(said) == text_format.MessageToString(held)  # of all NaNs there is one in a text


def _reshape(net: Path, weights: Path, folder: Path, verb: str, said: Sequence[str]) -> None:
    names = _layers(net, RESHAPES[verb]) if said[:1] == ["*"] else (" ".join(said),)
    there, back = folder / "there", folder / "back"
    made = report(lambda: reshape(net, weights, there, **{verb: names}))
    if made is None:
        return
    text = there / "net.prototxt"
    was, now = (np.concatenate([blob.ravel() for _, blobs in numbers(path) for blob in blobs.values()] or [np.zeros(0)])
                for path in (weights, there / "net.caffemodel"))  # fmt: skip
    if verb == "ungroup":
        assert len(was) == len(now), "ungrouping makes another number of weights"
        return
    assert was.tobytes() == now.tobytes(), "a reshape changes numbers"
    other = "to_inner_product" if verb == "to_convolution" else "to_convolution"
    reshape(text, there / "net.caffemodel", back, **{other: tuple(one.layer for one in made.layers)})
    before, after = (nets(path)[0].layers for path in (net, back / text.name))
    for old, new in zip(before, after, strict=True):
        assert _kept(old) == _kept(new), f'"{old.name}" says something else when it is reshaped back'
    changed = {one.layer for one in made.layers}
    if (
        verb == "to_convolution"
        and not nets(net)[0].inside_solver
        and all(_only_kept(layer) for layer in before if layer.name in changed)
    ):
        assert (back / text.name).read_bytes() == net.read_bytes(), "the text is another when it is reshaped back"


def _layers(net: Path, kind: str) -> tuple[str, ...]:
    found: Callable[[], tuple[str, ...]] = lambda: tuple(  # noqa: E731
        dict.fromkeys(layer.name for one in nets(net) for layer in one.layers if layer.type == kind)
    )
    return pairs.lawful(found) or ("none",)


def _kept(layer: Layer) -> dict[str, str]:
    """What a layer says, without what one of the two types has not."""
    inside = tuple(f"{holder}." for holder in HOLDERS.values())
    meaning = layer_meaning(layer)
    return {key: text for key, text in meaning.items() if not key.startswith(inside) or key.split(".")[1] in KEPT}


def _only_kept(layer: Layer) -> bool:
    holders = layer.message.messages(HOLDERS["InnerProduct"])
    return all(field.name in KEPT for holder in holders for field in holder.fields if isinstance(holder, Message))
