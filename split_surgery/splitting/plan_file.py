"""split.yaml read back: the frozen plan that reproduces a directory."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from typing import Any, TypeVar, Union

from split_surgery.documents.source import PathLike, read_file
from split_surgery.errors import FileError, FilePlace, shown
from split_surgery.splitting.options import Options, Settings
from split_surgery.splitting.plan import FORMAT, LayerPlan, Member, Plan
from split_surgery.splitting.recipes import RECIPES
from split_surgery.workspace.manifest import InputFile
from split_surgery.workspace.yaml_file import YAML_LIMIT, YamlFile

Found = TypeVar("Found")


def is_plan(path: PathLike) -> bool:
    """Whether a YAML file is a split.yaml, which has a `format`, and not a config of options."""
    return "\nformat:" in "\n" + read_file(path, YAML_LIMIT).decode("utf-8", "replace")


def read_plan(path: PathLike) -> Plan:
    """The plan in a split.yaml.

    Raises:
        FileError: it is none, or of a later format, or damaged.
    """
    document = YamlFile.read(path)
    document.refuse_empty("a split writes its plan there; was the file cut, or the disk full?")
    reader = _Reader(document)
    tree = document.tree()
    root = reader.mapping(tree, "the file")
    if "folded" in root:
        raise FileError("is a fold.yaml, which cannot be applied", FilePlace(document.name),
                        "the same fold is made by split-surgery fold")  # fmt: skip
    if root.get("format") != FORMAT:
        message = f"is of format {shown(root.get('format'))}; this version reads format {FORMAT}"
        raise FileError(message, FilePlace(document.name))
    if not root.get("layers"):
        raise reader.fail("layers is missing or empty", root, "layers")
    state = root.get("solverstate")
    return Plan(
        net=reader.input_file(root, "net"),
        weights=reader.input_file(root, "weights"),
        also=tuple(reader.input_file({"also": entry}, "also") for entry in reader.get(root, "also", list, [])),
        layers=tuple(reader.layer(entry) for entry in reader.get(root, "layers", list)),
        solverstate=reader.input_file(root, "solverstate") if state is not None else None,
        lineage=tuple(reader.strings(reader.mapping(root.get("lineage", {}), "lineage"), "ancestors", [])),
    )


MOST = sys.float_info.max


class _Reader:
    """Takes values out of plain data, and says what is wrong with them."""

    def __init__(self, document: YamlFile) -> None:
        self.document = document

    def fail(self, message: str, tree: object = None, key: str = "") -> FileError:
        place = self.document.place_in(tree, key)
        return FileError(f"{message}: is it an unchanged split.yaml?", place)

    def mapping(self, value: Any, what: str) -> Mapping[str, Any]:
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise self.fail(f"{what} is not a mapping", value)
        return value

    def get(
        self, tree: Mapping[str, Any], key: str, kind: Union[type[Found], tuple[type[Found], ...]], *default: Found
    ) -> Found:
        if key not in tree and default:
            return default[0]
        value = tree.get(key)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.fail(f"{key} is missing, or is {shown(value)}", tree, key)
        return value

    def number(self, tree: Mapping[str, Any], key: str, *default: float) -> float:
        # YAML 1.1 takes 1e-05 for a string.
        value: Any = tree.get(key, *default)
        try:
            return float(value) if not isinstance(value, bool) else float("nan")
        except (TypeError, ValueError, OverflowError):
            raise self.fail(f"{key} is missing, or is {shown(value)}", tree, key) from None

    def strings(self, tree: Mapping[str, Any], key: str, *default: list[str]) -> list[str]:
        found = self.get(tree, key, list, *default)
        if not all(isinstance(item, str) for item in found):
            raise self.fail(f"{key} holds something else than texts", tree, key)
        return found

    def digest(self, tree: Mapping[str, Any], key: str) -> str:
        found = self.get(tree, key, str)
        if not re.fullmatch("[0-9a-f]{64}", found):
            raise self.fail(f"{key} is {shown(found)}, which is no SHA-256", tree, key)
        return found

    def channels(self, tree: Mapping[str, Any], key: str) -> tuple[int, ...]:
        found = self.get(tree, key, list)
        if not all(isinstance(item, int) and not isinstance(item, bool) for item in found) or found != sorted(
            set(found)
        ):
            raise self.fail(f"{key} is not a list of ascending channels", tree, key)
        return tuple(found)

    def input_file(self, tree: Mapping[str, Any], key: str) -> InputFile:
        found = self.mapping(tree.get(key), key)
        digest = self.digest(found, "sha256") if "sha256" in found else None
        name = self.get(found, "file", str)
        # It is looked for beside the plan, and must lead nowhere else.
        if os.path.basename(name) != name or "/" in name or "\0" in name or name in ("", ".", ".."):
            raise self.fail(f"{shown(name)} is no plain file name", found, "file")
        return InputFile(name, self.get(found, "bytes", int), digest)

    def layer(self, value: Any) -> LayerPlan:
        tree = self.mapping(value, "an entry of layers")
        recipe = self.get(tree, "recipe", str)
        if recipe not in RECIPES:
            raise self.fail(f"there is no recipe {shown(recipe)}", tree, "recipe")
        roles = [part.role for part in RECIPES[recipe].parts]
        names = self.mapping(tree.get("names"), "names")
        if list(names) != roles or not all(isinstance(suffix, str) for suffix in names.values()):
            raise self.fail(f"names must give a suffix to each of {', '.join(roles)}", tree, "names")
        unsaid = Settings()  # what the recipe has not, the plan does not say
        options = Options.checked(
            recipe=recipe,
            order=self.get(tree, "order", str),
            fast=str(self.get(tree, "fast", (str, int))),
            noise=self.number(tree, "noise"),
            surround=self.number(tree, "surround", unsaid.surround),
            center=self.number(tree, "center", unsaid.center),
            seed=self.get(tree, "seed", int),
            even_center=self.get(tree, "even_center", str) if "even_center" in tree else None,
            trust_field=tuple(self.strings(tree, "trust_field", [])),
            names=tuple((role, suffix) for role, suffix in names.items() if suffix != role),
            skip=self.get(tree, "skip", str, unsaid.skip),
        )
        scores = self.get(tree, "scores", list)
        if not all(
            isinstance(score, (int, float)) and not isinstance(score, bool) and abs(score) <= MOST for score in scores
        ):
            raise self.fail("scores holds something else than finite numbers", tree, "scores")
        fast, slow = (self.channels(tree, key) for key in ("fast_channels", "slow_channels"))
        if sorted((*fast, *slow)) != list(range(len(fast) + len(slow))):
            raise self.fail("fast_channels and slow_channels are not all channels, each once", tree, "slow_channels")
        shared = [self.mapping(entry, "an entry of shared_with") for entry in self.get(tree, "shared_with", list, [])]
        tpm = tree.get("tpm")
        if tpm is not None and not isinstance(tpm, bool):
            raise self.fail("tpm is neither true, false nor null", tree, "tpm")
        return LayerPlan(
            tuple(self.member(entry, options) for entry in (tree, *shared)),
            options,
            tuple(float(score) for score in scores),
            self.get(tree, "measure", str),
            False if options.order == "random" else tpm,
            tuple(self.strings(tree, "evidence")),
            fast,
            slow,
        )

    def member(self, tree: Mapping[str, Any], options: Options) -> Member:
        layer = self.get(tree, "layer", str)
        digest = self.digest(tree, "record_sha256") if tree.get("record_sha256") is not None else None
        return Member(layer, options.new_names(layer), digest)
