"""What `report` returns: accuracy by net, and its tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from split_surgery.reporting.logs.folded_row import FoldedRow, folded_table
from split_surgery.reporting.logs.log_row import LogRow, error_and_images
from split_surgery.reporting.tables import Notebook, Printed, Table, numbered

COLUMNS = ("net", "output", "start", "drop", "final", "std. error", "best", "images", "iterations", "time", "")
"""`drop` is the final value of the net's parent less its own at the start. The last are remarks. Where all tell the accuracy the
second is left out, and so are the others of OPTIONAL where they are empty."""

OPTIONAL = ("std. error", "images", "")

FORMULA = "std. error: of a final accuracy p on n images, sqrt(p (1 - p) / n), with n = test_iter x batch_size"


@dataclass(frozen=True)
class Group:
    """The nets of one flow, in their natural order (derived2 before derived10)."""

    name: str
    rows: tuple[LogRow, ...]


@dataclass(frozen=True)
class LogReport(Printed, Notebook):
    """What some logs say; one group without a name, unless groups were asked for.

    Attributes:
        folded: the directories of folds.
        file: the page that was written, "" for none. pictures: the files beside it. status: written or unchanged.
    """

    groups: tuple[Group, ...]
    folded: tuple[FoldedRow, ...] = ()
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
        tree["folded"] = [one.to_dict() for one in self.folded]
        tree["warnings"] = list(self.warnings)
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
        """Those of the accuracy, then the folded nets, if there are any."""
        return (*self.accuracy_tables(), *([folded_table(self.folded)] if self.folded else []))

    def accuracy_tables(self) -> tuple[Table, ...]:
        """Flows side by side, where there are several, then each of them."""
        named = [_table(group) for group in self.groups if group.rows]
        return (*([side_by_side(self.groups)] if len(self.groups) > 1 else []), *named)

    def notes(self) -> list[str]:
        """What the columns of the tables are, where that is not known by itself."""
        rows = [row for group in self.groups for row in group.rows if row.told is not None]
        formula = any(row.told is not None and row.told.standard_error is not None for row in rows)
        return [*([FORMULA] if formula else []), *_no_drop(rows)]

    def lines(self, quiet: bool = False, verbose: bool = False) -> Iterator[str]:
        """As a terminal shows it. Quiet: what was written and, where nothing was, the first table."""
        several = len(self.groups) > 1
        shown = [] if quiet and self.file else self.tables()
        for at, one in enumerate(shown[: 1 if quiet else None]):
            yield from [""] if at else []
            yield from [f"{one.title}:"] if one.title else []
            yield one.text()
        yield from [f"  {line}" for line in self.details()] if verbose and not (several and quiet) else []
        yield from [f"({note})" for note in self.notes()] if not quiet else []
        if self.file:
            many = len(self.pictures)
            beside = f", with {many} picture{'s' * (many > 1)} beside it" if many else ""
            yield f"{self.file}: {self.status}{beside}"


def _no_drop(rows: Sequence[LogRow]) -> list[str]:
    """Why the column `drop` is empty, where it is."""
    if not rows or any(row.drop is not None for row in rows):
        return []
    if all(row.parent is None for row in rows):
        return ["drop: empty, as none of these logs is known to be that of a net which another of them was split from"]
    return ["drop: empty, as it takes a test before the first step, and the same output at the end of the net before"]


def images_differ(groups: Sequence[Group]) -> list[str]:
    """What is worth knowing of rows that stand beside each other: accuracies on different numbers of images are not of one test."""
    rows = {row.source: row for group in groups for row in group.rows}.values()
    by_images: dict[int, list[str]] = {}
    for row in rows:
        if row.told is not None and row.told.images is not None:
            by_images.setdefault(row.told.images, []).append(row.net)
    if len(by_images) < 2:
        return []
    said = "; ".join(f"{', '.join(dict.fromkeys(nets))} on {images:,}" for images, nets in by_images.items())
    return [f"not all were tested on the same number of images: {said}"]


def _table(group: Group) -> Table:
    outputs = {row.told.output for row in group.rows if row.told is not None}
    table = Table(group.name, COLUMNS, tuple(map(_cells, group.rows)))
    empty = [name for name in table.blank() if name in OPTIONAL]
    return table.without([*empty, *([] if outputs - {"accuracy"} else ["output"])])


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
        return (row.net, "", "", "", "", "", "", "", *rest)
    start = _at(row.told.start, row.told.start_iteration if row.late else None)
    best = _at(row.told.best, row.told.best_iteration)
    error, images = error_and_images(row.told)
    final = (numbered(row.told.final), error)
    return (row.net, row.told.output, start, numbered(row.drop), *final, best, images, *rest)


def _at(value: float | None, iteration: int | None) -> str:
    return numbered(value) + (f" at {iteration}" if value is not None and iteration is not None else "")


def _time(seconds: float) -> str:
    if seconds < 1:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
