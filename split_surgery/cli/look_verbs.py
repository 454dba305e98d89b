"""The verbs for people who would rather look than read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

import split_surgery
from split_surgery.cli.group import cli, finish, library, run
from split_surgery.cli.options import talk
from split_surgery.errors import UsageError

if TYPE_CHECKING:
    from split_surgery.reporting import LogReport


@cli.command(short_help="Accuracy tables out of Caffe's logs.")
@click.argument("logs", nargs=-1)
@click.option(
    "--group",
    multiple=True,
    metavar="NAME=PATH",
    help="A flow of its own, set beside the others: logs in PATH. Repeatable.",
)
@click.option("--output", metavar="NAME", help="Which test output to tell. [default: the accuracy]")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the tables in Markdown.")
@click.option("--csv", "as_csv", is_flag=True, help="Print a row for each log as CSV.")
@talk
def report(logs: tuple[str, ...], as_markdown: bool, as_csv: bool, **flags: Any) -> None:
    """Accuracy at the start, at the end and at its best, net by net, out of Caffe's LOGS.

    LOGS are files (also gzip), directories, which are searched, or - for standard input, also as grep prints them.

    \b
    split-surgery report baseline/ derived1/ derived2/
    split-surgery report --group residual=runs/residual --group extension=runs/extension
    grep -R -B 3 "Optimization Done" runs/ | split-surgery report -
    """
    from split_surgery.cli import tables

    if as_markdown and as_csv:
        raise UsageError("--markdown and --csv exclude each other")
    found: LogReport = run(lambda progress: split_surgery.report(logs, progress=progress, **library(flags)), flags)
    finish(found, flags, tables.markdown if as_markdown else tables.as_csv if as_csv else tables.report)
