"""The index of a weights file or a solver state, whichever of Caffe's two formats it is in."""

from __future__ import annotations

from split_surgery.documents.source import Source
from split_surgery.documents.weights import hdf5
from split_surgery.documents.weights.blobs import Weights
from split_surgery.documents.weights.caffemodel import Caffemodel
from split_surgery.documents.weights.hdf5 import Hdf5Weights
from split_surgery.documents.weights.solverstate import BinarySolverstate, Hdf5Solverstate


def weights_in(source: Source) -> Weights:
    """The index of a `.caffemodel` or `.caffemodel.h5`, told apart by their first bytes.

    Raises:
        FileError: it cannot be read, or is neither.
    """
    return Hdf5Weights(source.name) if source.begins_with(hdf5.MAGIC) else Caffemodel(source)


def solverstate_in(source: Source) -> BinarySolverstate | Hdf5Solverstate:
    """The index of a `.solverstate` or `.solverstate.h5`, likewise."""
    return Hdf5Solverstate(source.name) if source.begins_with(hdf5.MAGIC) else BinarySolverstate(source)
