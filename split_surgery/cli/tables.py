"""Accuracy tables for the terminal, for Markdown and for spreadsheets."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from split_surgery.cli.printing import say, table

if TYPE_CHECKING:
    from split_surgery.reporting import Group, LogReport, LogRow

COLUMNS = ("net", "start", "drop", "final", "best", "iterations", "time", "")
"""`drop` is the final accuracy of the net's parent less its own at the start."""


def report(found: LogReport, quiet: bool, verbose: bool) -> None:
    if len(found.groups) > 1:
        say(table(_side_by_side(found.groups), ""))
        if quiet:
            return
        say()
    for group in found.groups:
        if group.name:
            say(f"{group.name}:")
        say(table([COLUMNS, *map(_cells, group.rows)], ""))
        for row in group.rows if verbose else ():
            say(f"  {row.net}: {row.source}, {row.output or 'no test output'}, {row.skipped} lines skipped")
        if group.name and group is not found.groups[-1]:
            say()


def markdown(found: LogReport, quiet: bool, verbose: bool) -> None:
    """The same as tables in Markdown."""
    parts = [_side_by_side(found.groups)] if len(found.groups) > 1 else []
    parts += [[COLUMNS[:-1], *(_cells(row)[:-1] for row in group.rows)] for group in found.groups]
    names = [""] * (len(parts) - len(found.groups)) + [group.name for group in found.groups]
    for at, (name, rows) in enumerate(zip(names, parts)):
        if at:
            say()
        if name:
            say(f"**{name}**\n")
        head, *body = ([cell.replace("|", "\\|") for cell in row] for row in rows)
        say("| " + " | ".join(head) + " |")
        say("|" + " --- |" * len(head))
        for row in body:
            say("| " + " | ".join(row) + " |")


def as_csv(found: LogReport, quiet: bool, verbose: bool) -> None:
    """A row for each log, for a spreadsheet."""
    out = csv.writer(sys.stdout, lineterminator="\n")
    names = (
        "net",
        "start",
        "drop",
        "final",
        "best",
        "best_iteration",
        "iterations",
        "seconds",
        "done",
        "output",
        "source",
    )
    out.writerow(("group", *names))
    for group in found.groups:
        for row in group.rows:
            out.writerow((group.name, *("" if getattr(row, name) is None else getattr(row, name) for name in names)))


def _side_by_side(groups: Sequence[Group]) -> list[tuple[str, ...]]:
    """Final values by net and flow, and how much more each flow has than the one before it; blank where there is no such net."""
    nets = list(dict.fromkeys(row.net for group in groups for row in group.rows))
    order = {net: max(at for group in groups for at, row in enumerate(group.rows) if row.net == net) for net in nets}
    by_net = [{row.net: row for row in group.rows} for group in groups]
    rows = [("net", *(group.name for group in groups), *(f"{a.name} - {b.name}" for a, b in pairwise(groups)))]
    for net in sorted(nets, key=lambda one: order[one]):
        finals = [rows_of[net].final if net in rows_of else None for rows_of in by_net]
        steps = [_difference(a, b) for a, b in pairwise(finals)]
        rows.append((net, *map(_number, finals), *steps))
    return rows


def _difference(first: float | None, second: float | None) -> str:
    return "" if first is None or second is None else f"{first - second:+.6g}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _cells(row: LogRow) -> tuple[str, ...]:
    best = _number(row.best) + (f" at {row.best_iteration}" if row.best_iteration is not None else "")
    drop = "" if row.drop is None else f"{row.drop:.6g}"
    remarks = [] if row.done or row.iterations is None else ["not finished"]
    remarks += [f"{row.runs} runs in one log"] if row.runs > 1 else []
    iterations = "" if row.iterations is None else f"{row.iterations:,}"
    return (
        row.net,
        _number(row.start),
        drop,
        _number(row.final),
        best,
        iterations,
        _time(row.seconds),
        ", ".join(remarks),
    )


def _time(seconds: float) -> str:
    if seconds < 1:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
