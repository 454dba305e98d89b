"""What is worth saying of a run beside its result, said once however many layers it is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

NAMED = 6
"""Layers of a remark that are named; of more only the number is said."""


@dataclass(frozen=True)
class Remark:
    """A sentence about the run, or about a layer.

    Attributes:
        layer: the one that it is about; None for the run. detail: what is the layer's own, such as a number.
    """

    text: str
    layer: str | None = None
    detail: str = ""


def remark_lines(remarks: Iterable[Remark], layers: Sequence[str] = ()) -> list[str]:
    """Remarks as lines, in order: each text once, with the layers that it is about before it.

    Args:
        layers: all that the run looked at: a text about every one of several says so, and names none.
    """
    about: dict[str, dict[str, str]] = {}
    for remark in remarks:
        named = about.setdefault(remark.text, {})
        if remark.layer is not None:
            named[remark.layer] = remark.detail
    return [f"{_named(named, layers)}{text}" for text, named in about.items()]


def _named(named: dict[str, str], layers: Sequence[str]) -> str:
    if not named:
        return ""
    if layers and len(named) > 1 and not any(named.values()) and set(named) >= set(layers):
        return f"all {len(named)} layers: "
    shown = [f"{layer} ({detail})" if detail else layer for layer, detail in list(named.items())[:NAMED]]
    if len(named) > NAMED:
        shown.append(f"... ({len(named)} layers)")
    return ", ".join(shown) + ": "
