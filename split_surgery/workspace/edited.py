"""Prototxts that have been edited, read again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from split_surgery.documents.net.net import Net, inner_nets
from split_surgery.documents.prototxt import Document
from split_surgery.documents.spans import Splice, apply_splices
from split_surgery.errors import Defect, SurgeryError
from split_surgery.workspace.inputs import Inputs, NetFile


class EditedText(NamedTuple):
    """The splices of one prototxt, and the net that they make."""

    splices: list[Splice]
    net: Net


def documents_of(inputs: Inputs, texts: Sequence[EditedText]) -> dict[int, Document]:
    """The edited documents, by `id` of the old; nets inside one solver are edited together."""
    together: dict[int, list[tuple[Document, EditedText]]] = {}
    for file, text in zip(inputs.nets, texts):
        together.setdefault(id(file.net.document), []).append((file.net.document, text))
    edited: dict[int, Document] = {}
    for key, rows in together.items():
        document, text = rows[0]
        if len(rows) == 1:  # read again for the proof already
            edited[key] = text.net.document
        else:
            splices = [splice for _, row in rows for splice in row.splices]
            edited[key] = Document(apply_splices(document.data, splices), document.name)
    return edited


def read_again(file: NetFile, edited: bytes) -> Net:
    """The net of an edited prototxt.

    Raises:
        Defect: it cannot be read.
    """
    try:
        document = Document(edited, file.net.document.name)
        return inner_nets(document)[file.inner] if file.net.inside_solver else Net(document)
    except SurgeryError as error:
        raise Defect(f"the new prototxt cannot be read: {error}") from error


def without_layers(net: Net) -> list[str]:
    """Names of the fields of a net that are no layers, in order."""
    return [field.name for field in net.message.fields if field.name not in ("layer", "layers")]
