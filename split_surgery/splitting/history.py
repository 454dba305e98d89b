"""The history of a solver in mid-training, carried over a split so that training resumes in its schedule.

Caffe holds history against the learnable parameters of the TRAIN net by their order alone, and checks only their number; so
the order is worked out here from text and weights, and every shape is held against it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.parameters import learnable
from split_surgery.documents.net.rules import State
from split_surgery.documents.prototxt import Document
from split_surgery.documents.weights.blobs import Array, Blob, Record, Weights, padded
from split_surgery.documents.weights.solverstate import Replaced, Solverstate
from split_surgery.errors import Defect, FilePlace, OtherHistory
from split_surgery.splitting.plan import LayerPlan
from split_surgery.splitting.recipes.graph import Start

RUNS = {"SGD": 1, "Nesterov": 1, "AdaGrad": 1, "RMSProp": 1, "AdaDelta": 2, "Adam": 2}
"""History blobs for each parameter by a solver's `type` (BVLC Caffe 1.0)."""

SOLVER_TYPES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")
"""The old enum `solver_type` by number."""

NewShapes = Mapping[str, Mapping[int, tuple[int, ...]]]
"""Shapes of stored blobs, by new layer and index."""

Starts = Sequence[Sequence[tuple[Blob, ...]]]
"""By member of a plan and by part of its recipe, how the new blobs start."""


def train_state(net: Net, solver: Document | None) -> State:
    """The state in which Caffe trains a net: the net's own, and the solver's train_state over it."""
    level, stages = 0, set()
    roots = [net.message] if solver is None else [net.message, solver.root]
    for root, name in zip(roots, ("state", "train_state")):
        for message in root.messages(name):
            found = message.scalars("level")
            level = (found[-1].integer() or 0) if found else level
            stages |= {value.text for value in message.scalars("stage")}
    return State("TRAIN", level, frozenset(stages))


def solver_type(solver: Document) -> str:
    """What a solver says it is; SGD where it says nothing."""
    old = solver.root.text("solver_type")
    if old is not None:
        return next((name for at, name in enumerate(SOLVER_TYPES) if old in (name.upper(), str(at))), old)
    return solver.root.text("type") or "SGD"


@dataclass(frozen=True)
class Trained:
    """Which layers of a prototxt are in the net that was trained.

    By its state, as the files say it; or, where the history does not fit that (`caffe train --level --stage` override the
    files), by the weights: Caffe saves every layer of the net that it trains.
    """

    when: State
    by_weights: Weights | None = None

    def has(self, layer: Layer) -> bool:
        if self.by_weights is None:
            return layer.in_state(self.when)
        phases = {rule.phase for rule in layer.include} or {None}
        hidden = any(rule.phase == "TRAIN" and not (rule.stages or rule.not_stages) for rule in layer.exclude)
        return bool(self.by_weights.named(layer.name)) and bool(phases & {None, "TRAIN"}) and not hidden

    def order(self, net: Net, weights: Weights) -> list[tuple[Layer, int, Blob]]:
        return learnable(net, weights, self.has)


@dataclass(frozen=True)
class History:
    """A solver's history laid beside the parameters that it belongs to.

    Attributes:
        order: layer and index of each learnable parameter. runs: how many histories follow each other (2 for Adam).
        trained: the layers that they are of.
    """

    state: Solverstate
    order: tuple[tuple[str, int], ...]
    runs: int
    trained: Trained


def laid_beside(state: Solverstate, net: Net, weights: Weights, when: State, solver: Document | None) -> History:
    """The history and what it belongs to.

    Raises:
        FileError: the number or a shape does not fit the net and its weights.
    """
    try:
        return _laid_beside(state, net, weights, Trained(when), solver)
    except OtherHistory as first:
        try:
            return _laid_beside(state, net, weights, Trained(when, weights), solver)
        except OtherHistory:
            raise first from None


def _laid_beside(state: Solverstate, net: Net, weights: Weights, trained: Trained, solver: Document | None) -> History:
    order = trained.order(net, weights)
    count, found = len(order), len(state.history)
    if not count or found not in (count, 2 * count):
        raise OtherHistory(
            f"holds {found} history blobs, but the TRAIN net has {count} learnable parameters (Adam and AdaDelta keep two each)",
            FilePlace(state.name),
            "is it the state of these weights, and NET the net that was trained, in the level and stages of its training?",
        )
    runs = found // count
    kind = solver_type(solver) if solver is not None else ""
    if RUNS.get(kind, runs) != runs:
        raise OtherHistory(
            f"holds {runs} history blob(s) for each parameter, but a solver of type {kind} keeps {RUNS[kind]}",
            FilePlace(state.name),
        )
    for at, blob in enumerate(state.history):
        layer, index, parameter = order[at % count]
        if padded(blob.shape) != padded(parameter.shape):  # Caffe gives history the shape in the file, whatever it is
            raise OtherHistory(
                f'history[{at}] has shape {blob.shape}, but belongs to blob {index} of layer "{layer.name}", {parameter.shape}',
                FilePlace(state.name),
            )
    return History(state, tuple((layer.name, index) for layer, index, _ in order), runs, trained)


def carried_over(history: History, plan: LayerPlan, starts: Starts) -> dict[int, list[Array]]:
    """What becomes of the history: split1 and split2 take their rows, other new blobs start at zero, the rest stays.

    Returns:
        New blobs by the index of the old one in whose place they stand, in the order of the new layers; none for the others
        of the old layer. Their dtype is that of the history.
    """
    replaced: dict[int, list[Array]] = {}
    count = len(history.order)
    for member, parts in zip(plan.members, starts):
        places = {index: at for at, (layer, index) in enumerate(history.order) if layer == member.layer}
        for offset in range(0, history.runs * count, count) if places else ():
            new: list[Array] = []
            for part, blobs in zip(plan.recipe.parts, parts):
                rows = list(plan.channels(part.channels))
                for index in sorted(at for at in places if at < len(blobs)):
                    old, start = history.state.history[offset + places[index]], blobs[index]
                    if part.start is Start.ROWS:
                        new.append(old.load().reshape(-1, *start.shape[1:])[rows])
                    else:
                        new.append(np.zeros(start.shape, old.dtype))
            first, *others = sorted(places.values())
            replaced[offset + first] = new
            replaced |= {offset + at: [] for at in others}
    return replaced


def prove_order(history: History, replaced: Replaced, derived: Net, weights: Weights, new: NewShapes) -> None:
    """The history that would be written against the parameters of the derived net, found by walking that net.

    Args:
        derived: the derived TRAIN net. weights: the baseline's. new: shapes of the new layers' blobs that are stored.

    Raises:
        Defect: number, order or a shape differ.
    """
    sizes = _Sizes(weights, new)
    trained = replace(history.trained, by_weights=sizes if history.trained.by_weights is not None else None)
    order = trained.order(derived, sizes)
    wanted = [padded(blob.shape) for _, _, blob in order] * history.runs
    found: list[tuple[int, ...]] = []
    for at, blob in enumerate(history.state.history):
        found += [padded(array.shape) for array in replaced[at]] if at in replaced else [padded(blob.shape)]
    if found != wanted:
        raise Defect(
            f"the new solver state would hold {len(found)} blobs that do not fit the {len(wanted)} of the new net"
        )


@dataclass(frozen=True)
class _Size:
    """A blob of which only the size is known yet."""

    shape: tuple[int, ...]
    index: int
    file: str
    legacy: bool = False
    dtype: str = "<f4"
    apart: bool = True

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    @property
    def fault(self) -> str:
        return ""

    def place(self) -> FilePlace:
        return FilePlace(self.file)

    def load(self) -> Array:
        return self.part(0, self.count)

    def part(self, start: int, stop: int) -> Array:
        raise Defect("the numbers of a blob that is not written yet were asked for")


class _Sizes:
    """The weights that a split would write, as far as their sizes."""

    def __init__(self, base: Weights, new: NewShapes) -> None:
        self.name, self.layers = base.name, base.layers
        self._base = base
        self._new = {
            layer: Record(
                layer,
                "",
                (),
                (),
                tuple(_Size(shape, at, base.name) for at, shape in shapes.items()),
                FilePlace(base.name),
            )
            for layer, shapes in new.items()
        }

    def named(self, name: str) -> Sequence[Record]:
        return [self._new[name]] if name in self._new else self._base.named(name)
