"""The verbs that prove."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

import split_surgery
from split_surgery.cli.flags import FILE, INPUTS, cli_argument, cli_flag
from split_surgery.cli.group import VerbCommand, cli, finish, given_flags, show_report, with_progress
from split_surgery.cli.options import also, as_path, input_shape, output, shape_of, solver, split_flags, talk, writing
from split_surgery.cli.progress import Bar
from split_surgery.errors import SurgeryError, UsageError
from split_surgery.verification.engines import ENGINES

if TYPE_CHECKING:
    from split_surgery.verbs.diff import DiffReport
    from split_surgery.verbs.fold import FoldReport
    from split_surgery.verbs.show import ShowReport
    from split_surgery.verbs.verify import VerifyReport


trust_field = split_flags(None, ("trust_field",))


@cli.command(cls=VerbCommand)
@cli_argument("net")
@cli_argument("weights", required=False)
@cli_flag("--all", is_flag=True, help="Fold every other linear region too: BatchNorm, Scale, sums, 1x1 chains.")
@cli_flag("--layer", multiple=True, metavar="NAME", help="Fold only what becomes this layer. Repeatable.")
@also("Edit this deploy or test prototxt alike.")
@solver
@output("Where the folded net goes.")
@cli_flag("--phase", type=click.Choice(["test"]), help="The net is for testing only: BatchNorm uses its statistics.")
@cli_flag("--allow-larger", is_flag=True, help="Fold also what has more parameters or multiply-adds then.")
@trust_field
@as_path
@writing
@talk
def fold(net: str, weights: str | None, output: str, **flags: Any) -> None:
    """Put the splits of NET and WEIGHTS, trained or not, back into one layer each, in DIR.

    NET may be the directory of a split: then its newest snapshot stands for WEIGHTS. Blocks are known by their structure, nested
    ones too; the folded net computes the same, and a folded split has as many parameters as the layer that was split.

    \b
    split-surgery fold derived1 -o folded1/
    """

    def work(progress: Bar) -> FoldReport:
        return split_surgery.fold(net, weights, output, progress=progress, **given_flags(flags))

    finish(with_progress(work, flags), flags)


@cli.command(cls=VerbCommand)
@cli_argument("net")
@cli_argument("weights", required=False)
@cli_argument("derived", required=False)
@cli_flag(
    "--derived",
    "files",
    nargs=2,
    type=FILE,
    metavar="NET WEIGHTS",
    help="The derived net as two files instead of a directory.",
)
@cli_flag("--trained", is_flag=True, help="Take the directory's newest snapshot; other layers may have changed.")
@cli_flag("--engine", type=click.Choice(ENGINES), help="Run both nets too and compare every output.")
@input_shape
@cli_flag(
    "--input",
    type=FILE,
    metavar="FILE",
    topic=INPUTS,
    help="Inputs for the engine: npy, npz by blob, or an image. [default: random]",
)
@cli_flag("--seed", type=int, default=0, show_default=True, help="Seed of the random inputs.")
@cli_flag(
    "--phase", type=click.Choice(["test", "train"]), default="test", show_default=True, help="Whose layers to run."
)
@cli_flag("--stage", multiple=True, metavar="NAME", help="A stage whose layers to run. Repeatable.")
@cli_flag("--level", type=int, default=0, show_default=True, help="The level whose layers to run.")
@trust_field
@cli_flag("--strict", is_flag=True, help="Fail what the baseline leaves unfilled or unknown as well.")
@cli_flag("--max-drift", type=float, help="Exit 1 if a folded block's relative weight change is larger. 0: equal bits.")
@talk
def verify(net: str, weights: str | None, derived: str | None, files: tuple[str, str] | None, **flags: Any) -> None:
    """Prove a derived net: every blob filled, nothing else changed, the block folded and compared.

    DERIVED is the directory of a split or a fold. NET may be one too: then its newest snapshot stands for WEIGHTS.

    \b
    split-surgery verify DIR            a split against the baseline it was made from, found by split.yaml
    split-surgery verify NET WEIGHTS    does this weights file fit this prototxt?
    """

    def work(progress: Bar) -> VerifyReport:
        baseline, directory = weights, derived
        if directory is None and files is None and os.path.isdir(net) and (weights is None or os.path.isdir(weights)):
            baseline, directory = None, weights
        if directory is not None and files is not None:
            raise UsageError("give either the directory DERIVED or --derived NET WEIGHTS")
        given = given_flags(flags)
        if flags["input_shape"]:
            given["input_shape"] = dict(map(shape_of, flags["input_shape"]))
        return split_surgery.verify(net, baseline, files or directory, progress=progress, **given)

    try:
        report = with_progress(work, flags)
    except SurgeryError as error:
        show_report(error.report, flags)
        raise
    finish(report, flags)


@cli.command(cls=VerbCommand)
@cli_argument("file")
@input_shape
@talk
def show(file: str, **flags: Any) -> None:
    """List what a prototxt, a weights file, a solver state or the directory of a split says and holds.

    The same lines for the same meaning: `git config diff.caffe.textconv "split-surgery show"` lets git compare by them.
    """

    def work(progress: Bar) -> ShowReport:
        return split_surgery.show(file, input_shape=dict(map(shape_of, flags["input_shape"])), progress=progress)

    finish(with_progress(work, flags), flags)


@cli.command(cls=VerbCommand)
@cli_argument("a")
@cli_argument("b")
@talk
def diff(a: str, b: str, **flags: Any) -> None:
    """Compare two nets, solvers, weights files, solver states or directories of splits by their meaning.

    Exit code 0: nothing differs but layout, spelling and format; 1: something does.
    """

    def work(progress: Bar) -> DiffReport:
        return split_surgery.diff(a, b, progress=progress)

    finish(with_progress(work, flags), flags)
