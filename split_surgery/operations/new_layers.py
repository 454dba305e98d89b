"""Layers that somebody adds, as text or as fields, put into the form of the net around them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Union

from split_surgery.documents.edit.field_splices import FieldStyle, rendered
from split_surgery.documents.edit.field_values import spelled
from split_surgery.documents.net.net import LAYERS
from split_surgery.documents.prototxt import Document, Message, utf8
from split_surgery.errors import UsageError

AddedLayers = Union[str, "Mapping[str, Any]"]
"""What is added: the text of one or several layers, or the fields of one."""

INSIDE = "the text that is added"
"""What it is called in messages."""


def texts_of(new: AddedLayers, form: str, style: FieldStyle, indent: bytes, eol: bytes, *, fork: bool) -> list[bytes]:
    """Each layer's text, in an indent and with ends of lines; its first line without them.

    Args:
        form: how the net calls its layers, `layer` or V1 `layers`.

    Raises:
        UsageError, FileError: it is no layers, or they are of the other form.
    """
    if isinstance(new, Mapping):
        kind = "V1LayerParameter" if form == "layers" else "LayerParameter"
        try:
            fields = spelled(new, kind, style.mark, fork=fork)
        except UsageError as error:
            raise UsageError(f"the layer that is added: {error.message}", hint=error.hint) from None
        return [rendered(form, fields, style, eol, indent)]
    data = utf8(new)
    document = Document(data, INSIDE)
    found = []
    for field in document.root.fields:
        if field.name not in LAYERS or field.is_list or not isinstance(field.values[0], Message):
            raise UsageError(f"holds {field.name}, which is no `{form} {{ }}`", document.place(field))
        if field.name != form:
            raise UsageError(
                f"is a `{field.name}`, and the net has `{form}`: Caffe refuses both in one", document.place(field)
            )
        found.append(_moved(data, field.span.start, field.span.stop, indent, eol))
    if not found:
        raise UsageError("what is added holds no layer")
    return found


def _moved(data: bytes, start: int, stop: int, indent: bytes, eol: bytes) -> bytes:
    """A layer's lines with another indent: what the first has is taken from all of them."""
    line = data.rfind(b"\n", 0, start) + 1
    own = data[line:start] if not data[line:start].strip() else b""
    first, *rest = data[start:stop].replace(b"\r\n", b"\n").split(b"\n")
    return eol.join([first, *(indent + one.removeprefix(own) if one.strip() else b"" for one in rest)])
