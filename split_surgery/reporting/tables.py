"""Tables of plain texts, for whoever shows them: a terminal, a page, a notebook."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Protocol

from split_surgery.errors import harmless

NUMBER = re.compile(r"[+-]?\d[\d.,]*(e[+-]?\d+)?%?( at [\d,]+)?|\d+:\d\d:\d\d|(\d[\d,]*|\?) -> (\d[\d,]*|\?)")
"""What stands on the right of its column."""

_ALIGNED = re.compile(r"[\d.,x/e+-]+")
"""What a terminal sets to the right."""

_BREAKABLE = re.compile(r"[^\w\s.,:;()\[\]+]")
"""Between letters a browser may break a line at a hyphen, a slash and the like."""

SHORT = 16
"""Letters of a text that may be set a word below the other: a longer one is given some width, and the table is scrolled."""

DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Table:
    """Rows of texts below their columns' names; `title` says what they are, and may be empty."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def without(self, dropped: Collection[str]) -> Table:
        """The same without the columns of these names."""
        kept = [at for at, name in enumerate(self.columns) if name not in dropped]
        return Table(
            self.title,
            tuple(self.columns[at] for at in kept),
            tuple(tuple(row[at] for at in kept) for row in self.rows),
        )

    def blank(self) -> list[str]:
        """The names of the columns in which no row says anything."""
        return [name for at, name in enumerate(self.columns) if not any(row[at] for row in self.rows)]

    def text(self) -> str:
        """Columns for a terminal, without the title."""
        return in_columns([self.columns, *self.rows], "")

    def html(self) -> str:
        """A <table>; numbers are of the class "n"."""
        caption = f"<caption>{escape(self.title)}</caption>" if self.title else ""
        if not any(self.columns):  # facts: what stands on the left says what the right is
            facts = (
                "".join(
                    (f'<th scope="row">{escape(row[0])}</th>', *(f"<td>{_unbroken(cell)}</td>" for cell in row[1:]))
                )
                for row in self.rows
            )
            return f"<table>{caption}<tbody>\n" + "\n".join(f"<tr>{fact}</tr>" for fact in facts) + "\n</tbody></table>"
        right = [any(column) and all(map(NUMBER.fullmatch, filter(None, column))) for column in zip(*self.rows)]
        kinds = [' class="n"' if number else "" for number in right] or [""] * len(self.columns)
        head = "".join(f'<th scope="col"{kind}>{escape(name)}</th>' for kind, name in zip(kinds, self.columns))
        body = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in self.rows)
        return f"<table>{caption}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"

    def markdown(self) -> str:
        """A table of GitHub's Markdown, below its title."""
        lines = [f"**{_escaped(self.title)}**", ""] if self.title else []
        lines += [_line(self.columns), "|" + " --- |" * len(self.columns), *map(_line, self.rows)]
        return "\n".join(lines)


def _cell(text: str) -> str:
    kind = "digest" if DIGEST.fullmatch(text) else "n" if NUMBER.fullmatch(text) else ""
    if kind:
        return f'<td class="{kind}">{escape(text)}</td>'
    width = ' class="long"' if len(text) > SHORT else ""
    return f"<td{width}>{_unbroken(text)}</td>"


def _unbroken(text: str) -> str:
    """The text in HTML; words with signs at which a browser would break them are kept whole."""
    return "".join(
        f'<span class="word">{escape(word)}</span>' if _BREAKABLE.search(word) else escape(word)
        for word in re.split(r"(\s+)", text)
    )


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(_escaped, cells)) + " |"


def _escaped(text: str) -> str:
    """What Markdown would take for a cell's end, HTML, code, emphasis or a link (an underscore inside a word is none)."""
    return re.sub(r"([\\|<`*\[])", r"\\\1", " ".join(text.split()))


class Tabled(Protocol):
    """What can be told in tables, and so shows itself in a notebook."""

    def tables(self) -> tuple[Table, ...]: ...


class Notebook:
    """Gives what has `tables()` the form that notebooks show."""

    def _repr_html_(self: Tabled) -> str:
        remarks = [f"<p>{escape(text)}</p>" for text in getattr(self, "warnings", ())]
        return "\n".join([*(table.html() for table in self.tables()), *remarks])


class Printed:
    """Gives what has `lines()` the text that the terminal shows: `print(report)`."""

    def lines(self, quiet: bool = False, verbose: bool = False) -> Iterator[str]:
        """What is shown, line by line; a table is one of several lines. quiet, verbose: as -q and -v."""
        raise NotImplementedError

    def __str__(self) -> str:
        return "\n".join(map(harmless, self.lines()))


class MadeReport(Printed, Notebook):
    """A report with the status that `Destination.finish` gave, and a diff where one was asked for."""

    status: str
    differing: tuple[str, ...]
    diff: str

    @property
    def exit_code(self) -> int:
        return 1 if self.status == "differs" else 0

    def diff_entry(self) -> dict[str, Any]:
        """The diff as the last entry of `to_dict`; none where none was asked for."""
        return {"diff": self.diff} if self.diff or self.status == "diff" else {}


def in_columns(rows: Iterable[Sequence[str]], indent: str = "  ") -> str:
    """Rows as text in columns; what looks like a number is set to the right."""
    rows = [[str(cell).replace("\n", "\ufffd") for cell in row] for row in rows]  # a name is no reason for a new line
    widths = [max(width(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = []
        for cell, most in zip(row, widths):
            blank = " " * (most - width(cell))
            cells.append(blank + cell if _ALIGNED.fullmatch(cell) else cell + blank)
        lines.append((indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)


def width(text: str) -> int:
    """Columns that a text takes on a terminal: wide characters take two, and those that join the one before take none."""
    if text.isascii():
        return len(text)
    return sum(_width(char) for char in text)


def _width(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def numbered(value: float | None, digits: int = 6) -> str:
    """A number with so many significant digits; nothing for one that is not known."""
    return "" if value is None else f"{value:.{digits}g}"


def counted(value: int | None) -> str:
    """A whole number with commas; "?" for one that is not known."""
    return "?" if value is None else f"{value:,}"
