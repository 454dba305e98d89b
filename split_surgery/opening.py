"""Opening a weights file or a solver state, whichever of Caffe's two formats it is in."""

from __future__ import annotations

import os
from contextlib import ExitStack

from split_surgery.documents import hdf5
from split_surgery.documents.caffemodel import Caffemodel
from split_surgery.documents.hdf5 import Hdf5Weights
from split_surgery.documents.solverstate import BinarySolverstate, Hdf5Solverstate
from split_surgery.documents.weights import Weights
from split_surgery.files import PathLike, Source, has_magic


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
