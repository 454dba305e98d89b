"""The verb `rank`: layers, or the kernels of one, by what training did to them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from split_surgery.documents.net.net import Net
from split_surgery.documents.source import PathLike, Progress, no_progress
from split_surgery.errors import OptionError, UsageError
from split_surgery.kernels.fast_count import fast_count
from split_surgery.kernels.orders import ORDERS, Order
from split_surgery.kernels.partition import fast_and_slow, ranking
from split_surgery.kernels.tpm import MEASURES
from split_surgery.reporting.tables import Notebook, Printed, Table, counted
from split_surgery.splitting.choose_layers import AUTO, candidates, choose_layers
from split_surgery.splitting.ranking.evidence import Request
from split_surgery.splitting.ranking.rank_layers import RankedLayer, rank_layers
from split_surgery.splitting.ranking.rank_target import SnapshotSearch, sentence
from split_surgery.splitting.remarks import Remark, remark_lines
from split_surgery.verbs.library_words import in_library_words
from split_surgery.verbs.net_and_weights import net_and_weights
from split_surgery.verbs.printed import runs
from split_surgery.workspace.inputs import Inputs, open_inputs
from split_surgery.workspace.open_files import OpenFiles
from split_surgery.workspace.snapshots import Snapshot


@dataclass(frozen=True)
class Window:
    """Scores over a part of the training, from one snapshot to another.

    Attributes:
        mean, entropy: of the scores, by layer.
        kept: by layer, the share of the fast kernels of the whole range that are fast here too.
    """

    first: str
    last: str
    snapshots: int
    mean: dict[str, float]
    entropy: dict[str, float]
    kept: dict[str, float]


@dataclass(frozen=True)
class LayerRow:
    """One convolution of a net: its kernels' number, its weights' number, and the scores by channel."""

    layer: str
    num_output: int
    weights: int
    mean: float
    entropy: float
    scores: tuple[float, ...]


@dataclass(frozen=True)
class _Ranking(Printed, Notebook):
    """What both rankings have: what they rest on, and the same over parts of the training, where they were asked for.

    Attributes:
        entropy: of a layer's scores, or the mean over the layers. about: what the measure is, and whose reading.
    """

    measure: str
    tpm: bool | None
    evidence: str
    entropy: float
    windows: tuple[Window, ...]
    about: str
    warnings: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        return 0

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class NetRankReport(_Ranking):
    """The convolutions of a net by the entropy of their kernels' scores, the highest first."""

    net: str
    layers: tuple[LayerRow, ...]

    def lines(self, quiet: bool = False, verbose: bool = False) -> Iterator[str]:
        return runs.rank_net(self, quiet, verbose)

    def tables(self) -> tuple[Table, ...]:
        columns = ("layer", "num_output", "weights", "mean", "entropy")
        rows = (
            (r.layer, counted(r.num_output), counted(r.weights), f"{r.mean:.4f}", f"{r.entropy:.4f}")
            for r in self.layers
        )
        return (Table(f"{self.net}: {self.evidence}", columns, tuple(rows)),)


@dataclass(frozen=True)
class RankedKernel:
    channel: int
    score: float
    group: str


@dataclass(frozen=True)
class RankReport(_Ranking):
    """Kernels of one layer with score and group, fast ones first in the ranking's order."""

    layer: str
    order: Order
    mean: float
    kernels: tuple[RankedKernel, ...]

    def lines(self, quiet: bool = False, verbose: bool = False) -> Iterator[str]:
        return runs.rank(self, quiet, verbose)

    def tables(self) -> tuple[Table, ...]:
        title = f"{self.layer}: {self.evidence}; mean {self.mean:.4f}, entropy {self.entropy:.4f}"
        rows = tuple((str(k.channel), f"{k.score:.9g}", k.group) for k in self.kernels)
        return (Table(title, ("channel", "score", "group"), rows),)


ANY_COUNT = 10**9
"""More kernels than any layer has: no number of fast ones is too many."""


@in_library_words
def rank(
    net: PathLike, weights: PathLike | None = None, *, layer: str | None = None,
    order: Order = "tpm", fast: str = "half", seed: int = 0,
    snapshots: str | None = None, window: str | None = None, windows: int | None = None, measure: str | None = None,
    scores: PathLike | None = None, solver: PathLike | None = None, solverstate: PathLike | None = None,
    trust_field: tuple[str, ...] = (), progress: Progress = no_progress, files: OpenFiles | None = None,
) -> RankReport | NetRankReport:  # fmt: skip
    """The convolutions by the entropy of their kernels' scores, or with `layer` its kernels with score and group.

    Args:
        windows: measure over so many parts of the snapshots, one after the other, too.
        files: what earlier calls have opened and the caller will close, so that no file is indexed twice.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    if order not in ORDERS:
        raise OptionError("order", f"must be one of {', '.join(ORDERS)}", order)
    fast_count(str(fast), ANY_COUNT)  # says at once what is no policy
    request, trusted = Request(snapshots, window, measure, scores), frozenset(trust_field)
    with nullcontext(files) if files is not None else OpenFiles() as opened:
        given = net_and_weights(opened, net, weights, solver)
        inputs = open_inputs(opened, given.net, given.need_weights(), given.solver, given.also, state=solverstate)
        if layer is None:
            names, remarks = candidates(inputs.net, trusted), list[Remark]()
            if not names:
                choose_layers(inputs, (), request, trusted, progress)  # says that there is none
                raise UsageError(f"{inputs.net.document.name} has no convolution that can be split")
        else:
            names, remarks = choose_layers(inputs, (layer,), request, trusted, progress)
            if AUTO.fullmatch(layer) is not None and len(names) > 1:
                raise OptionError("layer", "one layer's kernels are shown; without --layer all layers are", layer)
        rows, said = rank_layers(inputs, names, request, trusted, progress)
        group = inputs.net.named(names[0])[0].geometry().group
        wholes = {row.layer: _fast(inputs.net, row, order, seed, fast) for row in rows}
        parts = tuple(
            _window(inputs, [row.layer for row in rows], part, replace(request, window=f"{a}:{b}"), trusted, wholes,
                    order, seed, fast)
            for (a, b), part in _windows(inputs, request, windows)
        )  # fmt: skip
    first = rows[0].evidence
    known = MEASURES.get(first.measure)
    about = f"{known.summary} ({known.reference})" if known is not None else ""
    warnings = (*given.remarks, *remark_lines([*remarks, *said], names))
    if layer is None:
        return NetRankReport(
            measure=first.measure,
            tpm=first.tpm,
            evidence=first.sentence(),
            entropy=float(np.mean([row.entropy for row in rows])),
            windows=parts,
            about=about,
            warnings=warnings,
            net=inputs.net.document.name,
            layers=tuple(
                LayerRow(row.layer, row.num_output, row.weights, row.mean, row.entropy, row.evidence.scores)
                for row in rows
            ),
        )
    (row,) = rows
    ranked = ranking(first.scores, order, seed, row.layer)
    fast_channels, _ = fast_and_slow(ranked, str(fast), group)
    return RankReport(
        measure=first.measure,
        tpm=False if order == "random" else first.tpm,
        evidence=sentence(first, order, seed),
        entropy=row.entropy,
        windows=parts,
        about=about,
        warnings=warnings,
        layer=row.layer,
        order=order,
        mean=row.mean,
        kernels=tuple(
            RankedKernel(channel, first.scores[channel], "fast" if channel in fast_channels else "slow")
            for channel in ranked
        ),
    )


def _fast(net: Net, row: RankedLayer, order: Order, seed: int, fast: str) -> frozenset[int]:
    """The fast kernels of a layer; none where the layer has too few for the policy."""
    try:
        ranked = ranking(row.evidence.scores, order, seed, row.layer)
        return frozenset(fast_and_slow(ranked, str(fast), net.named(row.layer)[0].geometry().group)[0])
    except UsageError:
        return frozenset()


def _windows(inputs: Inputs, request: Request, count: int | None) -> list[tuple[tuple[int, int], Sequence[Snapshot]]]:
    """The snapshots in `count` parts; where one ends the next begins.

    Raises:
        UsageError: there are too few for so many.
    """
    if count is None:
        return []
    if request.scores is not None or request.measure in ("norm", "update"):
        raise UsageError("--windows is for measures over snapshots: coherence, ratio or tpm")
    found = SnapshotSearch(inputs, request).snapshots
    most = (len(found) - 1) // 2  # coherence needs three, and neighbours share one
    if not 0 < count <= most:
        if most < 1:
            raise UsageError(f"--windows {count}: a window has at least three snapshots, and there are {len(found)}")
        raise UsageError(f"--windows {count}: {len(found)} snapshots make from 1 to {most} windows of at least three")
    ends = [round(at * (len(found) - 1) / count) for at in range(count + 1)]
    return [((found[a].iteration, found[b].iteration), found[a : b + 1]) for a, b in pairwise(ends)]


def _window(
    inputs: Inputs, names: Sequence[str], snapshots: Sequence[Snapshot], request: Request, trusted: frozenset[str],
    wholes: dict[str, frozenset[int]], order: Order, seed: int, fast: str,
) -> Window:  # fmt: skip
    rows, _ = rank_layers(inputs, names, request, trusted, no_progress)
    kept = {}
    for row in rows:
        whole = wholes[row.layer]
        kept[row.layer] = len(whole & _fast(inputs.net, row, order, seed, fast)) / len(whole) if whole else 0.0
    return Window(
        snapshots[0].path.name, snapshots[-1].path.name, len(snapshots),
        {row.layer: row.mean for row in rows}, {row.layer: row.entropy for row in rows}, kept,
    )  # fmt: skip
