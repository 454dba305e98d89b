"""The options of a split: their defaults, and a YAML file of them. One word serves for the flag, the file and the library."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

import yaml

from split_surgery.errors import FileError, FilePlace, TextPlace, UsageError, nearest
from split_surgery.files import PathLike, read_file


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
    except ValueError:
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

    layer: str | None = _option(None, "a layer's name", _text)
    order: str = _option("tpm", "tpm, random or reverse", _text)
    fast: str = _option("half", "half, a number or a percentage", _fast)
    noise: float = _option(0.01, "a number", _number)
    surround: float = _option(-0.2, "a number", _number)
    center: float = _option(2.0, "a number", _number)
    even_center: str | None = _option(None, "low, high or both", _text)
    seed: int = _option(0, "a whole number", _whole)
    snapshots: str | None = _option(None, "a glob", _text)
    window: str | None = _option(None, "FIRST:LAST in quotes", _text)
    measure: str | None = _option(None, "a measure's name", _text)
    scores: PathLike | None = _option(None, "a file's name", _path)
    solver: PathLike | None = _option(None, "a file's name", _path)
    solverstate: PathLike | None = _option(None, "a file's name", _path)
    also: tuple[PathLike, ...] = _option((), "a list of files", _paths)
    names: tuple[tuple[str, str], ...] = _option((), "a mapping from roles to suffixes", _renamed)
    trust_field: tuple[str, ...] = _option((), "a list of field names", _names)

    @classmethod
    def of(cls, recipe: str, config: PathLike | None, given: Mapping[str, Any]) -> Settings:
        """Options that were given override those of a config, and those override the defaults.

        Raises:
            UsageError: the config is for another recipe, or has an unknown word or a value of the wrong type.
            FileError: it cannot be read, or is not YAML.
        """
        found = read_config(config, recipe) if config is not None else {}
        known = {item.name: item for item in fields(cls)}
        for name, value in given.items():
            if name not in known:
                raise TypeError(f"there is no option {name!r}")
            item = known[name]
            found[name] = item.default if value is None and item.default is None else _read(item, value, "")
        return cls(**found)


def _read(item: Field[Any], value: Any, where: str) -> Any:
    """A value as its option takes it.

    Raises:
        UsageError: it is of another type.
    """
    read = item.metadata["read"](value)
    if read is None:
        word = item.name.replace("_", "-")
        raise UsageError(f"{where}{word} must be {item.metadata['what']}, not {value!r}")
    return read


def read_config(path: PathLike, recipe: str) -> dict[str, Any]:
    """The options in a YAML file, by field name of Settings.

    The file is a mapping from words to values; `recipe` may be among them, and must then be this one. Paths in it are
    relative to the working directory, as they are on the command line.

    Raises: as Settings.of, with file, line and column.
    """
    name, data = str(path), read_file(path)
    known = {item.name.replace("_", "-"): item for item in fields(Settings)}
    found: dict[str, Any] = {}
    for word, value, place in _entries(data, name):
        if word == "recipe":
            if value != recipe:
                raise UsageError(f"{place}: this config is for the {value} split, not for {recipe}")
            continue
        if word not in known:
            raise UsageError(f"{place}: there is no option {word!r}", hint=nearest(str(word), ["recipe", *known]))
        read = _read(known[word], value, f"{place}: ")
        if known[word].name in found:
            raise UsageError(f"{place}: {word} is given twice")
        found[known[word].name] = read
    return found


def _entries(data: bytes, name: str) -> list[tuple[Any, Any, TextPlace]]:
    """Keys and values of the file's mapping, each with the place of its key."""
    try:
        text = data.decode("utf-8")
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return []
        if not isinstance(node, yaml.MappingNode):
            raise FileError("must be a mapping from options to values", FilePlace(name))
        return [
            (
                loader.construct_object(key, deep=True),
                loader.construct_object(value, deep=True),
                TextPlace(name, data, len(text[: key.start_mark.index].encode())),
            )
            for key, value in node.value
        ]
    except yaml.MarkedYAMLError as error:
        at = error.problem_mark.index if error.problem_mark else 0
        raise FileError(f"not YAML: {error.problem}", TextPlace(name, data, len(text[:at].encode()))) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise FileError(f"not YAML: {error}", FilePlace(name)) from error
