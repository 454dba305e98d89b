"""Flags and exit codes."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource

import split_surgery
from split_surgery.cli.options import evidence, layers, one_layer, talk, writing, writing_files
from split_surgery.cli.progress import Bar
from split_surgery.errors import SurgeryError, UsageError

if TYPE_CHECKING:
    from split_surgery.reports import DemoReport, NetRankReport, RankReport, SplitReport, VerifyReport


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(split_surgery.__version__, prog_name="split-surgery")
def cli() -> None:
    """Surgery on trained Caffe networks: split a convolution into fast and slow kernels, and prove what that did."""


@cli.command(short_help="The residual split of one convolution.")
@click.argument("net")
@click.argument("weights", required=False)
@layers
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
    show_split(
        lambda progress: split_surgery.residual(net, weights, output, progress=progress, **library(flags)), flags
    )


@cli.command(short_help="The old extension/reorder split of one convolution.")
@click.argument("net")
@click.argument("weights", required=False)
@layers
@evidence
@writing
@talk
def extension(net: str, weights: str | None, output: str, **flags: Any) -> None:
    """The old extension/reorder split of one convolution of NET and WEIGHTS into DIR.

    With --noise 0 the derived net computes exactly what the baseline computes.

    \b
    split-surgery extension base.prototxt base.caffemodel -o derived1_old/
    """
    show_split(
        lambda progress: split_surgery.extension(net, weights, output, progress=progress, **library(flags)), flags
    )


@cli.command(short_help="The skip (identity) split of one convolution.")
@click.argument("net")
@click.argument("weights", required=False)
@layers
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
    show_split(lambda progress: split_surgery.skip(net, weights, output, progress=progress, **library(flags)), flags)


@cli.command(short_help="The splits of a YAML config, or of an earlier split.yaml.")
@click.argument("config")
@click.argument("net")
@click.argument("weights", required=False)
@layers
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
    show_split(
        lambda progress: split_surgery.apply(config, net, weights, output, progress=progress, **library(flags)), flags
    )


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
    from split_surgery.cli import printing

    report: RankReport | NetRankReport = run(
        lambda progress: split_surgery.rank(net, weights, progress=progress, **library(flags)), flags
    )
    if as_csv:
        finish(report, flags, printing.rank_csv)
    finish(report, flags, printing.rank if flags["layer"] else printing.rank_net)


@cli.command(short_help="Prove a derived net from its files, and in an engine.")
@click.argument("net")
@click.argument("weights")
@click.argument("derived", required=False)
@click.option(
    "--derived", "files", nargs=2, metavar="NET WEIGHTS", help="The derived net as two files instead of a directory."
)
@click.option("--trained", is_flag=True, help="Take the directory's newest snapshot; other layers may have changed.")
@click.option("--engine", type=click.Choice(["opencv", "caffe"]), help="Run both nets too and compare every output.")
@click.option(
    "--input-shape",
    multiple=True,
    metavar="BLOB:N,C,H,W",
    help="Shape of an input that the file does not say. Repeatable.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random inputs.")
@click.option(
    "--trust-field", multiple=True, metavar="NAME", help="A fork's field that leaves a layer linear. Repeatable."
)
@click.option(
    "--max-drift", type=float, help="Exit 1 if a folded block's relative weight change is larger. 0: equal bits."
)
@talk
def verify(net: str, weights: str, derived: str | None, files: tuple[str, str] | None, **flags: Any) -> None:
    """Prove a derived net: every blob filled, nothing else changed, the block folded and compared.

    DERIVED is the directory of a split.
    """
    from split_surgery.cli import printing

    def work(progress: Bar) -> VerifyReport:
        if (derived is None) == (files is None):
            raise UsageError("give either the directory DERIVED or --derived NET WEIGHTS")
        given = library(flags)
        if flags["input_shape"]:
            given["input_shape"] = dict(map(shape_of, flags["input_shape"]))
        return split_surgery.verify(net, weights, files or derived, progress=progress, **given)  # type: ignore[arg-type]

    finish(run(work, flags), flags, printing.verify)


@cli.command(short_help="Everything, on a small real net that comes with it.")
@click.argument("directory", metavar="[DIR]", default="split-surgery-demo")
@talk
def demo(directory: str, **flags: Any) -> None:
    """Both splits of a small real net that comes with the package, proven, and run through OpenCV."""
    from split_surgery.cli import printing

    def work(progress: Bar) -> DemoReport:
        return split_surgery.demo(directory, progress=progress)

    finish(run(work, flags), flags, printing.demo)


def library(flags: dict[str, Any]) -> dict[str, Any]:
    """The verb's own flags (not the printer's) that were given: the library has the same defaults, and a config its own."""
    context = click.get_current_context()
    given = {key for key in flags if context.get_parameter_source(key) is not ParameterSource.DEFAULT}
    return {key: flags[key] for key in given - {"as_json", "quiet", "verbose"}}


def show_split(work: Callable[[Bar], SplitReport], flags: dict[str, Any]) -> None:
    from split_surgery.cli import printing

    finish(run(work, flags), flags, printing.split)


def run(work: Callable[[Bar], Any], flags: dict[str, Any]) -> Any:
    """Do the work with a progress bar on a terminal."""
    bar = Bar(enabled=not flags["quiet"])
    try:
        return work(bar)
    finally:
        bar.close()


def finish(report: Any, flags: dict[str, Any], printer: Callable[[Any, bool, bool], None]) -> NoReturn:
    """Print a report and exit with its code."""
    for warning in getattr(report, "warnings", ()):
        complain(warning)
    try:
        if flags["as_json"]:
            print(json.dumps(finite(report.to_dict()), indent=2, allow_nan=False))
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


def finite(tree: Any) -> Any:
    """A report with null for numbers that JSON cannot express."""
    if isinstance(tree, dict):
        return {key: finite(value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [finite(value) for value in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree


def complain(message: str) -> None:
    """A message on stderr, if there is one."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            click.echo(f"split-surgery: {message}", err=True)


def shape_of(text: str) -> tuple[str, tuple[int, ...]]:
    """`data:1,3,32,32` as ("data", (1, 3, 32, 32))."""
    name, _, sizes = text.rpartition(":")
    try:
        shape = tuple(int(size) for size in sizes.split(","))
    except ValueError:
        shape = ()
    if not name or not shape or min(shape) < 1:
        raise UsageError(f"--input-shape {text}: must be BLOB:N,C,H,W")
    return name, shape


def main() -> NoReturn:
    """The command `split-surgery`."""

    def terminate(_number: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt  # so that a killed run tidies up like one that was interrupted

    for name in ("SIGTERM", "SIGHUP"):  # a lost connection is no reason to leave half a directory behind
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), terminate)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names may hold any bytes
    try:
        cli.main(standalone_mode=False)
    except SurgeryError as error:
        complain(str(error))
        if error.exit_code == 4:
            complain("this is a defect of split-surgery; nothing was written")
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except MemoryError:
        complain("not enough memory for this")
        sys.exit(3)
    except Exception:
        import traceback

        traceback.print_exc()
        complain("this is a defect of split-surgery")
        sys.exit(4)
    sys.exit(0)
