"""The options of a split: their defaults, and a YAML file of them. One word serves for the flag, the file and the library."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any

import yaml

from split_surgery.documents.source import PathLike, read_file
from split_surgery.errors import FileError, FilePlace, TextPlace, UsageError, nearest
from split_surgery.splitting.recipes import RECIPES


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
            values[name] = item.default if value is None and item.default is None else _read(item, value, "")
        return cls(**values)


RUN_WORDS = ("solver", "solverstate", "also", "as_path")
"""Options of a whole run, which a single layer of it cannot have."""


@dataclass(frozen=True)
class Entry:
    """What a config says of one layer, or of several alike: the recipe, if it says, and options by field name.

    Attributes:
        places: of the words, for what turns out to be impossible later.
    """

    recipe: str | None
    options: dict[str, Any]
    places: dict[str, TextPlace] = field(default_factory=dict)


def word_of(item: Field[Any]) -> str:
    """The word of an option: the flag without its dashes, and the key in YAML."""
    return {"as_path": "as"}.get(item.name, item.name.replace("_", "-"))


def _read(item: Field[Any], value: Any, where: str) -> Any:
    """A value as its option takes it.

    Raises:
        UsageError: it is of another type.
    """
    read = item.metadata["read"](value)
    if read is None:
        word = word_of(item)
        raise UsageError(f"{where}{word} must be {item.metadata['what']}, not {value!r}")
    return read


def read_config(path: PathLike, verb: str | None = None) -> list[Entry]:
    """The options in a YAML file, by field name of Settings.

    The file is a mapping from words to values. `recipe` may be among them, and `layers`: a list of such mappings, one for each
    split in the order in which they are made; what stands beside `layers` holds for all of them. Paths are relative to the
    working directory, as they are on the command line.

    Args:
        verb: the recipe of the verb that reads it, which must then be the config's, and the only one. None for `apply`.

    Raises:
        UsageError: it is for another recipe, or has an unknown word or a value of the wrong type, with line and column.
        FileError: it cannot be read, or is not YAML.
    """
    document = _Document(read_file(path), str(path))
    root = document.root
    if root is None:
        return [Entry(None, {})]
    layers = [(key, node) for key, node in document.pairs(root) if key.value == "layers"]
    common = _entry(document, root, skip=("layers",))
    if verb is not None and layers:
        place = document.place(layers[0][0])
        raise UsageError(
            f"{place}: this config splits several layers", hint=f"split-surgery apply {path} NET WEIGHTS -o DIR"
        )
    if verb is not None and common.recipe not in (None, verb):
        raise UsageError(f"{common.places['recipe']}: this config is for the {common.recipe} split, not for {verb}")
    if not layers:
        return [common]
    (key, node), *more = layers
    if more:
        raise UsageError(f"{document.place(more[0][0])}: layers is given twice")
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        raise UsageError(f"{document.place(key)}: layers must be a list of mappings, one for each split")
    found = []
    for item in node.value:
        if not isinstance(item, yaml.MappingNode):
            raise UsageError(f"{document.place(item)}: must be a mapping, such as layer: conv1")
        entry = _entry(document, item, skip=(), refused=RUN_WORDS)
        places = common.places | entry.places
        found.append(Entry(entry.recipe or common.recipe, common.options | entry.options, places))
    return found


def _entry(document: _Document, node: yaml.MappingNode, skip: Sequence[str], refused: Sequence[str] = ()) -> Entry:
    known = {word_of(item): item for item in fields(Settings)}
    recipe, found, places = None, dict[str, Any](), dict[str, TextPlace]()
    for key, value_node in document.pairs(node):
        word, value, place = document.value(key), document.value(value_node), document.place(key)
        if not isinstance(word, str):
            raise UsageError(f"{place}: {word!r} is no option")
        if word in skip:
            continue
        if word == "recipe":
            if not isinstance(value, str) or value not in RECIPES:
                raise UsageError(f"{place}: there is no recipe {value!r}", hint=nearest(str(value), list(RECIPES)))
            recipe, places[word] = value, place
            continue
        if word in known and known[word].name in refused:
            raise UsageError(f"{place}: {word} is an option of the whole run: put it beside layers")
        if word not in known:
            raise UsageError(
                f"{place}: there is no option {word!r}", hint=nearest(str(word), ["recipe", "layers", *known])
            )
        read = _read(known[word], value, f"{place}: ")
        if known[word].name in found:
            raise UsageError(f"{place}: {word} is given twice")
        found[known[word].name], places[word] = read, place
    return Entry(recipe, found, places)


class _Document:
    """A YAML file as nodes that know their places.

    Raises:
        FileError: it is not YAML, or no mapping.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self.data, self.name, self.text = data, name, ""
        try:
            self.text = data.decode("utf-8")
            self.loader = yaml.SafeLoader(self.text)
            root = self.loader.get_single_node()
        except yaml.MarkedYAMLError as error:
            at = error.problem_mark.index if error.problem_mark else 0
            raise FileError(f"not YAML: {error.problem}", self._at(at)) from error
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
            raise FileError(f"not YAML: {error}", FilePlace(name)) from error
        if root is not None and not isinstance(root, yaml.MappingNode):
            raise FileError("must be a mapping from options to values", FilePlace(name))
        self.root: yaml.MappingNode | None = root

    def _at(self, index: int) -> TextPlace:
        return TextPlace(self.name, self.data, len(self.text[:index].encode()))

    def place(self, node: yaml.Node) -> TextPlace:
        return self._at(node.start_mark.index)

    def pairs(self, node: yaml.MappingNode) -> list[tuple[yaml.Node, yaml.Node]]:
        return list(node.value)

    def value(self, node: yaml.Node) -> Any:
        """Raises: FileError, where a value cannot be made of it."""
        try:
            return self.loader.construct_object(node, deep=True)
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            raise FileError(f"not YAML: {error}", self.place(node)) from error
