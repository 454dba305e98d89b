"""A split from open files to finished outputs: rank, plan, edit, prove. Nothing is written here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from split_surgery.config import Settings
from split_surgery.documents.caffemodel import CAFFE_READ_LIMIT, LayerRecord
from split_surgery.documents.layer import Layer
from split_surgery.documents.layer_text import insertion_point
from split_surgery.documents.net import Net, inner_nets
from split_surgery.documents.prototxt import Document
from split_surgery.documents.solverstate import BinarySolverstate, Replaced
from split_surgery.documents.weights import Array, Record, finite
from split_surgery.edits import initial_blobs, layer_edits, text_splices, weight_splices
from split_surgery.errors import Defect, SurgeryError, UsageError
from split_surgery.evidence import Evidence, Request, find_snapshots, no_tpm_hint, score_layer
from split_surgery.files import Output, Progress, no_progress, sha256
from split_surgery.history import Starts, carried_over, laid_beside, prove_order, train_state
from split_surgery.inputs import NET_FILE, Inputs, NetFile
from split_surgery.plan import InputFile, LayerPlan, Member, Options, Plan, check_geometry, check_names_free, plan_layer
from split_surgery.proof import prove_extent, prove_history, prove_records, prove_text
from split_surgery.recipes import RECIPES
from split_surgery.reports import NewLayer
from split_surgery.solver import snapshot_prefix
from split_surgery.spans import Span, Splice, apply_splices
from split_surgery.targets import Target, TargetLayer, find_target, twins_in
from split_surgery.writing import RecordChange, diff_of, outputs_of


@dataclass(frozen=True)
class Job:
    """A split that is worked out and proven, ready to be written."""

    plan: Plan
    outputs: tuple[Output, ...]
    new_layers: tuple[NewLayer, ...]
    evidence: Evidence
    parameters: tuple[int, int, int, int]
    warnings: tuple[str, ...]
    diff: str


def rank_target(inputs: Inputs, target: Target, request: Request, progress: Progress) -> Evidence:
    """Scores of the target's kernels."""
    weight = target.owner.blobs[0]
    if request.scores is not None:
        return score_layer(target.name, weight, inputs.weights_path, request, [], progress)
    solver = inputs.solver_document
    place = inputs.solver_path if inputs.solver is not None else inputs.nets[0].path
    prefix = snapshot_prefix(solver) if solver is not None else None
    found = find_snapshots(request, inputs.weights_path, prefix, place)
    return score_layer(target.name, weight, inputs.weights_path, request, found, progress)


def work_out(
    inputs: Inputs, recipe: str, settings: Settings, *, directory: str, diff: bool = False, progress: Progress = no_progress
) -> Job:  # fmt: skip
    """Everything up to writing.

    Args:
        directory: the output directory as Caffe will see it.
        diff: whether to make the diff, which costs more than the split.
    """
    noise, surround, center = (float(number) for number in (settings.noise, settings.surround, settings.center))
    options = Options(
        recipe, settings.order, str(settings.fast), noise, surround, center, settings.seed, settings.even_center,
        tuple(settings.trust_field),
    )  # fmt: skip
    request = Request(settings.snapshots, settings.window, settings.measure, settings.scores)
    trusted = frozenset(settings.trust_field)
    target, remarks = find_target(inputs.net, inputs.weights, settings.layer, trusted)
    for member in target.members:
        check_geometry(RECIPES[options.recipe], member.layer, member.geometry, options.even_center)
    numbers = [[finite(blob, member.layer.name) for blob in member.blobs] for member in target.members]
    evidence = rank_target(inputs, target, request, progress)
    if options.order != "random":
        remarks += no_tpm_hint(evidence, settings.measure)
    layer_plan = plan_layer(
        inputs.net, [member.layer for member in target.members], options,
        [member.record.digest() if member.record is not None else None for member in target.members],
        evidence.scores, evidence.measure, evidence.tpm, evidence.files,
    )  # fmt: skip
    _check_records_free(inputs, layer_plan)
    texts_in = tuple(_identified(file) for file in inputs.nets if file.name)
    weights_file = InputFile(Path(inputs.weights_path).name, inputs.source.size)
    state = inputs.state
    state_file = InputFile(Path(state.path).name, state.source.size) if state is not None else None
    plan = Plan(texts_in[0], weights_file, texts_in[1:], (layer_plan,), state_file)
    texts = [_edited_text(file, layer_plan, target, trusted) for file in inputs.nets]
    starts = [
        initial_blobs(layer_plan, blobs[0], blobs[1].reshape(-1) if len(blobs) > 1 else None) for blobs in numbers
    ]
    changes = [
        _record_change(layer_plan, names, member, member.record, blobs)
        for names, member, blobs in zip(layer_plan.members, target.members, starts)
        if member.record is not None
    ]
    history = _carried_over(inputs, layer_plan, starts, changes, texts[inputs.trained()].net)
    outputs = outputs_of(inputs, plan, [text.splices for text in texts], changes, history, directory)
    if not inputs.hdf5 and outputs[0].size > CAFFE_READ_LIMIT:
        remarks.append(f"{outputs[0].name} is larger than 2 GiB, which Caffe cannot read as protobuf; it can as HDF5")
    before, after = sum(array.size for array in numbers[0]), sum(array.size for part in starts[0] for array in part)
    whole = sum(blob.count for record in inputs.weights.layers for blob in record.blobs)
    return Job(
        plan, outputs, _new_layers(layer_plan, target, starts[0]), evidence,
        (before, after, whole, whole + sum(change.growth for change in changes)), tuple(remarks),
        diff_of(inputs, outputs, changes) if diff else "",
    )  # fmt: skip


def _identified(file: NetFile) -> InputFile:
    data = file.net.document.data
    return InputFile(Path(file.path).name, len(data), sha256(data))


def _check_records_free(inputs: Inputs, plan: LayerPlan) -> None:
    for name in (name for member in plan.members for name in member.names.values()):
        if inputs.weights.named(name):
            raise UsageError(f'{inputs.weights.name} already has a layer "{name}", the name of a new one')


def _record_change(
    plan: LayerPlan, names: Member, member: TargetLayer, record: Record, blobs: list[tuple[Array, ...]]
) -> RecordChange:
    """What becomes of one record, proven by another route.

    Raises:
        Defect: what would be written is not what was meant.
    """
    if not isinstance(record, LayerRecord):
        return RecordChange(record, layer_edits(plan, names, member.layer, v1=False), blobs, [])
    edits = layer_edits(plan, names, member.layer, record.v1)
    splices = weight_splices(edits, blobs, record)
    prove_extent(splices, [record.span], "weights")
    prove_records([splice.replacement for splice in splices], record.reader.read(*record.span), edits, blobs)
    return RecordChange(record, edits, blobs, splices)


def _carried_over(
    inputs: Inputs, plan: LayerPlan, starts: Starts, changes: Sequence[RecordChange], derived: Net
) -> Replaced:
    """What becomes of the solver state's history, proven against the derived net."""
    if inputs.state is None:
        return {}
    solver, net = inputs.solver_document, inputs.nets[inputs.trained()].net
    when = train_state(net, solver)
    history = laid_beside(inputs.state.index, net, inputs.weights, when, solver)
    replaced = carried_over(history, plan, starts)
    shapes = {
        name: {index: array.shape for index, array in arrays.items()}
        for change in changes
        for name, arrays in change.stored().items()
    }
    if isinstance(inputs.state.index, BinarySolverstate):
        written = b"".join(splice.replacement for splice in inputs.state.index.splices(replaced, ""))
        prove_history(written, [array for arrays in replaced.values() for array in arrays])
    prove_order(history, replaced, derived, inputs.weights, when, shapes)
    return replaced


class EditedText(NamedTuple):
    """The splices of one prototxt, and the net that they make."""

    splices: list[Splice]
    net: Net


def _edited_text(file: NetFile, plan: LayerPlan, target: Target, trusted: frozenset[str]) -> EditedText:
    """The splices of one prototxt, proven by another route.

    Raises:
        UsageError, FileError: an `--also` file lacks the layer, or has it with another geometry.
        Defect: what would be written does not say what was meant.
    """
    if file.name == NET_FILE:
        twins: list[Sequence[Layer]] = [member.twins for member in target.members]
    else:
        twins = twins_in(file, target, trusted)
        check_names_free(file.net, plan.members)
    meant = [(member, layer) for member, layers in zip(plan.members, twins) for layer in layers]
    splices = [splice for member, layers in zip(plan.members, twins) for splice in text_splices(plan, member, layers)]
    splices.sort(key=lambda splice: splice.start)
    data = file.net.document.data
    prove_extent(splices, [Span(layer.span.start, insertion_point(layer)) for _, layer in meant], file.name)
    again = _read_again(file, apply_splices(data, splices))
    if len(again.layers) != len(file.net.layers) + len(meant) * (len(plan.names) - 1):
        raise Defect(f"the new {file.name} has another number of layers than was meant")
    if _without_layers(again) != _without_layers(file.net):
        raise Defect(f"the new {file.name} has other fields outside its layers")
    for member, layer in meant:
        edits = layer_edits(plan, member, layer, layer.v1)
        # Layers keep their order, so a layer's new ones stand where it stood, moved by the ones split before it.
        earlier = sum(other.span < layer.span for _, other in meant)
        place = file.net.layers.index(layer) + earlier * (len(edits) - 1)
        prove_text(again.layers[place : place + len(edits)], edits, layer)
    return EditedText(splices, again)


def _read_again(file: NetFile, edited: bytes) -> Net:
    try:
        document = Document(edited, file.net.document.name)
        return inner_nets(document)[file.inner] if file.net.inside_solver else Net(document)
    except SurgeryError as error:
        raise Defect(f"the new prototxt cannot be read: {error}") from error


def _without_layers(net: Net) -> list[str]:
    return [field.name for field in net.message.fields if field.name not in ("layer", "layers")]


def _new_layers(plan: LayerPlan, target: Target, blobs: Sequence[tuple[Array, ...]]) -> tuple[NewLayer, ...]:
    """What the layer that owns the parameters becomes, for the report."""
    edits = layer_edits(plan, plan.members[0], target.owner.layer, v1=False)
    return tuple(
        NewLayer(
            edit.name, str(edit.join.type) if edit.join else "Convolution", edit.bottoms, edit.top,
            tuple(blob.shape for blob in numbers), part.start.value if part.start else "",
        )
        for part, edit, numbers in zip(plan.recipe.parts, edits, blobs)
    )  # fmt: skip
