"""Opening a weights file or a solver state, whichever of Caffe's two formats it is in."""

from __future__ import annotations

import os
from contextlib import ExitStack

from split_surgery.documents.source import PathLike, Source, has_magic
from split_surgery.documents.weights import hdf5
from split_surgery.documents.weights.blobs import Weights
from split_surgery.documents.weights.caffemodel import Caffemodel
from split_surgery.documents.weights.hdf5 import Hdf5Weights
from split_surgery.documents.weights.solverstate import BinarySolverstate, Hdf5Solverstate


def open_weights(stack: ExitStack, path: PathLike) -> Weights:
    """The index of a `.caffemodel` or `.caffemodel.h5`, told apart by their first bytes; `stack` closes it.

    Raises:
        FileError: it cannot be read, or is neither.
    """
    if has_magic(path, hdf5.MAGIC):
        return Hdf5Weights(os.fspath(path))
    return Caffemodel(stack.enter_context(Source(path)))


def open_solverstate(stack: ExitStack, path: PathLike) -> BinarySolverstate | Hdf5Solverstate:
    """The index of a `.solverstate` or `.solverstate.h5`, likewise."""
    if has_magic(path, hdf5.MAGIC):
        return Hdf5Solverstate(os.fspath(path))
    return BinarySolverstate(stack.enter_context(Source(path)))
