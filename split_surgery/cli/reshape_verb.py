"""The verb that gives layers another shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import split_surgery
from split_surgery.cli.flags import cli_argument, cli_flag
from split_surgery.cli.group import VerbCommand, cli, finish, given_flags, with_progress
from split_surgery.cli.options import also, as_path, input_shape, output, shape_of, solver, talk, writing
from split_surgery.cli.progress import Bar

if TYPE_CHECKING:
    from split_surgery.verbs.reshape import ReshapeReport


@cli.command(cls=VerbCommand)
@cli_argument("net")
@cli_argument("weights", required=False)
@cli_flag("--to-convolution", multiple=True, metavar="NAMES", help="Make convolutions of these InnerProducts: fc6,fc7.")
@cli_flag(
    "--to-inner-product",
    multiple=True,
    metavar="NAMES",
    help="Make InnerProducts of convolutions that cover their bottom.",
)
@cli_flag(
    "--ungroup", multiple=True, metavar="NAMES", help="Make a Slice, convolutions and a Concat of grouped convolutions."
)
@also("Edit this deploy or test prototxt alike.")
@solver
@input_shape
@output("Where the reshaped net goes.")
@as_path
@writing
@talk
def reshape(net: str, weights: str | None, output: str, **flags: Any) -> None:
    """Give layers of NET and WEIGHTS another shape in which they compute the same, in DIR.

    A net of convolutions only takes images of any size. The numbers stay as they are, and every other byte; the way back makes the
    same files.

    \b
    split-surgery reshape deploy.prototxt vgg.caffemodel --to-convolution fc6,fc7,fc8 -o full/
    """

    def work(progress: Bar) -> ReshapeReport:
        given = given_flags(flags)
        if flags["input_shape"]:
            given["input_shape"] = dict(map(shape_of, flags["input_shape"]))
        return split_surgery.reshape(net, weights, output, progress=progress, **given)

    finish(with_progress(work, flags), flags)
