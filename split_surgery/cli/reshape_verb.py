"""The verb that gives layers another shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

import split_surgery
from split_surgery.cli.flags import cli_argument, cli_flag
from split_surgery.cli.group import VerbCommand, cli, finish, given_flags, with_progress
from split_surgery.cli.options import also, as_path, input_shape, output, shape_of, solver, talk, writing
from split_surgery.cli.progress import Bar
from split_surgery.operations.image_kinds import IMAGE_KINDS

if TYPE_CHECKING:
    from split_surgery.verbs.reshape import ReshapeReport

WHICH = "which layers and images"


@cli.command(cls=VerbCommand)
@cli_argument("net")
@cli_argument("weights", required=False)
@cli_flag(
    "--to-convolution", multiple=True, metavar="NAMES", help="Make convolutions of InnerProducts: fc6,fc7.", topic=WHICH
)
@cli_flag(
    "--to-inner-product",
    multiple=True,
    metavar="NAMES",
    help="Make InnerProducts of such convolutions.",
    topic=WHICH,
)
@cli_flag("--ungroup", multiple=True, metavar="NAMES", help="Make a layer of each of their groups.", topic=WHICH)
@cli_flag("--channels", type=click.Choice(IMAGE_KINDS), help="The kind of images that it takes now.", topic=WHICH)
@cli_flag("--raw-pixels", is_flag=True, help="Do in the net what transform_param does.", topic=WHICH)
@cli_flag("--mean", metavar="B,G,R", help="The mean for that, if no prototxt says it.", topic=WHICH)
@cli_flag("--scale", type=float, metavar="NUMBER", help="And the scale behind it.", topic=WHICH)
@also("Edit this deploy or test prototxt alike.")
@solver
@input_shape
@output("Where the reshaped net goes.")
@as_path
@writing
@talk
def reshape(net: str, weights: str | None, output: str, **flags: Any) -> None:
    """Give layers of NET and WEIGHTS another shape in which they compute the same, in DIR.

    A net of convolutions only takes images of any size; other images are of gray for colour, or pixels as they are. All other bytes
    stay.

    \b
    split-surgery reshape deploy.prototxt vgg.caffemodel --to-convolution fc6,fc7,fc8 -o full/
    """

    def work(progress: Bar) -> ReshapeReport:
        given = given_flags(flags)
        if flags["input_shape"]:
            given["input_shape"] = dict(map(shape_of, flags["input_shape"]))
        return split_surgery.reshape(net, weights, output, progress=progress, **given)

    finish(with_progress(work, flags), flags)
