"""The outputs of a split as chunks, and the diff that shows what they change."""

from __future__ import annotations

import difflib
import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from split_surgery.documents.edit.layer_edit import LayerEdit
from split_surgery.documents.edit.layer_record import encode_record
from split_surgery.documents.edit.proof import prove_extent, prove_records
from split_surgery.documents.edit.read_back import record_without_blobs
from split_surgery.documents.source import PathLike, Progress, has_magic, no_progress, same_file
from split_surgery.documents.spans import Splice, apply_splices, splice_chunks
from split_surgery.documents.weights import hdf5
from split_surgery.documents.weights.blobs import Array, Blob, Held, Record, Weights
from split_surgery.documents.weights.caffemodel import Caffemodel, LayerRecord
from split_surgery.documents.weights.hdf5 import Hdf5Weights
from split_surgery.documents.weights.solverstate import BinarySolverstate, Hdf5Solverstate
from split_surgery.workspace.inputs import Inputs, NoWeights, StateFile
from split_surgery.workspace.names import NET_FILE, SOLVER_FILE
from split_surgery.workspace.output_dir import Output
from split_surgery.workspace.run_dir import run_dir
from split_surgery.workspace.solver import solver_splices


@dataclass(frozen=True)
class RecordChange:
    """What becomes of one record of the weights file.

    Attributes:
        edits: the new layers. blobs: their numbers, none for a layer without weights.
        splices: what puts the new records in the old one's place, in a protobuf file.
        added: indices of blobs that a new layer has and the old one had not.
    """

    record: Record
    edits: Sequence[LayerEdit]
    blobs: Sequence[tuple[Blob, ...]]
    splices: Sequence[Splice]
    added: tuple[int, ...] = ()

    def stored(self) -> dict[str, dict[int, Blob]]:
        """By new layer, the blobs that are stored with it: of those that another layer owns HDF5 has none."""
        own = [*(blob.index for blob in self.record.blobs), *self.added]
        return {
            edit.name: {index: blobs[index] for index in own if index < len(blobs)}
            for edit, blobs in zip(self.edits, self.blobs)
        }


def changed_record(
    record: Record, edits: Sequence[LayerEdit], blobs: Sequence[tuple[Blob, ...]], added: tuple[int, ...] = ()
) -> RecordChange:
    """What becomes of one record, proven by another route.

    Args:
        edits: the layers that it becomes, in the form of the record. blobs: their numbers. added: see RecordChange.

    Raises:
        FileError: the record is damaged. Defect: what would be written is not what was meant.
    """
    if not isinstance(record, LayerRecord):
        return RecordChange(record, edits, blobs, [], added)
    before = record_without_blobs(record, made=False)
    splices = weight_splices(edits, blobs, record)
    prove_extent(splices, [record.span], "weights")
    prove_records(splices, record.reader, before, edits, blobs)
    return RecordChange(record, edits, blobs, splices, added)


def with_numbers(record: Record, edit: LayerEdit, arrays: Sequence[Array], added: tuple[int, ...] = ()) -> RecordChange:
    """A record that stays one, with other numbers, in the dtype that they are stored in. See `changed_record`."""
    blobs = tuple(Held(array, index, "") for index, array in enumerate(arrays))
    own = replace(edit, v1=record.v1) if isinstance(record, LayerRecord) else edit
    return changed_record(record, [own], [blobs], added)


def weight_splices(edits: Sequence[LayerEdit], blobs: Sequence[tuple[Blob, ...]], record: LayerRecord) -> list[Splice]:
    """The weights file's splices, one for each new layer, blobless ones too: the first takes the old record's place.

    One splice for all would need all records in one piece, and so the memory twice.
    """
    records = (encode_record(record, edit, numbers) for edit, numbers in zip(edits, blobs))
    starts = (record.span.start, *[record.span.stop] * (len(edits) - 1))
    return [Splice(start, record.span.stop, data) for start, data in zip(starts, records)]


def applied(weights: Weights, changes: Sequence[RecordChange]) -> Weights:
    """The weights with these changes made."""
    if isinstance(weights, Hdf5Weights):
        new = {
            name: {index: blob.load() for index, blob in blobs.items()}
            for change in changes
            for name, blobs in change.stored().items()
        }
        return weights.replaced([change.record.name for change in changes], new)
    assert isinstance(weights, Caffemodel)
    return Caffemodel(weights.rope.spliced([splice for change in changes for splice in change.splices]))


@dataclass(frozen=True)
class Hdf5Output(Output):
    """An HDF5 file made of another; the same content is the same, however its bytes are laid out."""

    path: str = ""
    content: hdf5.Hdf5Group = hdf5.Hdf5Group(None, {})

    def same_as(self, path: PathLike) -> bool:
        return has_magic(path, hdf5.MAGIC) and hdf5.holds(self.path, str(path), self.content)

    def write(self, path: PathLike, progress: Progress = no_progress) -> None:
        hdf5.write_hdf5(self.path, str(path), self.content)


def outputs_of(inputs: Inputs, directory: str, record: Output | None = None) -> tuple[Output, ...]:
    """The files of the output directory, the weights first.

    Args:
        inputs: the files as the run has edited them.
        directory: the output directory as Caffe will see it.
        record: the file that says how they were made, if there is one, which comes last.
    """
    outputs = [_weights_output(inputs)] if not isinstance(inputs.weights, NoWeights) else []
    if inputs.state is not None:
        outputs.append(_state_output(inputs.state, f"{directory}/{inputs.weights_name}"))
    for name, text in inputs.named:
        data, net = text.document.data, text.nets[0]
        outputs.append(Output(name, [dedented(data[slice(*net.message.body)]) if net.inside_solver else data]))
    solver = inputs.solver_document
    if solver is not None:
        own = run_dir(Path(inputs.main.document.name).parent).solver
        other = str(own) if own is not None and not same_file(own, solver.name) else None
        pointed = solver_splices(solver, directory, inputs.new_name, inputs.weights_name, other)
        outputs.append(Output(SOLVER_FILE, [apply_splices(solver.data, pointed)]))
    return (*outputs, *([record] if record is not None else []))


def _weights_output(inputs: Inputs) -> Output:
    weights = inputs.weights
    if isinstance(weights, Hdf5Weights):
        return Hdf5Output(inputs.weights_name, [], inputs.source, weights.name, weights.content())
    assert isinstance(weights, Caffemodel)
    return Output(inputs.weights_name, weights.rope.chunks, inputs.source)


def _state_output(state: StateFile, learned_net: str) -> Output:
    index = state.index
    if isinstance(index, Hdf5Solverstate):
        return Hdf5Output(state.name, [], state.source, index.name, index.content(learned_net))
    assert isinstance(index, BinarySolverstate)
    return Output(state.name, list(splice_chunks(state.source.size, index.splices(learned_net))), state.source)


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


def diff_of(before: Inputs, after: Inputs, outputs: Sequence[Output], kept: Collection[str] = ()) -> str:
    """A unified diff of the texts, and a table of the weights file's changed records.

    Args:
        kept: names of records that changed and kept their names.
    """
    texts = {name: text.document for name, text in before.named}
    if before.solver_document is not None:
        texts[SOLVER_FILE] = before.solver_document
    if before.main.is_solver:
        del texts[NET_FILE]  # the solver's diff shows it
    parts: list[str] = []
    for output in outputs:
        if output.name in texts:
            old = texts[output.name]
            parts.append(text_diff(old.data, b"".join(output.pieces()), old.name, output.name))
    if isinstance(before.weights, NoWeights):
        return "".join(parts)
    parts.append(f"--- {before.weights.name}\n+++ {after.weights_name}\n")
    had, has = ({record.name for record in inputs.weights.layers} for inputs in (before, after))
    for sign, layers, there in (("-", before.weights.layers, has), ("+", after.weights.layers, had)):
        for record in layers:
            if record.name not in there or record.name in kept:
                size = f"  {record.span.stop - record.span.start} bytes" if isinstance(record, LayerRecord) else ""
                parts.append(f"{sign}{record.name}  {[blob.shape for blob in record.blobs]}{size}\n")
    return "".join(parts)


def text_diff(old: bytes, new: bytes, old_name: str, new_name: str) -> str:
    """A unified diff of two texts; "" where they are equal."""
    lines = difflib.unified_diff(_lines(old), _lines(new), old_name, new_name)
    return "".join(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in lines)


def _lines(data: bytes) -> list[str]:
    # Lines end at \n only: a form feed or U+0085 in a comment is no end of line.
    return list(io.StringIO(data.decode("utf-8", "replace"), newline="\n"))
