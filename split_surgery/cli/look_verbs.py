"""The verbs for people who would rather look than read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

import split_surgery
from split_surgery.cli.flags import FILE, cli_argument, cli_flag, options
from split_surgery.cli.group import Kinds, VerbCommand, cli, finish, given_flags, with_progress
from split_surgery.cli.options import evidence, input_shape, output, shape_of, talk
from split_surgery.cli.progress import Bar
from split_surgery.errors import UsageError
from split_surgery.verification.engines import ENGINES

if TYPE_CHECKING:
    from split_surgery.reporting.logs.log_report import LogReport
    from split_surgery.verbs.plot import PlotReport

test_output = cli_flag(
    "--test-output", metavar="NAME", help="Which output of the test net to tell. [default: the accuracy]"
)
average = cli_flag(
    "--avg", type=int, default=5, show_default=True, metavar="N", help="Draw the mean of N values of the training loss."
)
continue_axis = cli_flag("--continue-axis", is_flag=True, help="Start a curve where its parent's ends.")

bgr = cli_flag("--bgr", is_flag=True, help="Three channels are blue, green, red, as Caffe's own tools read images.")


@cli.command(cls=VerbCommand)
@cli_argument("logs", nargs=-1)
@cli_flag(
    "--group",
    multiple=True,
    metavar="NAME=PATH",
    help="A flow of its own, set beside the others: logs in PATH. Repeatable; LOGS in no flow belong to each.",
)
@test_output
@output("Write a page too: .html (one file), or .md with pictures beside it.", "FILE", required=False)
@average
@continue_axis
@cli_flag("--engine", type=click.Choice(ENGINES), help="On the page, run the nets of splits too.")
@input_shape
@bgr
@cli_flag("--force", is_flag=True, help="Replace a FILE that no report has made.")
@cli_flag("--markdown", "as_markdown", is_flag=True, help="Print the tables in Markdown.")
@cli_flag("--csv", "as_csv", is_flag=True, help="Print a row for each log as CSV.")
@talk
def report(logs: tuple[str, ...], as_markdown: bool, as_csv: bool, **flags: Any) -> None:
    """Accuracy at the start, at the end and at its best, net by net, out of Caffe's LOGS.

    LOGS are files (also gzip), directories, which are searched, or - for standard input, also as grep prints them.

    \b
    split-surgery report baseline/ derived1/ derived2/
    split-surgery report --group residual=runs/residual --group extension=runs/extension
    grep -R -B 3 "Optimization Done" runs/ | split-surgery report -
    split-surgery report runs/ -o report.html

    The page has the curves, and of every directory of a split that is there: the block before and after, its kernels, their scores,
    what verify says, and the commands that make it again.
    """
    from split_surgery.cli import print_tables

    forms = [
        name for name, given in (("--markdown", as_markdown), ("--csv", as_csv), ("--json", flags["as_json"])) if given
    ]
    if len(forms) > 1:
        raise UsageError(f"{' and '.join(forms)} exclude each other")
    given = given_flags(flags)
    if flags["input_shape"]:
        given["input_shape"] = dict(map(shape_of, flags["input_shape"]))
    found: LogReport = with_progress(lambda progress: split_surgery.report(logs, progress=progress, **given), flags)
    finish(found, flags, print_tables.report_markdown if as_markdown else print_tables.report_csv if as_csv else None)


@cli.group(cls=Kinds)
def plot() -> None:
    """A picture as a png, svg or pdf file: what its name ends in. Equal input gives equal files."""


drawn = options(output("A .png, .svg or .pdf file.", "FILE"), talk)


@plot.command(cls=VerbCommand, short_help="Loss, accuracy and rate over iterations.")
@cli_argument("logs", nargs=-1)
@average
@continue_axis
@test_output
@drawn
def loss(logs: tuple[str, ...], output: str, **flags: Any) -> None:
    """Curves of the trainings in LOGS (files, directories, or -): training loss, test loss, accuracy, learning rate.

    \b
    split-surgery plot loss baseline/ derived1/ derived2/ --avg 5 -o curves.png
    """
    show_picture("loss", flags, logs, output)


@plot.command(cls=VerbCommand, short_help="Scores of kernels, fast and slow; entropy of layers.")
@cli_argument("net")
@cli_argument("weights", required=False)
@cli_flag("--layer", multiple=True, metavar="NAME", help="Whose kernels. Repeatable. [default: conv1_1]")
@evidence
@drawn
def tpm(net: str, weights: str | None, output: str, **flags: Any) -> None:
    """The scores of a layer's kernels, and the entropy of each layer's scores, of NET and WEIGHTS as `rank` finds them.

    NET may be a split.yaml: then the scores that it was made by are drawn.

    \b
    split-surgery plot tpm base.prototxt base.caffemodel -o tpm.png
    split-surgery plot tpm derived1/split.yaml -o tpm.png
    """
    show_picture("tpm", flags, net, weights, output)


@plot.command(cls=VerbCommand, short_help="The kernels of a layer as images.")
@cli_argument("weights")
@click.argument("layer")
@cli_flag(
    "--compare", is_flag=True, help="Set split2 of LAYER beside residual_pre, with sums and responses to an edge."
)
@bgr
@drawn
def kernels(weights: str, layer: str, output: str, **flags: Any) -> None:
    """The kernels of LAYER in WEIGHTS (or in the directory of a split): in colour where they have three channels.

    \b
    split-surgery plot kernels base.caffemodel conv1_1 -o kernels.png
    split-surgery plot kernels derived1 conv1_1 --compare -o compared.png
    """
    show_picture("kernels", flags, weights, layer, output)


@plot.command(cls=VerbCommand, short_help="The block diagram of a net.")
@cli_argument("net")
@cli_flag("--around", multiple=True, metavar="LAYER", help="Fold away what is far from this layer. Repeatable.")
@cli_flag("--phase", type=click.Choice(["train", "test"]), default="test", show_default=True, help="Which of its nets.")
@cli_flag(
    "--base", type=FILE, metavar="NET", help="Mark the layers that this net has not. [default: those in split.yaml]"
)
@cli_flag("--weights", type=FILE, metavar="FILE", help="They say how many channels a data layer gives.")
@input_shape
@drawn
def net(net: str, output: str, **flags: Any) -> None:
    """The layers of NET (a prototxt, or the directory of a split) as boxes, with shapes on the arrows.

    A large net is folded away but for what is near its new layers, if a split made it, or near LAYER.

    \b
    split-surgery plot net derived1 -o derived1.svg
    split-surgery plot net base.prototxt --around conv1_1 -o base.svg
    """
    if flags["input_shape"]:
        flags["input_shape"] = dict(map(shape_of, flags["input_shape"]))
    show_picture("net", flags, net, output)


def show_picture(kind: str, flags: dict[str, Any], *arguments: Any) -> None:
    """Draw a picture of a kind, and say where it is."""

    def work(progress: Bar) -> PlotReport:
        report: PlotReport = getattr(split_surgery.plot, kind)(*arguments, progress=progress, **given_flags(flags))
        return report

    finish(with_progress(work, flags), flags)
