"""Tables of plain texts, for whoever shows them: a terminal, a page, a notebook."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Protocol

NUMBER = re.compile(r"[+-]?[\d.,]+(e[+-]?\d+)?%?( at [\d,]+)?")
"""What stands on the right of its column."""


@dataclass(frozen=True)
class Table:
    """Rows of texts below their columns' names; `title` says what they are, and may be empty."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def html(self) -> str:
        """A <table>; numbers are of the class "n"."""
        caption = f"<caption>{escape(self.title)}</caption>" if self.title else ""
        if not any(self.columns):  # facts: what stands on the left says what the right is
            facts = (
                "".join((f'<th scope="row">{escape(row[0])}</th>', *(f"<td>{escape(cell)}</td>" for cell in row[1:])))
                for row in self.rows
            )
            return f"<table>{caption}<tbody>\n" + "\n".join(f"<tr>{fact}</tr>" for fact in facts) + "\n</tbody></table>"
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in self.columns)
        body = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in self.rows)
        return f"<table>{caption}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"

    def markdown(self) -> str:
        """A table of GitHub's Markdown, below its title."""
        lines = [f"**{self.title}**", ""] if self.title else []
        lines += [_line(self.columns), "|" + " --- |" * len(self.columns), *map(_line, self.rows)]
        return "\n".join(lines)


def _cell(text: str) -> str:
    kind = ' class="n"' if NUMBER.fullmatch(text) else ""
    return f"<td{kind}>{escape(text)}</td>"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


class Tabled(Protocol):
    """What can be told in tables, and so shows itself in a notebook."""

    def tables(self) -> tuple[Table, ...]: ...


class Notebook:
    """Gives what has `tables()` the form that notebooks show."""

    def _repr_html_(self: Tabled) -> str:
        return "\n".join(table.html() for table in self.tables())


def numbered(value: float | None, digits: int = 6) -> str:
    """A number with so many significant digits; nothing for one that is not known."""
    return "" if value is None else f"{value:.{digits}g}"


def counted(value: int | None) -> str:
    """A whole number with commas; "?" for one that is not known."""
    return "?" if value is None else f"{value:,}"
