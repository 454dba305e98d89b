"""One binary file in another form: weights or a solver's state, as an output that is made while it is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from split_surgery.documents.net.net import Net
from split_surgery.documents.source import PathLike, Progress, Source
from split_surgery.documents.weights.blobs import Blob, Record
from split_surgery.documents.weights.caffemodel import BLOB_RAW, BlobRef, Caffemodel, LayerRecord
from split_surgery.documents.weights.hdf5 import Hdf5Group, Hdf5Weights
from split_surgery.documents.weights.solverstate import BinarySolverstate, Hdf5Solverstate
from split_surgery.errors import FileError, OptionError, SurgeryError, UsageError
from split_surgery.operations.convert_container import hdf5_to_hdf5, to_hdf5, to_protobuf
from split_surgery.operations.convert_state import history_casts, state_to_hdf5, state_to_protobuf
from split_surgery.operations.convert_weights import BlobCast, Losses, casts_of, convert_protobuf, measure
from split_surgery.operations.forms import Form
from split_surgery.workspace.names import HDF5_SUFFIX, STATE_FILE, WEIGHTS_FILE
from split_surgery.workspace.open_files import OpenFiles
from split_surgery.workspace.output_dir import Output
from split_surgery.workspace.outputs import Hdf5Output

_WORDS = {"<f2": "half", "<f4": "float", "<f8": "double"}


@dataclass(frozen=True)
class ConvertedFile:
    """A binary file and what it became.

    Attributes:
        kind: "weights", or "state": that of a solver, whose history is converted.
        was, now: its blobs, counted by the form of their numbers (a word of `--to`), and the containers. changed: blobs of another
            form than before. records: as many as became V1 or new ones.
        bytes: of the file before and after; None for HDF5, which is laid out as it is written.
    """

    kind: str
    was: dict[str, int]
    now: dict[str, int]
    containers: tuple[str, str]
    changed: int
    records: int
    bytes: tuple[int, int | None]


@dataclass(frozen=True)
class MadeFile:
    """The file as it will be; source: the name of the old one. casts: what becomes of each blob."""

    output: Output
    summary: ConvertedFile
    casts: Sequence[BlobCast]
    source: str


def convert_file(
    opened: OpenFiles, path: PathLike, net: Net | None, form: Form, allow_overflow: bool, losses: Losses, progress: Progress
) -> MadeFile:  # fmt: skip
    """A weights file or a solver's state in the form that is asked for, which is measured before and proven.

    Args:
        net: says what the file does not. losses: takes up what is rounded and lost.

    Raises:
        FileError, Unsupported: it cannot be read, or written in that form.
        UsageError: the form is not one of such a file.
        Defect: the proof finds something else than was meant.
    """
    source, state = opened.source(path), _state(opened, path)
    opened.keep_open(path)
    was_h5 = isinstance(state or opened.weights(path), (Hdf5Weights, Hdf5Solverstate))
    form = replace(form, container=form.container or ("h5" if was_h5 else "caffemodel"))
    if form.container == "h5" and form.raw:
        raise OptionError("to", "HDF5 has no raw_data", form.numbers)
    if state is not None:
        made = _converted_state(state, source, net, form, allow_overflow, losses, progress)
    else:
        made = _converted_weights(opened, path, net, form, allow_overflow, losses, progress)
    output, old, new, casts = made
    blobs = [cast.old for cast in casts]
    summary = ConvertedFile(
        kind="weights" if state is None else "state",
        was=_counted(blobs if state is not None else [blob for record in old for blob in record.blobs]),
        now=dict(Counter(_WORDS[cast.new.dtype] if form.container == "h5" else cast.word(form) for cast in casts)),
        containers=("h5" if was_h5 else "caffemodel", form.container),
        changed=sum(cast.changes(form) for cast in casts) if was_h5 == (form.container == "h5") else len(casts),
        records=_renewed(old, new),
        bytes=(source.size, None if form.container == "h5" else output.size),
    )
    return MadeFile(output, summary, casts, source.name)


_Converted = tuple[Output, Sequence[Record], Sequence[Record], Sequence[BlobCast]]
"""An output, the records before and after, and the casts."""


def _converted_weights(
    opened: OpenFiles, path: PathLike, net: Net | None, form: Form, allow_overflow: bool, losses: Losses, progress: Progress
) -> _Converted:  # fmt: skip
    weights, source = opened.weights(path), opened.source(path)
    if isinstance(weights, Hdf5Weights) and form.container != "h5":
        new, casts = to_protobuf(weights, form, net, losses)
        measure(casts, allow_overflow, losses, progress)
        return Output(WEIGHTS_FILE, new.rope.chunks), weights.layers, new.layers, casts
    by_record = casts_of(weights, form, net)
    casts = [cast for several in by_record.values() for cast in several]
    measure(casts, allow_overflow, losses, progress)
    if isinstance(weights, Hdf5Weights):
        return _hdf5(WEIGHTS_FILE, source, hdf5_to_hdf5(weights, by_record)), weights.layers, (), casts
    assert isinstance(weights, Caffemodel)
    if form.container == "h5":
        return _hdf5(WEIGHTS_FILE, source, to_hdf5(weights, by_record, net, losses)), weights.layers, (), casts
    new = convert_protobuf(weights, form, by_record, losses)
    return Output(WEIGHTS_FILE, new.rope.chunks, source), weights.layers, new.layers, casts


def _converted_state(
    state: BinarySolverstate | Hdf5Solverstate, source: Source, net: Net | None, form: Form, allow_overflow: bool, losses: Losses,
    progress: Progress,
) -> _Converted:  # fmt: skip
    if net is not None:
        raise UsageError(f"{source.name} is a solver state, which goes without NET")
    if form.layers:
        raise OptionError("to", "a solver state has no layers", form.layers)
    casts = history_casts(state, form)
    measure(casts, allow_overflow, losses, progress)
    if form.container == "h5":
        return _hdf5(STATE_FILE, source, state_to_hdf5(state, casts)), (), (), casts
    return Output(STATE_FILE, state_to_protobuf(state, form, casts, losses).chunks, source), (), (), casts


def _hdf5(name: str, source: Source, content: Hdf5Group) -> Output:
    return Hdf5Output(name + HDF5_SUFFIX, [], source, source.name, content)


def _state(opened: OpenFiles, path: PathLike) -> BinarySolverstate | Hdf5Solverstate | None:
    """The solver's state in a file that cannot be read as weights, if it is one."""
    try:
        opened.weights(path)
    except FileError:
        try:
            return opened.solverstate(path)
        except SurgeryError:  # what is wrong with it as weights is said where it is read as such
            return None
    return None


def _counted(blobs: Sequence[Blob]) -> dict[str, int]:
    """Blobs by the form of their numbers, in a word of `--to`."""
    raw = [isinstance(blob, BlobRef) and blob.number == BLOB_RAW for blob in blobs]
    return dict(Counter(("raw-" if is_raw else "") + _WORDS[blob.dtype] for is_raw, blob in zip(raw, blobs)))


def _renewed(before: Sequence[Record], after: Sequence[Record]) -> int:
    """How many records are in the form of layers that those of the same name were not in."""
    was = {record.name: record.v1 for record in before if isinstance(record, LayerRecord)}
    return sum(isinstance(record, LayerRecord) and was.get(record.name) == (not record.v1) for record in after)
