"""Opening a file of any kind that Caffe reads or writes, told apart by its content: for the verbs that look at one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from split_surgery.documents.net.meaning import Fields, fields_of, quoted
from split_surgery.documents.net.net import INNER_NETS, Prototxt
from split_surgery.documents.other_files import FIRST_BYTES, OtherFile, is_text, other_file
from split_surgery.documents.source import PathLike, Source
from split_surgery.documents.weights import hdf5, wire
from split_surgery.documents.weights.blobs import Record, Weights
from split_surgery.documents.weights.solverstate import ITER, BinarySolverstate, Solverstate
from split_surgery.errors import FileError, FilePlace
from split_surgery.workspace.open_files import OpenFiles
from split_surgery.workspace.run_dir import run_dir
from split_surgery.workspace.yaml_file import YamlFile

FileKind = Literal["net", "solver", "weights", "solver state", "directory"]

NET: FileKind = "net"
SOLVER: FileKind = "solver"
WEIGHTS: FileKind = "weights"
STATE: FileKind = "solver state"
DIRECTORY: FileKind = "directory"

CURRENT_STEP = 4


@dataclass(frozen=True)
class Opened:
    """A file of one kind, or the directory of a split: what it is not is None.

    Attributes:
        name: as it was given, for messages.
        weights: of a directory its newest snapshot, else what was written into it. written: the latter, where there is a snapshot.
        others: further prototxts of a directory, by name. plan: what its split.yaml or fold.yaml says.
    """

    kind: FileKind
    name: str
    text: Prototxt | None = None
    weights: Weights | None = None
    state: Solverstate | None = None
    solver: Prototxt | None = None
    others: tuple[tuple[str, Prototxt], ...] = ()
    written: Weights | None = None
    plan: Fields = field(default_factory=dict)


def open_any(files: OpenFiles, path: PathLike) -> Opened:
    """The index of a file whose kind its content says, or of a directory; `files` closes it.

    Raises:
        FileError: it cannot be read, or is of no kind that Caffe has.
    """
    name = os.fspath(path)
    if os.path.isdir(path):
        return _open_directory(files, path)
    source = files.source(path)
    if source.begins_with(hdf5.MAGIC):
        with hdf5.opened(name) as file:
            history = "history" in file
        if history:
            return Opened(STATE, name, state=files.solverstate(path))
        return Opened(WEIGHTS, name, weights=files.weights(path))
    if source.size == 0:
        raise FileError("is empty", FilePlace(name))
    head = source.read(0, min(FIRST_BYTES, source.size))
    if is_text(head):
        text = files.prototxt(path)
        return Opened(SOLVER if text.is_solver else NET, name, text=text)
    other = other_file(head, weights=True)
    if _is_state(source, other):
        return Opened(STATE, name, state=files.solverstate(path))
    return Opened(WEIGHTS, name, weights=files.weights(path))


def _is_state(source: Source, other: OtherFile | None) -> bool:
    """Whether a binary file is a solver state, and not a caffemodel.

    Args:
        other: what it is, if it is neither.

    Raises:
        FileError: it is neither.
    """
    fields: set[tuple[int, int]] = set()
    try:
        for item in wire.walk(source, 0, source.size):
            fields.add((item.number, item.wire_type))
    except FileError:  # cut off, perhaps: what came before tells what it is
        pass
    if (ITER, wire.VARINT) in fields and {number for number, _ in fields} <= {1, 2, 3, CURRENT_STEP}:
        return True
    if fields & {(1, wire.LENGTH), (2, wire.LENGTH), (100, wire.LENGTH)} and (ITER, wire.VARINT) not in fields:
        return False
    if other is not None:
        raise FileError(f"is {other.what}", FilePlace(source.name), other.hint)
    raise FileError("is neither text, nor a caffemodel, nor a solver state", FilePlace(source.name))


def _open_directory(files: OpenFiles, path: PathLike) -> Opened:
    there = run_dir(path)
    net, newest = there.need_net(), there.newest()
    weights = newest or there.written
    return Opened(
        DIRECTORY,
        there.given,
        text=files.prototxt(net),
        weights=files.weights(weights) if weights else None,
        state=files.solverstate(there.state) if there.state else None,
        solver=files.prototxt(there.solver) if there.solver else None,
        others=tuple((other.name, files.prototxt(other)) for other in there.others),
        written=files.weights(there.written) if there.written and newest else None,
        plan=_plan_fields(there.made_by) if there.made_by else {},
    )


def _plan_fields(path: Path) -> Fields:
    """A YAML file as fields by path, lists of plain values in one text.

    Raises:
        FileError: it is not YAML.
    """
    return dict(_flat(path.name, YamlFile.read(path).tree()))


def _flat(path: str, tree: object) -> Iterator[tuple[str, str]]:
    if isinstance(tree, dict):
        for name, inner in tree.items():
            yield from _flat(f"{path}: {name}" if ": " not in path else f"{path}.{name}", inner)
    elif isinstance(tree, list) and any(isinstance(one, (dict, list)) for one in tree):
        for at, inner in enumerate(tree):
            yield from _flat(f"{path}[{at}]", inner)
    else:
        yield path, " ".join(map(str, tree)) if isinstance(tree, list) else str(tree)


def records_of(weights: Weights) -> list[Record]:
    """The records of a weights file but for Caffe's own Split layers, which it makes anew whenever it builds a net."""
    return [record for record in weights.layers if record.type != "Split"]


def state_fields(state: Solverstate) -> Fields:
    """What a solver state says beside its history.

    Raises:
        FileError: it cannot be read.
    """
    step = _current_step(state)
    fields = {"iter": str(state.iteration), "learned_net": quoted(state.learned_net)}
    return fields | ({"current_step": str(step)} if step is not None else {})


def _current_step(state: Solverstate) -> int | None:
    """The step of the learning rate's schedule that a solver state is in, if it says so."""
    if isinstance(state, BinarySolverstate):
        items = wire.walk(state.reader, 0, state.reader.size)
        found = [i.integer for i in items if (i.number, i.wire_type) == (CURRENT_STEP, wire.VARINT)]
        return found[-1] if found else None
    with hdf5.opened(state.name) as file:
        return int(np.asarray(file["current_step"][()]).reshape(-1)[0]) if "current_step" in file else None


def own_fields(text: Prototxt) -> Fields:
    """The fields of a solver but for the nets in it; of a net none, which has them itself."""
    return fields_of(text.document.root, without=INNER_NETS) if text.is_solver else {}
