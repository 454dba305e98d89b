"""The verb that converts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

import split_surgery
from split_surgery.cli.flags import Flag, Later, cli_argument, cli_flag
from split_surgery.cli.group import VerbCommand, cli, finish, given_flags, with_progress
from split_surgery.cli.options import also, output, talk, writing
from split_surgery.cli.progress import Bar

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from split_surgery.verbs.convert import ConvertReport


def _words(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from split_surgery.operations.forms import FORMS

    before, _, word = begun.rpartition(",")
    return [CompletionItem(f"{before},{one}".lstrip(",")) for one in FORMS if one.startswith(word)]


def _form_flags() -> list[Flag]:
    """The flags that say what to convert to, of their one declaration."""
    from split_surgery.operations.forms import FORMS, SHAPE_FORMS

    aspects = {
        word.aspect: [name for name, one in FORMS.items() if one.aspect == word.aspect] for word in FORMS.values()
    }
    words = "; ".join(", ".join(names) for names in aspects.values())
    return [
        Flag(["--to"], multiple=True, metavar="FORM[,FORM]", help=f"{words}. Repeatable.", shell_complete=_words),
        Flag(["--shapes"], type=click.Choice(SHAPE_FORMS), help="Write each blob's shape as `shape`, or as num, channels ..."),
    ]  # fmt: skip


@cli.command(cls=VerbCommand)
@cli_argument("net")
@cli_argument("weights", required=False)
@also("Convert this prototxt alike.")
@output("A directory; or the one file that is made: x.caffemodel, x.caffemodel.h5, x.prototxt.", "OUT")
@Later(_form_flags)
@cli_flag("--allow-overflow", is_flag=True, help="Let numbers that are too large for the precision become infinite.")
@writing
@talk
def convert(net: str, weights: str | None, output: str, **flags: Any) -> None:
    """Convert NET and WEIGHTS between Caffe's forms: precision, protobuf and HDF5, V1 and new layers.

    Either may stand alone. What the new form rounds or has no place for is said. Converted back, a file has its old bytes, or else
    the same numbers.

    \b
    split-surgery convert vgg.caffemodel -o vgg16.caffemodel --to half
    split-surgery convert net.prototxt net.caffemodel.h5 -o net.caffemodel
    split-surgery convert old.prototxt old.caffemodel -o new/ --to new
    """

    def work(progress: Bar) -> ConvertReport:
        return split_surgery.convert(net, weights, output, progress=progress, **given_flags(flags))

    finish(with_progress(work, flags), flags)
