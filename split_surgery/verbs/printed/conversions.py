"""What `convert` says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from split_surgery.verbs.printed.runs import LOOKED_ONLY, done_line, looked_only, number_of

if TYPE_CHECKING:
    from split_surgery.verbs.convert import ConvertReport


def convert(report: ConvertReport, quiet: bool) -> Iterator[str]:
    if report.status in LOOKED_ONLY:
        yield from looked_only(report, report.output)
        return
    done = done_line(report, report.output)
    what = list(_what(report))
    if quiet:
        yield "; ".join([done, *what])
        return
    yield done
    yield from what
    yield from (f"rounding: {text}" for text in roundings(report))
    yield from (f"lost: {text}" for text in report.lost)
    yield from (f"note: {text}" for text in report.notes)


def _what(report: ConvertReport) -> Iterator[str]:
    kind = {"v1": "V1", "new": "new"}.get(report.layers, "")
    if kind and report.text_layers is not None:
        yield f"text: {number_of(report.text_layers, 'layer')} made {kind}"
    weights = report.weights
    if weights is None:
        return
    (before, after), (was, now) = weights.bytes, (counts(weights.was), counts(weights.now))
    if weights.containers[0] != weights.containers[1]:
        was, now = (f"{what}, {blobs}" for what, blobs in zip(weights.containers, (was, now)))
    sizes = "" if after is None else f"; {before:,} -> {after:,} bytes"
    records = f"; {number_of(weights.records, 'record')} made {kind}" if kind else ""
    what = "history" if weights.kind == "state" else "weights"
    yield f"{what}: {was} -> {now}{records}{sizes}" if was != now else f"{what}: {was}{records}{sizes}"


def counts(forms: Mapping[str, int]) -> str:
    """Blobs counted by their form."""
    return " and ".join(f"{count} blobs {form}" for form, count in forms.items()) or "no blobs"


def roundings(report: ConvertReport) -> Iterator[str]:
    """What smaller precision did to the numbers."""
    found = report.rounding
    if found.absolute:
        yield f"at most {found.absolute:.3g} ({report.worst}), relative at most {found.relative:.3g}"
    if found.zeros:
        yield f"{number_of(found.zeros, 'number')} became 0: too small for it"
    if found.overflows:
        yield f"{number_of(found.overflows, 'number')} became infinite: too large for it, up to {found.largest:.6g}"
