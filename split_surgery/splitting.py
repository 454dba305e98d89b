"""A split from open files to finished outputs: rank, plan, edit, prove. Nothing is written here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from split_surgery.config import Settings
from split_surgery.documents.caffemodel import CAFFE_READ_LIMIT, Array, LayerRecord
from split_surgery.documents.convolution import check_splittable
from split_surgery.documents.layer_edit import LayerEdit
from split_surgery.documents.layer_text import insertion_point
from split_surgery.documents.net import Geometry, Layer, Net
from split_surgery.documents.prototxt import Document
from split_surgery.edits import initial_blobs, layer_edits, text_splices, weight_splices
from split_surgery.errors import BytePlace, Defect, FileError, Unsupported, UsageError
from split_surgery.evidence import Evidence, Request, find_snapshots, finite_blobs, no_tpm_hint, score_layer
from split_surgery.files import Output, Progress, no_progress, sha256
from split_surgery.inputs import NET_FILE, WEIGHTS_FILE, Inputs, NetFile
from split_surgery.plan import (
    InputFile,
    LayerPlan,
    Options,
    Plan,
    check_geometry,
    check_names_free,
    check_record,
    plan_layer,
)
from split_surgery.proof import prove_extent, prove_records, prove_text
from split_surgery.recipes import RECIPES
from split_surgery.reports import NewLayer
from split_surgery.solver import snapshot_prefix
from split_surgery.spans import Span, Splice, apply_splices
from split_surgery.writing import diff_of, outputs_of

DEFAULT_LAYER = "conv1_1"


@dataclass(frozen=True)
class Target:
    """The layer to be split: its twins in the prototxt, and its record."""

    twins: tuple[Layer, ...]
    geometry: Geometry
    record: LayerRecord

    @property
    def layer(self) -> Layer:
        return self.twins[0]


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


def find_target(inputs: Inputs, name: str | None, trusted: frozenset[str]) -> tuple[Target, list[str]]:
    """The layer to split, and remarks on the choice.

    Raises:
        SurgeryError: it does not exist, cannot be split, or is not in the weights.
    """
    remarks: list[str] = []
    if name is None:
        name, remarks = _default_layer(inputs.net)
    twins = tuple(inputs.net.twins(name))
    geometry = check_splittable(inputs.net, twins[0], trusted)
    for twin in twins[1:]:
        if check_splittable(inputs.net, twin, trusted) != geometry:
            twin.refuse(f"differs in geometry from the layer of the same name at {twins[0].place()}")
    record = check_record(twins[0], geometry, inputs.weights.named(name), inputs.weights.reader.name)
    if twins[0].frozen(len(record.blobs)):
        remarks.append(f'layer "{name}" is frozen (lr_mult 0), and so are the new layers: they will not learn')
    return Target(twins, geometry, record), remarks


def _default_layer(net: Net) -> tuple[str, list[str]]:
    names = list(dict.fromkeys(layer.name for layer in net.convolutions()))
    if not names:
        raise UsageError(f"{net.document.name} has no convolution to split")
    if DEFAULT_LAYER in names:
        return DEFAULT_LAYER, []
    for name in names:
        base = name.removesuffix("_split1")
        if base != name and f"{base}_split2" in names:
            raise UsageError(
                f'{net.document.name} was split before ("{base}"); say which layer is next with --layer',
                hint="candidates: " + ", ".join(names),
            )
    return names[0], [f'no layer "{DEFAULT_LAYER}"; taking the first convolution, "{names[0]}"']


def rank_target(inputs: Inputs, target: Target, request: Request, progress: Progress) -> Evidence:
    """Scores of the target's kernels."""
    if request.scores is not None:
        return score_layer(target.layer.name, target.record, inputs.weights_path, request, [], progress)
    solver = inputs.solver or (inputs.net.document if inputs.net.inside_solver else None)
    place = inputs.solver_path if inputs.solver is not None else inputs.nets[0].path
    prefix = snapshot_prefix(solver) if solver is not None else None
    found = find_snapshots(request, inputs.weights_path, prefix, place)
    return score_layer(target.layer.name, target.record, inputs.weights_path, request, found, progress)


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
    target, remarks = find_target(inputs, settings.layer, trusted)
    check_geometry(RECIPES[options.recipe], target.layer, target.geometry, options.even_center)
    weight, *biases = finite_blobs(target.record)
    if target.record.blobs[0].dtype != target.record.blobs[-1].dtype:
        blob = target.record.blobs[-1]
        place = BytePlace(blob.reader.name, blob.span.start, blob.inside)
        raise FileError("the layer's blobs are of different types", place)
    evidence = rank_target(inputs, target, request, progress)
    if options.order != "random":
        remarks += no_tpm_hint(evidence, settings.measure)
    digest = sha256(inputs.source.read(*target.record.body))
    layer_plan = plan_layer(
        inputs.net, target.layer, options, digest, evidence.scores, evidence.measure, evidence.tpm, evidence.files
    )
    weights_file = InputFile(Path(inputs.weights_path).name, inputs.source.size)
    texts_in = tuple(_identified(file) for file in inputs.nets)
    plan = Plan(texts_in[0], weights_file, texts_in[1:], (layer_plan,))
    _check_records_free(inputs, layer_plan)
    blobs = initial_blobs(layer_plan, weight, biases[0].reshape(-1) if biases else None)
    texts = [_edited_text(file, layer_plan, target, trusted) for file in inputs.nets]
    record_edits = _record_edits(layer_plan, target)
    binary = weight_splices(record_edits, blobs, inputs.source, target.record)
    prove_extent(binary, [target.record.span], "weights")
    old_record = inputs.source.read(*target.record.span)
    prove_records([splice.replacement for splice in binary], old_record, record_edits, blobs)
    outputs = outputs_of(inputs, plan, texts, binary, directory)
    if outputs[0].size > CAFFE_READ_LIMIT:
        remarks.append(f"{WEIGHTS_FILE} is larger than 2 GiB, which Caffe cannot read as protobuf; it can as HDF5")
    before = sum(blob.count for blob in target.record.blobs)
    after = sum(blob.size for part in blobs for blob in part)
    whole = sum(blob.count for record in inputs.weights.layers for blob in record.blobs)
    return Job(
        plan, outputs, _new_layers(layer_plan, layer_edits(layer_plan, target.layer), blobs), evidence,
        (before, after, whole, whole - before + after), tuple(remarks),
        diff_of(inputs, outputs, target.record, binary) if diff else "",
    )  # fmt: skip


def _identified(file: NetFile) -> InputFile:
    data = file.net.document.data
    return InputFile(Path(file.path).name, len(data), sha256(data))


def _record_edits(plan: LayerPlan, target: Target) -> list[LayerEdit]:
    """Edits for the weights file. Of TRAIN/TEST twins only one is in a saved net; its record is known by its bottom."""
    twin = next((twin for twin in target.twins if twin.bottoms == target.record.bottoms), target.layer)
    return layer_edits(plan, twin)


def _check_records_free(inputs: Inputs, plan: LayerPlan) -> None:
    for name in plan.names.values():
        if inputs.weights.named(name):
            raise UsageError(f'{inputs.weights.reader.name} already has a layer "{name}", the name of a new one')


def _edited_text(file: NetFile, plan: LayerPlan, target: Target, trusted: frozenset[str]) -> list[Splice]:
    """The splices of one prototxt, proven by another route.

    Raises:
        UsageError, FileError: an `--also` file lacks the layer, or has it with another geometry.
        Defect: what would be written does not say what was meant.
    """
    twins: Sequence[Layer] = target.twins
    if file.name != NET_FILE:
        twins = file.net.twins(plan.layer)
        for twin in twins:
            if check_splittable(file.net, twin, trusted) != target.geometry:
                twin.fail(f"differs in geometry from the layer at {target.layer.place()}")
        check_names_free(file.net, twins[0], plan.names)
    splices = text_splices(plan, twins)
    data = file.net.document.data
    spans = [Span(twin.field.span.start, insertion_point(data, twin.field)) for twin in twins]
    prove_extent(splices, spans, file.name)
    edited = apply_splices(data, splices)
    try:
        again = Net(Document(edited, file.name))
    except (FileError, Unsupported) as error:
        raise Defect(f"the new prototxt cannot be read: {error}") from error
    if len(again.layers) != len(file.net.layers) + len(twins) * (len(plan.names) - 1):
        raise Defect(f"the new {file.name} has another number of layers than was meant")
    for twin in twins:
        edits = layer_edits(plan, twin)
        # Layers keep their order, so a twin's new layers stand where it stood, moved by the twins before it.
        earlier = sum(other.field.span < twin.field.span for other in twins)
        place = file.net.layers.index(twin) + earlier * (len(edits) - 1)
        new = again.layers[place : place + len(edits)]
        prove_text(edited[new[0].field.span.start : new[-1].field.span.stop], edits, twin)
    return splices


def _new_layers(
    plan: LayerPlan, edits: Sequence[LayerEdit], blobs: Sequence[tuple[Array, ...]]
) -> tuple[NewLayer, ...]:
    return tuple(
        NewLayer(
            edit.name, edit.join[0] if edit.join else "Convolution", edit.bottoms, edit.top,
            tuple(blob.shape for blob in numbers), part.start.value if part.start else "",
        )
        for part, edit, numbers in zip(plan.recipe.parts, edits, blobs)
    )  # fmt: skip
