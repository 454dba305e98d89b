"""The report on logs for the terminal, as Markdown and for spreadsheets."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING

from split_surgery.cli.print_runs import say, table

if TYPE_CHECKING:
    from split_surgery.reporting.logs.log_report import LogReport
    from split_surgery.verbs.plot import PlotReport

FIELDS = "net start start_iteration drop final best best_iteration iterations seconds end runs odd output parent source".split()
"""Columns of the CSV."""


def report(found: LogReport, quiet: bool, verbose: bool) -> None:
    several = len(found.groups) > 1
    for at, shown in enumerate(found.tables()):
        if at and quiet:
            break
        if at:
            say()
        if shown.title:
            say(f"{shown.title}:")
        say(table([shown.columns, *shown.rows], ""))
    for line in found.details() if verbose and not (several and quiet) else ():
        say(f"  {line}")
    if found.file:
        many = len(found.pictures)
        beside = f", with {many} picture{'s' * (many > 1)} beside it" if many else ""
        say(f"{found.file}: {found.status}{beside}")


def report_markdown(found: LogReport, quiet: bool, verbose: bool) -> None:
    """The same as tables in Markdown."""
    say("\n\n".join(one.markdown() for one in found.tables()))


def as_csv(found: LogReport, quiet: bool, verbose: bool) -> None:
    """A row for each log, for a spreadsheet."""
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(("group", *FIELDS))
    for group in found.groups:
        for row in group.rows:
            values = row.to_dict()
            out.writerow((group.name, *("" if values[name] is None else values[name] for name in FIELDS)))


def plot(found: PlotReport, quiet: bool, verbose: bool) -> None:
    say(f"{found.file}: {found.about}" if not quiet else found.file)
