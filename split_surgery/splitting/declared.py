"""How an option of a split is declared: what it takes, what it is for, and where it belongs."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from split_surgery.documents.source import PathLike  # which --help need not load

ValueKind = Literal["text", "file", "files", "texts", "number", "whole number", "count", "choice", "mapping"]
"""What kind of value an option takes; `files` and `texts` may be given more than once."""

Topic = Literal["which layer and kernels", "how new layers start", "inputs and outputs"]
"""Under which heading an option is listed."""


@dataclass(frozen=True)
class Declaration:
    """All there is to know of an option but its name and its default, which its field in Settings has.

    Attributes:
        kind: what it takes. words: that in words, for errors. help: a line or two.
        metavar: the value in a usage line. choices: the values of a choice.
        recipes: those that it belongs to; empty for all.
        flag: whether the command line has it; else it stands in a config only.
    """

    kind: ValueKind
    words: str
    help: str
    topic: Topic
    metavar: str = ""
    choices: tuple[str, ...] = ()
    recipes: tuple[str, ...] = ()
    flag: bool = True

    @property
    def repeated(self) -> bool:
        return self.kind in ("files", "texts")

    def read(self, value: Any) -> Any:
        """A value from YAML or from a caller as the option takes it; None where it is of another type."""
        return _READERS[self.kind](value)

    def belongs_to(self, recipe: str | None) -> bool:
        """Whether a recipe has the option; None is any recipe."""
        return recipe is None or not self.recipes or recipe in self.recipes


def declared(default: Any, kind: ValueKind, words: str, topic: Topic, help: str, **more: Any) -> Any:
    """A field of Settings."""
    return field(default=default, metadata={"declaration": Declaration(kind, words, help, topic, **more)})


def _count(value: Any) -> str | None:
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else None


def _path(value: Any) -> PathLike | None:
    return value if isinstance(value, (str, os.PathLike)) else None


def _number(value: Any) -> float | None:
    # YAML 1.1 takes 1e-3 for a string; a person does not.
    try:
        return float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        return None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _only_text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _several(one: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...] | None]:
    def read(value: Any) -> tuple[Any, ...] | None:
        listed = value if isinstance(value, (list, tuple)) else [value]
        return tuple(listed) if all(one(item) is not None for item in listed) else None

    return read


def _renamed(value: Any) -> tuple[tuple[str, str], ...] | None:
    if isinstance(value, tuple):
        return value
    fits = isinstance(value, dict) and all(isinstance(text, str) for pair in value.items() for text in pair)
    return tuple(value.items()) if fits else None


_READERS: dict[ValueKind, Callable[[Any], Any]] = {
    "text": _only_text,
    "choice": _only_text,
    "file": _path,
    "files": _several(_path),
    "texts": _several(_only_text),
    "number": _number,
    "whole number": _whole,
    "count": _count,
    "mapping": _renamed,
}
