"""Changes of a file within its format: of a list of pieces (tokens, lines), and of numbers in text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

MOST = 1 << 16
"""Bytes of the largest file that is tried."""

NUMBERS = (
    "0", "-1", "1", "-0", "007", "0x7fffffff", "2147483647", "2147483648", "-2147483649", "4294967296", "9223372036854775807",
    "18446744073709551616", "1e308", "1e999", "-1e-999", "nan", "-inf", "1e", ".", "1_000", "1:30", "\uff11", "9" * 400,
    "0." + "0" * 400 + "1",
)  # fmt: skip
"""At the bounds of what is read as a number, and beyond."""


def edited(pieces: Sequence[bytes], others: Sequence[bytes], random: Random) -> bytes:
    """The pieces with up to four changes.

    Args:
        others: pieces that may be put among them.
    """
    found = list(pieces) or [b""]
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(found) + 1)
        end = min(len(found), at + random.choice((1, 1, 1, 2, 5, 20, 200)))
        kind = random.randrange(6)
        if kind == 0:
            del found[at:end]
        elif kind == 1:
            found[at:at] = found[at:end] * random.choice((1, 1, 2, 50))
        elif kind == 2:
            found[at:at] = random.choices(others, k=random.choice((1, 1, 3)))
        elif kind == 3:
            found[at:end] = [random.choice(others)]
        elif kind == 4:
            start = random.randrange(len(others))
            found[at:at] = others[start : start + random.randint(1, 40)]
        else:
            found[at:end] = [numbered(piece, random) for piece in found[at:end]]
    return b"".join(found)[:MOST]


def numbered(text: bytes, random: Random) -> bytes:
    """A text with another number in the place of one that it holds."""
    places = list(re.finditer(rb"-?\d[\d.]*(?:e[+-]?\d+)?", text))
    if not places:
        return text
    place = random.choice(places)
    return text[: place.start()] + random.choice(NUMBERS).encode() + text[place.end() :]
