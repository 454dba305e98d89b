"""One field put into a message's text, taken out, or given another value, in the style of what is around it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from split_surgery.documents.edit.field_values import Spelled
from split_surgery.documents.edit.layer_text import comma_between, eol_near, indent_at, rest_of_line
from split_surgery.documents.prototxt import BOM, Field, FieldValue, Message, Scalar
from split_surgery.documents.spans import Span, Splice

_BLANKS = re.compile(rb"[ \t]*")
_BLANK_LINE_END = re.compile(rb"[ \t]*(\r?\n|\Z)")


class FieldStyle(NamedTuple):
    """How fields are written where a new one goes.

    Attributes:
        step: what one level adds to the indent. mark: the quote character. inline: names of messages that stand on one line.
    """

    step: bytes
    mark: bytes
    inline: frozenset[str]


def style_inside(data: bytes, message: Message) -> FieldStyle:
    """The style of the fields of a message, the first of each kind deciding."""
    step = next(
        (
            indent_at(data, field.span.start)[len(indent_at(data, message.span.start)) :]
            for field in message.fields
            if _starts_line(data, field.span.start)
        ),
        b"",
    )
    inner = list(_values(message))
    strings = [value for _, value in inner if isinstance(value, Scalar) and value.kind == "string"]
    messages = [(name, b"\n" not in data[slice(*value.span)]) for name, value in inner if isinstance(value, Message)]
    return FieldStyle(
        step=step if step and not step.strip(b" \t") else b"  ",
        mark=strings[0].raw[:1] if strings else b'"',
        inline=frozenset(name for name, short in messages if short) - {name for name, short in messages if not short},
    )


def _values(message: Message) -> Iterator[tuple[str, FieldValue]]:
    """All values at any depth, each with the name of its field."""
    for field in message.fields:
        for value in field.values:
            yield field.name, value
            if isinstance(value, Message):
                yield from _values(value)


def rendered(name: str, value: Spelled, style: FieldStyle, eol: bytes, indent: bytes | None) -> bytes:
    """A field as text, its first line without an indent; `indent` None: on one line."""
    if isinstance(value, bytes):
        return name.encode() + b": " + value
    if indent is None or name in style.inline:
        return b" ".join([name.encode() + b" {", *(rendered(*inner, style, eol, None) for inner in value), b"}"])
    deeper = indent + style.step
    lines = [deeper + rendered(*inner, style, eol, deeper) for inner in value]
    return eol.join([name.encode() + b" {", *lines, indent + b"}"])


def insertion(
    data: bytes, message: Message, name: str, value: Spelled, style: FieldStyle, after: Field | None
) -> Splice:
    """A field put into a message: behind `after`, or behind nothing into a message that has no field."""
    if after is not None:
        eol = eol_near(data, after.span.start)
        rest = rest_of_line(data, after.span.stop)
        if rest is not None and _starts_line(data, after.span.start):
            indent = indent_at(data, after.span.start)
            return Splice(rest, rest, eol + indent + rendered(name, value, style, eol, indent))
        at = after.span.stop
        return Splice(at, at, b" " + rendered(name, value, style, eol, None))
    eol, body = eol_near(data, message.body.start), data[slice(*message.body)]
    whole = message.span == message.body  # the file itself
    if whole and not body.removeprefix(BOM).strip():
        return Splice(len(data), len(data), rendered(name, value, style, eol, b"") + eol)
    if b"\n" in body:
        at = message.body.start + body.rindex(b"\n")
        at -= data[at - 1 : at] == b"\r"
        indent = b"" if whole else indent_at(data, message.body.stop) + style.step
        return Splice(at, at, eol + indent + rendered(name, value, style, eol, indent))
    at = message.body.start
    return Splice(at, at, (b" " if body else b"") + rendered(name, value, style, eol, None))


def added_to_list(field: Field, raw: bytes) -> Splice:
    """A value at the end of `[ ]`."""
    at = field.values[-1].span.stop if field.values else field.value_span.start + 1
    return Splice(at, at, (b", " if field.values else b"") + raw)


def removal_of_value(data: bytes, field: Field, at: int) -> list[Splice]:
    """A value taken out, and its field with it where it has no other; comments stay."""
    if len(field.values) == 1:
        return [removal_of_field(data, field.span)]
    spans = [value.span for value in field.values]
    span = spans[at]
    start, stop = (spans[at - 1].stop, span.stop) if at else (span.start, spans[1].start)
    if b"#" not in data[start:stop].replace(data[slice(*span)], b""):
        return [Splice(start, stop, b"")]
    comma = comma_between(data, start, span.start) if at else comma_between(data, span.stop, stop)
    commas = [Splice(comma, comma + 1, b"")] if comma is not None else []
    return [*commas, Splice(*span, b"")]


def removal_of_field(data: bytes, span: Span) -> Splice:
    """A field taken out with its line, where it is alone there, else with the blanks before it: the inverse of `insertion`."""
    start, stop = span
    line = data.rfind(b"\n", 0, start) + 1
    end = _BLANK_LINE_END.match(data, stop)
    if _starts_line(data, start):
        if end is None:  # something else on its line, which stays
            after = _BLANKS.match(data, stop)
            return Splice(start, after.end() if after else stop, b"")
        if line == 0:
            return Splice(len(BOM) if data.startswith(BOM) else 0, end.end(), b"")
        return Splice(line - (2 if data[line - 2 : line] == b"\r\n" else 1), end.start(1), b"")
    blank = len(data[:start].rstrip(b" \t"))
    parted = re.match(rb"[\s{}<>\[\];,#]|\Z", data[stop : stop + 1]) is not None
    return Splice(blank, stop, b"" if parted else b" ")


def _starts_line(data: bytes, at: int) -> bool:
    start = data.rfind(b"\n", 0, at) + 1
    return not data[start:at].removeprefix(BOM).strip(b" \t")
