"""The index of a weights file or a solver state, whichever of Caffe's two formats it is in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from split_surgery.documents.other_files import FIRST_BYTES, other_file
from split_surgery.documents.source import Source
from split_surgery.documents.weights import hdf5
from split_surgery.documents.weights.blobs import Weights
from split_surgery.documents.weights.caffemodel import Caffemodel
from split_surgery.documents.weights.hdf5 import Hdf5Weights
from split_surgery.documents.weights.solverstate import BinarySolverstate, Hdf5Solverstate
from split_surgery.errors import FileError, FilePlace


def weights_in(source: Source) -> Weights:
    """The index of a `.caffemodel` or `.caffemodel.h5`, told apart by their first bytes.

    Raises:
        FileError: it cannot be read, or is neither.
    """
    if source.begins_with(hdf5.MAGIC):
        return Hdf5Weights(source.name)
    with _naming_others(source):
        return Caffemodel(source)


def solverstate_in(source: Source) -> BinarySolverstate | Hdf5Solverstate:
    """The index of a `.solverstate` or `.solverstate.h5`, likewise."""
    if source.begins_with(hdf5.MAGIC):
        return Hdf5Solverstate(source.name)
    with _naming_others(source):
        try:
            return BinarySolverstate(source)
        except FileError as error:
            if not _holds_layers(source):
                raise
            hint = "give the .solverstate that was written beside it"
            raise FileError("is weights, not a solver state", FilePlace(source.name), hint) from error


def _holds_layers(source: Source) -> bool:
    try:
        return bool(Caffemodel(source).layers)
    except FileError:
        return False


@contextmanager
def _naming_others(source: Source) -> Iterator[None]:
    """Say what the file is, where it is no protobuf of Caffe's but something that is known."""
    try:
        yield
    except FileError as error:  # only now: what can be read is what it was given for
        other = other_file(source.read(0, min(FIRST_BYTES, source.size)), weights=True)
        if other is None:
            raise
        raise FileError(f"is {other.what}", FilePlace(source.name), other.hint) from error
