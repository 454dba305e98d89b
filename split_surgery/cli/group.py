"""The command and what all its verbs share: flags handed on, progress, printing, exit codes."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import click
from click.core import ParameterSource

import split_surgery
from split_surgery.cli.progress import Bar
from split_surgery.cli.terminal import complain, say


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(split_surgery.__version__, prog_name="split-surgery")
def cli() -> None:
    """Surgery on trained Caffe networks: split a convolution into fast and slow kernels, and prove what that did."""


def given_flags(flags: dict[str, Any]) -> dict[str, Any]:
    """The verb's own flags (not the printer's) that were given: the library has the same defaults, and a config its own."""
    context = click.get_current_context()
    given = {key for key in flags if context.get_parameter_source(key) is not ParameterSource.DEFAULT}
    return {key: flags[key] for key in given - {"as_json", "quiet", "verbose"}}


def with_progress(work: Callable[[Bar], Any], flags: dict[str, Any]) -> Any:
    """Do the work with a progress bar on a terminal."""
    bar = Bar(enabled=not flags["quiet"])
    try:
        return work(bar)
    finally:
        bar.close()


def show_report(report: Any, flags: dict[str, Any], printer: Callable[[Any, bool, bool], None]) -> None:
    """What was found out before an error, on the terminal."""
    if report is not None and not flags["as_json"]:
        printer(report, flags["quiet"], flags["verbose"])


def finish(report: Any, flags: dict[str, Any], printer: Callable[[Any, bool, bool], None]) -> NoReturn:
    """Print a report and exit with its code."""
    for warning in getattr(report, "warnings", ()):
        complain(warning)
    try:
        if flags["as_json"]:
            import json

            text = json.dumps(json_ready(report.to_dict()), indent=2, allow_nan=False)
            say(text.replace("\x7f", "\\u007f"))  # the one control character that JSON in ASCII leaves as it is
        else:
            printer(report, flags["quiet"], flags["verbose"])
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        # Whoever read the output has seen enough (141, as the shell's own tools), or it cannot be written.
        # Python must not complain about it a second time at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            sys.exit(141)
        complain(f"the work is done, but its report cannot be printed: {error.strerror}")
        sys.exit(3)
    sys.exit(report.exit_code)


def json_ready(tree: Any) -> Any:
    """A report with null for numbers that JSON cannot express."""
    if isinstance(tree, dict):
        return {key: json_ready(value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [json_ready(value) for value in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree
