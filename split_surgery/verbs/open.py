"""A prototxt opened to be edited: `split_surgery.open`."""

from __future__ import annotations

import os

from split_surgery.documents.source import PathLike, read_file
from split_surgery.operations.editable_net import EditableNet


def open(path: PathLike) -> EditableNet:
    """Open a prototxt, of a net or of a solver, to look at it and to edit it as its text.

    Raises:
        SurgeryError: it cannot be read.
    """
    return EditableNet(read_file(path), os.fspath(path))
