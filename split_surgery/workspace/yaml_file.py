"""YAML files read as nodes that know their places; plain data written so that it reads as a table."""

from __future__ import annotations

from typing import Any

import yaml

from split_surgery.errors import FileError, FilePlace, TextPlace


class YamlFile:
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
