"""Lines with a tone, which a terminal shows in colour."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

Tone = Literal["added", "removed", "heading", "place", "good", "bad"]


class Toned(str):
    """A line, and what it is to whoever shows it."""

    __slots__ = ("tone",)
    tone: Tone


def toned(text: str, tone: Tone) -> Toned:
    line = Toned(text)
    line.tone = tone
    return line


_BEGINNINGS: tuple[tuple[str, Tone], ...] = (
    ("+++", "heading"), ("---", "heading"), ("@@", "place"), ("+", "added"), ("-", "removed"),
)  # fmt: skip


def diff_lines(text: str) -> Iterator[str]:
    """The lines of a unified diff."""
    for line in text.removesuffix("\n").split("\n") if text else ():
        tone = next((tone for start, tone in _BEGINNINGS if line.startswith(start)), None)
        yield line if tone is None else toned(line, tone)
