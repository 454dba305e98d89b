"""What `report` returns: accuracy by net, and its tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from split_surgery.reporting.tables import Notebook, Table, numbered

COLUMNS = ("net", "output", "start", "drop", "final", "best", "iterations", "time", "")
"""`drop` is the final value of the net's parent less its own at the start. The last are remarks; where all tell the accuracy and
there is nothing to remark, the second and the last are left out."""


@dataclass(frozen=True)
class TestOutput:
    """What an output of a test net came to.

    Attributes:
        net: the number of the test net. start, final, best: None where the log does not say, or says no finite number; the best of
            a loss or an error is the lowest.
        start_iteration, best_iteration: where they were met, None if unknown.
    """

    net: int
    output: str
    start: float | None
    start_iteration: int | None
    final: float | None
    best: float | None
    best_iteration: int | None


@dataclass(frozen=True)
class LogRow:
    """What one training came to.

    Attributes:
        net: its directory's name, or its own. source: the log. told: the test output that tells how good it is.
        outputs: all of them.
        parent: the net it was split from, as split.yaml beside the log says, or as the names tell.
        drop: the parent's final value less the start; None where there is no such, and where the first test came after the
            training had begun.
        begin: the first iteration that was named, or None. iterations: the largest.
        seconds: wall time, without what passed between two runs. runs: how often it began.
        end: "done", "stopped early", "died: " and of what, or "" where the log ends before.
        odd: the first value that is no finite number, "" for none. skipped: lines that are none of glog's.
        rank: of the process that is told, where mpirun says it, or None. processes: how many wrote to the log at the same time.
        in_order: whether the lines are in order of time; otherwise nothing is known of start, final and seconds.
    """

    net: str
    source: str
    told: TestOutput | None
    outputs: tuple[TestOutput, ...]
    parent: str | None
    drop: float | None
    begin: int | None
    iterations: int | None
    seconds: float
    runs: int
    end: str
    odd: str
    skipped: int
    rank: int | None = None
    processes: int = 1
    in_order: bool = True

    @property
    def late(self) -> bool:
        """Whether the first test came after the training had begun, so that it does not tell how it started."""
        first = self.told.start_iteration if self.told is not None else None
        return first is not None and self.begin is not None and first > self.begin

    def to_dict(self) -> dict[str, Any]:
        """With the values of the output that is told as its own."""
        own = dataclasses.asdict(self)
        told = own.pop("told") or dict.fromkeys((one.name for one in dataclasses.fields(TestOutput)), None)
        told.pop("net")
        return {"net": own.pop("net"), "source": own.pop("source"), **told, **own}


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
            "groups": [{"name": g.name, "nets": [row.to_dict() for row in g.rows]} for g in self.groups]
        }
        return tree | ({"file": self.file, "pictures": list(self.pictures), "status": self.status} if self.file else {})

    def details(self) -> list[str]:
        """Where each row comes from, and all outputs of its test nets."""
        found = []
        for row in (row for group in self.groups for row in group.rows):
            after = f", after {row.parent}" if row.parent is not None else ""
            found.append(f"{row.net}: {row.source}, {row.skipped:,} lines skipped{after}")
            for one in row.outputs:
                values = f"{numbered(one.start)} to {numbered(one.final)}, best {numbered(one.best)}"
                found.append(f"  test net {one.net}, {one.output}: {values}")
        return found

    def tables(self) -> tuple[Table, ...]:
        """Flows side by side, where there are several, then each of them."""
        named = [_table(group) for group in self.groups if group.rows]
        return (*([side_by_side(self.groups)] if len(self.groups) > 1 else []), *named)


def _table(group: Group) -> Table:
    outputs = {row.told.output for row in group.rows if row.told is not None}
    columns = list(zip(COLUMNS, *map(_cells, group.rows)))
    shown = [
        column for at, column in enumerate(columns) if (at != 1 or outputs - {"accuracy"}) and (at != 8 or any(column))
    ]
    head, *rows = zip(*shown)
    return Table(group.name, head, tuple(rows))


def side_by_side(groups: Sequence[Group]) -> Table:
    """Final values by net and flow, and how much more each flow has than the one before it; blank where there is no such net."""
    nets = list(dict.fromkeys(row.net for group in groups for row in group.rows))
    order = {net: max(at for group in groups for at, row in enumerate(group.rows) if row.net == net) for net in nets}
    by_net = [{row.net: row for row in group.rows} for group in groups]
    rows = []
    for net in sorted(nets, key=lambda one: order[one]):
        finals = [_final(rows_of.get(net)) for rows_of in by_net]
        rows.append((net, *map(numbered, finals), *(_difference(a, b) for a, b in pairwise(finals))))
    columns = ("net", *(group.name for group in groups), *(f"{a.name} - {b.name}" for a, b in pairwise(groups)))
    return Table("", columns, tuple(rows))


def _difference(first: float | None, second: float | None) -> str:
    return "" if first is None or second is None else f"{first - second:+.6g}"


def _final(row: LogRow | None) -> float | None:
    return row.told.final if row is not None and row.told is not None else None


def _cells(row: LogRow) -> tuple[str, ...]:
    remarks = [
        row.end if row.end != "done" else "",
        "" if row.end or row.iterations is None or not row.in_order else "not finished",
    ]
    remarks += [row.odd, f"{row.runs} runs in one log" if row.runs > 1 else ""]
    if row.processes > 1:
        which = "the first" if row.rank is None else f"rank {row.rank}"
        remarks.append(f"{row.processes} processes wrote at once, of which {which} is told")
    remarks.append("" if row.in_order else "lines are not in order of time: no start, no final")
    iterations = "" if row.iterations is None else f"{row.iterations:,}"
    rest = (iterations, _time(row.seconds), ", ".join(filter(None, remarks)))
    if row.told is None:
        return (row.net, "", "", "", "", "", *rest)
    start = _at(row.told.start, row.told.start_iteration if row.late else None)
    best = _at(row.told.best, row.told.best_iteration)
    return (row.net, row.told.output, start, numbered(row.drop), numbered(row.told.final), best, *rest)


def _at(value: float | None, iteration: int | None) -> str:
    return numbered(value) + (f" at {iteration}" if value is not None and iteration is not None else "")


def _time(seconds: float) -> str:
    if seconds < 1:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
