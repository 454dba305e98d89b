"""What `show` and `diff` print: line by line, so that other programs can compare and search it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from split_surgery.verbs.printed.tones import toned

if TYPE_CHECKING:
    from split_surgery.verbs.diff import BlobChange, DiffPart, DiffReport, FieldChange, LayerDiff
    from split_surgery.verbs.show import ShownBlob, ShownLayer, ShownNet, ShowReport, Total

WORD = re.compile(r"[\w./+=:@-]+")
"""Names that need no quotes."""


def word(name: str) -> str:
    """A name as it is where that reads as one word, else in quotes."""
    if WORD.fullmatch(name):
        return name
    escaped = {'"': '\\"', "\\": "\\\\"}
    shown = (char if char.isprintable() else char.encode("unicode_escape").decode() for char in name)
    return '"' + "".join(escaped.get(char, char) for char in shown) + '"'


def show(report: ShowReport, quiet: bool, verbose: bool) -> Iterator[str]:
    """A line or a few for each layer, and nothing that depends on where the file is or on what stands before a layer."""
    if not quiet:
        yield from fields(report.fields, "")
        for net in report.nets:
            yield from show_net(net)
        for shown in report.history:
            yield f"history {blob(shown)}"
    for net in report.nets:
        yield (f"{net.title} " if net.title else "") + total_line(net.total)
    if quiet and not report.nets:
        yield from fields(report.fields, "")


def fields(found: Mapping[str, str], indent: str) -> Iterator[str]:
    for path, text in found.items():
        yield f"{indent}{path}: {text}"


def show_net(net: ShownNet) -> Iterator[str]:
    if net.title:
        yield f"{net.title}:"
    yield from fields(net.fields, "")
    for layer in net.layers:
        yield from show_layer(layer)
    if net.total.phase:
        yield "sizes, and costs per image:"
        for layer in net.layers:
            if layer.in_net:
                yield f"  {word(layer.name)}: {cost(layer)}"


def show_layer(layer: ShownLayer) -> Iterator[str]:
    yield head(layer)
    for rule in layer.rules:
        yield f"  {rule}"
    if layer.geometry:
        yield "  " + ", ".join(f"{name} {text}" for name, text in layer.geometry.items())
    yield from fields(layer.fields, "  ")
    for shown in layer.blobs:
        yield f"  blob {blob(shown)}"


def head(layer: ShownLayer) -> str:
    """The layer's name, and its type and connections where they are said (HDF5 does not)."""
    text = f"layer {word(layer.name)}" + (f" ({word(layer.type)})" if layer.type else "")
    if layer.bottoms or layer.tops:
        text += " " + " ".join([*map(word, layer.bottoms), "->", *map(word, layer.tops)])
    return text + ("" if layer.in_net else ", which the net has not")


def blob(shown: ShownBlob) -> str:
    numbers = shown.numbers
    words = [f"{shown.index}: {shape(shown.shape)} {shown.dtype} {numbers.digest}"]
    for name, value in (("min", numbers.smallest), ("max", numbers.largest), ("norm", numbers.norm)):
        words.append(f"{name} {value:.6g}" if value is not None else f"{name} ?")
    words += [f"{count} {name}" for count, name in ((numbers.nan, "NaN"), (numbers.infinite, "inf")) if count]
    return " ".join(words)


def shape(sizes: Sequence[int | None] | None) -> str:
    if sizes is None:
        return "?"
    return "x".join("?" if size is None else str(size) for size in sizes) or "scalar"


def cost(layer: ShownLayer) -> str:
    text = shape(layer.shape) if layer.tops else "no top"
    if layer.parameters != 0:
        text += f", {number(layer.parameters)} parameters"
    if layer.multiply_adds != 0:
        text += f", {number(layer.multiply_adds)} multiply-adds"
    return text


def number(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def total_line(found: Total) -> str:
    if not found.phase:
        return f"total: {found.parameters:,} parameters"
    text = f"total in phase {found.phase}: {found.parameters:,} parameters"
    text += f" (not counted: {layer_count(found.unknown_parameters)})" if found.unknown_parameters else ""
    text += f", {found.multiply_adds:,} multiply-adds per image"
    if not found.unknown_multiply_adds:
        return text
    unknown = layer_count(found.unknown_multiply_adds)
    return f"{text} (not counted: {unknown}; --input-shape BLOB:N,C,H,W says sizes that the file does not)"


def layer_count(count: int) -> str:
    return f"{count} layer" + "s" * (count != 1)


def diff(report: DiffReport, quiet: bool, verbose: bool) -> Iterator[str]:
    """A line for each thing that differs: + added, - removed, ~ changed, > moved."""
    if not quiet:
        for sign, titles in (("-", report.removed), ("+", report.added)):
            for title in titles:
                yield toned(f"{sign} {title}", "added" if sign == "+" else "removed")
        for part in report.parts:
            yield from diff_part(part, alone=report.kind not in ("directory", "solver"), verbose=verbose)
    if report.equal:
        yield toned("equal", "good")
        return
    counts = {name: len(getattr(report, name)) for name in ("added", "removed")}
    found = [f"{count} {'part' if count == 1 else 'parts'} {name}" for name, count in counts.items() if count]
    rows = [layer for part in report.parts for layer in part.layers]
    for change in ("added", "removed", "changed"):
        some = sum(
            layer.change == change and bool(layer.fields or layer.blobs or change != "changed") for layer in rows
        )
        found += [f"{layer_count(some)} {change}"] if some else []
    moved = sum(layer.moved for layer in rows)
    found += [f"{layer_count(moved)} moved"] if moved else []
    others = sum(len(part.fields) + len(part.history) for part in report.parts)
    found += [f"{others} other change" + "s" * (others != 1)] if others else []
    yield toned("different: " + ", ".join(found), "bad")


def diff_part(part: DiffPart, alone: bool, verbose: bool) -> Iterator[str]:
    if not alone:
        yield toned(f"{part.title}:", "heading")
    for change in part.fields:
        yield f"~ {field_change(change)}"
    for layer in part.layers:
        yield from diff_layer(layer, verbose)
    for changed in part.history:
        yield f"~ history {blob_change(changed)}"


def diff_layer(layer: LayerDiff, verbose: bool) -> Iterator[str]:
    name = f"layer {word(layer.name)}" + (f" #{layer.twin}" if layer.twin > 1 else "")
    name += f" ({word(layer.type)})" if layer.type else ""
    if layer.moved:
        yield toned(f"> {name} moved", "place")
    if layer.change != "changed":
        ends = {change.path: change.old or change.new for change in layer.fields}
        wires = [text for text in (ends.get("bottom"), "->", ends.get("top")) if text]
        sign = "+" if layer.change == "added" else "-"
        text = f"{sign} {name} {' '.join(wires) if len(wires) > 1 else ''}".rstrip()
        yield toned(text, "added" if layer.change == "added" else "removed")
    elif layer.fields or layer.blobs:
        yield toned(f"~ {name}", "heading")
    for change in layer.fields if verbose or layer.change == "changed" else ():
        yield f"    {field_change(change)}"
    for changed in layer.blobs if verbose or layer.change == "changed" else ():
        yield f"    blob {blob_change(changed)}"


def field_change(change: FieldChange) -> str:
    if change.old is None:
        return f"{change.path}: {change.new}, which was not there"
    if change.new is None:
        return f"{change.path}: {change.old}, which has gone"
    return f"{change.path}: {change.old} -> {change.new}"


def blob_change(change: BlobChange) -> str:
    (old, new), (before, after) = change.shapes, change.dtypes
    if old is None or new is None:
        return f"{change.index}: {shape(old or new or ())} {before or after}, which {'was not there' if old is None else 'has gone'}"
    words = [f"shape {shape(old)} -> {shape(new)}"] if old != new and change.numbers is None else []
    words += [f"{before} -> {after}"] if before != after else []
    if change.numbers is not None:
        found = change.numbers
        words += [f"relative change {found.drift:.6g}", f"norm {found.norms[0]:.6g} -> {found.norms[1]:.6g}"]
        words += [f"largest {found.largest:.6g}", f"{100 * found.equal:.4g}% equal"]
    return f"{change.index}: " + ", ".join(words)
