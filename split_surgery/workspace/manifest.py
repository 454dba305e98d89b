"""What identifies the inputs of a run, as split.yaml and fold.yaml name them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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
