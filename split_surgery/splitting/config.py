"""A YAML file of options, for one split or for several in a row."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import yaml

from split_surgery.documents.net.net import Prototxt
from split_surgery.documents.other_files import FIRST_BYTES, is_text, other_file
from split_surgery.documents.prototxt import Document
from split_surgery.documents.source import PathLike, read_file
from split_surgery.errors import SurgeryError, TextPlace, UsageError, for_shell, nearest, shown
from split_surgery.splitting.options import RUN_WORDS, Settings, declaration_of, read_option, word_of
from split_surgery.splitting.plan_file import is_plan
from split_surgery.splitting.recipes import RECIPES
from split_surgery.workspace.yaml_file import YAML_LIMIT, YamlFile


@dataclass(frozen=True)
class ConfigEntry:
    """What a config says of one layer, or of several alike: the recipe, if it says, and options by field name.

    Attributes:
        places: of the words, for what turns out to be impossible later.
    """

    recipe: str | None
    options: dict[str, Any]
    places: dict[str, TextPlace] = field(default_factory=dict)


def read_config(path: PathLike, verb: str | None = None) -> list[ConfigEntry]:
    """The options in a YAML file, by field name of Settings.

    The file is a mapping from words to values. `recipe` may be among them, and `layers`: a list of such mappings, one for each
    split in the order in which they are made; what stands beside `layers` holds for all of them. Paths are relative to the
    working directory, as they are on the command line.

    Args:
        verb: the recipe of the verb that reads it, which must then be the config's, and the only one. None for `apply`.

    Raises:
        UsageError: it is a net or another known file, or for another recipe; or, with line and column, it has an unknown word or a
            value of the wrong type.
        FileError: it cannot be read, or is not YAML.
    """
    data = read_file(path, YAML_LIMIT)
    try:
        return _entries(YamlFile(data, os.fspath(path)), path, verb)
    except SurgeryError as error:  # only now: what can be read is what it was given for
        if is_plan(path):
            hint = f"a split.yaml is applied: split-surgery apply {for_shell(os.fspath(path))} NET WEIGHTS -o DIR"
            raise UsageError(
                f"{path} is a plan (split.yaml or fold.yaml), not a config of options", hint=hint
            ) from error
        other = _other_file(data)
        if other is None:
            raise
        place = (
            "CONFIG comes first: apply CONFIG NET WEIGHTS" if verb is None else "--config takes a YAML file of options"
        )
        raise UsageError(f"{path} is {other}; {place}") from error


_LAYER = re.compile(rb"^\s*layers?\s*:?\s*\{", re.MULTILINE)
"""How a layer begins in a prototxt, and nothing in YAML does."""


def _other_file(data: bytes) -> str | None:
    """What a file is that could not be read as a config; None where it may be meant for one."""
    head = data[:FIRST_BYTES]
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return None
    other = other_file(head, weights=False)
    if other is not None:
        return other.what
    if not is_text(head):
        return "binary, and no YAML"
    if _LAYER.search(data):
        return "a net"
    try:
        text = Prototxt(Document(data, ""))
    except SurgeryError:
        return None
    named = {field.name for field in text.document.root.fields}
    return "a solver" if text.is_solver and not named & {"recipe", *map(word_of, fields(Settings))} else None


def _entries(document: YamlFile, path: PathLike, verb: str | None) -> list[ConfigEntry]:
    """The options of a config, as read_config gives them."""
    root = document.mapping()
    if root is None:
        return [ConfigEntry(None, {})]
    layers = [(key, node) for key, node in document.pairs(root) if key.value == "layers"]
    common = _entry(document, root, skip=("layers",))
    if layers and isinstance(layers[0][1], yaml.ScalarNode) and layers[0][1].tag == "tag:yaml.org,2002:str":
        name = layers[0][1].value
        raise UsageError(
            f"{document.place(layers[0][0])}: layers is a list of splits; one layer is `layer: {name}`",
            hint="several: layers, with a mapping for each below it, such as - layer: conv1",
        )
    if verb is not None and layers:
        place = document.place(layers[0][0])
        raise UsageError(
            f"{place}: this config splits several layers",
            hint=f"split-surgery apply {for_shell(str(path))} NET WEIGHTS -o DIR",
        )
    if verb is not None and common.recipe not in (None, verb):
        raise UsageError(f"{common.places['recipe']}: this config is for the {common.recipe} split, not for {verb}")
    if not layers:
        _check_recipe(common, common.recipe or verb)
        return [common]
    (key, node), *more = layers
    if more:
        raise UsageError(f"{document.place(more[0][0])}: layers is given twice")
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        raise UsageError(
            f"{document.place(key)}: layers must be a list of mappings, one for each split (- layer: conv1)"
        )
    found = []
    for item in node.value:
        if not isinstance(item, yaml.MappingNode):
            raise UsageError(f"{document.place(item)}: must be a mapping, such as layer: conv1")
        entry = _entry(document, item, skip=(), refused=RUN_WORDS)
        recipe = entry.recipe or common.recipe
        _check_recipe(entry, recipe)
        # What stands beside layers is for those of them whose recipe has it.
        shared = {name: value for name, value in common.options.items() if _DECLARATIONS[name].belongs_to(recipe)}
        found.append(ConfigEntry(recipe, shared | entry.options, common.places | entry.places))
    for word, name in ((word_of(item), item.name) for item in fields(Settings) if item.name in common.options):
        if not any(_DECLARATIONS[name].belongs_to(entry.recipe) for entry in found):
            raise _other_recipe(common.places[word], word, name, "any of these layers")
    return found


def _check_recipe(entry: ConfigEntry, recipe: str | None) -> None:
    """Raises: UsageError, where an option is another recipe's."""
    for item in fields(Settings):
        if item.name in entry.options and not declaration_of(item).belongs_to(recipe):
            raise _other_recipe(entry.places[word_of(item)], word_of(item), item.name, f"the {recipe} split")


def _other_recipe(place: TextPlace, word: str, name: str, what: str) -> UsageError:
    return UsageError(f"{place}: {word} is an option of {' and '.join(_DECLARATIONS[name].recipes)}, not of {what}")


_DECLARATIONS = {item.name: declaration_of(item) for item in fields(Settings)}


def _entry(document: YamlFile, node: yaml.MappingNode, skip: Sequence[str], refused: Sequence[str] = ()) -> ConfigEntry:
    known = {word_of(item): item for item in fields(Settings)}
    recipe, found, places = None, dict[str, Any](), dict[str, TextPlace]()
    for key, value_node in document.pairs(node):
        word, value, place = document.value(key), document.value(value_node), document.place(key)
        if not isinstance(word, str):
            raise UsageError(f"{place}: {shown(word)} is no option")
        if word in skip:
            continue
        if word == "recipe":
            if not isinstance(value, str) or value not in RECIPES:
                raise UsageError(
                    f"{place}: there is no recipe {shown(value)}",
                    hint=nearest(value if isinstance(value, str) else "", list(RECIPES)),
                )
            recipe, places[word] = value, place
            continue
        if word in known and known[word].name in refused:
            raise UsageError(f"{place}: {word} is an option of the whole run: put it beside layers")
        if word not in known:
            raise UsageError(
                f"{place}: there is no option {shown(word)}", hint=_meant(word, ["recipe", "layers", *known])
            )
        read = read_option(known[word], value, f"{place}: ")
        if known[word].name in found:
            raise UsageError(f"{place}: {word} is given twice")
        found[known[word].name], places[word] = read, place
    return ConfigEntry(recipe, found, places)


def _meant(word: str, known: list[str]) -> str:
    """What a word that is no option may stand for."""
    if word in ("out", "output", "outdir", "output_dir", "dir"):
        return "the directory is named on the command line: -o DIR"
    if word in ("split", "splits"):
        return "each split is an entry of `layers`, with its own `layer`"
    return nearest(word, known)
