"""What is printed, made harmless: the one way to stdout and stderr, because a file may say anything."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Sequence

from split_surgery.errors import harmless, shortened

ASCII = str.maketrans("─┬├└┐┤┘█", "-++'.+'#")
"""The characters of the drawings for a terminal that has only these."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell begins with that a spreadsheet would compute instead of show."""

STDERR_LIMIT = 4000
"""Characters of one message on stderr."""


def say(text: str = "", end: str = "\n") -> None:
    """Print to stdout, the drawings in ASCII where its encoding knows no more."""
    text = harmless(text)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = text.translate(ASCII)
    print(text, end=end)


def complain(message: str) -> None:
    """A message on stderr, if there is one."""
    tell(f"split-surgery: {shortened(message, STDERR_LIMIT)}")


def tell(text: str) -> None:
    """A text on stderr, if there is one, as a line or several."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(harmless(text), file=sys.stderr, flush=True)


def say_csv(rows: Iterable[Sequence[object]]) -> None:
    """Print rows for a spreadsheet. None is an empty cell; a text that would be a formula gets an apostrophe before it."""
    import csv

    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerows([_cell(value) for value in row] for row in rows)


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return "" if value is None else value
    return harmless("'" + value if value.startswith(_FORMULA) else value)
