"""The verb `show`: what a file says and holds, in a form that is equal where the meaning is."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from split_surgery.documents.net.build_faults import build_faults
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.meaning import Fields, fields_of, geometry_of, layer_fields, rules_of
from split_surgery.documents.net.net import LAYERS, Net, Prototxt
from split_surgery.documents.net.rules import State
from split_surgery.documents.net.shapes import Cost, costs
from split_surgery.documents.source import PathLike, Progress, no_progress
from split_surgery.documents.weights.blobs import Blob, Record, Weights
from split_surgery.documents.weights.values import Summary, summary
from split_surgery.errors import UsageError, nearest
from split_surgery.reporting.tables import Notebook, Printed, Table, counted
from split_surgery.verbs.library_words import in_library_words
from split_surgery.verbs.printed import files
from split_surgery.workspace.any_file import DIRECTORY, FileKind, Opened, open_any, own_fields, records_of, state_fields
from split_surgery.workspace.open_files import OpenFiles


@dataclass(frozen=True)
class ShownBlob:
    """A blob: its shape as stored, its dtype by numpy's name, and what its numbers are."""

    index: int
    shape: tuple[int, ...]
    dtype: str
    numbers: Summary


@dataclass(frozen=True)
class ShownLayer:
    """A layer of a prototxt or of a weights file, or of both.

    Attributes:
        rules: the includes and excludes, each in a line.
        geometry: of a convolution, by Caffe's names. fields: all others, by path.
        shape: of its first top, None for a size that is not known, and for the whole where nothing is.
        parameters, multiply_adds: see documents.shapes.Cost; in a weights file the numbers stored, and None.
        in_net: false for a record of the weights that the net has no layer for.
    """

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    rules: tuple[str, ...] = ()
    geometry: Fields = dataclasses.field(default_factory=dict)
    fields: Fields = dataclasses.field(default_factory=dict)
    blobs: tuple[ShownBlob, ...] = ()
    shape: tuple[int | None, ...] | None = None
    parameters: int | None = None
    multiply_adds: int | None = None
    in_net: bool = True


@dataclass(frozen=True)
class Total:
    """Sums over the layers of one phase, or of a weights file, whose phase is "".

    Attributes:
        unknown_parameters, unknown_multiply_adds: how many layers are left out, as theirs are not known.
    """

    phase: str
    parameters: int
    multiply_adds: int
    unknown_parameters: int
    unknown_multiply_adds: int


@dataclass(frozen=True)
class ShownNet:
    """A net, or a weights file.

    Attributes:
        title: which of the nets inside a solver it is, or "".
        fields: those of the net itself, by path.
    """

    title: str
    fields: Fields
    layers: tuple[ShownLayer, ...]
    total: Total


@dataclass(frozen=True)
class ShowReport(Printed, Notebook):
    """What a file says and holds.

    Attributes:
        kind: net, solver, weights, solver state or directory.
        fields: of a solver, or of a solver state. history: the blobs of a solver state.
        warnings: what Caffe would stop at in the nets.
    """

    kind: FileKind
    fields: Fields
    nets: tuple[ShownNet, ...]
    history: tuple[ShownBlob, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        return 0

    def lines(self, quiet: bool = False, verbose: bool = False) -> Iterator[str]:
        return files.show(self, quiet, verbose)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def tables(self) -> tuple[Table, ...]:
        """The fields of the file, then the layers of each net."""
        found = [Table(self.kind, ("", ""), tuple(self.fields.items()))] if self.fields else []
        columns = ("layer", "type", "bottoms", "tops", "shape", "parameters", "multiply-adds")
        return (*found, *(Table(net.title or self.kind, columns, tuple(map(_cells, net.layers))) for net in self.nets))


def _cells(layer: ShownLayer) -> tuple[str, ...]:
    shape = "x".join("?" if size is None else str(size) for size in layer.shape or ())
    ends = (", ".join(layer.bottoms), ", ".join(layer.tops))
    return (layer.name, layer.type, *ends, shape, counted(layer.parameters), counted(layer.multiply_adds))


@in_library_words
def show(
    file: PathLike, *, input_shape: Mapping[str, tuple[int, ...]] | None = None, progress: Progress = no_progress
) -> ShowReport:
    """What a prototxt, a solver, a weights file, a solver state or the directory of a split says and holds.

    Args:
        input_shape: shapes of blobs that the prototxt does not say.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    given = dict(input_shape or {})
    with OpenFiles() as files:
        opened = open_any(files, file)
        _check(given, opened)
        if opened.text is not None:
            return _prototxt(opened, opened.text, given, progress)
        if opened.state is not None:
            return ShowReport(opened.kind, state_fields(opened.state), (), _blobs(opened.state.history, progress))
        weights = [opened.weights] if opened.weights is not None else []
        return ShowReport(opened.kind, {}, tuple(_weights(one, progress) for one in weights))


def _check(given: Mapping[str, tuple[int, ...]], opened: Opened) -> None:
    """Raises: UsageError, where a shape is given for what is no blob of a net."""
    nets = opened.text.nets if opened.text is not None else ()
    known = {blob for net in nets for blob in net.inputs()}
    known |= {top for net in nets for layer in net.layers for top in layer.tops}
    for name in given:
        if name not in known:
            message = f"--input-shape {name}: the net has no such blob" if nets else "--input-shape is for a net"
            raise UsageError(message, hint=nearest(name, sorted(known)))


def _blobs(blobs: tuple[Blob, ...], progress: Progress = no_progress) -> tuple[ShownBlob, ...]:
    found = []
    for done, blob in enumerate(blobs):
        progress("reading", done, len(blobs))
        found.append(ShownBlob(blob.index, blob.shape, np.dtype(blob.dtype).name, summary(blob)))
    return tuple(found)


def _weights(weights: Weights, progress: Progress) -> ShownNet:
    records, layers = records_of(weights), []
    for done, record in enumerate(records):
        progress("reading", done, len(records))
        layers.append(_record(record))
    numbers = sum(blob.count for record in records for blob in record.blobs)
    return ShownNet("", {}, tuple(layers), Total("", numbers, 0, 0, 0))


def _record(record: Record, in_net: bool = True) -> ShownLayer:
    numbers = sum(blob.count for blob in record.blobs)
    return ShownLayer(
        record.name,
        record.type,
        record.bottoms,
        record.tops,
        blobs=_blobs(record.blobs),
        parameters=numbers,
        in_net=in_net,
    )


def _prototxt(opened: Opened, text: Prototxt, given: Mapping[str, tuple[int, ...]], progress: Progress) -> ShowReport:
    nets = [_net(title, net, opened.weights, given, progress) for title, net in zip(text.titles(), text.nets)]
    weights = (
        {"weights": Path(opened.weights.name).name} if opened.kind == DIRECTORY and opened.weights is not None else {}
    )
    faults = [f"{name}: {fault}: Caffe stops here" for net in text.nets for name, fault in build_faults(net, given)]
    return ShowReport(opened.kind, own_fields(text) | weights, tuple(nets), warnings=tuple(dict.fromkeys(faults)))


def _net(
    title: str, net: Net, weights: Weights | None, given: Mapping[str, tuple[int, ...]], progress: Progress
) -> ShownNet:
    by_layer, total = _costs(net, weights, given)
    layers, seen = [], set[str]()
    for done, layer in enumerate(net.layers):
        progress("reading", done, len(net.layers))
        # Layers of one name (TRAIN and TEST) have one record: its numbers stand with the first.
        records = weights.named(layer.name) if weights is not None and layer.name not in seen else ()
        seen.add(layer.name)
        blobs = tuple(shown for record in records for shown in _blobs(record.blobs))
        layers.append(_layer(layer, by_layer.get(layer), blobs))
    for record in records_of(weights) if weights is not None else []:
        if record.name not in seen:
            layers.append(_record(record, in_net=False))
    return ShownNet(title, fields_of(net.message, without=LAYERS), tuple(layers), total)


def _layer(layer: Layer, cost: Cost | None, blobs: tuple[ShownBlob, ...]) -> ShownLayer:
    return ShownLayer(
        layer.name, layer.type, layer.bottoms, layer.tops, rules_of(layer), geometry_of(layer), layer_fields(layer), blobs,
        cost.shape if cost else None, cost.parameters if cost else None, cost.multiply_adds if cost else None,
    )  # fmt: skip


def _costs(net: Net, weights: Weights | None, given: Mapping[str, tuple[int, ...]]) -> tuple[dict[Layer, Cost], Total]:
    """What each layer costs in a state that has it; and the sum over the phase of which the most is known."""
    found: dict[Layer, Cost] = {}
    totals: dict[str, tuple[bool, int, Total]] = {}
    for state in dict.fromkeys((State("TEST"), State("TRAIN"), *net.states())):
        if state.phase in totals and not any(layer not in found and layer.in_state(state) for layer in net.layers):
            continue
        rows = costs(net, weights, state, given)
        if state.phase not in totals:
            total = _total(state.phase, rows)
            totals[state.phase] = (not rows, total.unknown_multiply_adds + total.unknown_parameters, total)
        for cost in rows:
            if cost.layer not in found or _unknowns(cost) < _unknowns(found[cost.layer]):
                found[cost.layer] = cost
    return found, min(totals.values(), key=lambda row: row[:2])[2]


def _unknowns(cost: Cost) -> int:
    return (cost.parameters, cost.multiply_adds, cost.shape).count(None)


def _total(phase: str, rows: list[Cost]) -> Total:
    parameters = [row.parameters for row in rows if row.parameters is not None]
    operations = [row.multiply_adds for row in rows if row.multiply_adds is not None]
    return Total(phase, sum(parameters), sum(operations), len(rows) - len(parameters), len(rows) - len(operations))
