"""A weights file opened to be read: `split_surgery.weights`."""

from __future__ import annotations

from split_surgery.documents.source import PathLike
from split_surgery.operations.open_weights import OpenWeights
from split_surgery.workspace.open_files import OpenFiles


def weights(path: PathLike) -> OpenWeights:
    """Open a `.caffemodel`, new or V1, or a `.caffemodel.h5`: layers by name, their blobs as arrays that are read when asked for.

    Raises:
        SurgeryError: it cannot be read.
    """
    with OpenFiles() as files:
        return OpenWeights(files.weights(path), files.source(path))
