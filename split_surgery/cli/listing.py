"""What `show` and `diff` print: line by line, so that other programs can compare and search it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from split_surgery.cli.printing import say

if TYPE_CHECKING:
    from split_surgery.comparing import DiffReport, DiffPart, LayerDiff
    from split_surgery.showing import ShownBlob, ShownLayer, ShownNet, ShowReport, Total

WORD = re.compile(r"[\w./+=:@-]+")
"""Names that need no quotes."""


def word(name: str) -> str:
    if WORD.fullmatch(name):
        return name
    return '"' + name.translate({34: '\\"', 92: "\\\\"}).encode("unicode_escape").decode().replace("\\\\", "\\") + '"'


def show(report: ShowReport, quiet: bool, verbose: bool) -> None:
    """A line or a few for each layer, and nothing that depends on where the file is or on what stands before a layer."""
    if not quiet:
        fields(report.fields, "")
        for net in report.nets:
            show_net(net)
        for shown in report.history:
            say(f"history {blob(shown)}")
    for net in report.nets:
        say((f"{net.title} " if net.title else "") + total(net.total))
    if quiet and not report.nets:
        fields(report.fields, "")


def fields(found: Mapping[str, str], indent: str) -> None:
    for path, text in found.items():
        say(f"{indent}{path}: {text}")


def show_net(net: ShownNet) -> None:
    if net.title:
        say(f"{net.title}:")
    fields(net.fields, "")
    for layer in net.layers:
        show_layer(layer)
    if net.total.phase:
        say("costs, per image:")
        for layer in net.layers:
            if layer.in_net:
                say(f"  {word(layer.name)}: {cost(layer)}")


def show_layer(layer: ShownLayer) -> None:
    say(head(layer))
    for rule in layer.rules:
        say(f"  {rule}")
    if layer.geometry:
        say("  " + ", ".join(f"{name} {text}" for name, text in layer.geometry.items()))
    fields(layer.fields, "  ")
    for shown in layer.blobs:
        say(f"  blob {blob(shown)}")


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


def total(found: Total) -> str:
    if not found.phase:
        return f"total: {found.parameters:,} parameters"
    text = f"total in phase {found.phase}: {found.parameters:,} parameters"
    text += f" (not counted: {layers(found.unknown_parameters)})" if found.unknown_parameters else ""
    text += f", {found.multiply_adds:,} multiply-adds per image"
    return text + (f" (not counted: {layers(found.unknown_multiply_adds)})" if found.unknown_multiply_adds else "")


def layers(count: int) -> str:
    return f"{count} layer" + "s" * (count != 1)
