"""From snapshots to scores: how the kernels of a layer moved, measured (find_snapshots.py finds the files)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from split_surgery.documents.source import PathLike, Progress, no_progress
from split_surgery.documents.weights.blobs import Array, Blob, finite
from split_surgery.errors import FileError, FilePlace, OptionError, UsageError, first_of
from split_surgery.kernels.tpm import MEASURES, Measure, rounded
from split_surgery.splitting.ranking.scores_file import read_scores
from split_surgery.splitting.remarks import Remark
from split_surgery.workspace.open_files import OpenFiles
from split_surgery.workspace.snapshots import Snapshot

BEST_REAL = "tpm"
"""The `--measure` that takes the best real measure the evidence allows, or fails."""


@dataclass(frozen=True)
class Evidence:
    """Scores of one layer's kernels and what they rest on.

    Attributes:
        scores: one per kernel, rounded as they are ranked.
        measure: a name in MEASURES, or `scores` for a user's file. tpm: whether it measures training (None: not known).
        files: names of the snapshots (oldest first), or of the file of scores, or of the weights.
    """

    scores: tuple[float, ...]
    measure: str
    tpm: bool | None
    files: tuple[str, ...]

    def sentence(self) -> str:
        """The evidence as a person reads it; a stand-in says that it is one."""
        if self.measure == "scores":
            return f"scores of {self.files[0]}"
        if not self.tpm:
            return "weight norm, NOT TPM"
        if self.measure == "update":
            return f"TPM (update, from {self.files[-1]})"
        return f"TPM ({self.measure} over {len(self.files)} snapshots, {self.files[0]} to {self.files[-1]})"


@dataclass(frozen=True)
class Request:
    """What the user said of evidence: `--snapshots`, `--window`, `--measure`, `--scores`."""

    snapshots: str | None = None
    window: str | None = None
    measure: str | None = None
    scores: PathLike | None = None


def choose_measure(request: Request, snapshots: Sequence[Snapshot], has_state: bool) -> Measure:
    """The measure asked for, or the best that so many snapshots, and a solver state, allow.

    Raises:
        UsageError: an unknown measure, or snapshots named that no measure can use.
        FileError: the measure asked for needs more than there is.
    """
    count = max(1, len(snapshots))
    asked = request.measure
    best = next(m for m in MEASURES.values() if m.snapshots <= count and (has_state or not m.needs_state))
    if asked in (None, BEST_REAL):
        if not best.tpm and (asked == BEST_REAL or request.snapshots is not None):
            message = (
                f"no measure of training fits the number of snapshots, {len(snapshots)}: coherence needs 3, ratio 2, "
                "update a solver state"
            )
            raise UsageError(message) if request.snapshots else FileError(message, hint="name them with --snapshots")
        return best
    if asked not in MEASURES:
        raise OptionError("measure", f"must be one of {BEST_REAL}, {', '.join(MEASURES)}", asked)
    measure = MEASURES[asked]
    if measure.snapshots == 1 and request.window is not None:
        raise UsageError(f"--window is for measures over snapshots, and {asked} takes one")
    if measure.snapshots > count:
        raise FileError(
            f"--measure {asked} needs {measure.snapshots} snapshots, and {len(snapshots)} were found",
            hint="name them with --snapshots",
        )
    if measure.needs_state and not has_state:
        raise FileError(f"--measure {asked} needs the snapshot's solver state", hint="name it with --solverstate")
    return measure


@dataclass(frozen=True)
class Trail:
    """What training has left of a layer's weights.

    Attributes:
        snapshots: oldest first. state: of the last one, named, with the layer's weight blob in its history.
    """

    snapshots: Sequence[Snapshot] = ()
    state: tuple[str, Blob] | None = None


def score_layer(
    files: OpenFiles, layer: str, weight: Blob, weights: PathLike, request: Request, trail: Trail,
    progress: Progress = no_progress,
) -> Evidence:  # fmt: skip
    """Scores of the layer's kernels, of some kernels at a time; in memory are those of the three snapshots that a measure compares."""
    count = weight.shape[0]
    if request.scores is not None:
        scores = read_scores(request.scores, layer)
        if len(scores) != count:
            raise FileError(
                f'{len(scores)} scores, but layer "{layer}" has {count} kernels', FilePlace(str(request.scores))
            )
        return Evidence(rounded(scores), "scores", None, (Path(request.scores).name,))
    measure = choose_measure(request, trail.snapshots, trail.state is not None)
    rests_on: tuple[str, ...] = (Path(weights).name,)
    if measure.needs_state and trail.state is not None:
        name, blob = trail.state
        blobs = [weight, blob]
        rests_on = (*rests_on, Path(name).name)
    elif measure.snapshots == 1:
        blobs = [weight]
    else:
        blobs = [_in_snapshot(files, layer, weight, snapshot) for snapshot in trail.snapshots]
        rests_on = tuple(snapshot.path.name for snapshot in trail.snapshots)
    blocks = _blocks(weight)
    with np.errstate(over="ignore", invalid="ignore"):  # asked about just below
        found = np.concatenate(
            [
                measure.score(_numbers(blobs, layer, kernels, (at, len(blocks)), progress))
                for at, kernels in enumerate(blocks)
            ]
        )
    if not np.isfinite(found).all():
        raise FileError(
            f'the {measure.name} of layer "{layer}" is not a finite number: its weights are too large',
            FilePlace(str(weights)),
        )
    return Evidence(rounded(found), measure.name, measure.tpm, rests_on)


def knows(files: OpenFiles, snapshots: Sequence[Snapshot], layers: Sequence[str]) -> bool:
    """Whether the last snapshot has one of the layers: a layer that a split has just made is in none."""
    last = files.weights(snapshots[-1].path)
    return any(last.named(layer) for layer in layers)


def degenerate(evidence: Evidence, layer: str) -> list[Remark]:
    """Remarks on scores that say little."""
    scores = evidence.scores
    if evidence.measure == "scores" or len(scores) < 2:
        return []
    if len(set(scores)) == 1:
        text = f"all kernels have the same {evidence.measure}, so the ranking is that of the channels"
        return [Remark(text, layer, f"{scores[0]:g}")]
    still = sum(score > _STRAIGHT for score in scores)
    if evidence.measure == "coherence" and still:
        text = (
            f"kernels moved in a straight line (coherence above {_STRAIGHT}), as kernels do that only shrink by weight decay: "
            "compare --measure norm, or choose an earlier --window"
        )
        return [Remark(text, layer, f"{still} of {len(scores)}")]
    return []


_STRAIGHT = 0.99999
"""Path efficiency that no kernel driven by noisy gradients has; a dead one under weight decay has 0.999999."""


_BLOCK = 2 * 1024 * 1024
"""Bytes of a layer's kernels that are held of a snapshot."""


def _blocks(weight: Blob) -> list[slice]:
    """Kernels that are scored at a time; all of them where they are few."""
    size = math.prod(weight.shape[1:]) * np.dtype(weight.dtype).itemsize
    step = max(1, _BLOCK // max(1, size))
    return [slice(at, min(weight.shape[0], at + step)) for at in range(0, max(1, weight.shape[0]), step)]


def _in_snapshot(files: OpenFiles, layer: str, weight: Blob, snapshot: Snapshot) -> Blob:
    """The weight of a layer in a snapshot.

    Raises:
        FileError: the snapshot has not one such layer, or one of another shape.
    """
    opened = files.weights(snapshot.path)
    found = [record.blob(0) for record in opened.named(layer)]
    if not found:
        names = [record.name for record in opened.layers if record.blobs]
        held = first_of(names, 6) or "none with weights"
        message = f'is a snapshot of another net: it has no layer "{layer}", but {held}'
        raise FileError(message, FilePlace(opened.name))
    if len(found) != 1 or found[0] is None:
        raise FileError(f'has {len(found)} layers "{layer}" with weights, not one', FilePlace(opened.name))
    if found[0].shape != weight.shape:
        shapes = f"{found[0].shape} here, {weight.shape} in the weights to be split"
        raise FileError(f'layer "{layer}" has another shape: {shapes}', FilePlace(opened.name))
    return found[0]


def _numbers(
    blobs: Sequence[Blob], layer: str, kernels: slice, block: tuple[int, int], progress: Progress
) -> Iterator[Array]:
    """Some kernels in one blob after the other. block: which of how many blocks they are."""
    for done, blob in enumerate(blobs, 1):
        yield finite(blob, layer, kernels)
        if len(blobs) > 1:
            progress(f"measuring {layer}", block[0] * len(blobs) + done, block[1] * len(blobs))
