"""What identifies the inputs of a run, as split.yaml and fold.yaml name them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from split_surgery.documents.prototxt import Document
from split_surgery.documents.source import PathLike, sha256
from split_surgery.workspace.inputs import Inputs


@dataclass(frozen=True)
class InputFile:
    """What identifies an input: its name without the path, its size in bytes, and of a text the SHA-256.

    Hashing a whole weights file would cost more than copying it; the split layers' records are hashed instead.
    """

    name: str
    size: int
    sha256: str | None = None

    def to_tree(self) -> dict[str, Any]:
        tree: dict[str, Any] = {"file": self.name, "bytes": self.size}
        return tree | ({"sha256": self.sha256} if self.sha256 else {})


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The inputs of a run. `also`: further prototxts."""

    net: InputFile
    weights: InputFile
    also: tuple[InputFile, ...] = ()
    solverstate: InputFile | None = None

    def to_tree(self) -> dict[str, Any]:
        """As plain data, in the order of split.yaml and fold.yaml."""
        return {
            "net": self.net.to_tree(),
            "weights": self.weights.to_tree(),
            **({"also": [file.to_tree() for file in self.also]} if self.also else {}),
            **({"solverstate": self.solverstate.to_tree()} if self.solverstate else {}),
        }


def manifest_of(inputs: Inputs) -> Manifest:
    """What identifies these inputs."""
    net, *also = (_of_text(text.document) for _, text in inputs.named)
    state = inputs.state
    return Manifest(
        net=net,
        weights=_of_binary(inputs.weights_path, inputs.source.size if inputs.source is not None else 0),
        also=tuple(also),
        solverstate=_of_binary(state.path, state.source.size) if state is not None else None,
    )


def _of_text(document: Document) -> InputFile:
    return InputFile(Path(document.name).name, len(document.data), sha256(document.data))


def _of_binary(path: PathLike, size: int) -> InputFile:
    return InputFile(Path(path).name, size)
