"""What one fold came to: a row of the table of folded nets."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from split_surgery.reporting.logs.log_row import LogRow, error_and_images
from split_surgery.reporting.tables import Table, counted, numbered


@dataclass(frozen=True)
class FoldedRow:
    """The directory of a fold.

    Attributes:
        net: its name. folder: where it is.
        source: the names of the directories that hold what it was folded from: a prototxt of that digest with weights of that name and
            size, which several may. net_file, weights_file: what fold.yaml calls those.
        layers: the layers that stand now. was: how many they stand for.
        net_layers: how many the net has before and after, as `fold` counts them.
        parameters, bytes: of the weights before and after; of these and of net_layers None where a file is not found or cannot be read.
        accuracy: what a log in the directory says of it, as a row of the accuracy table; None without a log.
    """

    net: str
    folder: str
    source: tuple[str, ...]
    net_file: str
    weights_file: str
    layers: tuple[str, ...]
    was: int
    net_layers: tuple[int | None, int | None]
    parameters: tuple[int | None, int | None]
    bytes: tuple[int | None, int | None]
    accuracy: LogRow | None

    def to_dict(self) -> dict[str, Any]:
        tree = {name.name: getattr(self, name.name) for name in dataclasses.fields(self)}
        pairs = {name: dict(zip(("before", "after"), tree[name])) for name in ("net_layers", "parameters", "bytes")}
        lists = {name: list(tree[name]) for name in ("source", "layers")}
        return tree | pairs | lists | {"accuracy": self.accuracy.to_dict() if self.accuracy is not None else None}


_COLUMNS = (
    "folded net",
    "folded from",
    "layers",
    "parameters",
    "bytes of weights",
    "output",
    "accuracy",
    "std. error",
    "images",
)


def folded_table(folded: Sequence[FoldedRow]) -> Table:
    """A row for each; without the columns that are empty, and without the name of the output where it is the accuracy."""
    table = Table("folded nets", _COLUMNS, tuple(map(_cells, folded)))
    outputs = {one.accuracy.told.output for one in folded if one.accuracy is not None and one.accuracy.told is not None}
    return table.without([*table.blank(), *([] if outputs - {"accuracy"} else ["output"])])


def _cells(one: FoldedRow) -> tuple[str, ...]:
    source = " or ".join(one.source) or f"{one.net_file} with {one.weights_file}, not found"
    told = one.accuracy.told if one.accuracy is not None else None
    said = (told.output, numbered(told.final), *error_and_images(told)) if told is not None else ("", "", "", "")
    return (one.net, source, _changed(one.net_layers), _changed(one.parameters), _changed(one.bytes), *said)


def _changed(pair: tuple[int | None, int | None]) -> str:
    return " -> ".join(map(counted, pair))
