"""The verbs that split, one for each recipe, the one that applies a plan, and the one that ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import split_surgery
from split_surgery.cli.flags import cli_argument, cli_flag
from split_surgery.cli.group import VerbCommand, cli, finish, given_flags, with_progress
from split_surgery.cli.options import config_file, evidence, one_layer, output, split_flags, talk, writing
from split_surgery.cli.progress import Bar
from split_surgery.errors import UsageError
from split_surgery.splitting.recipes import RECIPES
from split_surgery.splitting.recipes.graph import Recipe

if TYPE_CHECKING:
    from split_surgery.verbs.rank import NetRankReport, RankReport
    from split_surgery.verbs.split import SplitReport

derived_net = output("Where the derived net goes.")


def add_split(recipe: Recipe) -> None:
    """The verb of a recipe."""

    def verb(net: str, weights: str | None, output: str, **flags: Any) -> None:
        show_split(recipe.name, flags, net, weights, output)

    verb.__doc__ = f"""{recipe.summary}

    {recipe.about} NET may be the directory of an earlier split: then its newest snapshot stands for WEIGHTS.

    \b
    split-surgery {recipe.name} base.prototxt base.caffemodel -o derived1/
    """
    decorators = (
        cli.command(recipe.name, cls=VerbCommand),
        cli_argument("net"), cli_argument("weights", required=False),
        derived_net, config_file, split_flags(recipe.name), writing, talk,
    )  # fmt: skip
    for decorator in reversed(decorators):
        verb = decorator(verb)


for one in RECIPES.values():
    add_split(one)


@cli.command(cls=VerbCommand)
@cli_argument("config")
@cli_argument("net")
@cli_argument("weights", required=False)
@derived_net
@split_flags()
@writing
@talk
def apply(config: str, net: str, weights: str | None, output: str, **flags: Any) -> None:
    """The splits that CONFIG lists, one after the other, into DIR.

    CONFIG is a YAML file of options, or a split.yaml, which makes its directory again or, with --check, WEIGHTS or not, checks it.

    \b
    split-surgery apply configs/multi_split.yaml base.prototxt base.caffemodel -o derived1/
    split-surgery apply derived1/split.yaml base.prototxt -o derived1/ --check
    """
    show_split("apply", flags, config, net, weights, output)


@cli.command(cls=VerbCommand)
@cli_argument("net")
@cli_argument("weights", required=False)
@one_layer
@evidence
@cli_flag(
    "--windows", type=int, metavar="N", help="Measure over N parts of the training too, one after the other.",
    topic="which layer and kernels",
)  # fmt: skip
@cli_flag("--csv", "as_csv", is_flag=True, help="Print a table as CSV: layers, or channels with scores.")
@talk
def rank(net: str, weights: str | None, as_csv: bool, **flags: Any) -> None:
    """The convolutions of a net by the entropy of their kernels' TPM, or with --layer its kernels with score and group.

    TPM says how purposefully a kernel moved during training; our reading is net displacement over path length.

    \b
    split-surgery rank base.prototxt base.caffemodel --snapshots 'snapshots/*.caffemodel'
    """
    if as_csv and flags["as_json"]:
        raise UsageError("--csv and --json exclude each other")
    report: RankReport | NetRankReport = with_progress(
        lambda progress: split_surgery.rank(net, weights, progress=progress, **given_flags(flags)), flags
    )
    if as_csv:
        from split_surgery.cli.print_tables import rank_csv

        finish(report, flags, rank_csv)
    finish(report, flags)


def show_split(verb: str, flags: dict[str, Any], *arguments: str | None) -> None:
    """Run a splitting verb of the library, and print its report."""

    def work(progress: Bar) -> SplitReport:
        report: SplitReport = getattr(split_surgery, verb)(*arguments, progress=progress, **given_flags(flags))
        return report

    finish(with_progress(work, flags), flags)
