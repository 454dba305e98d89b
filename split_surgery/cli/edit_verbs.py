"""The verbs that edit names, and take files apart."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

import split_surgery
from split_surgery.cli.flags import FILE, Later, cli_argument, cli_flag
from split_surgery.cli.group import VerbCommand, cli, finish, given_flags, with_progress
from split_surgery.cli.options import also, as_path, output, solver, talk, writing
from split_surgery.cli.progress import Bar
from split_surgery.errors import UsageError

if TYPE_CHECKING:
    from split_surgery.verbs.extract import ExtractReport
    from split_surgery.verbs.rename import RenameReport


@cli.command(cls=VerbCommand)
@cli_argument("net")
@Later(lambda: [click.Argument(["names"], nargs=-1, type=FILE, metavar="[WEIGHTS] [OLD=NEW]...")])
@cli_flag("--strip-prefix", metavar="PREFIX", help="Take PREFIX from all names that begin with it.")
@cli_flag("--only", type=click.Choice(["layers", "blobs"]), help="Rename layers only, or blobs only. [default: both]")
@also("Edit this prototxt alike.")
@solver
@output("Where the renamed net goes.")
@as_path
@writing
@talk
def rename(net: str, names: tuple[str, ...], output: str, **flags: Any) -> None:
    """Rename layers and blobs of NET and WEIGHTS together, in DIR; numbers and all other bytes stay.

    OLD stands for the layers and the blobs that have the name, twins of both phases included. Names of parameters (`param { name }`)
    stay. Without WEIGHTS only the prototxt is renamed: Caffe then starts these layers at random, as fine-tuning wants it.

    \b
    split-surgery rename net.prototxt net.caffemodel fc8=fc8_birds -o renamed/
    split-surgery rename net.prototxt net.caffemodel --strip-prefix model/ -o renamed/
    """
    weights = names[0] if names and ("=" not in names[0] or os.path.exists(names[0])) else None
    pairs = names if weights is None else names[1:]

    def work(progress: Bar) -> RenameReport:
        renamed = dict(map(_pair, pairs))
        if len(renamed) < len(pairs):
            raise UsageError("a name is given twice: each becomes one other name")
        return split_surgery.rename(net, weights, renamed, output, progress=progress, **given_flags(flags))

    finish(with_progress(work, flags), flags)


def _pair(text: str) -> tuple[str, str]:
    """`fc8=fc8_birds` as the old name and the new one."""
    old, equals, new = text.partition("=")
    if not (old and equals and new):
        is_file = os.path.exists(text) or text.endswith((".caffemodel", ".h5"))
        hint = (
            "WEIGHTS stands before the names, right after NET" if is_file else "each is one word, such as conv1=conv1_1"
        )
        raise UsageError(f"{text} is not OLD=NEW", hint=hint)
    return old, new


@cli.command(cls=VerbCommand)
@cli_argument("weights")
@output("The file to write: a prototxt, or an npy. [default for a prototxt: standard output]", "FILE", required=False)
@cli_flag("--blob", metavar="LAYER/INDEX", help="Take out the numbers of this blob: 0 the weight, 1 the bias.")
@writing
@talk
def extract(weights: str, output: str | None, **flags: Any) -> None:
    """Take the net out of a caffemodel as a prototxt, or one blob out of WEIGHTS as npy.

    A caffemodel holds the net that it was saved from. It is printed without numbers and without the Split layers that Caffe puts in;
    fields of a fork, which have numbers and no names here, stand in it as comments.

    \b
    split-surgery extract net.caffemodel -o net.prototxt
    split-surgery extract net.caffemodel --blob conv1/0 -o conv1_0.npy
    """

    def work(progress: Bar) -> ExtractReport:
        return split_surgery.extract(weights, output, progress=progress, **given_flags(flags))

    finish(with_progress(work, flags), flags)
