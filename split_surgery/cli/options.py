"""Flags that several verbs have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from split_surgery.errors import UsageError

Command = TypeVar("Command", bound=Callable[..., Any])


def options(*decorators: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Several options as one decorator, in the order they are written."""

    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


talk = options(
    click.option("--json", "as_json", is_flag=True, help="Print the report as JSON."),
    click.option("-q", "quiet", is_flag=True, help="Print the result line only."),
    click.option("-v", "verbose", is_flag=True, help="Print everything."),
)

evidence = options(
    click.option(
        "--snapshots",
        metavar="'GLOB'",
        help="Snapshots to measure TPM over, quoted for the shell. [default: those of WEIGHTS' own run]",
    ),
    click.option("--window", metavar="A:B", help="Only the snapshots of iterations A to B, both included."),
    click.option(
        "--measure",
        metavar="NAME",
        help="coherence (3 snapshots), ratio (2), update (a solver state), norm (no TPM), or tpm: the best real one.",
    ),
    click.option("--scores", metavar="FILE", help="Scores by channel from a csv, json, yaml or npy file instead."),
    click.option(
        "--order",
        type=click.Choice(["tpm", "random", "reverse"]),
        default="tpm",
        show_default=True,
        help="How kernels are ranked; the last two are controls.",
    ),
    click.option("--fast", metavar="half|N|P%", default="half", show_default=True, help="How many kernels are fast."),
    click.option(
        "--trust-field", multiple=True, metavar="NAME", help="A fork's field that leaves the layer linear. Repeatable."
    ),
)


def _at_most_one(_context: click.Context, _option: click.Parameter, value: tuple[str, ...]) -> str | None:
    if len(value) > 1:
        raise click.UsageError("--layer: the kernels of one layer are shown; without it all layers are")
    return value[0] if value else None


one_layer = click.option(
    "--layer",
    metavar="NAME",
    multiple=True,
    callback=_at_most_one,
    help="Show the kernels of this convolution. [default: all layers]",
)

layer_names = click.option(
    "--layer",
    multiple=True,
    metavar="NAME",
    help="Which convolution; auto:K takes the K of highest TPM entropy. Repeatable. [default: conv1_1, else the first]",
)

config_file = click.option(
    "--config", metavar="FILE", help="A YAML file of these options; what is given here overrides it."
)

writing_files = options(
    click.option("--seed", type=int, default=0, show_default=True, help="Seed of the noise and of --order random."),
    click.option("--solver", metavar="FILE", help="The solver that trains NET: written too, pointed into DIR."),
    click.option(
        "--solverstate",
        metavar="FILE",
        help="Carry this snapshot's history over, so that training resumes in mid-schedule.",
    ),
    click.option("-o", "output", metavar="DIR", required=True, help="Where the derived net goes."),
    click.option(
        "--noise", type=float, default=0.01, show_default=True, help="Standard deviation of the noise on 1x1 kernels."
    ),
    click.option("--also", multiple=True, metavar="FILE", help="Edit this deploy or test prototxt alike. Repeatable."),
    click.option(
        "--as",
        "as_path",
        metavar="PATH",
        help="DIR's name on the machine that trains, for the paths in solver.prototxt.",
    ),
    click.option("--diff", is_flag=True, help="Show what would change; write nothing."),
    click.option("--check", is_flag=True, help="Exit 1 if DIR differs from what would be generated; write nothing."),
    click.option("--force", is_flag=True, help="Replace the files of a DIR that holds something else."),
)


writing = options(writing_files, config_file)


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
