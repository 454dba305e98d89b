"""The verb convert, to each form: it ends in an error of ours, or in files that say the same, or what the report says is lost."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np

from fuzz import pairs
from fuzz.pairs import DENSE, GROUPS, OTHERS, PLAIN, joined, nets, numbers, parted, report
from split_surgery import convert
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.meaning import layer_meaning
from split_surgery.documents.v1 import SPEC_DEFAULTS

FORMS = (
    "half", "float", "double", "raw-half", "raw-float", "raw-double", "h5", "new", "v1", "shapes=new", "shapes=legacy", "half,h5",
    "double,h5", "v1,half", "new,double", "v1 shapes=legacy", "new shapes=new", "float,v1 shapes=new",
)  # fmt: skip

_TURNS = itertools.cycle(FORMS)
SEEDS = [joined(next(_TURNS).encode(), *pair) for pair in (*OTHERS * 4, *DENSE[:2], *DENSE[-3:], *GROUPS, *PLAIN[::2])]


def words(random: Random, _: Sequence[str]) -> str:
    return random.choice(FORMS) + random.choice(("", "", " alone", " overflow"))


def mutated(data: bytes, random: Random) -> bytes:
    return pairs.mutated(data, random, words)


def check(data: bytes) -> None:
    said, text, model = parted(data)
    to = [word for word in said if word not in ("alone", "overflow") and not word.startswith("shapes=")][:1]
    shapes = next((word.removeprefix("shapes=") for word in said if word.startswith("shapes=")), None)
    with pairs.files(text, model) as (net, weights, folder):
        given = (weights, None) if "alone" in said else (net, weights)
        target = (
            folder / ("there" + (".caffemodel.h5" if "h5" in "".join(to) else ".caffemodel"))
            if "alone" in said
            else folder / "there"
        )
        options = {"to": to, "shapes": shapes, "allow_overflow": "overflow" in said}
        if report(lambda: convert(*given, target, **options)) is None:
            return
        made = target if target.is_file() else next(target.glob("net.caffemodel*"))
        if pairs.lawful(lambda: numbers(weights)) is None:  # a solver state, whatever it is called
            return
        _same_numbers(weights, made)
        again = folder / "again" / made.name
        again.parent.mkdir()
        convert(made, None, again, **options)
        if made.suffix != ".h5":
            assert again.read_bytes() == made.read_bytes(), (
                "what is in a form already is another when it is converted to it"
            )
        text_made = next(target.glob("*.prototxt"), None) if target.is_dir() else None
        if text_made is not None and {"new", "v1"} & {word for form in to for word in form.split(",")}:
            _same_meaning(text_made, folder)


def _same_numbers(old: Path, new: Path) -> None:
    """The numbers of all blobs are the old ones in another precision, whatever their shapes."""
    there, made = numbers(old), numbers(new)
    if new.suffix == ".h5":  # in an order of its own, and shared blobs once
        held = dict(made)
        assert held.keys() == {name for name, _ in there}, "HDF5 has other layers"
        there = [(name, blobs) for name, blobs in there if len(blobs) == len(held[name])]
        made = [(name, held[name]) for name, _ in there]
    else:  # V1 has no layers of some types, which may go where they have no blobs
        there, made = ([(name, blobs) for name, blobs in found if blobs] for found in (there, made))
    for (name, blobs), (same, others) in zip(there, made, strict=True):
        assert name == same, f'"{name}" is called "{same}"'
        for was, now in zip(blobs.values(), others.values(), strict=True):
            with np.errstate(over="ignore"):
                assert was.astype(now.dtype).tobytes() == now.tobytes(), f'"{name}" has other numbers'


def _same_meaning(text: Path, folder: Path) -> None:
    """A text with new layers says the same after the way to V1 and back, where there is one; and Caffe knows no other meaning of V1."""
    new, old, again = (folder / f"{name}.prototxt" for name in ("new", "old", "again"))
    for source, target, form in ((text, new, "new"), (new, old, "v1")):
        if report(lambda source=source, target=target, form=form: convert(source, None, target, to=form)) is None:  # type: ignore[misc]
            return
    convert(old, None, again, to="new")
    for was, now in zip(nets(new), nets(again), strict=True):
        for one, other in zip(was.layers, now.layers, strict=True):
            assert (one.name, _said(one)) == (other.name, _said(other)), f'"{one.name}" says something else'


def _said(layer: Layer) -> dict[str, str]:
    """What a layer says, without what its parameters have anyway: V1's lists say it of those before one that has something else."""
    default = {*SPEC_DEFAULTS.values(), "{}"}
    return {
        key: text for key, text in layer_meaning(layer).items() if not (key.startswith("param[") and text in default)
    }
