"""Reports as Markdown, and as spreadsheets read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from split_surgery.cli.terminal import say, say_csv

if TYPE_CHECKING:
    from split_surgery.reporting.logs.log_report import LogReport
    from split_surgery.verbs.rank import NetRankReport, RankReport

FIELDS = (
    "net start start_iteration drop final best best_iteration iterations seconds end runs odd output parent source "
    "images standard_error"
).split()
"""Columns of the CSV."""


def report_markdown(found: LogReport) -> None:
    """The same as tables in Markdown."""
    say("\n\n".join([*(one.markdown() for one in found.tables()), *found.notes()]))


def report_csv(found: LogReport) -> None:
    """A row for each log, for a spreadsheet."""
    rows = ((group.name, row.to_dict()) for group in found.groups for row in group.rows)
    say_csv([("group", *FIELDS)])
    say_csv((group, *(values[name] for name in FIELDS)) for group, values in rows)


def rank_csv(report: RankReport | NetRankReport) -> None:
    """As a spreadsheet reads it; `--scores` reads the kernels of a layer back."""
    kernels = getattr(report, "kernels", None)
    if kernels is not None:
        say_csv([("layer", "channel", "score", "group")])
        say_csv((report.layer, k.channel, float(k.score), k.group) for k in kernels)  # type: ignore[union-attr]
    else:
        say_csv([("layer", "num_output", "weights", "mean", "entropy")])
        say_csv((r.layer, r.num_output, r.weights, float(r.mean), float(r.entropy)) for r in report.layers)  # type: ignore[union-attr]
