"""The verbs that split, and the one that ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

import split_surgery
from split_surgery.cli.group import cli, finish, given_flags, with_progress
from split_surgery.cli.options import evidence, layer_names, one_layer, talk, writing, writing_files
from split_surgery.cli.progress import Bar

if TYPE_CHECKING:
    from split_surgery.verbs.rank import NetRankReport, RankReport
    from split_surgery.verbs.split import SplitReport


@cli.command(short_help="The residual split of one convolution.")
@click.argument("net")
@click.argument("weights", required=False)
@layer_names
@evidence
@click.option(
    "--surround",
    type=float,
    default=-0.2,
    show_default=True,
    help="residual_pre starts as this times the slow kernels.",
)
@click.option(
    "--center",
    type=float,
    default=2.0,
    show_default=True,
    help="Added to --surround at the spatial centre of the kernel.",
)
@click.option("--even-center", type=click.Choice(["low", "high", "both"]), help="The centre of a kernel of even size.")
@writing
@talk
def residual(net: str, weights: str | None, output: str, **flags: Any) -> None:
    """The residual split of one convolution of NET and WEIGHTS into DIR.

    NET may be the directory of an earlier split: then its newest snapshot stands for WEIGHTS.

    \b
    split-surgery residual base.prototxt base.caffemodel -o derived1/
    """
    show_split("residual", flags, net, weights, output)


@cli.command(short_help="The old extension/reorder split of one convolution.")
@click.argument("net")
@click.argument("weights", required=False)
@layer_names
@evidence
@writing
@talk
def extension(net: str, weights: str | None, output: str, **flags: Any) -> None:
    """The old extension/reorder split of one convolution of NET and WEIGHTS into DIR.

    With --noise 0 the derived net computes exactly what the baseline computes.

    \b
    split-surgery extension base.prototxt base.caffemodel -o derived1_old/
    """
    show_split("extension", flags, net, weights, output)


@cli.command(short_help="The skip (identity) split of one convolution.")
@click.argument("net")
@click.argument("weights", required=False)
@layer_names
@evidence
@click.option(
    "--skip",
    type=click.Choice(["identity", "average"]),
    default="identity",
    show_default=True,
    help="What passes by a strided layer: the pixel it stops at, or the mean over its stride.",
)
@click.option("--even-center", type=click.Choice(["low", "high"]), help="The centre of a kernel of even size.")
@writing
@talk
def skip(net: str, weights: str | None, output: str, **flags: Any) -> None:
    """The skip ("identity") split of one convolution of NET and WEIGHTS into DIR.

    The slow kernels are summed with their own input, which passes by unchanged and does not learn.

    \b
    split-surgery skip base.prototxt base.caffemodel -o derived1/
    """
    show_split("skip", flags, net, weights, output)


@cli.command(short_help="The splits of a YAML config, or of an earlier split.yaml.")
@click.argument("config")
@click.argument("net")
@click.argument("weights", required=False)
@layer_names
@evidence
@click.option("--surround", type=float, default=-0.2, help="As with residual.")
@click.option("--center", type=float, default=2.0, help="As with residual.")
@click.option("--even-center", type=click.Choice(["low", "high", "both"]), help="As with residual.")
@click.option("--skip", type=click.Choice(["identity", "average"]), default="identity", help="As with skip.")
@writing_files
@talk
def apply(config: str, net: str, weights: str | None, output: str, **flags: Any) -> None:
    """The splits that CONFIG lists, one after the other, of NET and WEIGHTS into DIR.

    CONFIG is a YAML file of options (configs/multi_split.yaml shows one), or a split.yaml: that reproduces the directory it came
    from, and with --check, also without WEIGHTS, says whether a directory is still what it was.

    \b
    split-surgery apply configs/multi_split.yaml base.prototxt base.caffemodel -o derived1/
    split-surgery apply derived1/split.yaml base.prototxt -o derived1/ --check
    """
    show_split("apply", flags, config, net, weights, output)


@cli.command(short_help="Convolutions, or the kernels of one, by TPM.")
@click.argument("net")
@click.argument("weights", required=False)
@one_layer
@evidence
@click.option("--windows", type=int, metavar="N", help="Measure over N parts of the training too, one after the other.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of --order random.")
@click.option("--solver", metavar="FILE", help="Where it keeps its snapshots, they are found.")
@click.option("--solverstate", metavar="FILE", help="Of the snapshot WEIGHTS, for the measure update.")
@click.option("--csv", "as_csv", is_flag=True, help="Print a table as CSV: layers, or channels with scores.")
@talk
def rank(net: str, weights: str | None, as_csv: bool, **flags: Any) -> None:
    """The convolutions of a net by the entropy of their kernels' TPM, or with --layer its kernels with score and group.

    TPM says how purposefully a kernel moved during training; our reading is net displacement over path length.
    """
    from split_surgery.cli import print_runs

    report: RankReport | NetRankReport = with_progress(
        lambda progress: split_surgery.rank(net, weights, progress=progress, **given_flags(flags)), flags
    )
    if as_csv:
        finish(report, flags, print_runs.rank_csv)
    finish(report, flags, print_runs.rank if flags["layer"] else print_runs.rank_net)


def show_split(verb: str, flags: dict[str, Any], *arguments: str | None) -> None:
    """Run a splitting verb of the library, and print its report."""
    from split_surgery.cli import print_runs

    def work(progress: Bar) -> SplitReport:
        report: SplitReport = getattr(split_surgery, verb)(*arguments, progress=progress, **given_flags(flags))
        return report

    finish(with_progress(work, flags), flags, print_runs.split)
