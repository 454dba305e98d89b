"""Kernels and layers ranked by what training has left in the files around a split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from split_surgery.documents.source import Progress
from split_surgery.documents.weights.blobs import Blob
from split_surgery.documents.weights.records import same_record
from split_surgery.errors import SurgeryError, UsageError
from split_surgery.kernels.orders import Order
from split_surgery.splitting.history import laid_beside, train_state
from split_surgery.splitting.ranking.evidence import (
    Evidence,
    Request,
    Trail,
    degenerate,
    knows,
    score_layer,
)
from split_surgery.splitting.ranking.find_snapshots import (
    find_snapshots,
    how_to_name_snapshots,
    snapshots_below,
    windowed,
)
from split_surgery.splitting.remarks import Remark
from split_surgery.splitting.targets import Target
from split_surgery.workspace.inputs import Inputs
from split_surgery.workspace.snapshots import Snapshot, snapshot_of, snapshots_in
from split_surgery.workspace.solver import snapshot_prefix


def sentence(evidence: Evidence, order: Order, seed: int) -> str:
    """What fast and slow mean."""
    if order == "random":
        return f"fast/slow at random (seed {seed}), a control, NOT TPM"
    reverse = ", in reverse, a control" if order == "reverse" else ""
    return f"fast/slow by {evidence.sentence()}{reverse}"


@dataclass(frozen=True)
class SnapshotSearch:
    """The snapshots around a run, looked for once for all its layers, and only where they are needed."""

    inputs: Inputs
    request: Request

    @cached_property
    def snapshots(self) -> list[Snapshot]:
        """Those that a ranking rests on, oldest first."""
        weights, request = self.inputs.weights_path, self.request
        found = find_snapshots(request, weights, *self._solver_prefix)
        if not found and request.snapshots is None and snapshot_of(weights) is None:
            found = _that_led_to(self.inputs, snapshots_below(weights))
        return windowed(found, request.window)

    @cached_property
    def advice(self) -> str:
        """How to name others, where there are none."""
        return how_to_name_snapshots(self.inputs.weights_path, *self._solver_prefix)

    @property
    def _solver_prefix(self) -> tuple[str | None, str]:
        """The snapshot_prefix of the solver, and the file that says it."""
        solver = self.inputs.solver_document
        prefix = snapshot_prefix(solver) if solver is not None else None
        return prefix, (self.inputs.solver or self.inputs.main).document.name


def _that_led_to(inputs: Inputs, below: Sequence[Snapshot]) -> list[Snapshot]:
    """The snapshots up to the one whose convolutions hold the numbers of WEIGHTS: those are of its own training."""
    own = inputs.files.weights(inputs.weights_path)
    for at in reversed(range(len(below))):
        other = inputs.files.weights(below[at].path)
        pairs = [(own.named(name), other.named(name)) for name in inputs.convolutions]
        if all(len(a) == len(b) == 1 and same_record(own, other, a[0], b[0]) for a, b in pairs if a or b):
            return list(below[: at + 1])
    return []


def rank_target(target: Target, search: SnapshotSearch, progress: Progress) -> tuple[Evidence, list[Remark]]:
    """Scores of the target's kernels, and remarks on what they rest on."""
    inputs, request = search.inputs, search.request
    weight, remarks = target.owner.blobs[0], list[Remark]()
    if request.scores is not None:
        for word in ("snapshots", "window", "measure"):
            if getattr(request, word) is not None:
                raise UsageError(f"--scores and --{word} exclude each other: scores are not measured")
        return score_layer(inputs.files, target.name, weight, inputs.weights_path, request, Trail(), progress), []
    found = search.snapshots
    unknown = bool(found) and not knows(inputs.files, found, [target.saved_as])
    # Snapshots that were named and know no layer of the net at all are a mistake, which is told when they are read.
    if unknown and (request.snapshots is None or knows(inputs.files, found, inputs.convolutions)):
        found, request = [], replace(request, snapshots=None)
        remarks.append(Remark("is in none of the snapshots, so they say nothing of its kernels", target.name))
    state = None
    if (len(found) < 2 and request.measure != "norm") or request.measure == "update":
        state, said = _state_of(inputs, target, asked=request.measure == "update")
        remarks += said
    evidence = score_layer(
        inputs.files, target.saved_as, weight, inputs.weights_path, request, Trail(found, state), progress
    )
    if evidence.tpm is False and request.measure is None and not unknown:  # a stand-in that nobody asked for
        number = "no snapshots were found" if not found else "only one snapshot was found"
        remarks.append(Remark(f"{number}, so kernels are ranked by weight norm; {search.advice}"))
    return evidence, [*remarks, *degenerate(evidence, target.name)]


def _state_of(inputs: Inputs, target: Target, asked: bool) -> tuple[tuple[str, Blob] | None, list[Remark]]:
    """The layer's weight in the history of the solver state: the one given, else that of WEIGHTS' own snapshot.

    One that was not named and does not fit is passed over, with a remark, unless it was asked for.
    """
    if inputs.state is not None:
        path: str = str(inputs.state.path)
    else:
        own = snapshot_of(inputs.weights_path)
        beside = snapshots_in(Path(inputs.weights_path).parent, own.prefix, "solverstate") if own is not None else []
        paths = [str(snapshot.path) for snapshot in beside if own is not None and snapshot.iteration == own.iteration]
        if not paths:
            return None, []
        path = paths[0]
    solver, net = inputs.solver_document, inputs.nets[inputs.trained()]
    try:
        state = inputs.state.index if inputs.state is not None else inputs.files.solverstate(path)
        history = laid_beside(state, net, inputs.weights, train_state(net, solver), solver)
    except SurgeryError as error:
        if asked or inputs.state is not None:
            raise
        return None, [Remark(f"the solver state {path} is not used: {error}")]
    if (target.saved_as, 0) not in history.order:
        if asked or inputs.state is not None:
            raise UsageError(f'{path} holds no history of layer "{target.name}": it is not in the TRAIN net')
        return None, [Remark(f"is not in the TRAIN net, so the solver state {path} is not used", target.name)]
    blob = state.history[history.order.index((target.saved_as, 0))]
    if blob.shape != target.owner.blobs[0].shape:
        return None, []
    return (path, blob), []
