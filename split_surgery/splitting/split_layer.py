"""The split of one layer, from open files to what becomes of its records: rank, plan, start, prove. No file is edited here."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from split_surgery.documents.net.splittable import check_splittable
from split_surgery.documents.source import Progress, no_progress
from split_surgery.documents.weights.blobs import Blob, Record, check_finite
from split_surgery.documents.weights.caffemodel import LayerRecord
from split_surgery.errors import FileError, FilePlace, UsageError
from split_surgery.splitting.edits import initial_blobs, layer_edits
from split_surgery.splitting.options import Options, Settings
from split_surgery.splitting.plan import LayerPlan, Member, check_geometry, check_names_free, plan_layer
from split_surgery.splitting.ranking.evidence import Evidence, Request
from split_surgery.splitting.ranking.rank_target import SnapshotSearch, rank_target, sentence
from split_surgery.splitting.recipes import RECIPES
from split_surgery.splitting.recipes.graph import Part
from split_surgery.splitting.remarks import Remark
from split_surgery.splitting.targets import Target, TargetLayer, find_target
from split_surgery.workspace.inputs import Inputs, NoWeights
from split_surgery.workspace.outputs import RecordChange, changed_record


@dataclass(frozen=True)
class Step:
    """What to split, and how: the options of one layer or of several, or a plan of one, of which nothing is ranked again."""

    recipe: str
    settings: Settings
    frozen: LayerPlan | None = None

    def options(self) -> Options:
        """Raises: UsageError, where a value is impossible."""
        settings = self.settings
        return Options.checked(
            recipe=self.recipe, order=settings.order, fast=str(settings.fast), seed=settings.seed,
            noise=float(settings.noise), surround=float(settings.surround), center=float(settings.center),
            even_center=settings.even_center, trust_field=tuple(settings.trust_field), names=settings.names, skip=settings.skip,
        )  # fmt: skip

    def request(self) -> Request:
        """What the user said of evidence."""
        settings = self.settings
        return Request(settings.snapshots, settings.window, settings.measure, settings.scores)


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
class PlannedSplit:
    """The split of one layer worked out: what becomes of its records, proven, while no file is edited yet.

    Attributes:
        starts: how the blobs of each new layer start, by member of the target. changes: of the weights file.
        trusted: names of fork fields that leave a convolution linear.
        report, remarks: what to say of it.
    """

    plan: LayerPlan
    target: Target
    starts: Sequence[Sequence[tuple[Blob, ...]]]
    changes: Sequence[RecordChange]
    trusted: frozenset[str]
    report: LayerSplit
    remarks: list[Remark]


def plan_split(
    inputs: Inputs, step: Step, layer: str, search: SnapshotSearch, progress: Progress = no_progress
) -> PlannedSplit:
    """Work out the split of one layer.

    Raises:
        SurgeryError: it cannot be split, or not so.
        Defect: what would be written is not what was meant.
    """
    options = step.frozen.options if step.frozen is not None else step.options()
    trusted = frozenset(options.trust_field)
    if step.frozen is not None and isinstance(inputs.weights, NoWeights):
        return _plan_texts(inputs, step.frozen, trusted)
    target, remarks = find_target(inputs.net, inputs.weights, layer, trusted)
    for member in target.members:
        check_geometry(RECIPES[options.recipe], member.layer, member.geometry, options.even_center)
    remarks += _average_fits(options, target)
    for member in target.members:
        for blob in member.blobs:
            check_finite(blob, member.layer.name)
    if step.frozen is not None:
        plan = _check_frozen(inputs, step.frozen, target)
    else:
        evidence, said = rank_target(target, search, progress)
        remarks += said if options.order != "random" else []
        plan = plan_layer(
            inputs.net, [member.layer for member in target.members], options, _digests(target),
            evidence.scores, evidence.measure, evidence.tpm, evidence.files,
        )  # fmt: skip
    _check_records_free(inputs, plan)
    starts = [initial_blobs(plan, member.layer, *member.blobs) for member in target.members]
    changes = [
        _record_change(plan, names, member, member.record, blobs)
        for names, member, blobs in zip(plan.members, target.members, starts)
        if member.record is not None
    ]
    before = sum(blob.count for blob in target.owner.blobs)
    after = sum(blob.count for part in starts[0] for blob in part)
    report = _report(plan, _new_layers(plan, target, starts[0]), before, after)
    return PlannedSplit(plan, target, starts, changes, trusted, report, remarks)


def _average_fits(options: Options, target: Target) -> list[Remark]:
    """A remark where the average over a stride has the layer's output size for some input sizes only."""
    geometry = target.owner.geometry
    axes = zip(geometry.kernel, geometry.stride, geometry.pad, geometry.dilation)
    uneven = any(2 * pad - dilation * (size - 1) - 1 != -stride for size, stride, pad, dilation in axes)
    if not RECIPES[options.recipe].has_skip or options.skip != "average" or not uneven:
        return []
    text = (
        "the average fits where the stride divides the layer's input: for other sizes Caffe will refuse the net, and "
        "--skip identity fits"
    )
    return [Remark(text, target.name)]


def _plan_texts(inputs: Inputs, plan: LayerPlan, trusted: frozenset[str]) -> PlannedSplit:
    """The split in the prototxts alone."""
    twins = [tuple(inputs.net.twins(member.layer)) for member in plan.members]
    target = Target(tuple(TargetLayer(found, check_splittable(found[0], trusted), None, ()) for found in twins))
    check_names_free(inputs.net, plan.members)
    return PlannedSplit(plan, target, [], [], trusted, _report(plan, (), 0, 0), [])


def _report(plan: LayerPlan, new_layers: tuple[NewLayer, ...], before: int, after: int) -> LayerSplit:
    rests_on = Evidence(plan.scores, plan.measure, plan.tpm, plan.evidence)
    return LayerSplit(plan, new_layers, sentence(rests_on, plan.options.order, plan.options.seed), before, after)


def _digests(target: Target) -> list[str | None]:
    return [member.record.digest() if member.record is not None else None for member in target.members]


def _check_frozen(inputs: Inputs, plan: LayerPlan, target: Target) -> LayerPlan:
    """A plan made earlier, held against these files.

    Raises:
        FileError: they are not those that it was made for.
    """
    names = [member.layer.name for member in target.members]
    if names != [member.layer for member in plan.members]:
        raise FileError(f"the plan splits {', '.join(m.layer for m in plan.members)} together, but here it is {', '.join(names)}",
                        FilePlace(inputs.net.document.name))  # fmt: skip
    for member, digest in zip(plan.members, _digests(target)):
        if member.record_sha256 != digest:
            message = (
                f'the record of layer "{member.layer}" is not the one that the plan was made for (its SHA-256 differs)'
            )
            raise FileError(message, FilePlace(inputs.weights.name))
    count = target.owner.geometry.num_output
    planned = len(plan.fast) + len(plan.slow)  # from 0 and each once: a plan is read so
    if planned != count:
        raise FileError(f'the plan has {planned} channels of layer "{plan.layer}", which has {count}')
    check_names_free(inputs.net, plan.members)
    return plan


def _check_records_free(inputs: Inputs, plan: LayerPlan) -> None:
    for name in (name for member in plan.members for name in member.names.values()):
        if inputs.weights.named(name):
            raise UsageError(f'{inputs.weights.name} already has a layer "{name}", the name of a new one')


def _record_change(
    plan: LayerPlan, names: Member, member: TargetLayer, record: Record, blobs: list[tuple[Blob, ...]]
) -> RecordChange:
    """What becomes of one record, proven by another route.

    Raises:
        Defect: what would be written is not what was meant.
    """
    v1 = isinstance(record, LayerRecord) and record.v1
    return changed_record(record, layer_edits(plan, names, member.layer, v1), blobs)


def _start(part: Part, noise: float) -> str:
    """How a new layer starts, in words."""
    words = part.start.value if part.start else ""
    return words if noise else words.removesuffix(" + noise")


def _new_layers(plan: LayerPlan, target: Target, blobs: Sequence[tuple[Blob, ...]]) -> tuple[NewLayer, ...]:
    """What the layer that owns the parameters becomes, for the report."""
    edits = layer_edits(plan, plan.members[0], target.owner.layer, v1=False)
    return tuple(
        NewLayer(
            edit.name, str(edit.join.type) if edit.join else "Convolution", edit.bottoms, edit.top,
            tuple(blob.shape for blob in numbers), _start(part, plan.options.noise),
        )
        for part, edit, numbers in zip(plan.recipe.parts, edits, blobs)
    )  # fmt: skip
