"""The report on logs as Markdown and for spreadsheets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from split_surgery.cli.terminal import say, say_csv

if TYPE_CHECKING:
    from split_surgery.reporting.logs.log_report import LogReport

FIELDS = (
    "net start start_iteration drop final best best_iteration iterations seconds end runs odd output parent source "
    "images standard_error"
).split()
"""Columns of the CSV."""


def report_markdown(found: LogReport) -> None:
    """The same as tables in Markdown."""
    say("\n\n".join([*(one.markdown() for one in found.tables()), *found.notes()]))


def as_csv(found: LogReport) -> None:
    """A row for each log, for a spreadsheet."""
    rows = ((group.name, row.to_dict()) for group in found.groups for row in group.rows)
    say_csv([("group", *FIELDS)])
    say_csv((group, *(values[name] for name in FIELDS)) for group, values in rows)
