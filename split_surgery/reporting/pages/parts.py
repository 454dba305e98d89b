"""What a page consists of, whatever it is written in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Union

from split_surgery.reporting.tables import Table

if TYPE_CHECKING:
    from split_surgery.reporting.pictures.style import Picture


@dataclass(frozen=True)
class Words:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Heading:
    """A title inside a section."""

    text: str


@dataclass(frozen=True)
class Commands:
    """Lines for a shell."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Pictures:
    """Drawings beside each other where there is room."""

    drawings: tuple[Picture, ...]


@dataclass(frozen=True)
class Details:
    """Parts folded away below a line that says what they are, for who opens it."""

    summary: str
    parts: tuple[PagePart, ...]


PagePart = Union[Words, Heading, Commands, Table, Pictures, Details]


@dataclass(frozen=True)
class Section:
    title: str
    parts: tuple[PagePart, ...]


@dataclass(frozen=True)
class Page:
    """`foot`: the last line, which says what made the page."""

    title: str
    sections: tuple[Section, ...]
    foot: str

    def drawings(self) -> list[Picture]:
        """All drawings in their order."""
        return [drawing for section in self.sections for drawing in _drawings(section.parts)]


def _drawings(parts: Sequence[PagePart]) -> Iterator[Picture]:
    for part in parts:
        if isinstance(part, Pictures):
            yield from part.drawings
        elif isinstance(part, Details):
            yield from _drawings(part.parts)


def slugs(texts: Sequence[str]) -> list[str]:
    """A word for links and files for each of some texts, all of them different."""
    found: list[str] = []
    for text in texts:
        word = re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-") or "x"
        number = next(at for at in range(1, len(texts) + 2) if (f"{word}-{at}" if at > 1 else word) not in found)
        found.append(f"{word}-{number}" if number > 1 else word)
    return found
