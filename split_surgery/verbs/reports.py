"""What the verbs return: frozen values that know themselves as plain data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from split_surgery.reporting.tables import Notebook, Table, counted
from split_surgery.splitting.plan import LayerPlan, Plan, listed
from split_surgery.verbs.proof_reports import FoldReport, VerifyReport


@dataclass(frozen=True)
class NewLayer:
    """A layer that a split made: its blobs' shapes as stored."""

    name: str
    type: str
    bottoms: tuple[str, ...]
    top: str
    shapes: tuple[tuple[int, ...], ...]
    start: str


@dataclass(frozen=True)
class LayerSplit:
    """The split of one layer.

    Attributes:
        evidence: what the ranking rests on, in words.
        before, after: numbers in the layer, and in what it became.
    """

    plan: LayerPlan
    new_layers: tuple[NewLayer, ...]
    evidence: str
    before: int
    after: int

    def to_dict(self) -> dict[str, Any]:
        return {
            "layer": self.plan.layer,
            "evidence": self.evidence,
            "new_layers": [dataclasses.asdict(layer) for layer in self.new_layers],
            "parameters": {"layer": self.before, "block": self.after},
        }


@dataclass(frozen=True)
class SplitReport(Notebook):
    """What a splitting verb did, or would do.

    Attributes:
        status: written, unchanged, differs (`--check`), same (`--check`) or diff.
        splits: the layers in the order in which they were split.
        parameters: numbers in the whole weights file before and after.
        files: names written into the directory. differing: those that `--check` found to differ.
        next_command: how to go on, for a shell.
    """

    status: str
    directory: str
    plan: Plan
    splits: tuple[LayerSplit, ...]
    parameters: tuple[int, int]
    files: tuple[str, ...]
    next_command: str
    differing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    diff: str = ""

    @property
    def layer(self) -> LayerPlan:
        """The plan of the first layer: the only one, but for `apply` and a repeated `--layer`."""
        return self.plan.layers[0]

    @property
    def exit_code(self) -> int:
        return 1 if self.status == "differs" else 0

    def to_dict(self) -> dict[str, Any]:
        before, after = self.parameters
        return {
            "status": self.status,
            "directory": self.directory,
            "plan": self.plan.to_tree(),
            "splits": [split.to_dict() for split in self.splits],
            "parameters": {"before": before, "after": after},
            "files": list(self.files),
            "differing": list(self.differing),
            "warnings": list(self.warnings),
            "next_command": self.next_command,
        } | ({"diff": self.diff} if self.status == "diff" else {})

    def tables(self) -> tuple[Table, ...]:
        found = []
        for split in self.splits:
            plan = split.plan
            facts = (
                ("ranked by", split.evidence),
                ("fast", listed(plan.fast)),
                ("slow", listed(plan.slow)),
                ("parameters", f"{split.before:,} -> {split.after:,}"),
            )
            found.append(Table(f"{plan.options.recipe} split of {plan.layer}", ("", ""), facts))
            rows = tuple(
                (new.name, new.type, *("x".join(map(str, shape)) for shape in (*new.shapes, (), ())[:2]), new.start)
                for new in split.new_layers
            )
            found.append(Table("", ("new layer", "type", "weight", "bias", "starts as"), rows))
        after = (("files", ", ".join(self.files)), ("next", self.next_command))
        return (*found, Table(f"{self.directory}: {self.status}", ("", ""), after))


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
class _Ranking(Notebook):
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
    order: str
    mean: float
    kernels: tuple[RankedKernel, ...]

    def tables(self) -> tuple[Table, ...]:
        title = f"{self.layer}: {self.evidence}; mean {self.mean:.4f}, entropy {self.entropy:.4f}"
        rows = tuple((str(k.channel), f"{k.score:.9g}", k.group) for k in self.kernels)
        return (Table(title, ("channel", "score", "group"), rows),)


@dataclass(frozen=True)
class DemoRow:
    """A net of the demo and its accuracy on the test images, run by OpenCV."""

    net: str
    accuracy: float
    correct: int
    images: int
    remark: str


@dataclass(frozen=True)
class DemoReport(Notebook):
    """What the demo made and measured; `page` is the report that it wrote, "" where there is no matplotlib."""

    directory: str
    splits: tuple[SplitReport, ...]
    fold: FoldReport
    proofs: tuple[VerifyReport, ...]
    rows: tuple[DemoRow, ...]
    page: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        return max((proof.exit_code for proof in self.proofs), default=0)

    def to_dict(self) -> dict[str, Any]:
        return {
            "directory": self.directory,
            "splits": [report.to_dict() for report in self.splits],
            "fold": self.fold.to_dict(),
            "verify": [report.to_dict() for report in self.proofs],
            "accuracy": [dataclasses.asdict(row) for row in self.rows],
            "page": self.page,
            "warnings": list(self.warnings),
        }

    def tables(self) -> tuple[Table, ...]:
        rows = tuple((row.net, f"{row.accuracy:.4f}", f"{row.correct}/{row.images}", row.remark) for row in self.rows)
        return (Table("", ("net", "accuracy", "correct", ""), rows),)
