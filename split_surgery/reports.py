"""What the verbs return: frozen values that know themselves as plain data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from split_surgery.coverage import LayerCoverage
from split_surgery.equivalence import Block, Changed
from split_surgery.plan import LayerPlan, Plan


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
class SplitReport:
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
class _Ranking:
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


@dataclass(frozen=True)
class EngineOutput:
    """One output blob of both nets: the largest difference relative to the largest value, and what rounding explains."""

    blob: str
    difference: float
    tolerance: float
    size: int


@dataclass(frozen=True)
class VerifyReport:
    """What verify found.

    Attributes:
        ignored: records with blobs in the weights file that the derived net has no layer for.
        blocks: the split layers. changed: everything else that differs.
        trained: whether the derived net was expected to have been trained.
        inputs: what the engine ran on, in words.
        problems: the reasons for exit code 1.
    """

    coverage: tuple[LayerCoverage, ...]
    ignored: tuple[str, ...]
    blocks: tuple[Block, ...]
    changed: tuple[Changed, ...]
    trained: bool
    engine: str | None
    outputs: tuple[EngineOutput, ...]
    problems: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    inputs: str = ""

    @property
    def exit_code(self) -> int:
        return 1 if self.problems else 0

    def to_dict(self) -> dict[str, Any]:
        return {
            "passed": not self.problems,
            "problems": list(self.problems),
            "trained": self.trained,
            "coverage": [dataclasses.asdict(row) for row in self.coverage],
            "ignored": list(self.ignored),
            "blocks": [dataclasses.asdict(block) for block in self.blocks],
            "changed": [dataclasses.asdict(change) for change in self.changed],
            "engine": self.engine,
            "inputs": self.inputs,
            "outputs": [dataclasses.asdict(output) for output in self.outputs],
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class FoldedRegion:
    """Layers that one layer stands for now.

    Attributes:
        layer: its name. split: whether it was the block of a split, and nested: how many splits were inside. layers: what it was.
        parameters: before and after. multiply_adds: of one image before and after, None where sizes are not known.
        error: bound on the rounding of any one number of the layer (absolute); 0 where values were only moved.
        largest: the largest absolute value of its weights.
    """

    layer: str
    split: bool
    nested: int
    layers: tuple[str, ...]
    parameters: tuple[int, int]
    multiply_adds: tuple[int | None, int | None]
    error: float
    largest: float

    def to_dict(self) -> dict[str, Any]:
        pairs = {name: dict(zip(("before", "after"), getattr(self, name))) for name in ("parameters", "multiply_adds")}
        return dataclasses.asdict(self) | pairs


@dataclass(frozen=True)
class LeftRegion:
    """Layers that were not folded, and why not."""

    layer: str
    layers: tuple[str, ...]
    split: bool
    reason: str


@dataclass(frozen=True)
class FoldReport:
    """What `fold` did, or would do.

    Attributes:
        status: written, unchanged, differs (`--check`), same (`--check`) or diff. all: whether every linear region was looked at.
        left: what was looked at and not folded.
        parameters: numbers in the whole weights file before and after. layers: of the prototxt.
        source: the prototxt and the weights that were folded, as they were named or found.
        deploy: the files to be deployed, a prototxt and the weights; None where every net has data or loss layers.
    """

    status: str
    all: bool
    directory: str
    regions: tuple[FoldedRegion, ...]
    left: tuple[LeftRegion, ...]
    parameters: tuple[int, int]
    layers: tuple[int, int]
    files: tuple[str, ...]
    source: tuple[str, str]
    deploy: tuple[str, str] | None
    differing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    diff: str = ""

    @property
    def exit_code(self) -> int:
        return 1 if self.status == "differs" else 0

    def to_dict(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "directory": self.directory,
            "source": list(self.source),
            "regions": [region.to_dict() for region in self.regions],
            "left": [dataclasses.asdict(region) for region in self.left],
            "parameters": {"before": self.parameters[0], "after": self.parameters[1]},
            "layers": {"before": self.layers[0], "after": self.layers[1]},
            "files": list(self.files),
            "deploy": list(self.deploy) if self.deploy is not None else None,
            "differing": list(self.differing),
            "warnings": list(self.warnings),
        } | ({"diff": self.diff} if self.status == "diff" else {})


@dataclass(frozen=True)
class DemoRow:
    """A net of the demo and its accuracy on the test images, run by OpenCV."""

    net: str
    accuracy: float
    correct: int
    images: int
    remark: str


@dataclass(frozen=True)
class DemoReport:
    """What the demo made and measured."""

    directory: str
    splits: tuple[SplitReport, ...]
    fold: FoldReport
    proofs: tuple[VerifyReport, ...]
    rows: tuple[DemoRow, ...]

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
        }
