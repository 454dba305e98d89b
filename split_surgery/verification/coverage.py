"""What Caffe does with a weights file: which layers it fills, which it silently leaves random, what it stops at or ignores.

Caffe makes its blobs from the prototxt alone, and compares those of the file with them (Net::CopyTrainedLayersFrom and its HDF5
twin). So shapes are inferred from the prototxt, input shapes included; where it does not say a size, any is taken, and that is told.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from split_surgery.documents.net.flow import flows
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.layer_types import own_blobs
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.parameters import blob_of, shared_with, sharing
from split_surgery.documents.net.rules import State
from split_surgery.documents.net.shape_rules import Shape, Unknown, parameter_shapes
from split_surgery.documents.net.shapes import Given, Shaped, infer
from split_surgery.documents.weights.blobs import Blob, Record, Weights, fits, same_shape
from split_surgery.documents.weights.values import difference
from split_surgery.errors import SurgeryError

CoverageStatus = Literal["copied", "shared", "none", "unfilled", "mismatch", "unknown"]
"""copied; shared: its blobs are another layer's; none: it has no blobs; unfilled: it stays random, silently; mismatch: Caffe stops,
or layers share parameters that should be separate; unknown: the type of layer is not known."""

FINE: tuple[CoverageStatus, ...] = ("copied", "shared", "none")
"""The states of coverage in which nothing is amiss."""


@dataclass(frozen=True)
class LayerCoverage:
    """What Caffe does with one layer of a net when it loads the weights.

    Attributes:
        blobs: how many it takes from the file. detail: why, or what is not known.
    """

    layer: str
    type: str
    status: CoverageStatus
    blobs: int
    detail: str = ""


def coverage(net: Net, weights: Weights, given: Given | None = None) -> list[LayerCoverage]:
    """What Caffe does with each layer of a net, by name; of several states the worst.

    Args:
        given: shapes of blobs that the prototxt does not say.
    """
    rows: dict[str, list[tuple[State, LayerCoverage]]] = {layer.name: [] for layer in net.layers}
    found_flows, unused = flows(net), _Unused(net, weights)
    for flow in found_flows:
        for shaped in infer(net, flow.state, given=given):
            rows[shaped.layer.name].append((flow.state, _in_state(net, weights, shaped, flow.state, unused)))
    types = {layer.name: layer.type for layer in reversed(net.layers)}
    return [
        _worst(found, {flow.state.phase for flow in found_flows})
        if found
        else LayerCoverage(name, types[name], "none", 0, "is in no net")
        for name, found in rows.items()
    ]


_STAYS_RANDOM = "the weights file has nothing for it: it stays random"


def _worst(rows: Sequence[tuple[State, LayerCoverage]], net_phases: Collection[str]) -> LayerCoverage:
    """The worst of several states; of what is unfilled in some only, it says in which phase or stage.

    Args:
        net_phases: those in which the net has other layers; of a net that knows no phases there is one.
    """
    worst = max((row for _, row in rows), key=lambda row: row.status not in FINE)
    if worst.status != "unfilled":
        return worst
    states = [state for state, row in rows if row.status == "unfilled"]
    stages = sorted(frozenset.intersection(*(state.stages for state in states)))
    phases = {state.phase for state in states}
    where = (
        f" in stage {', '.join(stages)}"
        if stages
        else f" in phase {min(phases)}"
        if len(phases) < len(net_phases)
        else ""
    )
    return replace(worst, detail=worst.detail.replace(_STAYS_RANDOM, _STAYS_RANDOM + where, 1))


def _in_state(net: Net, weights: Weights, shaped: Shaped, state: State, unused: _Unused) -> LayerCoverage:
    """What Caffe does with a layer in the net of one state."""
    layer, records = shaped.layer, weights.named(shaped.layer.name)
    name, kind = layer.name, layer.type
    stored = sum(len(record.blobs) for record in records[-1:])
    try:
        needed: list[Shape | None] | None = parameter_shapes(layer, shaped.bottoms)
    except (Unknown, SurgeryError):
        needed = None
    if needed is None:
        if stored or not records:
            what = f"has {_shapes(records[-1].blobs)}" if stored else "and the file has nothing for it"
            return LayerCoverage(name, kind, "unknown", stored, f"which blobs Caffe makes for it is not known; {what}")
        return LayerCoverage(name, kind, "none", 0, "as in the weights")
    if not needed and not stored:
        return LayerCoverage(name, kind, "none", 0)
    for record in records:
        fault = _fault(net, layer, record, needed)
        if fault:
            return LayerCoverage(name, kind, "mismatch", len(record.blobs), fault)
    missing = [at for at in range(len(needed)) if not records or records[-1].blob(at) is None]
    if not missing:
        return LayerCoverage(name, kind, "copied", len(needed), _not_known(needed, records[-1].blobs))
    if all(blob_of(net, weights, layer, at, state) is not None for at in missing):
        if stored:
            return LayerCoverage(name, kind, "copied", len(needed))
        return LayerCoverage(name, kind, "shared", len(needed), "its parameters are another layer's")
    if stored:
        return LayerCoverage(name, kind, "mismatch", stored, f"has no blob {missing[0]}, on which Caffe aborts")
    return LayerCoverage(name, kind, "unfilled", 0, _STAYS_RANDOM + unused.renamed(needed))


class _Unused:
    """The records that no layer of a net takes: looked for once, and only where a layer is unfilled."""

    def __init__(self, net: Net, weights: Weights) -> None:
        self.net, self.weights = net, weights

    @cached_property
    def _records(self) -> dict[tuple[int, ...], list[Record]]:
        """By how many numbers the shapes of their blobs have."""
        found: dict[tuple[int, ...], list[Record]] = {}
        for name in ignored(self.net, self.weights):
            record = self.weights.named(name)[-1]
            found.setdefault(tuple(math.prod(blob.shape) for blob in record.blobs), []).append(record)
        return found

    def renamed(self, needed: Sequence[Shape | None]) -> str:
        """The one record that would fit a layer that none fills; or ""."""
        counts = [
            None if shape is None or None in shape else math.prod(size or 0 for size in shape) for shape in needed
        ]
        if None in counts:
            records = [record for some in self._records.values() for record in some]
        else:
            records = self._records.get(tuple(count for count in counts if count is not None), [])
        alike = (
            record.name
            for record in records
            if len(record.blobs) == len(needed) and all(fits(blob, shape) for blob, shape in zip(record.blobs, needed))
        )
        names = list(itertools.islice(alike, 2))
        return f'; "{names[0]}" in the file has the same shapes: renamed?' if len(names) == 1 else ""


def _fault(net: Net, layer: Layer, record: Record, needed: Sequence[Shape | None]) -> str:
    """Why Caffe stops at a record, or ""."""
    blobs = record.blobs
    if not record.leaves_out_shared and not blobs and needed:
        return "its record has no blobs, on which Caffe aborts"
    if len(blobs) > len(needed) or (not record.leaves_out_shared and len(blobs) < len(needed)):
        return f"has {_shapes(blobs)}, needs {_wanted(needed)}"
    for blob in blobs:
        if blob.index >= len(needed) or not fits(blob, needed[blob.index]):
            return f"has {_shapes(blobs)}, needs {_wanted(needed)}"
        if blob.fault:
            return f"blob {blob.index}: {blob.fault}"
    return ""


def _shapes(blobs: Sequence[Blob]) -> str:
    return ", ".join("x".join(map(str, blob.shape)) or "a scalar" for blob in blobs) or "no blobs"


def _wanted(needed: Sequence[Shape | None]) -> str:
    texts = (
        "not known" if shape is None else "x".join("?" if n is None else str(n) for n in shape) for shape in needed
    )
    return ", ".join(text or "a scalar" for text in texts) or "no blobs"


def _not_known(needed: Sequence[Shape | None], blobs: Sequence[Blob]) -> str:
    """What the prototxt does not say of blobs that fit as far as it does."""
    open_ones = [blob for blob, shape in zip(blobs, needed) if shape is None or None in shape]
    return f"the prototxt does not say all sizes of {_shapes(open_ones)}" if open_ones else ""


def against_baseline(
    rows: Sequence[LayerCoverage],
    base: Net,
    base_weights: Weights,
    derived: Net,
    weights: Weights,
    blocks: Mapping[str, str],
) -> list[LayerCoverage]:
    """Coverage of a derived net, held against its baseline too: ties that should not be, and sizes that no prototxt says.

    Args:
        rows: what `coverage` says of the derived net.
        blocks: by name of a new layer, or of one that stands for others, the layer of the baseline whose place its block took.
    """
    found = []
    for row in rows:
        layer = derived.named(row.layer)[0]
        tied = _tied(base, derived, weights, layer, blocks)
        kept = base.named(row.layer) and row.layer not in blocks  # what stands for others has their size
        other = _other_size(row, base_weights, weights) if kept else ""
        fault = tied or other
        found.append(replace(row, status="mismatch", detail=fault) if fault and row.status != "mismatch" else row)
    return found


def _other_size(row: LayerCoverage, base_weights: Weights, weights: Weights) -> str:
    """Why a layer whose sizes the prototxt does not say cannot be what it was: other sizes than the baseline's."""
    if row.status != "unknown" and not (row.status == "copied" and row.detail):
        return ""
    was, now = (held.named(row.layer)[-1:] for held in (base_weights, weights))
    if not was or not now or not was[0].blobs or len(was[0].blobs) > len(now[0].blobs):
        return ""
    if all(same_shape(a, b) for a, b in zip(was[0].blobs, now[0].blobs)):
        return ""
    return f"has {_shapes(now[0].blobs)}, and the baseline {_shapes(was[0].blobs)}"


def _tied(base: Net, derived: Net, weights: Weights, layer: Layer, blocks: Mapping[str, str]) -> str:
    """Why Caffe would give a new layer the blobs of another by mistake, or not those that it should have.

    A tie by a parameter's name is meant where the two belong to blocks whose baseline layers share that parameter, and hold
    the same numbers; and there it must be.
    """
    if base.named(layer.name):
        return ""
    mine = blocks.get(layer.name, layer.name)
    tied: dict[int, set[str]] = {}
    for index, text, _ in layer.param_names():
        for other, at in shared_with(derived, layer, index):
            its = blocks.get(other.name, other.name)
            if mine == its or its not in sharing(base, mine):
                return f'its parameter "{text}" is tied to that of "{other.name}"'
            tied.setdefault(index, set()).add(its)
            blobs = [
                record.blob(place)
                for each, place in ((layer, index), (other, at))
                for record in weights.named(each.name)[:1]
            ]
            present = [blob for blob in blobs if blob is not None]
            readable = not any(blob.fault for blob in present)
            if len(present) == 2 and not (readable and same_shape(*present) and difference(*present) is None):
                return f'its parameter "{text}" is tied to that of "{other.name}", which holds other numbers'
    for old in base.named(mine)[:1]:
        for index in range(own_blobs(layer) or 0):
            lost = {other.name for other, _ in shared_with(base, old, index)} - tied.get(index, set())
            if lost and layer.name in blocks:
                return f'its parameter {index} is not tied to the block of "{min(lost)}", as the baseline\'s layers are'
    return ""


def ignored(derived: Net, weights: Weights) -> tuple[str, ...]:
    """Records with blobs that no layer of the net takes: Caffe passes them over with a log line."""
    return tuple(record.name for record in weights.layers if record.blobs and not derived.named(record.name))
