"""What a page consists of, whatever it is written in."""

from __future__ import annotations

import re
from collections.abc import Sequence
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


PagePart = Union[Words, Heading, Commands, Table, Pictures]


@dataclass(frozen=True)
class Section:
    title: str
    parts: tuple[PagePart, ...]


@dataclass(frozen=True)
class Page:
    title: str
    sections: tuple[Section, ...]

    def drawings(self) -> list[Picture]:
        """All drawings in their order."""
        return [
            drawing for section in self.sections for part in section.parts if isinstance(part, Pictures)
            for drawing in part.drawings
        ]  # fmt: skip


def slugs(texts: Sequence[str]) -> list[str]:
    """A word for links and files for each of some texts, all of them different."""
    found: list[str] = []
    for text in texts:
        word = re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-") or "x"
        number = next(at for at in range(1, len(texts) + 2) if (f"{word}-{at}" if at > 1 else word) not in found)
        found.append(f"{word}-{number}" if number > 1 else word)
    return found
