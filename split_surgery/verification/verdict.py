"""What the files of a baseline and of a derived net say together, and whether that passes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from split_surgery.documents.net.build_faults import build_faults
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.shapes import Given
from split_surgery.documents.weights.blobs import Weights
from split_surgery.verification.changed import Changed, ChangedPart, changes
from split_surgery.verification.coverage import FINE, LayerCoverage, against_baseline, coverage, ignored
from split_surgery.verification.equivalence import Block, split_blocks

TRAINING_CHANGES: tuple[ChangedPart, ...] = ("weights", "missing record", "added record")
"""What training does to a net's weights: it moves them, and Caffe saves the layers of the phase that it trained."""


@dataclass(frozen=True)
class FileProof:
    """What the files say.

    Attributes:
        inherited: the rows of `coverage` that are unfilled or unknown in the baseline as well.
        ignored: records with blobs in the weights file that the derived net has no layer for.
        blocks: the split layers. changed: everything else that differs.
        faults: layers that Caffe would stop at while it builds the derived net, by name, each with why.
        trained: whether the derived net was expected to have been trained.
    """

    coverage: tuple[LayerCoverage, ...]
    inherited: tuple[LayerCoverage, ...]
    ignored: tuple[str, ...]
    blocks: tuple[Block, ...]
    changed: tuple[Changed, ...]
    faults: tuple[tuple[str, str], ...]
    trained: bool

    def problems(self, max_drift: float | None, strict: bool) -> list[str]:
        """Why it fails: what Caffe would leave random or stop at (coverage other than copied, shared or none; faults),
        what differs outside the split layers, and too much drift.

        Args:
            max_drift: largest relative weight change allowed; 0 demands equal bits. strict: whether what is inherited fails too.
        """
        rows = [row for row in self.coverage if row.status not in FINE and (strict or row not in self.inherited)]
        found = [f"{row.layer}: {row.status}: {row.detail}" for row in rows]
        found += [f"{name}: {fault}" for name, fault in self.faults]
        for change in self.changed:
            if not self.trained or change.part not in TRAINING_CHANGES:
                found.append(f"{change.layer}: differs outside the split layers ({change.part})")
            elif change.drift is not None and not math.isfinite(change.drift):
                found.append(f"{change.layer}: holds NaN or infinity")
        if max_drift is not None and not self.blocks:
            found.append("no layer of the baseline was split, so there is no drift to hold against --max-drift")
        return found + [fault for block in self.blocks if (fault := self._block_fault(block, max_drift))]

    def _block_fault(self, block: Block, max_drift: float | None) -> str:
        if block.fault:
            return f"{block.layer}: the block in its place cannot be folded: {block.fault}"
        if not math.isfinite(block.drift):
            return f"{block.layer}: the folded block holds NaN or infinity"
        if block.folded and not block.sound and not self.trained and max_drift is None:
            times = "" if block.excess is None else f" ({block.excess:.3g} times what it explains)"
            return f"{block.layer}: differs from the block that it stands for by {block.worst:.3g}, more than rounding explains{times}"
        if max_drift is not None and (not block.exact if max_drift == 0 else block.drift > max_drift):
            return f"{block.layer}: drift {block.drift:.3g} is above --max-drift {max_drift:g}"
        return ""

    def notes(self) -> list[str]:
        """What is the same in the baseline, and so no fault of what was done to it, in a line for each kind."""
        kinds: dict[str, list[str]] = {}
        for row in self.inherited:
            kinds.setdefault(row.status, []).append(row.layer)
        words = {"unfilled": "the baseline leaves at random, too", "unknown": "not known in the baseline, either"}
        return [f"{words[status]}: {', '.join(layers)}" for status, layers in kinds.items()]


def prove_files(
    nets: Sequence[Net], models: Sequence[Weights], trusted: frozenset[str], trained: bool,
    progress: Callable[[str, int, int], None], given: Given | None = None,
) -> FileProof:  # fmt: skip
    """What the files of a baseline and of a derived net say.

    Args:
        nets, models: the baseline's, then the derived net's. given: shapes of blobs that the prototxts do not say.
    """
    four = (nets[0], models[0], nets[1], models[1])
    blocks = split_blocks(*four, trusted)
    took = {member: block.layer for block in blocks if not block.folded for member in block.members}
    for block in blocks:
        if block.folded:  # the parameters' names are those of a layer that read the same
            bottoms = nets[1].named(block.layer)[0].bottoms
            first = [layer.name for layer in nets[0].layers if layer.name in block.members and layer.bottoms == bottoms]
            took[block.layer] = (first or [block.layer])[0]
    before = {row.layer: row for row in coverage(nets[0], models[0], given)}
    rows = against_baseline(coverage(nets[1], models[1], given), *four, took)
    inherited = [
        row
        for row in rows
        if row.status in ("unfilled", "unknown") and row.layer in before and before[row.layer].status == row.status
    ]
    return FileProof(
        tuple(rows),
        tuple(inherited),
        ignored(nets[1], models[1]),
        tuple(blocks),
        tuple(changes(*four, blocks, progress)),
        tuple(_faults(nets[0], nets[1], given)),
        trained,
    )


def _faults(base: Net, derived: Net, given: Given | None) -> Iterator[tuple[str, str]]:
    """Layers that Caffe would refuse: in every state that has them, or in one in which it builds the baseline; or for their shapes."""
    told: set[str] = set()
    for name, fault in build_faults(derived, given):
        told.add(name)
        yield name, fault
    for state in dict.fromkeys(base.states() + derived.states()):
        if next(base.wiring_faults(state), None) is None:
            for layer, fault in derived.wiring_faults(state):
                if layer.name not in told:
                    told.add(layer.name)
                    yield layer.name, f"{fault}, {state.said}"
