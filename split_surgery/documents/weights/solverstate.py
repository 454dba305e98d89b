"""Solver states (`.solverstate`, `.solverstate.h5`): the history that a training goes on with, and its copy with some of it replaced.

Field numbers and datasets are those of BVLC Caffe 1.0 (SGDSolver::SnapshotSolverStateToBinaryProto and ...ToHDF5).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from split_surgery.documents.spans import Reader, Span, Splice, merged
from split_surgery.documents.weights import hdf5, wire
from split_surgery.documents.weights.blobs import Array, Blob, Held
from split_surgery.documents.weights.caffemodel import BlobRef, encode_blob, expect, index_blob, text_of
from split_surgery.documents.weights.hdf5 import Copy, Hdf5Blob, Hdf5Group, Hdf5Item
from split_surgery.documents.weights.wire import LENGTH, VARINT, tagged, wrapped
from split_surgery.errors import FileError, FilePlace

ITER, LEARNED_NET, HISTORY, CURRENT_STEP = 1, 2, 3, 4
HISTORY_GROUP = "history"

Replaced = Mapping[int, Sequence[Array]]
"""What stands in the place of a history blob, by its index; nothing where it is dropped."""


@dataclass(frozen=True)
class Entry:
    """A blob of the history as it will be, and the index in the file of the one in whose place it stands."""

    blob: Blob
    origin: int


class Solverstate:
    """A solver's state, and what has been edited in it since it was read.

    Attributes:
        iteration: of the snapshot. learned_net: the weights file that belongs to it, as Caffe wrote it, or "".
        current_step: how often a policy of steps has lowered the rate.
        entries: a blob for every learnable parameter, and for Adam and AdaDelta a second run of them.
    """

    name: str
    iteration: int
    learned_net: str
    current_step: int
    entries: tuple[Entry, ...]

    @property
    def history(self) -> tuple[Blob, ...]:
        return tuple(entry.blob for entry in self.entries)

    def replaced(self: _State, replaced: Replaced) -> _State:
        """This state with other blobs in the place of some."""
        edited, entries = copy.copy(self), list[Entry]()
        for at, entry in enumerate(self.entries):
            if at in replaced:
                entries += [Entry(Held(array, -1, self.name), entry.origin) for array in replaced[at]]
            else:
                entries.append(entry)
        edited.entries = tuple(entries)
        return edited


_State = TypeVar("_State", bound=Solverstate)


class BinarySolverstate(Solverstate):
    """The index of a binary SolverState.

    Attributes:
        spans: of the fields that the blobs of the history stand in.

    Raises:
        FileError: not one, with the byte offset.
    """

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.name = reader.name
        self.iteration, self.learned_net, self.current_step = 0, "", 0
        self._net_span = Span(0, 0)
        self.spans: list[Span] = []
        blobs: list[BlobRef] = []
        for item in wire.walk(reader, 0, reader.size):
            if item.number == ITER:
                expect(reader, item, VARINT, "iter (is this a solverstate?)")
                self.iteration = item.integer
            elif item.number == LEARNED_NET:
                expect(reader, item, LENGTH, "learned_net")
                self.learned_net, self._net_span = text_of(reader, item), Span(item.start, item.stop)
            elif item.number == CURRENT_STEP:
                self.current_step = item.integer
            elif item.number == HISTORY:
                inside = f"history[{len(blobs)}]"
                expect(reader, item, LENGTH, inside)
                blobs.append(index_blob(reader, Span(item.value, item.stop), inside, len(blobs)))
                self.spans.append(Span(item.start, item.stop))
        self._blobs = tuple(blobs)
        self.entries = tuple(Entry(blob, at) for at, blob in enumerate(blobs))
        if not blobs:
            raise FileError("holds no history: is it a solverstate?", FilePlace(reader.name))

    def splices(self, learned_net: str) -> list[Splice]:
        """The edits as splices of the file, and one that names another weights file."""
        # Where the state names none, Caffe would go on with whatever the net was filled with.
        named = tagged(LEARNED_NET, learned_net.encode("utf-8", "surrogateescape"))
        splices = [Splice(*self._net_span, named)]
        there: dict[int, list[Blob]] = {}
        for entry in self.entries:
            there.setdefault(entry.origin, []).append(entry.blob)
        for origin, like in enumerate(self._blobs):
            blobs = there.get(origin, [])
            if not (len(blobs) == 1 and blobs[0] is like):
                new = [chunk for blob in blobs for chunk in wrapped(HISTORY, encode_blob(blob, like))]
                splices.append(Splice(*self.spans[origin], merged(new)))
        return splices


class Hdf5Solverstate(Solverstate):
    """The index of an HDF5 solver state.

    Raises:
        FileError: it is not one, or h5py is missing.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        with hdf5.opened_whole(path) as file:
            if HISTORY_GROUP not in file or "iter" not in file:
                raise FileError("holds no history: is it a solverstate?", FilePlace(path))
            self.iteration = int(_value(path, file["iter"]).reshape(-1)[0])
            self.learned_net = _string(path, file["learned_net"]) if "learned_net" in file else ""
            step = _value(path, file["current_step"]).reshape(-1) if "current_step" in file else [0]
            self.current_step = int(step[0])
            group = file[HISTORY_GROUP]
            found = [hdf5.index_dataset(path, f"{HISTORY_GROUP}/{key}", key, group[key]) for key in group]
        found.sort(key=lambda blob: blob.index)
        if [blob.index for blob in found] != list(range(len(found))):
            raise FileError("its history is not numbered 0, 1, 2 ...", FilePlace(path))
        self.entries = tuple(Entry(blob, blob.index) for blob in found)

    def content(self, learned_net: str) -> Hdf5Group:
        """The file with its edits, the blobs after them renumbered, and another weights file named."""
        history: list[Hdf5Item] = [
            Copy(blob.inside) if isinstance(blob, Hdf5Blob) else blob.load() for blob in self.history
        ]
        with hdf5.opened(self.name) as file:
            members: dict[str, Hdf5Item] = {name: Copy(name) for name in file}
        members["learned_net"] = learned_net.encode("utf-8", "surrogateescape")
        members[HISTORY_GROUP] = Hdf5Group(HISTORY_GROUP, {str(at): item for at, item in enumerate(history)})
        return Hdf5Group("/", members)


def _value(path: str, dataset: Any) -> Any:
    """What a small dataset holds.

    Raises:
        FileError: its length varies: Caffe cannot read that, and libhdf5 may follow a damaged heap of such texts for ever.
    """
    if dataset.dtype.hasobject:
        raise FileError(
            "is of variable length, which Caffe does not read", FilePlace(f"{path}:{dataset.name}"),
            "write it with a fixed length (h5py: numpy.bytes_ for a text)",
        )  # fmt: skip
    return np.asarray(dataset[()])


def _string(path: str, dataset: Any) -> str:
    value = _value(path, dataset).item()
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
