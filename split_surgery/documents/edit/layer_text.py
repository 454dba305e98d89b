"""The text of new layers: the first as splices that keep its comments, the others rendered in the style of the original."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from split_surgery.documents.edit.layer_edit import Content, EnumValue, LayerEdit, NewField
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.prototxt import Document, Field, Message, Scalar, quote
from split_surgery.documents.spans import Span, Splice

_LINE_END = re.compile(rb"[ \t]*(\r?\n)?")
_TO_LINE_END = re.compile(rb"[ \t]*(?:#[^\n]*)?(?:\r?\n|\Z)")
_REST_OF_LINE = re.compile(rb"[ \t]*(?:#[^\r\n]*)?(?=\r?\n|\Z)")


@dataclass(frozen=True)
class Style:
    """How a layer was written.

    Attributes:
        indent: white space before the layer; step: what one level adds to it.
        eol: line ending. mark: the quote character. opening, closing: what stands around the layer's fields.
        before: what parts a layer from the one before it: the end of its line, and in a `layer: [ ]` list a comma.
    """

    indent: bytes
    step: bytes
    eol: bytes
    mark: bytes
    opening: bytes
    closing: bytes
    before: bytes


def style_of(layer: Layer) -> Style:
    """The style in which a layer is written."""
    data, message, start = layer.document.data, layer.message, layer.span.start
    indent = indent_at(data, start)
    inner = next(
        (indent_at(data, field.span.start) for field in message.fields if starts_line(data, field.span.start)), b""
    )
    step = inner[len(indent) :] if inner.startswith(indent) and len(inner) > len(indent) else b"  "
    name = message.scalars("name")
    opening = data[start : message.body.start]
    if b"\n" in opening or b"#" in opening:
        opening = layer.field.name.encode() + b" " + opening[-1:]
    eol = eol_near(data, start)
    return Style(
        indent=indent,
        step=step,
        eol=eol,
        mark=name[-1].raw[:1] if name and name[-1].kind == "string" else b'"',
        opening=opening,
        closing=data[message.body.stop : message.span.stop],
        before=b"," + eol if layer.field.is_list else eol,
    )


def eol_near(data: bytes, at: int) -> bytes:
    """The line ending of the line that `at` stands on, or of the one before where that is the last."""
    newline = data.find(b"\n", at)
    newline = newline if newline >= 0 else data.rfind(b"\n", 0, at)
    return b"\r\n" if newline > 0 and data[newline - 1 : newline] == b"\r" else b"\n"


def splice_layer(layer: Layer, edit: LayerEdit) -> list[Splice]:
    """The old layer's text turned into a new layer, by splices that leave comments and layout alone."""
    return list(_splices(layer, layer.message, edit, ()))


def _splices(layer: Layer, message: Message, edit: LayerEdit, outer: tuple[str, ...]) -> Iterator[Splice]:
    for field, nth in _counted(message):
        rewrite = edit.rewrite((*outer, field.name), nth, _texts(field))
        if rewrite is None:
            for value in field.values:
                if isinstance(value, Message):
                    yield from _splices(layer, value, edit, (*outer, field.name))
        elif not rewrite:
            yield Splice(*whole_line(layer.document.data, field.span), b"")
        elif len(rewrite) == len(field.values) and all(_is_plain(new, field) for new in rewrite):
            for new, value in zip(rewrite, field.values):
                if not _says(value, new.value):
                    yield Splice(*value.span, _scalar(new.value, _mark(field)))
        else:
            style = style_of(layer)
            yield Splice(*field.span, b" ".join(line for new in rewrite for line in _render_new(style, new, b"")))


def _is_plain(new: NewField, field: Field) -> bool:
    return new.name == field.name and not isinstance(new.value, tuple)


def _says(value: Scalar | Message, new: Content) -> bool:
    """Whether it is there already, however it is spelled."""
    if isinstance(value, Message):
        return False
    return value.integer() == new if isinstance(new, int) else isinstance(new, str) and value.text == new


def removals(layers: Sequence[Layer]) -> list[Splice]:
    """What takes layers out of one document: each with the white space that parts it from what is before, so that nothing else moves.

    That is the inverse of adding them with `Style.before`.
    """
    gone = {layer.message.span for layer in layers}
    return [splice for layer in layers for splice in _removal(layer, gone)]


def _removal(layer: Layer, gone: Collection[Span]) -> Iterator[Splice]:
    data, span = layer.document.data, layer.span
    if layer.field.is_list:
        spans = [value.span for value in layer.field.values]
        at = spans.index(span)
        if any(other not in gone for other in spans[:at]):  # its comma is the one before it, else the one after it
            comma = comma_between(data, spans[at - 1].stop, span.start)
        else:
            comma = comma_between(data, span.stop, spans[at + 1].start) if at + 1 < len(spans) else None
        if comma is not None and not data[comma + 1 : span.start].strip() and comma < span.start:
            yield Splice(comma, span.stop, b"")
            return
        if comma is not None:
            yield Splice(comma, comma + 1, b"")
        yield Splice(span.start, span.stop, b"")  # and no line: the comma after it must not get into a comment
        return
    yield removal_at(data, span)


def removal_at(data: bytes, span: Span) -> Splice:
    """What takes a layer out that stands in no list."""
    start = len(data[: span.start].rstrip(b" \t"))
    if start == 0:  # the first line of the file
        return Splice(0, whole_line(data, span).stop, b"")
    rest = _TO_LINE_END.match(data, span.stop)
    alone_before = data[start - 1 : start] == b"\n"
    if rest is None and alone_before and b"#" not in data[_line_before(data, start) - 1 :: -1].partition(b"\n")[0]:
        # What follows on its line followed the layer before, which no comment ends, until this one was put between them.
        return Splice(_line_before(data, start), span.stop, b"")
    if rest is None or not alone_before:  # something else is on its line
        return Splice(span.start, span.stop, b"")
    start = _line_before(data, start)
    while not data[data.rfind(b"\n", 0, start) + 1 : start].strip() and b"\n" in data[:start]:
        start = _line_before(data, data.rfind(b"\n", 0, start) + 1)  # an empty line goes with it
    return Splice(start, span.stop, b"")


def comma_between(data: bytes, start: int, stop: int) -> int | None:
    """Where the comma between two values of a list is, which comments may surround."""
    blank = re.sub(rb"#[^\n]*", lambda comment: b" " * len(comment[0]), data[start:stop])
    at = blank.find(b",")
    return start + at if at >= 0 else None


def _line_before(data: bytes, start: int) -> int:
    """Where the line before the one that begins at `start` ends, its line ending not counted."""
    return start - (2 if data[start - 2 : start] == b"\r\n" else 1)


def render_layer(style: Style, layer: Layer, edit: LayerEdit) -> bytes:
    """A new layer's text without the comments of the old one, each field on a line of its own, as deep as it was."""
    lines = _render_fields(style, layer.message, edit, (), style.indent + style.step, layer.document)
    return style.eol.join([style.indent + style.opening.rstrip(), *lines, style.indent + style.closing])


def _render_fields(
    style: Style, message: Message, edit: LayerEdit, outer: tuple[str, ...], indent: bytes, document: Document
) -> Iterator[bytes]:
    for field, nth in _counted(message):
        rewrite = edit.rewrite((*outer, field.name), nth, _texts(field))
        if rewrite is not None:
            for new in rewrite:
                yield from _render_new(style, new, indent)
            continue
        for value in field.values:
            if isinstance(value, Scalar):
                yield indent + field.name.encode() + b": " + verbatim(value)
                continue
            # Rendered in one of two ways, never in both: twice at each level would be 2 ** depth times.
            if b"\n" not in document.data[value.span.start : value.span.stop]:
                inner = _render_fields(style, value, edit, (*outer, field.name), b"", document)
                yield indent + field.name.encode() + b" { " + b"".join(item + b" " for item in inner) + b"}"
            else:
                yield indent + field.name.encode() + b" {"
                yield from _render_fields(style, value, edit, (*outer, field.name), indent + style.step, document)
                yield indent + b"}"


def _render_new(style: Style, new: NewField, indent: bytes) -> Iterator[bytes]:
    if isinstance(new.value, tuple):
        inner = b" ".join(line for item in new.value for line in _render_new(style, item, b""))
        yield indent + new.name.encode() + b" { " + inner + b" }"
    else:
        yield indent + new.name.encode() + b": " + _scalar(new.value, style.mark)


def insertion_point(layer: Layer) -> int:
    """Where layers that follow `layer` are inserted: after it and after a comment on its last line."""
    stop = layer.span.stop
    rest = None if layer.field.is_list else rest_of_line(layer.document.data, stop)
    return stop if rest is None else rest


def _counted(message: Message) -> Iterator[tuple[Field, int]]:
    seen: dict[str, int] = {}
    for field in message.fields:
        if not field.values:
            continue  # an empty list says nothing
        nth = seen.get(field.name, 0)
        seen[field.name] = nth + 1
        yield field, nth


def _texts(field: Field) -> list[str]:
    return [value.text for value in field.values if isinstance(value, Scalar)]


def _mark(field: Field) -> bytes:
    value = field.values[-1] if field.values else None
    return value.raw[:1] if isinstance(value, Scalar) and value.kind == "string" else b'"'


def _scalar(value: Content, mark: bytes) -> bytes:
    assert not isinstance(value, tuple)
    if isinstance(value, EnumValue):
        return value.name.encode()
    if isinstance(value, str):
        return quote(value, mark)
    return (b"%g" if isinstance(value, float) else b"%d") % value


def verbatim(value: Scalar) -> bytes:
    """A scalar as it was written; one that runs over lines (adjacent strings, comments) as one literal."""
    if b"\n" in value.raw or b"#" in value.raw:
        return quote(value.text) if value.kind == "string" else b"".join(re.sub(rb"#[^\n]*", b"", value.raw).split())
    return value.raw


def indent_at(data: bytes, at: int) -> bytes:
    """The white space that the line of an offset begins with."""
    line = data[data.rfind(b"\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(b" \t"))]


def rest_of_line(data: bytes, at: int) -> int | None:
    """Where the line of `at` ends, if but blanks and a comment follow there; else None."""
    rest = _REST_OF_LINE.match(data, at)
    return rest.end() if rest else None


def starts_line(data: bytes, at: int) -> bool:
    """Whether only white space is before it on its line, which is not the first."""
    start = data.rfind(b"\n", 0, at) + 1
    return start > 0 and not data[start:at].strip(b" \t")


def whole_line(data: bytes, span: Span) -> Span:
    """The span with its line, where nothing else stands on it; else with the white space after it."""
    start = data.rfind(b"\n", 0, span.start) + 1
    end = _LINE_END.match(data, span.stop)
    assert end is not None  # it matches nothing, too
    if not end[1]:
        return Span(span.start, end.end())
    alone = not data[start : span.start].strip(b" \t")
    return Span(start, end.end()) if alone else span
