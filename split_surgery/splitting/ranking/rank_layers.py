"""Layers ranked by how far training told their kernels apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from split_surgery.documents.source import Progress
from split_surgery.kernels.tpm import MEASURES, entropy
from split_surgery.splitting.ranking.evidence import Evidence, Request
from split_surgery.splitting.ranking.rank_target import SnapshotSearch, rank_target
from split_surgery.splitting.remarks import Remark
from split_surgery.splitting.targets import find_target
from split_surgery.workspace.inputs import Inputs


@dataclass(frozen=True)
class RankedLayer:
    """A convolution of the net with its kernels' scores.

    Attributes:
        weights: how many numbers its weight blob holds.
    """

    layer: str
    num_output: int
    weights: int
    evidence: Evidence
    entropy: float

    @property
    def mean(self) -> float:
        return float(np.mean(self.evidence.scores))


def rank_layers(
    inputs: Inputs, names: Sequence[str], request: Request, trusted: frozenset[str], progress: Progress
) -> tuple[list[RankedLayer], list[Remark]]:
    """Layers by the entropy of their kernels' scores, the highest first, and remarks.

    All are scored by one measure; layers that it says nothing of (made by a split since the snapshots) are left out.
    """
    scored: list[tuple[str, int, int, Evidence]] = []
    remarks: list[Remark] = []
    search = SnapshotSearch(inputs, request)
    for done, name in enumerate(names):
        progress("ranking layers", done, len(names))
        target, _ = find_target(inputs.net, inputs.weights, name, trusted)
        evidence, said = rank_target(target, search, lambda *_: None)
        remarks += said
        weight = target.owner.blobs[0]
        scored.append((target.name, weight.shape[0], weight.count, evidence))
    measures = [evidence.measure for *_, evidence in scored]
    best = next((measure for measure in (*MEASURES, "scores") if measure in measures), "")
    kept = [row for row in scored if row[3].measure == best]
    left_out = [row[0] for row in scored if row[3].measure != best]
    if left_out:
        remarks += [Remark(f"left out, since {best} says nothing of it", layer) for layer in left_out]
    known = MEASURES.get(best)
    top = 1.0 if known is not None and known.unit_range else max((max(row[3].scores) for row in kept), default=1.0)
    rows = [RankedLayer(name, count, size, found, entropy(found.scores, top)) for name, count, size, found in kept]
    return sorted(rows, key=lambda row: -row.entropy), remarks
