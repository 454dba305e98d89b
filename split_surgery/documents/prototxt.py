"""Lossless reading of protobuf's text format, driven by its grammar and by no schema.

Every field knows the bytes it stands on, so that edits are splices into the original. Unknown fields and enum values of
forks are ordinary. The grammar is that of protobuf's text-format specification (protobuf.dev/reference/protobuf/textformat-spec):
`#` comments, `{ }` and `< >`, an optional `:` before a message, `[ ]` lists, `;` or `,` after a field, adjacent strings,
hexadecimal and octal numbers, `1.`, `.5`, `1.0f`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn, Union

from split_surgery.documents.other_files import FIRST_BYTES, other_file, text_kind
from split_surgery.documents.spans import Span
from split_surgery.errors import FileError, FilePlace, TextPlace, UsageError

MAX_DEPTH = 100
"""Nested messages allowed: protobuf's own binary parsers stop at 100, so no deeper net can be trained."""

BOM = b"\xef\xbb\xbf"

_BLANK = rb"(?:[ \t\r\n\f\v]+(?![ \t\r\n\f\v])|#[^\n]*(?:\n|\Z))*"  # parted in one way only: nothing to try again
_NAME = rb"[A-Za-z_][A-Za-z0-9_]*"
_NUMBER = rb"(?:0[xX][0-9a-fA-F]+|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fF]?)(?![A-Za-z0-9_.])"
_LITERAL = rb""""(?:[^"\\\n]|\\[^\n])*"|'(?:[^'\\\n]|\\[^\n])*'"""
_KINDS = rb"(?P<name>%b)|(?P<number>%b)|(?P<string>%b)" % (_NAME, _NUMBER, _LITERAL)
_SKIP = re.compile(_BLANK)
_TOKEN = re.compile(_BLANK + rb"(?:%b|(?P<symbol>[{}<>\[\]:;,/.-])|(?P<end>\Z))" % _KINDS)
_PLAIN = re.compile(rb"(?P<field>%b)[ \t]*:[ \t]*(?:%b)(?=[ \t\r\n]+[A-Za-z_}]|})" % (_NAME, _KINDS))
"""The usual field, `name: value`, with a name or a brace after it: what follows can be no part of it. One match instead of four."""
_STRING = re.compile(rb""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'""", re.DOTALL)
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}
_ESCAPES |= {mark: mark for mark in (b"\\", b"'", b'"', b"?")}
_CLOSING = {b"{": b"}", b"<": b">"}
_CONFLICT = re.compile(rb"<{7}|={7}|>{7}")
_BEGINNING = re.compile(
    rb"(?:%b)?%b(?:\Z|<{7}|(?:name|layers?|input|net|train_net|test_net)\b|(?:%b|\[[^\]\n]*\])\s*[:{<])"
    % (BOM, _BLANK, _NAME)
)
"""How a prototxt begins, sound or not: with a field, a word that is usually the first, or what a merge left."""

_BETWEEN = re.compile(rb"#[^\n]*|\s")
_INTEGER = re.compile(rb"(-?)(?:0[xX]([0-9a-fA-F]+)|0([0-7]+)|(0|[1-9][0-9]*))")
_NO_DECIMAL = re.compile(rb"-?0[0-9xX]")

MOST_DIGITS = 400
"""Digits of the longest integer that is worked out: no field of Caffe's takes more than 20, and long ones take long."""


@dataclass(frozen=True)
class Scalar:
    """A string (adjacent literals are one), a number with its sign, or a name (enum value, bool)."""

    span: Span
    kind: str  # "string", "number" or "name"
    raw: bytes

    @property
    def text(self) -> str:
        """The value as text: strings unescaped (UTF-8, other bytes as surrogate escapes), the rest as written."""
        data = unescape(self.raw) if self.kind == "string" else self.raw
        return data.decode("utf-8", "surrogateescape")

    def integer(self) -> int | None:
        """The value of an integer literal as protobuf reads one (decimal, hexadecimal or octal), else None."""
        match = _INTEGER.fullmatch(self.compact())
        if match is None:
            return None
        sign, hexadecimal, octal, decimal = match.groups()
        digits, base = next(
            (text, base) for text, base in ((hexadecimal, 16), (octal, 8), (decimal, 10)) if text is not None
        )
        if len(digits) > MOST_DIGITS:
            return None
        return int(sign + digits, base)

    def compact(self) -> bytes:
        """A number without what may stand between its sign and its digits: white space and comments."""
        return _BETWEEN.sub(b"", self.raw)

    def real(self) -> float | None:
        """The value of a number as protobuf reads a float, else None: it refuses hexadecimal ones and those with a leading zero."""
        literal = self.compact()
        if _NO_DECIMAL.match(literal):
            return None
        try:
            return float(literal[:-1] if literal[-1:] in b"fF" and literal[-3:].lower() != b"inf" else literal)
        except ValueError:
            return None

    def boolean(self) -> bool | None:
        """The value of a bool as protobuf reads one, else None: a name, or 0 or 1 in any base (01, 0x1)."""
        if self.kind == "number":
            number = self.integer()
            return bool(number) if number in (0, 1) and not self.raw.startswith(b"-") else None
        return {"true": True, "True": True, "t": True, "false": False, "False": False, "f": False}.get(self.text)


@dataclass(frozen=True)
class Message:
    """`{ fields }`; `span` includes the delimiters, `body` does not."""

    span: Span
    body: Span
    fields: tuple[Field, ...]

    def named(self, name: str) -> Iterator[Field]:
        return (field for field in self.fields if field.name == name)

    def values(self, name: str) -> list[Scalar | Message]:
        """Every value of a repeated field, in order; `[a, b]` counts as two."""
        return [value for field in self.named(name) for value in field.values]

    def scalars(self, name: str) -> list[Scalar]:
        return [value for value in self.values(name) if isinstance(value, Scalar)]

    def messages(self, name: str) -> list[Message]:
        return [value for value in self.values(name) if isinstance(value, Message)]

    def text(self, name: str) -> str | None:
        """The value of a singular field; of several the last holds, as in protobuf."""
        found = self.scalars(name)
        return found[-1].text if found else None


FieldValue = Union[Scalar, Message]


@dataclass(frozen=True)
class Field:
    """`name: value`; `span` runs from the name to the end of the value or of the `;` or `,` after it."""

    name: str
    span: Span
    value_span: Span
    values: tuple[FieldValue, ...]
    is_list: bool = False


class Document:
    """A prototxt as its bytes and the fields found in them.

    Raises:
        FileError: not text format, with file, line and column.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self.data = data
        self.name = name
        try:
            self.root = _Parser(data, name).parse()
        except FileError as error:
            other = other_file(data[:FIRST_BYTES], weights=False)
            if other is not None:
                raise FileError(f"is {other.what}", FilePlace(name), other.hint) from error
            kind = text_kind(data[:FIRST_BYTES])
            if not data or _is_binary(data) or (kind is None and _BEGINNING.match(data)):
                raise
            but = f", but like {kind}" if kind else ""
            raise FileError(
                f"this does not look like a prototxt{but}: {error.message}", error.place, "give the prototxt here"
            ) from error

    def place(self, at: int | Span | Field | Message | Scalar) -> TextPlace:
        """Where something stands, for an error message."""
        if isinstance(at, (Field, Message, Scalar)):
            at = at.span
        return TextPlace(self.name, self.data, at if isinstance(at, int) else at.start)


class _Parser:
    """Recursive descent, one token ahead."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data = data
        self.file = name
        self.kind = ""
        self.token = b""
        self.start = self.stop = self.last_stop = len(BOM) if data.startswith(BOM) else 0

    def parse(self) -> Message:
        if _is_binary(self.data):
            self.fail(
                "is binary, not a prototxt: verbs that read weights take them right behind NET", self.data.index(b"\0")
            )
        if b"\0" in self.data:
            self.fail("a NUL byte, which Caffe reads nowhere, not in a comment either", self.data.index(b"\0"))
        self.advance()
        fields = self.fields(b"", 0, 0)
        size = len(self.data)
        return Message(Span(0, size), Span(0, size), fields)

    def advance(self) -> None:
        self.last_stop = self.stop
        match = _TOKEN.match(self.data, self.stop)
        if match is None:
            self.unreadable()
        self.kind = kind = match.lastgroup or ""
        self.token = match[kind]
        self.start, self.stop = match.span(kind)

    def unreadable(self) -> NoReturn:
        skipped = _SKIP.match(self.data, self.stop)
        self.start = skipped.end() if skipped else self.stop
        if _CONFLICT.match(self.data, self.start):
            self.fail("a merge-conflict marker: resolve the conflict first", self.start)
        byte = self.data[self.start : self.start + 1]
        if byte in (b'"', b"'"):
            self.fail("this string has no closing quote on its line", self.start)
        if byte.isdigit():
            self.fail("this is not a number; a name or path that starts with a digit needs quotes", self.start)
        self.fail(f"unexpected {_shown(byte)}", self.start)

    def fail(self, message: str, at: int) -> NoReturn:
        raise FileError(message, TextPlace(self.file, self.data, at))

    def expected(self, what: str) -> NoReturn:
        if _CONFLICT.match(self.data, self.start):
            self.fail("a merge-conflict marker: resolve the conflict first", self.start)
        found = "the end of the file" if self.kind == "end" else _shown(self.token)
        unquoted = what == "a field name" and self.kind == "symbol" and self.token in b"/.:-"
        self.fail(f"expected {what}, found {found}" + (": text and paths need quotes" if unquoted else ""), self.start)

    def fields(self, closing: bytes, opened_at: int, depth: int) -> tuple[Field, ...]:
        if depth > MAX_DEPTH:
            self.fail(f"messages are nested more than {MAX_DEPTH} deep", opened_at)
        found = []
        while not (self.kind == "symbol" and self.token == closing):
            if self.kind == "end":
                if not closing:
                    break
                self.fail(f"this {_CLOSING_NAMES[closing]} is never closed: is the file truncated?", opened_at)
            found.append(self.field(depth))
        return tuple(found)

    def field(self, depth: int) -> Field:
        start = self.start
        plain = _PLAIN.match(self.data, start)
        if plain is not None:
            return self.plain_field(plain)
        if self.kind == "name":
            name = self.token.decode("ascii")
            self.advance()
        elif self.token == b"[":
            name = self.extension_name()
        else:
            self.expected("a field name")
        colon = self.token == b":"
        if colon:
            self.advance()
        value_start = self.start
        if self.token == b"[" and self.kind == "symbol":
            values: tuple[FieldValue, ...] = self.list_values(colon, depth)
            is_list = True
        else:
            values, is_list = (self.value(colon, name, depth),), False
        value_span = Span(value_start, self.last_stop)
        if self.kind == "symbol" and self.token in (b";", b","):
            self.advance()
        return Field(name, Span(start, self.last_stop), value_span, values, is_list)

    def plain_field(self, match: re.Match[bytes]) -> Field:
        self.stop = match.end()
        self.advance()
        kind = match.lastgroup or ""
        span = Span(*match.span(kind))
        return Field(match["field"].decode("ascii"), Span(*match.span()), span, (Scalar(span, kind, match[kind]),))

    def extension_name(self) -> str:
        start = self.start
        while self.token != b"]":
            self.advance()
            if self.kind not in ("name", "number") and self.token not in (b".", b"/", b"-", b"]"):
                self.expected("an extension name in [ ]")
        self.advance()
        return self.data[start : self.last_stop].decode("ascii", "replace")

    def list_values(self, colon: bool, depth: int) -> tuple[FieldValue, ...]:
        self.advance()
        values: list[FieldValue] = []
        while self.token != b"]" or self.kind != "symbol":
            values.append(self.value(colon, "a list", depth))
            if self.token == b"," and self.kind == "symbol":
                self.advance()
                if self.token == b"]" and self.kind == "symbol":
                    self.expected("another value after the comma")
            elif self.token != b"]":
                self.expected("',' or ']'")
        self.advance()
        return tuple(values)

    def value(self, colon: bool, name: str, depth: int) -> FieldValue:
        if self.kind == "symbol" and self.token in _CLOSING:
            return self.message(depth)
        if not colon:
            self.expected(f"':' or '{{' after {name}")
        start = self.start
        if self.kind == "string":
            while self.kind == "string":
                self.advance()
            return self.scalar(start, "string")
        if self.kind == "symbol" and self.token == b"-":
            self.advance()
            if self.kind == "name" and self.token.lower() not in (b"inf", b"infinity", b"nan"):
                self.expected("a number after '-'")
        if self.kind not in ("number", "name"):
            self.expected(f"a value for {name}")
        kind = "number" if self.data[start : start + 1] == b"-" else self.kind
        self.advance()
        return self.scalar(start, kind)

    def scalar(self, start: int, kind: str) -> Scalar:
        return Scalar(Span(start, self.last_stop), kind, self.data[start : self.last_stop])

    def message(self, depth: int) -> Message:
        start, body_start, closing = self.start, self.stop, _CLOSING[self.token]
        self.advance()
        fields = self.fields(closing, start, depth + 1)
        body_stop = self.start
        self.advance()
        return Message(Span(start, self.last_stop), Span(body_start, body_stop), fields)


def _is_binary(data: bytes) -> bool:
    return b"\0" in data[:4096]


_CLOSING_NAMES = {b"}": "'{'", b">": "'<'"}


def _shown(token: bytes) -> str:
    text = token[:40].decode("utf-8", "backslashreplace")
    return f"'{text}'" if text.isprintable() else repr(text)


def unescape(raw: bytes) -> bytes:
    """The bytes that adjacent string literals (white space and comments between them allowed) stand for."""
    if b"\\" not in raw and raw.find(raw[:1], 1) == len(raw) - 1:
        return raw[1:-1]  # one literal without an escape, as nearly all are
    parts: list[bytes] = []
    at = 0
    while True:
        skipped = _SKIP.match(raw, at)
        literal = _STRING.match(raw, skipped.end() if skipped else at)
        if literal is None:
            return b"".join(parts)
        parts.append(_ESCAPE.sub(_unescape_one, literal[0][1:-1]))
        at = literal.end()


def _unescape_one(match: re.Match[bytes]) -> bytes:
    octal, hexadecimal, short, long, other = match.groups()
    if octal:
        return bytes([int(octal, 8) & 0xFF])
    if hexadecimal:
        return bytes([int(hexadecimal, 16)])
    if short or long:
        return chr(min(int(short or long, 16), 0x10FFFF)).encode("utf-8", "surrogatepass")
    # No such escape: an unescaped Windows path. Caffe refuses it, forks in other languages keep the backslash.
    return _ESCAPES.get(other, b"\\" + other)


def utf8(text: str) -> bytes:
    """A text as a file holds it: UTF-8, and bytes that were read and are none as they were.

    Raises:
        UsageError: it holds half of a surrogate pair, which is no character.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise UsageError(f"takes text, and {text[error.start]!a} is half of a character") from None


def quote(text: str, mark: bytes = b'"') -> bytes:
    """A string literal for `text`; what is printable or valid UTF-8 stays as it is.

    Raises:
        UsageError: it holds half of a surrogate pair, which is no character.
    """
    out = bytearray(mark)
    for char in text:
        data = utf8(char)
        if data in (mark, b"\\"):
            out += b"\\" + data
        elif len(data) == 1 and not 0x20 <= data[0] < 0x7F:
            out += b"\\%03o" % data[0]
        else:
            out += data
    return bytes(out + mark)
