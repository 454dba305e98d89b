"""What the verbs that prove return."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from split_surgery.reporting.tables import Notebook, Table, counted
from split_surgery.verification.coverage import LayerCoverage
from split_surgery.verification.equivalence import Block, Changed


@dataclass(frozen=True)
class EngineOutput:
    """One output blob of both nets: the largest difference relative to the largest value, and what rounding explains."""

    blob: str
    difference: float
    tolerance: float
    size: int


@dataclass(frozen=True)
class VerifyReport(Notebook):
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

    def tables(self) -> tuple[Table, ...]:
        copied = [row for row in self.coverage if row.status == "copied"]
        facts = [("verify", "FAILED" if self.problems else "passed")]
        facts += [("problem", problem) for problem in self.problems]
        facts.append(
            (
                "coverage",
                f"{sum(row.blobs for row in copied)} blobs of {len(copied)} layers are copied from the weights file",
            )
        )
        facts += [(block.layer, _block(block)) for block in self.blocks]
        facts += [
            (change.layer, f"relative weight change {change.drift:.4g}")
            for change in self.changed if self.trained and change.part == "weights" and change.drift is not None
        ]  # fmt: skip
        if self.outputs and not all(block.sound for block in self.blocks):
            facts.append(
                ("engine", "for information: the block does not equal the layer, so the outputs need not agree")
            )
        found = [Table("", ("", ""), tuple(facts))]
        if self.outputs:
            rows = tuple((o.blob, counted(o.size), f"{o.difference:.3g}", f"{o.tolerance:.3g}") for o in self.outputs)
            title = f"outputs in {self.engine} on {self.inputs}: the largest difference relative to the largest value"
            found.append(Table(title, ("blob", "values", "difference", "rounding"), rows))
        return tuple(found)


def _block(block: Block) -> str:
    """What became of a layer, or of the block that it stands for."""
    if block.fault:
        return f"the block in its place cannot be folded: {block.fault}"
    what = f"{'stands for' if block.folded else 'folded from'} {len(block.members)} layers"
    return f"{what}, " + ("equal bit for bit" if block.exact else f"relative weight change {block.drift:.4g}")


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
class FoldReport(Notebook):
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

    def tables(self) -> tuple[Table, ...]:
        rows = tuple(
            (r.layer, counted(len(r.layers)), f"{r.parameters[0]:,} -> {r.parameters[1]:,}",
             " -> ".join(map(counted, r.multiply_adds)), f"{r.error:.2g}")
            for r in self.regions
        )  # fmt: skip
        columns = ("layer", "folded from", "parameters", "multiply-adds", "rounding")
        found = [Table(f"{self.directory}: {self.status}", columns, rows)]
        if self.left:
            found.append(
                Table("left as they are", ("layer", "reason"), tuple((one.layer, one.reason) for one in self.left))
            )
        return tuple(found)
