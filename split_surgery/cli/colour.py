"""Colour on a terminal, in git's way: diffs in red and green, verdicts in bold."""

from __future__ import annotations

import os
from typing import Any, Literal, TextIO, get_args

import click

When = Literal["auto", "always", "never"]

STYLES: dict[str, dict[str, Any]] = {
    "added": {"fg": "green"},
    "removed": {"fg": "red"},
    "heading": {"bold": True},
    "place": {"fg": "cyan"},
    "good": {"fg": "green", "bold": True},
    "bad": {"fg": "red", "bold": True},
}
"""How the tones of lines look (verbs/printed/tones.py)."""

_wish: When = "auto"


def set_colour(when: When) -> None:
    """What the user wishes, for all that this run prints from now on."""
    global _wish
    _wish = when


COLOUR: dict[str, Any] = {
    "type": click.Choice(get_args(When)),
    "expose_value": False,
    "is_eager": True,
    "callback": lambda _context, _flag, when: set_colour(when) if when else None,
}
"""The flag `--color`, which the command shows and each verb takes too."""


def is_coloured(stream: TextIO) -> bool:
    """Whether colour goes there: as `--color` says, else onto terminals, unless NO_COLOR is set (https://no-color.org)."""
    if _wish != "auto":
        return _wish == "always"
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and stream.isatty()


def painted(text: str, tone: str, stream: TextIO) -> str:
    """A text, which holds nothing that a terminal would obey, in the colour of its tone."""
    return click.style(text, **STYLES[tone]) if tone and is_coloured(stream) else text
