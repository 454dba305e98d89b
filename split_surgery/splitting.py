"""A split from open files to finished outputs: rank, plan, edit, prove. Nothing is written here."""

from __future__ import annotations

import contextlib
import difflib
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from split_surgery.config import Settings
from split_surgery.documents.caffemodel import CAFFE_READ_LIMIT, Array, Caffemodel, LayerRecord
from split_surgery.documents.convolution import check_splittable
from split_surgery.documents.layer_edit import LayerEdit
from split_surgery.documents.net import Geometry, Layer, Net
from split_surgery.documents.prototxt import Document
from split_surgery.documents.wire import Buffer
from split_surgery.edits import initial_blobs, layer_edits, text_splices, weight_splices
from split_surgery.errors import BytePlace, Defect, FileError, FilePlace, Unsupported, UsageError
from split_surgery.evidence import Evidence, Request, find_snapshots, kernels, score_layer
from split_surgery.files import Output, PathLike, Progress, Source, no_progress, read_file, same_file, sha256
from split_surgery.plan import LayerPlan, Options, Plan, check_geometry, check_record, plan_layer
from split_surgery.proof import prove_records, prove_text
from split_surgery.recipes import RECIPES
from split_surgery.reports import NewLayer
from split_surgery.solver import snapshot_prefix, solver_splices
from split_surgery.spans import Span, Splice, apply_splices, splice_chunks

DEFAULT_LAYER = "conv1_1"
NET_FILE, WEIGHTS_FILE, SOLVER_FILE, PLAN_FILE = "net.prototxt", "net.caffemodel", "solver.prototxt", "split.yaml"


@dataclass(frozen=True)
class Inputs:
    """The files of a split, open and indexed."""

    net_path: PathLike
    weights_path: PathLike
    solver_path: PathLike | None
    net: Net
    weights: Caffemodel
    source: Source
    solver: Document | None

    def paths(self) -> list[PathLike]:
        return [self.net_path, self.weights_path, *([self.solver_path] if self.solver_path is not None else [])]


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


def open_inputs(
    stack: contextlib.ExitStack, net: PathLike, weights: PathLike, solver: PathLike | None = None
) -> Inputs:
    """Open the files of a split; `stack` closes them.

    Raises:
        SurgeryError: one of them cannot be read or used.
    """
    for given in (net, weights):
        if os.path.isdir(given):
            raise FileError("is a directory; name the prototxt and the caffemodel in it", FilePlace(str(given)))
    document = Document(read_file(net), str(net))
    parsed = Net(document)
    source = stack.enter_context(Source(weights))
    parsed_solver = None
    if solver is not None:
        if parsed.inside_solver:
            raise UsageError(f"--solver {solver}: {net} is a solver itself, and is written as one")
        parsed_solver = Document(read_file(solver), str(solver))
    return Inputs(net, weights, solver, parsed, Caffemodel(source), source, parsed_solver)


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
    if twins[0].frozen():
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
    place = inputs.solver_path if inputs.solver is not None else inputs.net_path
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
        recipe, settings.order, str(settings.fast), noise, surround, center, settings.seed, settings.even_center
    )
    request = Request(settings.snapshots, settings.window, settings.measure, settings.scores)
    target, remarks = find_target(inputs, settings.layer, frozenset(settings.trust_field))
    check_geometry(RECIPES[options.recipe], target.layer, target.geometry, options.even_center)
    weight = kernels(target.record)
    if target.record.blobs[0].dtype != target.record.blobs[-1].dtype:
        blob = target.record.blobs[-1]
        raise FileError(
            "the layer's blobs are of different types", BytePlace(blob.reader.name, blob.span.start, blob.inside)
        )
    evidence = rank_target(inputs, target, request, progress)
    digest = sha256(inputs.source.read(*target.record.body))
    layer_plan = plan_layer(
        inputs.net,
        target.layer,
        options,
        digest,
        evidence.scores,
        evidence.measure,
        evidence.tpm,
        evidence.files,
    )
    document = inputs.net.document
    plan = Plan(
        Path(inputs.net_path).name, len(document.data), sha256(document.data),
        Path(inputs.weights_path).name, inputs.source.size, (layer_plan,),
    )  # fmt: skip
    edits = layer_edits(layer_plan, target.layer)
    _check_records_free(inputs, edits)
    bias = target.record.blobs[1].load().reshape(-1) if len(target.record.blobs) > 1 else None
    blobs = initial_blobs(layer_plan, weight, bias)
    text = text_splices(layer_plan, target.twins)
    binary = weight_splices(_record_edits(layer_plan, target), blobs, inputs.source, target.record)
    _prove(inputs, layer_plan, target, text, binary, blobs)
    outputs = _outputs(inputs, plan, text, binary, directory)
    if outputs[1].size > CAFFE_READ_LIMIT:
        remarks.append(f"{WEIGHTS_FILE} is larger than 2 GiB, which Caffe cannot read as protobuf; it can as HDF5")
    before = sum(blob.count for blob in target.record.blobs)
    after = sum(blob.size for part in blobs for blob in part)
    whole = sum(blob.count for record in inputs.weights.layers for blob in record.blobs)
    return Job(
        plan, outputs, _new_layers(layer_plan, edits, blobs), evidence, (before, after, whole, whole - before + after),
        tuple(remarks), _diff(inputs, outputs, target.record, binary) if diff else "",
    )  # fmt: skip


def _record_edits(plan: LayerPlan, target: Target) -> list[LayerEdit]:
    """Edits for the weights file. Of TRAIN/TEST twins only one is in a saved net; its record is known by its bottom."""
    twin = next((twin for twin in target.twins if twin.bottoms == target.record.bottoms), target.layer)
    return layer_edits(plan, twin)


def _check_records_free(inputs: Inputs, edits: Sequence[LayerEdit]) -> None:
    for edit in edits:
        if inputs.weights.named(edit.name):
            raise UsageError(f'{inputs.weights.reader.name} already has a layer "{edit.name}", the name of a new one')


def _prove(
    inputs: Inputs,
    plan: LayerPlan,
    target: Target,
    text: list[Splice],
    binary: list[Splice],
    blobs: Sequence[tuple[Array, ...]],
) -> None:
    prove_records(binary[0].replacement, _record_edits(plan, target), blobs, plan.layer)
    edited = apply_splices(inputs.net.document.data, text)
    try:
        again = Net(Document(edited, NET_FILE))
    except (FileError, Unsupported) as error:
        raise Defect(f"the new prototxt cannot be read: {error}") from error
    if len(again.layers) != len(inputs.net.layers) + len(target.twins) * (len(plan.names) - 1):
        raise Defect("the new prototxt has another number of layers than was meant")
    for twin in target.twins:
        edits = layer_edits(plan, twin)
        # Layers keep their order, so a twin's new layers stand where it stood, moved by the twins before it.
        earlier = sum(other.field.span < twin.field.span for other in target.twins)
        place = inputs.net.layers.index(twin) + earlier * (len(edits) - 1)
        new = again.layers[place : place + len(edits)]
        prove_text(edited[new[0].field.span.start : new[-1].field.span.stop], edits, twin)


def _outputs(
    inputs: Inputs, plan: Plan, text: list[Splice], binary: list[Splice], directory: str
) -> tuple[Output, ...]:
    document, net = inputs.net.document, inputs.net
    outputs: list[Output] = []
    weights = Output(WEIGHTS_FILE, list(splice_chunks(inputs.source.size, binary)), inputs.source)
    solver: list[Output] = []
    if net.inside_solver:
        body = Span(*net.message.body)
        inner = [Splice(s.start - body.start, s.stop - body.start, s.replacement) for s in text]
        outputs.append(Output(NET_FILE, [dedented(apply_splices(document.data[body.start : body.stop], inner))]))
        splices = text + solver_splices(document, directory, lambda _path: False, WEIGHTS_FILE)
        solver.append(Output(SOLVER_FILE, [apply_splices(document.data, splices)]))
    else:
        outputs.append(Output(NET_FILE, [apply_splices(document.data, text)]))
    if inputs.solver is not None and inputs.solver_path is not None:
        splices = solver_splices(inputs.solver, directory, lambda path: _names_net(path, inputs), WEIGHTS_FILE)
        solver.append(Output(SOLVER_FILE, [apply_splices(inputs.solver.data, splices)]))
    return (*outputs, weights, *solver, Output(PLAN_FILE, [plan.to_yaml()]))


def _names_net(path: str, inputs: Inputs) -> bool:
    """Whether a path in a solver is the net being split.

    Caffe resolves it from its working directory, which is not known here: it is looked for from this one, from the solver's
    folder and from the folders above it. Where it is nowhere (the solver was written for another machine), its name decides.
    """
    assert inputs.solver_path is not None
    folder = Path(inputs.solver_path).resolve().parent
    places = [base / path for base in (Path("."), folder, *folder.parents)]
    there = [place for place in places if os.path.isfile(place)]
    if there:
        return any(same_file(place, inputs.net_path) for place in there)
    return Path(path).name == Path(inputs.net_path).name


def dedented(body: bytes) -> bytes:
    """The inside of `net_param { }` as a file of its own: without the indent that all its lines share."""
    eol = b"\r\n" if b"\r\n" in body else b"\n"
    opening, newline, rest = body.partition(b"\n")
    if not newline:
        return body.strip() + eol
    lines = rest.rstrip(b" \t\r\n").split(b"\n")
    filled = [line for line in lines if line.strip()]
    first = filled[0] if filled else b""
    indent = first[: len(first) - len(first.lstrip(b" \t"))]
    while not all(line.startswith(indent) for line in filled):
        indent = indent[:-1]
    # What stands on the line of the opening brace (a comment, a field) becomes a line of its own.
    head = [opening.strip() + eol[:-1]] if opening.strip() else []
    return b"\n".join([*head, *(line.removeprefix(indent) for line in lines)]).rstrip(b"\r") + eol


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


def _diff(inputs: Inputs, outputs: Sequence[Output], record: LayerRecord, binary: list[Splice]) -> str:
    """A unified diff of the texts, and a table of the weights file's changed records."""
    before = {SOLVER_FILE: inputs.solver or inputs.net.document, NET_FILE: inputs.net.document}
    if inputs.net.inside_solver:
        del before[NET_FILE]  # the solver's diff shows it
    parts: list[str] = []
    for output in outputs:
        if output.name in before:
            old = before[output.name]
            new = b"".join(output.pieces())
            for line in difflib.unified_diff(_lines(old.data), _lines(new), old.name, output.name):
                parts.append(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n")
    parts.append(f"--- {inputs.weights.reader.name}\n+++ {WEIGHTS_FILE}\n")
    parts.append(f"@@ bytes {record.span.start}..{record.span.stop} become {len(binary[0].replacement)} @@\n")
    parts.append(f"-{record.name}  {[blob.shape for blob in record.blobs]}\n")
    new_records = Caffemodel(Buffer(binary[0].replacement)).layers
    parts += [f"+{new.name}  {[blob.shape for blob in new.blobs]}\n" for new in new_records]
    return "".join(parts)


def _lines(data: bytes) -> list[str]:
    # Lines end at \n only: a form feed or U+0085 in a comment is no end of line.
    return list(io.StringIO(data.decode("utf-8", "replace"), newline="\n"))
