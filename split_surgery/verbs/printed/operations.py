"""Reports of operations other than splits and folds, as a person reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from split_surgery.reporting.tables import in_columns
from split_surgery.verbs.printed.runs import LOOKED_ONLY, done_line, looked_only, number_of

if TYPE_CHECKING:
    from split_surgery.verbs.extract import ExtractReport
    from split_surgery.verbs.rename import RenameReport

_SHOWN = 24
"""Names listed before a list is cut short."""


def rename(report: RenameReport, quiet: bool, verbose: bool) -> Iterator[str]:
    if report.status in LOOKED_ONLY:
        yield from looked_only(report, report.directory)
        return
    done = done_line(report, report.directory)
    what = f"renamed: {number_of(len(report.layers), 'layer')}, {number_of(len(report.blobs), 'blob')}"
    if quiet:
        yield f"{done}; {what}"
        return
    yield done
    yield what
    if report.layers or report.blobs:
        yield from _names(report.layers, report.blobs, verbose)
    yield "of: " + " with ".join(report.source)
    if len(report.source) == 1 and report.layers:
        yield "the weights are not renamed: Caffe starts a renamed layer at random, if it has numbers"
    yield "files: " + ", ".join(f"{report.directory}/{name}" for name in report.files)


def _names(layers: Mapping[str, str], blobs: Mapping[str, str], whole: bool) -> Iterator[str]:
    both = {old: new for old, new in layers.items() if blobs.get(old) == new}
    rows = [("layer and blob", old, "->", new) for old, new in both.items()]
    for what, names in (("layer", layers), ("blob", blobs)):
        rows += [(what, old, "->", new) for old, new in names.items() if both.get(old) != new]
    yield in_columns(rows if whole else rows[:_SHOWN])
    if len(rows) > _SHOWN and not whole:
        yield f"  ... and {len(rows) - _SHOWN} more (-v lists all)"


def extract(report: ExtractReport, quiet: bool, verbose: bool) -> Iterator[str]:
    if report.status == "shown":
        yield from report.text.splitlines()
        return
    if report.status in LOOKED_ONLY:
        yield from looked_only(report, report.file)
        return
    done = done_line(report, report.file)
    if report.blob is None:
        what = f"the net of {number_of(report.layers, 'layer')} in {report.source}"
    else:
        name, index = report.blob
        what = f"blob {index} of {name}, {report.shape} {report.dtype}, of {report.source}"
    yield f"{done}; {what}"
    if verbose:
        yield from (f"  not known: {path}" for path in report.unknown)
