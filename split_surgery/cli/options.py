"""Flags that several verbs have; those of a split are made from their one declaration (splitting/options.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from split_surgery.cli.colour import COLOUR
from split_surgery.cli.flags import FILE, INPUTS, Flag, Later, cli_flag, options
from split_surgery.errors import OptionError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def split_flags(recipe: str | None = None, only: Sequence[str] = (), **help: str) -> Later:
    """The flags of the options of a split, as they are declared.

    Args:
        recipe: leaves out what belongs to others. only: field names, for a verb that has a few. help: other words for a field.
    """

    def make() -> list[Flag]:
        from split_surgery.cli.declared_flags import declared_flags

        return declared_flags(recipe, only, help, _COMPLETIONS)

    return Later(make)


def _measures(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    words = ("coherence", "ratio", "update", "norm", "tpm")
    return [CompletionItem(word) for word in words if word.startswith(begun)]


def _layers(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """The convolutions of NET, which stands earlier on the line."""
    from click.shell_completion import CompletionItem

    import split_surgery

    try:
        # With a flag that still lacks its value click has read no argument: then NET is the first of what is left.
        nets = split_surgery.show(context.params.get("net") or context.args[0]).nets
    except Exception:  # a completion has nobody to complain to
        return []
    names = dict.fromkeys(layer.name for net in nets for layer in net.layers if layer.type == "Convolution")
    return [CompletionItem(name) for name in names if name.startswith(begun)]


_COMPLETIONS: dict[str, Callable[[click.Context, click.Parameter, str], list[CompletionItem]]] = {
    "measure": _measures,
    "layer": _layers,
}

talk = options(
    cli_flag("--json", "as_json", is_flag=True, help="Print the report as JSON."),
    cli_flag("-q", "--quiet", "quiet", is_flag=True, help="Print the result line only."),
    cli_flag("-v", "--verbose", "verbose", is_flag=True, help="Print everything."),
    cli_flag("--color", hidden=True, **COLOUR),
)

EVIDENCE = ("trust_field", "order", "fast", "snapshots", "window", "measure", "scores")
"""Fields that say how kernels are ranked."""

evidence = split_flags(
    None, (*EVIDENCE, "seed", "solver", "solverstate"), seed="Seed of --order random.",
    solver="Where it keeps its snapshots, they are found.", solverstate="Of the snapshot WEIGHTS, for the measure update.",
)  # fmt: skip


def _at_most_one(_context: click.Context, _option: click.Parameter, value: tuple[str, ...]) -> str | None:
    if len(value) > 1:
        raise click.UsageError("--layer: the kernels of one layer are shown; without it all layers are")
    return value[0] if value else None


one_layer = cli_flag(
    "--layer", metavar="NAME", multiple=True, callback=_at_most_one, shell_complete=_layers, topic="which layer and kernels",
    help="Show the kernels of this convolution. [default: all layers]",
)  # fmt: skip

input_shape = cli_flag(
    "--input-shape", multiple=True, metavar="BLOB:N,C,H,W", topic=INPUTS,
    help="Shape of a blob that the prototxt does not say. Repeatable.",
)  # fmt: skip


def output(what: str, metavar: str = "DIR", required: bool = True) -> Later:
    """The flag that says where the result goes."""
    return cli_flag(
        "-o", "--output", "output", type=FILE, metavar=metavar, required=required, help=what, topic=INPUTS
    )  # fmt: skip


def also(what: str) -> Later:
    """The flag that names further prototxts."""
    return cli_flag("--also", multiple=True, type=FILE, metavar="FILE", topic=INPUTS, help=f"{what} Repeatable.")


solver = cli_flag(
    "--solver",
    type=FILE,
    metavar="FILE",
    topic=INPUTS,
    help="The solver that trains NET: written too, pointed into DIR.",
)
as_path = cli_flag(
    "--as", "as_path", metavar="PATH", help="DIR's name on the machine that runs it, for solver.prototxt."
)

writing = options(
    cli_flag("--diff", "--dry-run", "diff", is_flag=True, help="Show what would change; write nothing."),
    cli_flag("--check", is_flag=True, help="Exit 1 if DIR would change; write nothing."),
    cli_flag("--force", is_flag=True, help="Replace the files of a DIR that holds something else."),
)

config_file = cli_flag(
    "--config",
    type=FILE,
    metavar="FILE",
    topic=INPUTS,
    help="These options in a YAML file; flags override it.",
)


def shape_of(text: str) -> tuple[str, tuple[int, ...]]:
    """`data:1,3,32,32` as ("data", (1, 3, 32, 32))."""
    name, _, sizes = text.rpartition(":")
    try:
        shape = tuple(int(size) for size in sizes.split(","))
    except ValueError:
        shape = ()
    if not name or not shape or min(shape) < 1:
        raise OptionError("input-shape", "must be BLOB:N,C,H,W", text)
    return name, shape
