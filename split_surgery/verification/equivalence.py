"""What each block of a derived net computes, held against the layer of the baseline in whose place it is.

Works from the files alone and sees neither plan nor recipe, so it also judges nets that other programs made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from split_surgery.documents.net.flow import Flow, flow_in
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.one_form import Said, in_one_form
from split_surgery.documents.net.rules import State
from split_surgery.documents.weights.blobs import Array, Weights
from split_surgery.documents.weights.records import readable, same_record
from split_surgery.errors import FileError, NotFoldable, SurgeryError
from split_surgery.folding.compose import Candidates, Folded, Windows, by_windows, fold_block, fold_group
from split_surgery.folding.linear import convolution, inner_product, one_scale
from split_surgery.folding.understood import Trust, is_linear
from split_surgery.kernels.linear_maps import ChannelWindow, LinearMap, Slide, embedded
from split_surgery.verification.rounding import SAFETY, Excess
from split_surgery.verification.same_layers import StandIn, stand_ins


@dataclass(frozen=True)
class Block:
    """A layer of the baseline, and the block that took its place; or a block of it, and the layer that it was folded into.

    Attributes:
        folded: whether it is the latter; then `layer` is the derived net's and `members` are the baseline's.
        exact: weight and bias of the folded block equal the layer's bit for bit, of a fold once they are rounded to its dtype.
        drift: ||folded - old|| / ||old|| over weight and bias: the change of that layer's output for white input only.
        weight_drift: the same of the weight alone, which a large bias would hide.
        largest: the largest absolute difference of one number.
        rounding: the drift that rounding each number to the layer's dtype may make.
        excess: of a fold that is not exact, the difference in units of what rounding explains (up to 1 it explains all): the largest of
            one number's and of the weight's and the bias's as a whole. None where that is not known.
        fault: why the block cannot be folded, or "". Its members are then all layers that the baseline has not.
    """

    layer: str
    members: tuple[str, ...]
    exact: bool
    drift: float
    largest: float
    fault: str = ""
    folded: bool = False
    rounding: float = 0.0
    weight_drift: float = 0.0
    excess: float | None = None

    @property
    def sound(self) -> bool:
        """Whether the two compute the same but for the rounding of the weights."""
        rounded = self.worst <= self.rounding if self.excess is None else self.excess <= 1
        return not self.fault and (self.exact or rounded)

    @property
    def worst(self) -> float:
        """The larger of the two changes."""
        return max(self.drift, self.weight_drift)


def split_blocks(
    base: Net, base_weights: Weights, derived: Net, weights: Weights, trusted: frozenset[str] = frozenset()
) -> list[Block]:
    """The convolutions that have gone, each held against the block that makes its top now, in every phase and stage.

    Layers that stand for several of the baseline, because those were folded, are held against them in turn.

    Args:
        trusted: names of fork fields that leave a convolution linear.

    Raises:
        FileError: a layer has gone that was nowhere.
        Unsupported: a convolution in it may not be linear.
    """
    states = list(dict.fromkeys(base.states() + derived.states()))
    held = _Held(base, base_weights, derived, weights, trusted)
    gone = dict.fromkeys(layer.name for layer in base.convolutions() if not derived.named(layer.name))
    old_names = {layer.name for layer in base.layers}
    new = [layer for layer in derived.layers if layer.name not in old_names]
    present: dict[tuple[int, ...], Candidates] = {}  # by places in `new`
    found_in: dict[State, Candidates] = {}
    for state in states:
        there = tuple(at for at, layer in enumerate(new) if layer.in_state(state))
        found_in[state] = present.setdefault(there, Candidates([new[at] for at in there], trusted))
    every = tuple(sorted({layer.name for one in found_in.values() for layer in one.layers}))
    found = [_block(held, base.named(name), found_in, every) for name in gone]
    # A layer in whose place is no block may have been folded with others; so may one from which its block differs, where that proves
    # it: a convolution of a new name that stands for layers in place, too, makes the same blob of the same.
    same = {block.layer for block in found if block.exact and not block.fault}
    moved = {block.layer for block in found if not block.exact and not block.fault}
    folded = _folded_blocks(held, states, same, moved)
    taken = {member for block in folded for member in block.members}
    return [*(block for block in found if block.layer not in taken), *folded]


def _folded_blocks(held: _Held, states: list[State], same: set[str], moved: set[str]) -> list[Block]:
    """Layers of the derived net that stand for several of the baseline.

    Args:
        same: layers that were split, and are none of those. moved: layers that may have been, and are some of those where it is proven.
    """
    seen: set[tuple[Layer, ...]] = set()
    found: dict[str, Block] = {}
    for state in sorted(states, key=lambda state: state.phase):  # TEST first
        base, derived = flow_in(held.base, state), flow_in(held.derived, state)

        def proves(stand: StandIn, base: Flow = base) -> bool:
            try:
                return _stand_in_block(held, base, stand, _names(base, stand)).sound
            except SurgeryError:
                return False

        for stand in stand_ins(base, derived, held.unchanged, proves):
            names = _names(base, stand)
            key = (stand.layer, *(base.layers[at] for at in stand.group))
            linear = all(is_linear(base.layers[at]) for at in stand.group)
            if key in seen or not linear or same & {*names}:
                continue
            seen.add(key)
            try:
                block = _stand_in_block(held, base, stand, names)
            except SurgeryError as error:  # whatever it is, there is no map to compare
                if isinstance(error, NotFoldable) and state.phase == "TRAIN" and stand.layer.name in found:
                    continue  # it is the layers' of phase TEST; a twin that takes the statistics of its batch is no map
                block = Block(stand.layer.name, names, False, math.nan, math.nan, str(error), folded=True)
            if moved & {*names} and not block.sound:
                continue
            before = found.get(block.layer, block)
            worst = max(before, block, key=lambda b: (bool(b.fault), not b.sound, not b.exact, b.worst))
            found[block.layer] = replace(worst, members=tuple(sorted({*before.members, *block.members})))
    return list(found.values())


def _names(base: Flow, stand: StandIn) -> tuple[str, ...]:
    return tuple(sorted(base.layers[at].name for at in stand.group))


def _stand_in_block(held: _Held, base: Flow, stand: StandIn, names: tuple[str, ...]) -> Block:
    trust = Trust(held.trusted, statistics=True)

    def fold(window: ChannelWindow, magnitudes: bool = False) -> Folded:
        given = (held.base, held.base_weights, base, stand.group, stand.bottom, stand.last, trust)
        return fold_group(*given, window=window, magnitudes=magnitudes)

    if stand.layer.type == "InnerProduct":
        own = inner_product(held.derived, held.weights, stand.layer)
    elif stand.layer.type == "Scale":
        own = one_scale(held.derived, held.weights, stand.layer)
    else:
        own = convolution(held.derived, held.weights, stand.layer)
        if (
            any(base.layers[at].type == "InnerProduct" for at in stand.group)
            and own.slide.whole_image
            and own.group == 1
        ):
            # Over an image as large as its kernel a convolution is the InnerProduct with the same numbers (fully convolutional nets).
            own = replace(own, weight=own.weight.reshape(len(own.weight), -1, 1, 1), slide=Slide((1, 1)))
    return _compared(stand.layer, own, by_windows(fold, own.weight.size), names, partial(fold, magnitudes=True))


@dataclass(frozen=True)
class _Held:
    """Both nets with their weights."""

    base: Net
    base_weights: Weights
    derived: Net
    weights: Weights
    trusted: frozenset[str]

    @cached_property
    def said(self) -> tuple[Said, Said]:
        """Both nets in one form."""
        return in_one_form(self.base, self.derived)

    def unchanged(self, old: Layer, new: Layer) -> bool:
        """Whether a layer has the text and the numbers that its namesake in the baseline has."""
        records = (self.base_weights.named(old.name)[-1:], self.weights.named(new.name)[-1:])
        was, now = self.said
        if was.meaning(old) != now.meaning(new) or len(records[0]) != len(records[1]):
            return False
        return all(same_record(self.base_weights, self.weights, *pair) for pair in zip(*records) if readable(*pair))


def _block(held: _Held, twins: list[Layer], found_in: Mapping[State, Candidates], every: tuple[str, ...]) -> Block:
    """every: names of the new layers, which all may belong to a block that cannot be folded."""
    cases = {}
    for state, candidates in found_in.items():
        for old in twins:
            if old.in_state(state):
                cases[old.bottoms, old.tops, candidates] = old
    if not cases:
        twins[0].fail("has gone, and no phase or stage had it")
    try:
        folded = [_held_against(held, old, candidates) for (_, _, candidates), old in cases.items()]
    except (FileError, NotFoldable) as error:  # a blob that is missing is what coverage is there to tell
        return Block(twins[0].name, every, False, math.nan, math.nan, str(error))
    return max(folded, key=lambda block: (not block.exact, block.worst))


def _held_against(held: _Held, old: Layer, candidates: Candidates) -> Block:
    if len(old.bottoms) != 1 or len(old.tops) != 1:
        old.fail("has gone, and a layer with several bottoms or tops cannot be held against a block")
    was = convolution(held.base, held.base_weights, old)

    def fold(window: ChannelWindow) -> Folded:
        folded = fold_block(held.derived, candidates, held.weights, old.bottoms[0], old.tops[0], window)
        if (folded.map.group, folded.map.bias_term) != (was.group, was.bias_term):
            old.fail("the block in its place has another geometry")
        return folded

    return _compared(old, was, by_windows(fold, was.weight.size))


@np.errstate(over="ignore", invalid="ignore")  # what is infinite, or no number, is told
def _compared(
    layer: Layer, own: LinearMap, block: Windows, names: tuple[str, ...] = (),
    magnitudes: Callable[[ChannelWindow], Folded] | None = None,
) -> Block:  # fmt: skip
    """A layer's own map held against that of a block, a window of it at a time.

    Args:
        names: the block's layers, where they are known.
        magnitudes: where the layer was folded from the block, that in absolute values; then the block is rounded to the layer's dtype
            before it is compared.

    Raises:
        FileError: they are of different geometry.
    """
    exact, moved, size, largest = True, np.zeros(2), np.zeros(2), 0.0  # moved, size: of the weight and of the bias
    excess = Excess(own.weight.dtype, len(names)) if magnitudes is not None else None
    for window, channels, folded in block:
        now = folded.map
        # The block may read more pixels than the layer does: then the layer is taken for one of that size, with zeros there.
        weight = embedded(own.weight[:, channels], own.slide, now.slide)
        if weight is None or weight.shape != now.weight.shape or folded.channels != own.weight.shape[1]:
            layer.fail("the block in its place has another geometry")
        pairs = [(weight, now.weight)]
        pairs += [(own.bias, now.bias)] if channels.stop == folded.channels else []
        if magnitudes is None:
            exact &= all(its.dtype == mine.dtype and its.tobytes() == mine.tobytes() for mine, its in pairs)
        # By value: between groups there may be -0.0.
        elif not all(np.array_equal(its.astype(mine.dtype), mine) for mine, its in pairs):
            exact, excess = False, _with_more(excess, pairs, partial(magnitudes, window))
        for part, sides in enumerate(pairs):
            mine, its = (side.ravel().astype(np.float64) for side in sides)
            its -= mine
            np.abs(its, out=its)
            moved[part] += np.dot(its, its)
            size[part] += np.dot(mine, mine)
            largest = float(np.maximum(largest, its.max(initial=0.0)))  # np.maximum hands NaN on
        names = names or tuple(sorted(folded.layers))
    drift, weight_drift = (
        math.sqrt(float(change)) / (math.sqrt(float(whole)) or 1.0)
        for change, whole in ((moved.sum(), size.sum()), (moved[0], size[0]))
    )
    return Block(
        layer.name, names, exact, drift, largest, folded=magnitudes is not None, weight_drift=weight_drift,
        rounding=SAFETY * float(np.finfo(own.weight.dtype).eps), excess=None if exact or excess is None else excess.value,
    )  # fmt: skip


def _with_more(
    excess: Excess | None, pairs: Sequence[tuple[Array, Array]], magnitudes: Callable[[], Folded]
) -> Excess | None:
    """What some more numbers come to; None once the magnitudes of some cannot be composed."""
    if excess is not None:
        try:
            excess.add(pairs, magnitudes().map)
        except NotFoldable:  # a bias of 0 may have a magnitude, with which nothing can be padded
            return None
    return excess
