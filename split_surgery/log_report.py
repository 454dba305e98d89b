"""What `report` returns: accuracy by net, and its tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from split_surgery.tables import Notebook, Table, numbered

COLUMNS = ("net", "start", "drop", "final", "best", "iterations", "time", "")
"""`drop` is the final accuracy of the net's parent less its own at the start."""


@dataclass(frozen=True)
class LogRow:
    """What one training came to.

    Attributes:
        net: its directory's name, or its own. source: the log. output: the test output that is told.
        start, final, best: of that output, None where the log does not say; the best of a loss or an error is the lowest.
        start_iteration, best_iteration: where they were met, None if unknown.
        parent: the net it was split from, as split.yaml beside the log says, or as the names tell.
        drop: the parent's final less the start; None where the first test came after the training had begun.
        begin: the first iteration that was named, or None. iterations: the largest.
        seconds: wall time, without what passed between two runs. done: whether the last came to its end, fatal: what it died of.
        runs: how often it began. skipped: lines that are none of glog's.
    """

    net: str
    source: str
    output: str
    start: float | None
    start_iteration: int | None
    final: float | None
    best: float | None
    best_iteration: int | None
    parent: str | None
    drop: float | None
    begin: int | None
    iterations: int | None
    seconds: float
    done: bool
    fatal: str
    runs: int
    skipped: int

    @property
    def late(self) -> bool:
        """Whether the first test came after the training had begun, so that it does not tell how it started."""
        return self.start_iteration is not None and self.begin is not None and self.start_iteration > self.begin


@dataclass(frozen=True)
class Group:
    """The nets of one flow, in their natural order (derived2 before derived10)."""

    name: str
    rows: tuple[LogRow, ...]


@dataclass(frozen=True)
class LogReport(Notebook):
    """What some logs say; one group without a name, unless groups were asked for.

    Attributes:
        file: the page that was written, "" for none. pictures: the files beside it. status: written or unchanged.
    """

    groups: tuple[Group, ...]
    warnings: tuple[str, ...] = ()
    file: str = ""
    pictures: tuple[str, ...] = ()
    status: str = ""

    @property
    def exit_code(self) -> int:
        return 0

    def to_dict(self) -> dict[str, Any]:
        tree: dict[str, Any] = {
            "groups": [{"name": g.name, "nets": [dataclasses.asdict(row) for row in g.rows]} for g in self.groups]
        }
        return tree | ({"file": self.file, "pictures": list(self.pictures), "status": self.status} if self.file else {})

    def tables(self) -> tuple[Table, ...]:
        """Flows side by side, where there are several, then each of them."""
        named = [_table(group) for group in self.groups if group.rows]
        return (*([side_by_side(self.groups)] if len(self.groups) > 1 else []), *named)


def _table(group: Group) -> Table:
    """A row for each net; the column of remarks only where there are some."""
    rows = list(map(_cells, group.rows))
    width = len(COLUMNS) if any(row[-1] for row in rows) else len(COLUMNS) - 1
    return Table(group.name, COLUMNS[:width], tuple(row[:width] for row in rows))


def side_by_side(groups: Sequence[Group]) -> Table:
    """Final values by net and flow, and how much more each flow has than the one before it; blank where there is no such net."""
    nets = list(dict.fromkeys(row.net for group in groups for row in group.rows))
    order = {net: max(at for group in groups for at, row in enumerate(group.rows) if row.net == net) for net in nets}
    by_net = [{row.net: row for row in group.rows} for group in groups]
    rows = []
    for net in sorted(nets, key=lambda one: order[one]):
        finals = [rows_of[net].final if net in rows_of else None for rows_of in by_net]
        rows.append((net, *map(numbered, finals), *(_difference(a, b) for a, b in pairwise(finals))))
    columns = ("net", *(group.name for group in groups), *(f"{a.name} - {b.name}" for a, b in pairwise(groups)))
    return Table("", columns, tuple(rows))


def _difference(first: float | None, second: float | None) -> str:
    return "" if first is None or second is None else f"{first - second:+.6g}"


def _cells(row: LogRow) -> tuple[str, ...]:
    start = _at(row.start, row.start_iteration if row.late else None)
    remarks = [row.fatal and f"died: {row.fatal}"]
    remarks += [] if row.done or row.fatal or row.iterations is None else ["not finished"]
    remarks += [f"{row.runs} runs in one log"] if row.runs > 1 else []
    iterations = "" if row.iterations is None else f"{row.iterations:,}"
    drop, final, best = numbered(row.drop), numbered(row.final), _at(row.best, row.best_iteration)
    return (row.net, start, drop, final, best, iterations, _time(row.seconds), ", ".join(filter(None, remarks)))


def _at(value: float | None, iteration: int | None) -> str:
    return numbered(value) + (f" at {iteration}" if iteration is not None else "")


def _time(seconds: float) -> str:
    if seconds < 1:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
