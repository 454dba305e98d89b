"""The split of one layer, from open files to edited ones: rank, plan, edit, prove. Nothing is written here."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from split_surgery.documents.edit.layer_text import insertion_point
from split_surgery.documents.edit.proof import old_record, prove_extent, prove_records, prove_text
from split_surgery.documents.net.build_faults import shape_faults
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.net import Net, Prototxt
from split_surgery.documents.net.splittable import check_splittable
from split_surgery.documents.source import Progress, no_progress
from split_surgery.documents.spans import Span, Splice
from split_surgery.documents.weights.blobs import Blob, Record, check_finite
from split_surgery.documents.weights.caffemodel import LayerRecord
from split_surgery.documents.weights.solverstate import Solverstate
from split_surgery.errors import Defect, FileError, FilePlace, UsageError
from split_surgery.splitting.edits import initial_blobs, layer_edits, text_splices, weight_splices
from split_surgery.splitting.history import Starts, carried_over, laid_beside, prove_order, train_state
from split_surgery.splitting.options import Options, Settings
from split_surgery.splitting.plan import LayerPlan, Member, check_geometry, check_names_free, plan_layer
from split_surgery.splitting.ranking.evidence import Evidence, Request
from split_surgery.splitting.ranking.rank_target import SnapshotSearch, rank_target, sentence
from split_surgery.splitting.recipes import RECIPES
from split_surgery.splitting.recipes.graph import Part
from split_surgery.splitting.remarks import Remark
from split_surgery.splitting.targets import Target, TargetLayer, find_target, twins_in
from split_surgery.workspace.inputs import Inputs, NoWeights, StateFile
from split_surgery.workspace.outputs import RecordChange, applied


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


class Split(NamedTuple):
    """The files after the split of one layer, and what to say of it."""

    inputs: Inputs
    report: LayerSplit
    remarks: list[Remark]


def split_layer(inputs: Inputs, step: Step, layer: str, progress: Progress = no_progress) -> Split:
    """Split one layer in all files, proven by another route.

    Raises:
        SurgeryError: it cannot be split, or not so.
        Defect: what would be written is not what was meant.
    """
    options = step.frozen.options if step.frozen is not None else step.options()
    trusted = frozenset(options.trust_field)
    if step.frozen is not None and isinstance(inputs.weights, NoWeights):
        return _split_texts(inputs, step.frozen, trusted)
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
        evidence, said = rank_target(target, SnapshotSearch(inputs, step.request()), progress)
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
    texts = [_edited_text(inputs, text, plan, target, trusted) for text in inputs.texts]
    edited = inputs.edited(texts, applied(inputs.weights, changes))
    _check_shapes(inputs, edited, target)
    if inputs.state is not None:
        state = _carried_over(inputs, inputs.state, plan, starts, changes, edited.nets[inputs.trained()])
        edited = replace(edited, state=replace(inputs.state, index=state))
    before = sum(blob.count for blob in target.owner.blobs)
    after = sum(blob.count for part in starts[0] for blob in part)
    return Split(edited, _report(plan, _new_layers(plan, target, starts[0]), before, after), remarks)


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


def _check_shapes(before: Inputs, after: Inputs, target: Target) -> None:
    """Raises: Unsupported, where Caffe would stop at a new layer, by the input sizes that the files say."""
    for old, new in zip(before.nets, after.nets):
        known = {layer.name for layer, _ in shape_faults(old)}
        for layer, fault in shape_faults(new):
            if layer.name not in known and not old.named(layer.name):
                target.owner.layer.refuse(
                    f'in its block Caffe would stop at "{layer.name}": {fault}', hint="--skip identity fits every layer"
                )


def _split_texts(inputs: Inputs, plan: LayerPlan, trusted: frozenset[str]) -> Split:
    """The split in the prototxts alone."""
    twins = [tuple(inputs.net.twins(member.layer)) for member in plan.members]
    target = Target(tuple(TargetLayer(found, check_splittable(found[0], trusted), None, ()) for found in twins))
    check_names_free(inputs.net, plan.members)
    texts = [_edited_text(inputs, text, plan, target, trusted) for text in inputs.texts]
    return Split(inputs.edited(texts, inputs.weights), _report(plan, (), 0, 0), [])


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
    if not isinstance(record, LayerRecord):
        return RecordChange(record, layer_edits(plan, names, member.layer, v1=False), blobs, [])
    edits = layer_edits(plan, names, member.layer, record.v1)
    before = old_record(record)
    splices = weight_splices(edits, blobs, record)
    prove_extent(splices, [record.span], "weights")
    prove_records(splices, record.reader, before, edits, blobs)
    return RecordChange(record, edits, blobs, splices)


def _carried_over(
    inputs: Inputs, state: StateFile, plan: LayerPlan, starts: Starts, changes: Sequence[RecordChange], derived: Net
) -> Solverstate:
    """The solver state with its history carried over, proven against the derived net."""
    solver, net = inputs.solver_document, inputs.nets[inputs.trained()]
    when = train_state(net, solver)
    history = laid_beside(state.index, net, inputs.weights, when, solver)
    replaced = carried_over(history, plan, starts)
    shapes = {
        name: {index: blob.shape for index, blob in blobs.items()}
        for change in changes
        for name, blobs in change.stored().items()
    }
    prove_order(history, replaced, derived, inputs.weights, shapes)
    return state.index.replaced(replaced)


def _edited_text(inputs: Inputs, text: Prototxt, plan: LayerPlan, target: Target, trusted: frozenset[str]) -> Prototxt:
    """One prototxt after the split, proven by another route.

    Raises:
        UsageError, FileError: an `--also` file lacks the layer, or has it with another geometry.
        Defect: what would be written does not say what was meant.
    """
    meant: list[list[tuple[Member, Layer]]] = []  # by net
    splices: list[Splice] = []
    for net in text.nets:
        if net is inputs.net:
            twins: list[Sequence[Layer]] = [member.twins for member in target.members]
        else:  # a test net inside a solver may be another net, which is left as it is
            twins = twins_in(net, target, trusted, needed=text in inputs.also)
            check_names_free(net, plan.members)
        meant.append([(member, layer) for member, layers in zip(plan.members, twins) for layer in layers])
        splices += [
            splice for member, layers in zip(plan.members, twins) for splice in text_splices(plan, member, layers)
        ]
    splices.sort(key=lambda splice: splice.start)
    every = [layer for rows in meant for _, layer in rows]
    prove_extent(splices, [Span(layer.span.start, insertion_point(layer)) for layer in every], text.document.name)
    edited = text.edited(splices)
    for net, again, rows in zip(text.nets, edited.nets, meant):
        _prove_net(net, again, plan, rows)
    return edited


def _prove_net(net: Net, again: Net, plan: LayerPlan, meant: Sequence[tuple[Member, Layer]]) -> None:
    """Raises: Defect, where an edited net does not say what was meant."""
    name = net.document.name
    if len(again.layers) != len(net.layers) + len(meant) * (len(plan.names) - 1):
        raise Defect(f"the new {name} has another number of layers than was meant")
    if again.other_fields() != net.other_fields():
        raise Defect(f"the new {name} has other fields outside its layers")
    for member, layer in meant:
        edits = layer_edits(plan, member, layer, layer.v1)
        # Layers keep their order, so a layer's new ones stand where it stood, moved by the ones split before it.
        earlier = sum(other.span < layer.span for _, other in meant)
        place = net.layers.index(layer) + earlier * (len(edits) - 1)
        prove_text(again.layers[place : place + len(edits)], edits, layer)


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
