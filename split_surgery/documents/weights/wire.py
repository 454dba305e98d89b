"""Protobuf's wire format: varints, tags and length prefixes, read by byte range and written. It knows no field numbers.

Source of the format: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from split_surgery.documents.spans import Fragment, Reader, chunk_size
from split_surgery.errors import BytePlace, FileError

VARINT, FIXED64, LENGTH, GROUP, END_GROUP, FIXED32 = range(6)
WIRE_TYPES = ("varint", "fixed64", "length-delimited", "group", "end of group", "fixed32")

MAX_TAG_AND_LENGTH = 20
"""Bytes of the longest head of a field: two varints of at most 10 bytes each."""

MAX_GROUPS = 100
"""Nested groups allowed, as protobuf's own parsers allow."""


class Buffer:
    """A reader over bytes in memory."""

    def __init__(self, data: bytes, name: str = "<bytes>") -> None:
        self.data = data
        self.name = name
        self.size = len(data)

    def read(self, start: int, stop: int) -> bytes:
        return self.data[start:stop]


class WireField(NamedTuple):
    """One field: its tag stands at `start`, its payload fills `value:stop`; `integer` is a varint's value."""

    number: int
    wire_type: int
    start: int
    value: int
    stop: int
    integer: int


_AGAIN = "if so, copy or download it again"


def walk(reader: Reader, start: int, stop: int, inside: str = "") -> Iterator[WireField]:
    """The fields of the message in `start:stop`, reading heads only.

    Args:
        inside: what the message is, for error messages.

    Raises:
        FileError: the bytes are not a protobuf message, with the byte offset.
    """

    def fail(message: str, at: int, hint: str = "") -> FileError:
        return FileError(message, BytePlace(reader.name, at, inside), hint)

    at = start
    groups: list[tuple[int, int]] = []  # (field number, where it began): old forks' groups are skipped whole
    while at < stop:
        head = reader.read(at, min(stop, at + MAX_TAG_AND_LENGTH))
        tag, used = read_varint(head, 0)
        number, wire_type = tag >> 3, tag & 7
        if not used or not 0 < number < 1 << 29 or wire_type > FIXED32:
            raise fail("these bytes are not a protobuf field", at)
        integer, value = 0, at + used
        if wire_type == VARINT:
            integer, end = read_varint(head, used)
            if not end:
                raise fail("a number is cut off or longer than 10 bytes", at)
            value, after = at + used, at + end
        elif wire_type == FIXED64:
            after = value + 8
        elif wire_type == FIXED32:
            after = value + 4
        elif wire_type == LENGTH:
            length, end = read_varint(head, used)
            if not end:
                raise fail("a length is cut off or longer than 10 bytes", at)
            value = at + end
            after = value + length
        else:
            after = value
        if after > stop:
            past = f"field {number} runs {after - stop} bytes past the end of what holds it"
            raise fail(f"is the file truncated? {past}", at, _AGAIN)
        if wire_type == GROUP:
            if len(groups) == MAX_GROUPS:
                raise fail(f"groups are nested more than {MAX_GROUPS} deep", at)
            groups.append((number, at))
        elif wire_type == END_GROUP:
            if not groups or groups[-1][0] != number:
                raise fail("a group ends that never began", at)
            _, began = groups.pop()
            if not groups:
                yield WireField(number, GROUP, began, began, after, 0)
        elif not groups:
            yield WireField(number, wire_type, at, value, after, integer)
        at = after
    if groups:
        raise fail("a group never ends: is the file truncated?", groups[0][1], _AGAIN)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The varint at `at` and the offset after it, or (0, 0) where it is cut off or too long."""
    result = shift = 0
    for index in range(at, min(len(data), at + 10)):
        byte = data[index]
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & (1 << 64) - 1, index + 1
        shift += 7
    return 0, 0


def varint(value: int) -> bytes:
    """`value` (taken modulo 2**64, as protobuf writes negative numbers) as a varint."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def tagged(number: int, value: int | bytes) -> bytes:
    """A field: an int as a varint, bytes with their length before them."""
    if isinstance(value, int):
        return varint(number << 3 | VARINT) + varint(value)
    return varint(number << 3 | LENGTH) + varint(len(value)) + value


def wrapped(number: int, fragments: Iterable[Fragment]) -> tuple[Fragment, ...]:
    """A field that holds these, with their length before them."""
    held = tuple(fragments)
    return (varint(number << 3 | LENGTH) + varint(sum(map(chunk_size, held))), *held)
