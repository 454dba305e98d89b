"""What `reshape` says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from split_surgery.errors import first_of
from split_surgery.verbs.printed.runs import done_line, number_of
from split_surgery.verbs.printed.tones import diff_lines

if TYPE_CHECKING:
    from split_surgery.operations.change_images import ChangedImages
    from split_surgery.verbs.reshape import ReshapeReport


def reshape(report: ReshapeReport, quiet: bool) -> Iterator[str]:
    if report.status == "diff":
        yield from diff_lines(report.diff)
        return
    reading = {name for one in report.images for name in one.layers}
    count = number_of(len(report.layers) + len(report.ungrouped) + len(reading), "layer")
    yield f"{done_line(report, report.directory)}; {count} reshaped"
    if quiet:
        return
    for one in report.layers:
        before, after = ("x".join(map(str, shape)) for shape in one.weight)
        yield f"{one.layer}: {one.was} -> {one.now}, weight {before} -> {after}"
    for group in report.ungrouped:
        yield f"{group.layer}: {group.groups} groups -> {first_of(group.layers, 6)}"
    for images in report.images:
        yield from _images(images)
    yield from (f"note: {text}" for text in report.notes)
    if report.status == "differs":
        yield from diff_lines(report.diff)


def _images(images: ChangedImages) -> Iterator[str]:
    layers = first_of(images.layers, 6)
    if images.change == "raw":
        where = (
            f'the new layer "{images.added}", before the pad of {layers}'
            if images.added
            else f"the numbers of {layers}"
        )
        yield f'"{images.blob}": pixels as they are; {images.folded} taken into {where}'
    else:
        was, now = (number_of(count, "channel") for count in images.channels)
        words = {
            "gray": f"gray images of {now}, and not {was}: kernels of {layers} summed",
            "color": f"colour images of {now}, and not {was}: kernels of {layers} divided among them",
            "swapped": f"channels in the other order: kernels of {layers} swapped",
        }
        yield f'"{images.blob}": {words[images.change]}'
    if images.rounding:
        yield f"  rounded by at most {images.rounding:.2g}"
