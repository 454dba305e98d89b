"""What becomes of the readers of a layer that is removed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.net import states_of
from split_surgery.documents.net.rules import State


@dataclass(frozen=True)
class Readers:
    """Those that would lack what they read.

    Attributes:
        reconnected: by layer, the blob that it reads and what it is to read instead.
        lost: those for which there is nothing else. why: the reason, or "".
    """

    reconnected: dict[Layer, dict[str, str]]
    lost: tuple[Layer, ...]
    why: str


def readers_of(layers: Sequence[Layer], removed: Layer, inputs: Collection[str]) -> Readers:
    """The layers that read a top of `removed`, in any phase, level or stage.

    One that finds a blob of that name made before, as after a layer in place, needs nothing. The others read the one bottom of the
    removed layer, if it has one, and if that still is what it was where they read it.

    Args:
        inputs: blobs that the net declares itself.
    """
    at = next(at for at, layer in enumerate(layers) if layer is removed)
    tops, bottoms = set(removed.tops), set(removed.bottoms)
    if tops <= bottoms or not any(tops & set(layer.bottoms) for layer in layers[at + 1 :]):
        return Readers({}, (), "")
    changed: dict[Layer, dict[str, str]] = {}
    kept: dict[Layer, set[str]] = {}
    lost: dict[Layer, str] = {}
    for state in states_of(layers):
        if not removed.in_state(state):
            continue
        made = {
            blob for layer in layers[:at] if tops & set(layer.tops) and layer.in_state(state) for blob in layer.tops
        }
        there = tops & {*inputs, *made}
        bottom, again = next(iter(bottoms), ""), ""
        for layer, blob in _reading(layers[at + 1 :], tops, bottom, state):
            if not blob:
                again = layer.name
            elif blob in there:
                kept.setdefault(layer, set()).add(blob)
            elif len(bottoms) != 1:
                lost[layer] = f"has {len(bottoms)} bottoms" if bottoms else "has no bottom"
            elif again:
                lost[layer] = f'reads "{bottom}", which "{again}" writes again before it is read'
            else:
                changed.setdefault(layer, {})[blob] = bottom
    for layer, blobs in changed.items():
        if kept.get(layer, set()) & blobs.keys():
            lost[layer] = "is not the only one to make its top, in some phase or stage"
    why = next(reversed(lost.values()), "")
    return Readers({layer: blobs for layer, blobs in changed.items() if layer not in lost}, tuple(lost), why)


def _reading(layers: Sequence[Layer], tops: set[str], bottom: str, state: State) -> Iterator[tuple[Layer, str]]:
    """Those of the following layers that read one of these tops before another makes it anew, each with the blob; and with "" those
    that write the bottom again."""
    there = set(tops)
    for layer in layers:
        own = there & set(layer.bottoms)
        if (own or bottom in layer.tops or there & set(layer.tops)) and layer.in_state(state):
            yield from ((layer, blob) for blob in own)
            if bottom in layer.tops:
                yield layer, ""
            there -= set(layer.tops)
