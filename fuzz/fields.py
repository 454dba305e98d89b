"""Changes of protobuf's wire format: of one field, wherever it lies, with the lengths around it made right again or left wrong."""

from __future__ import annotations

from random import Random
from typing import Union

Payload = Union[int, bytes, "list[Field]"]
Field = tuple[int, int, Payload]
"""Its number, its wire type and what it holds."""

_LENGTHS = {1: 8, 5: 4}
_ODD = (0, 1, 5, 127, 128, 1 << 20, (1 << 31) - 1, 1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)


def varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def _read(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at


def parsed(data: bytes, depth: int = 0) -> list[Field] | None:
    """The fields of a message, those inside too; None where the bytes are none."""
    found: list[Field] = []
    at = 0
    try:
        while at < len(data):
            tag, at = _read(data, at)
            number, kind = tag >> 3, tag & 7
            if kind == 0:
                value, at = _read(data, at)
                found.append((number, kind, value))
                continue
            length = _LENGTHS.get(kind)
            if kind == 2:
                length, at = _read(data, at)
            if length is None or at + length > len(data) or not number:
                return None
            payload = data[at : at + length]
            at += length
            inside = parsed(payload, depth + 1) if kind == 2 and payload and depth < 6 else None
            found.append((number, kind, payload if inside is None else inside))
    except IndexError:
        return None
    return found


def encoded(fields: list[Field]) -> bytes:
    parts = []
    for number, kind, value in fields:
        payload = encoded(value) if isinstance(value, list) else varint(value) if isinstance(value, int) else value
        parts += [varint(number << 3 | kind), varint(len(payload)) if kind == 2 else b"", payload]
    return b"".join(parts)


def mutated(data: bytes, random: Random) -> bytes:
    """The message with up to three fields changed."""
    root = parsed(data)
    if not root:
        return data
    for _ in range(random.randint(1, 3)):
        fields = root
        at = random.randrange(len(fields))
        while isinstance(fields[at][2], list) and fields[at][2] and random.random() < 0.85:
            fields = fields[at][2]  # type: ignore[assignment]
            at = random.randrange(len(fields))
        _change(fields, at, random)
        if not root:
            break
    return encoded(root)


def _change(fields: list[Field], at: int, random: Random) -> None:
    number, kind, value = fields[at]
    choice = random.randrange(7)
    if choice == 0:
        del fields[at]
        if not fields:
            fields.append((number, kind, value))
    elif choice == 1:
        fields[at:at] = [fields[at]] * random.choice((1, 1, 3, 100))
    elif choice == 2:
        fields[at] = (random.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 100, 106, 536870911)), kind, value)
    elif choice == 3:
        fields[at] = (number, random.randrange(8), value)
    elif choice == 4:
        fields[at] = (number, 0, random.choice(_ODD))
    elif choice == 5:
        size = random.choice((0, 1, 3, 4, 7, 8, 60, 1000))
        fields[at] = (number, 2, random.randbytes(size) if random.random() < 0.5 else b"\xff" * size)
    else:
        fields[at] = (number, 2, varint(random.choice(_ODD)) * random.choice((1, 2, 4, 5)))
