"""A block as a small drawing in text: every path from the old bottom to the old top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from split_surgery.splitting.split_layer import NewLayer


@dataclass(frozen=True)
class _Rows:
    """Part of the drawing: rows of equal width, each entered on the left; it is left on the right at row `exit`."""

    rows: tuple[str, ...]
    exit: int = 0

    def then(self, label: str) -> _Rows:
        added = f"── {label} "
        rows = tuple(row + (added if index == self.exit else " " * len(added)) for index, row in enumerate(self.rows))
        return _Rows(rows, self.exit)


def draw(layers: Sequence[NewLayer], layer: str, bottom: str) -> str:
    """The block that took the place of `layer` (new layers named without its name), from `bottom` to its old top."""
    makers = {new.top: new for new in layers}
    body = _rows(layers[-1], makers, layer)
    rows = [row + ("── " + layers[-1].top if index == body.exit else "") for index, row in enumerate(body.rows)]
    lead, blank = f"{bottom} ─", " " * (len(bottom) + 2)
    if len(rows) == 1:
        return lead + rows[0]
    joints = ["┬", *"├" * (len(rows) - 2), "└"]
    return "\n".join(((lead if index == 0 else blank) + joints[index] + row).rstrip() for index, row in enumerate(rows))


def _rows(new: NewLayer, makers: dict[str, NewLayer], layer: str) -> _Rows:
    label = new.name.removeprefix(layer + "_") + (f" [{new.shapes[0][0]}]" if new.shapes else "")
    inner = [_rows(makers[bottom], makers, layer) for bottom in new.bottoms if bottom in makers]
    if not inner:
        return _Rows((f"── {label} ",))
    if len(inner) == 1:
        return inner[0].then(label)
    return _join(inner).then(label)


def _join(parts: list[_Rows]) -> _Rows:
    """Parts one below the other, their exits brought together on the first one's row."""
    width = max(len(part.rows[0]) for part in parts) + 1
    rows: list[str] = []
    exits: list[int] = []
    for part in parts:
        exits.append(len(rows) + part.exit)
        rows += [row.ljust(width, "─" if index == part.exit else " ") for index, row in enumerate(part.rows)]
    first, last = exits[0], exits[-1]
    for index, row in enumerate(rows):
        if index in exits:
            rows[index] = row + ("┐" if index == first else "┘" if index == last else "┤")
            rows[index] = row + "┬" if index == first else rows[index]
        else:
            rows[index] = row + ("│" if first < index < last else " ")
    return _Rows(tuple(rows), first)
