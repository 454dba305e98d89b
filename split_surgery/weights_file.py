"""Opening a weights file, whichever of Caffe's two formats it is in."""

from __future__ import annotations

from contextlib import ExitStack

from split_surgery.documents import hdf5
from split_surgery.documents.caffemodel import Caffemodel
from split_surgery.documents.hdf5 import Hdf5Weights
from split_surgery.documents.weights import Weights
from split_surgery.files import PathLike, Source


def open_weights(stack: ExitStack, path: PathLike) -> Weights:
    """The index of a `.caffemodel` or `.caffemodel.h5`, told apart by their first bytes; `stack` closes it.

    Raises:
        FileError: it cannot be read, or is neither.
    """
    source = stack.enter_context(Source(path))
    return Hdf5Weights(source.name) if is_hdf5(source) else Caffemodel(source)


def is_hdf5(source: Source) -> bool:
    return source.read(0, min(len(hdf5.MAGIC), source.size)) == hdf5.MAGIC
