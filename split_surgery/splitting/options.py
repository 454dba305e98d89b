"""The options of a split: their words, defaults and bounds. One word serves for the flag, the YAML file and the library."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from split_surgery.errors import OptionError, UsageError, nearest, shown
from split_surgery.kernels.orders import ORDERS, Order
from split_surgery.splitting.recipes import RECIPES
from split_surgery.splitting.recipes.graph import EVEN_CENTERS, SKIPS, EvenCenter, SkipKind

if TYPE_CHECKING:
    from split_surgery.documents.source import PathLike  # which --help need not load


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _path(value: Any) -> PathLike | None:
    return value if isinstance(value, (str, os.PathLike)) else None


def _fast(value: Any) -> str | None:
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else None


def _number(value: Any) -> float | None:
    # YAML 1.1 takes 1e-3 for a string; a person does not.
    try:
        return float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        return None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _names(value: Any) -> tuple[str, ...] | None:
    listed = [value] if isinstance(value, str) else value
    fits = isinstance(listed, (list, tuple)) and all(isinstance(name, str) for name in listed)
    return tuple(listed) if fits else None


def _paths(value: Any) -> tuple[PathLike, ...] | None:
    listed = [value] if isinstance(value, (str, os.PathLike)) else value
    fits = isinstance(listed, (list, tuple)) and all(_path(path) is not None for path in listed)
    return tuple(listed) if fits else None


def _renamed(value: Any) -> tuple[tuple[str, str], ...] | None:
    if isinstance(value, tuple):
        return value
    fits = isinstance(value, dict) and all(isinstance(text, str) for pair in value.items() for text in pair)
    return tuple(value.items()) if fits else None


def _option(default: Any, what: str, read: Callable[[Any], Any]) -> Any:
    return field(default=default, metadata={"what": what, "read": read})


@dataclass(frozen=True)
class Settings:
    """What decides a split, beside its inputs. Field names are the flags' words, `-` as `_`."""

    layer: tuple[str, ...] = _option((), "a layer's name, or several", _names)
    order: str = _option("tpm", "tpm, random or reverse", _text)
    fast: str = _option("half", "half, a number or a percentage", _fast)
    noise: float = _option(0.01, "a number", _number)
    surround: float = _option(-0.2, "a number", _number)
    center: float = _option(2.0, "a number", _number)
    even_center: str | None = _option(None, "low, high or both", _text)
    skip: str = _option("identity", "identity or average", _text)
    seed: int = _option(0, "a whole number", _whole)
    snapshots: str | None = _option(None, "a glob", _text)
    window: str | None = _option(None, "FIRST:LAST in quotes", _text)
    measure: str | None = _option(None, "a measure's name", _text)
    scores: PathLike | None = _option(None, "a file's name", _path)
    solver: PathLike | None = _option(None, "a file's name", _path)
    solverstate: PathLike | None = _option(None, "a file's name", _path)
    also: tuple[PathLike, ...] = _option((), "a list of files", _paths)
    as_path: str | None = _option(None, "a directory's name", _text)
    names: tuple[tuple[str, str], ...] = _option((), "a mapping from roles to suffixes", _renamed)
    trust_field: tuple[str, ...] = _option((), "a list of field names", _names)

    @classmethod
    def made_of(cls, found: Mapping[str, Any], given: Mapping[str, Any]) -> Settings:
        """Options of a config, and those that were given, which override them; the rest are the defaults.

        Raises:
            UsageError: a value of the wrong type.
        """
        values, known = dict(found), {item.name: item for item in fields(cls)}
        for name, value in given.items():
            if name not in known:
                raise TypeError(f"there is no option {name!r}")
            item = known[name]
            values[name] = item.default if value is None and item.default is None else read_option(item, value, "")
        return cls(**values)


RUN_WORDS = ("solver", "solverstate", "also", "as_path")
"""Options of a whole run, which a single layer of it cannot have."""


def word_of(item: Field[Any]) -> str:
    """The word of an option: the flag without its dashes, and the key in YAML."""
    return {"as_path": "as"}.get(item.name, item.name.replace("_", "-"))


def read_option(item: Field[Any], value: Any, where: str) -> Any:
    """A value as its option takes it.

    Raises:
        UsageError: it is of another type.
    """
    read = item.metadata["read"](value)
    if read is None:
        word = word_of(item)
        raise UsageError(f"{where}{word} must be {item.metadata['what']}, not {shown(value)}")
    return read


@dataclass(frozen=True)
class Options:
    """What the user chose for one layer; the words and the meanings of the command line (defaults: Settings)."""

    recipe: str
    order: Order
    fast: str
    noise: float
    surround: float
    center: float
    seed: int
    even_center: EvenCenter | None
    trust_field: tuple[str, ...]
    names: tuple[tuple[str, str], ...]
    skip: SkipKind

    @classmethod
    def checked(cls, *values: Any) -> Options:
        """Options of values whose types were read, and whose words are not yet known to be right.

        Raises:
            OptionError: a value that an option cannot have.
        """
        return cls(*values)

    def suffixes(self) -> dict[str, str]:
        """What is put after a layer's name and `_`, by role of the new layer: the role, or what `names` says."""
        return {part.role: part.role for part in RECIPES[self.recipe].parts} | dict(self.names)

    def new_names(self, layer: str) -> dict[str, str]:
        """The names of the layers that a layer becomes, by role."""
        return {role: f"{layer}_{suffix}" for role, suffix in self.suffixes().items()}

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise OptionError("order", f"must be one of {', '.join(ORDERS)}", self.order)
        if self.even_center not in (None, *EVEN_CENTERS):
            raise OptionError("even-center", f"must be one of {', '.join(EVEN_CENTERS)}", self.even_center)
        if self.skip not in SKIPS:
            raise OptionError("skip", f"must be one of {', '.join(SKIPS)}", self.skip)
        for name in ("noise", "surround", "center"):
            value = getattr(self, name)
            if not abs(value) < 1e30:  # beyond this a float32 weight would overflow; NaN fails it too
                raise OptionError(name, "must be a finite number", value)
        if self.noise < 0:
            raise OptionError("noise", "a standard deviation is not negative", self.noise)
        if self.seed < 0:
            raise OptionError("seed", "must not be negative", self.seed)
        roles = [part.role for part in RECIPES[self.recipe].parts]
        for role, suffix in self.names:
            if role not in roles:
                raise OptionError("names", f"the {self.recipe} split has no {role!r}", hint=nearest(role, roles))
            if not suffix:
                raise OptionError("names", f"{role} must have a suffix")
        found: dict[str, str] = {}
        for role, suffix in self.suffixes().items():
            if suffix in found:
                raise OptionError("names", f"{found[suffix]} and {role} would both be {suffix!r}")
            found[suffix] = role
