"""YAML files read with places, and within bounds; plain data written so that it reads as a table."""

from __future__ import annotations

import itertools
import os
from typing import Any

import yaml

from split_surgery.documents.source import PathLike, read_file
from split_surgery.errors import FileError, FilePlace, TextPlace, shown

YAML_LIMIT = 8 * 1024 * 1024
"""Bytes of the largest file that is read: a plan that splits every layer of ResNet-152 has less than two million."""

_NODES = 250_000
"""Values and keys that a file may come to, each alias counted as all that it stands for: that plan has 160,000."""

_DEPTH = 50
"""Values inside one another; a plan has five."""

_DIGITS = {"tag:yaml.org,2002:int": 100, "tag:yaml.org,2002:float": 2000}
"""Characters of the longest number: Python needs quadratic time for long ones, and refuses to print them."""

_CHUNK = 1024
"""Characters between those whose byte is known, so that a place is found in equal time wherever it is."""

_PYTHONS = (ValueError, ArithmeticError, LookupError, AttributeError, TypeError, RecursionError)
"""What Python raises on a value that is not of its tag, which PyYAML lets through."""

_OPEN = {
    "while parsing a flow sequence": "a list",
    "while parsing a flow mapping": "a mapping",
    "while parsing a flow node": "a list or a mapping",
    "while scanning a quoted scalar": "a text in quotes",
}
"""What is open where PyYAML meets the end of a file, by what it says that it was doing."""


class _Refused(Exception):
    """What is no YAML or beyond a limit, and where in the text."""

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.message, self.index = message, index


class _Loader(yaml.SafeLoader):
    """Makes plain data, after it has counted what that would come to: a few aliases of aliases may stand for billions."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.count = self.depth = 0
        self.sizes: dict[yaml.Node, int] = {}
        self.nodes: dict[
            int, tuple[object, yaml.Node]
        ] = {}  # lists and mappings by id, which they keep while they are here

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event, before = self.peek_event(), self.count  # type: ignore[no-untyped-call]
        start = event.start_mark.index
        self.count, self.depth = self.count + 1, self.depth + 1
        if self.depth > _DEPTH:
            raise _Refused(f"values stand more than {_DEPTH} deep inside one another", start)
        node = super().compose_node(parent, index)
        self.depth -= 1
        if node is not None and isinstance(event, yaml.AliasEvent):
            if node not in self.sizes:
                raise _Refused(f"the alias *{event.anchor} stands inside what it names", start)
            self.count = before + self.sizes[node]
        if self.count > _NODES:
            raise _Refused(
                f"comes to more than {_NODES:,} values with its aliases written out: is it the right file?", start
            )
        if node is not None:
            self.sizes[node] = self.count - before
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if isinstance(node, yaml.ScalarNode) and len(node.value) > _DIGITS.get(node.tag, len(node.value)):
            message = f"a number of {len(node.value):,} characters, of which at most {_DIGITS[node.tag]:,} are read"
            raise _Refused(message, node.start_mark.index)
        try:
            value = super().construct_object(node, deep)
        except _PYTHONS as error:
            what = f"{shown(node.value)} is" if isinstance(node, yaml.ScalarNode) else "this is"
            raise _Refused(f"not YAML: {what} no {node.tag.rpartition(':')[2]}", node.start_mark.index) from error
        if isinstance(value, (dict, list)):
            self.nodes[id(value)] = value, node
        return value


class YamlFile:
    """A YAML file as nodes that know their places, and as plain data.

    Attributes:
        root: the node of the whole; None for an empty file.

    Raises:
        FileError: it is not YAML, or larger than anything that is meant for us.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self.name, self.text, self.data = name, "", data
        try:
            if len(data) > YAML_LIMIT:
                raise FileError(f"has more than the {YAML_LIMIT:,} bytes that are read of YAML", FilePlace(name))
            self.text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8")
            self.data = self.text.encode()
            self.loader = _Loader(self.text)
            self.root: yaml.Node | None = self.loader.get_single_node()
        except (_Refused, yaml.YAMLError, *_PYTHONS) as error:
            raise self._error(error, FilePlace(name)) from error

    @classmethod
    def read(cls, path: PathLike) -> YamlFile:
        """Raises: FileError, where the file cannot be read, or is none."""
        return cls(read_file(path, YAML_LIMIT), os.fspath(path))

    def _error(self, error: Exception, place: FilePlace | TextPlace) -> FileError:
        if isinstance(error, _Refused):
            return FileError(error.message, self._at(error.index))
        if isinstance(error, yaml.reader.ReaderError):
            return FileError(f"not YAML: {error.reason}", self._at(error.position))
        if isinstance(error, yaml.MarkedYAMLError):
            mark = error.problem_mark or error.context_mark
            at = self._at(mark.index) if mark else place
            inside = _OPEN.get(error.context or "")
            if mark and mark.index >= len(self.text) and inside:
                hint = "was it cut? get the whole file, or close what is open"
                return FileError(f"the file ends in the middle of {inside}", at, hint)
            # YAML's own words for it name a token, and what helps is elsewhere on the line
            if mark and mark.buffer and self.text[mark.index : mark.index + 1] == "\t":
                return FileError("not YAML: a tab; YAML is indented by spaces", at)
            by_indent = isinstance(error, yaml.parser.ParserError) and not inside
            hint = "what belongs together is indented alike" if by_indent else ""
            return FileError(f"not YAML: {error.problem}", at, hint)
        return FileError(f"not YAML: {error}", place)

    def _at(self, index: int) -> TextPlace:
        if not hasattr(self, "_bytes"):
            chunks = range(0, len(self.text), _CHUNK)
            sizes = (len(self.text[at : at + _CHUNK].encode()) for at in chunks)
            self._bytes = [0, *itertools.accumulate(sizes)]
        chunk = index // _CHUNK
        return TextPlace(self.name, self.data, self._bytes[chunk] + len(self.text[chunk * _CHUNK : index].encode()))

    def place(self, node: yaml.Node) -> TextPlace:
        return self._at(node.start_mark.index)

    def pairs(self, node: yaml.MappingNode) -> list[tuple[yaml.Node, yaml.Node]]:
        return list(node.value)

    def mapping(self) -> yaml.MappingNode | None:
        """The root, or None for an empty file.

        Raises:
            FileError: it is no mapping.
        """
        if self.root is not None and not isinstance(self.root, yaml.MappingNode):
            hint = "a line for each, such as layer: conv1"
            raise FileError("must be a mapping from options to values", FilePlace(self.name), hint)
        return self.root

    def refuse_empty(self, hint: str) -> None:
        """Raises: FileError, with this hint, where there is no value in the file."""
        if self.root is None:
            what = "holds nothing but comments" if self.data.strip() else "is empty"
            raise FileError(what, FilePlace(self.name), hint)

    def value(self, node: yaml.Node) -> Any:
        """Raises: FileError, where a value cannot be made of it."""
        try:
            return self.loader.construct_object(node, deep=True)
        except (_Refused, yaml.YAMLError) as error:
            raise self._error(error, self.place(node)) from error

    def tree(self) -> Any:
        """The whole as plain data; None for an empty file.

        Raises:
            FileError: a value cannot be made of some of it.
        """
        return self.value(self.root) if self.root is not None else None

    def place_in(self, value: object, key: str = "") -> FilePlace | TextPlace:
        """Where a list or mapping of the plain data stands, or one of a mapping's keys; the file, where it has none."""
        _, node = self.loader.nodes.get(id(value), (None, None))
        if node is None:
            return FilePlace(self.name)
        keys = [own for own, _ in node.value if own.value == key] if isinstance(node, yaml.MappingNode) else []
        return self.place(keys[-1] if keys else node)


class _Dumper(yaml.SafeDumper):
    """Lists of plain values on one line, so that a plan reads as a table; no aliases."""

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> Any:
        plain = all(not isinstance(item, (list, dict)) for item in sequence)
        return super().represent_sequence(tag, sequence, flow_style=plain or flow_style)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def dumped(tree: dict[str, Any]) -> bytes:
    """Plain data as YAML, in its own order."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, width=120).encode()
