"""What `reshape` says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from split_surgery.errors import first_of
from split_surgery.verbs.printed.runs import done_line, number_of
from split_surgery.verbs.printed.tones import diff_lines

if TYPE_CHECKING:
    from split_surgery.verbs.reshape import ReshapeReport


def reshape(report: ReshapeReport, quiet: bool) -> Iterator[str]:
    if report.status == "diff":
        yield from diff_lines(report.diff)
        return
    count = number_of(len(report.layers) + len(report.ungrouped), "layer")
    yield f"{done_line(report, report.directory)}; {count} reshaped"
    if quiet:
        return
    for one in report.layers:
        before, after = ("x".join(map(str, shape)) for shape in one.weight)
        yield f"{one.layer}: {one.was} -> {one.now}, weight {before} -> {after}"
    for group in report.ungrouped:
        yield f"{group.layer}: {group.groups} groups -> {first_of(group.layers, 6)}"
    yield from (f"note: {text}" for text in report.notes)
    if report.status == "differs":
        yield from diff_lines(report.diff)
