"""Paths of fields, such as `convolution_param.kernel_size[1]`, and what they lead to in a message."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from split_surgery.documents.edit.field_values import kind_in
from split_surgery.documents.prototxt import Field, FieldValue, Message
from split_surgery.errors import UsageError, shown

_STEP = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[(\*|-?\d{1,9})\])?")

ALL = "*"


class PathStep(NamedTuple):
    """A name in a path. which: which of several fields of that name, ALL of them, or None where it is not said."""

    name: str
    which: int | str | None = None

    def __str__(self) -> str:
        return self.name if self.which is None else f"{self.name}[{self.which}]"


class Spot(NamedTuple):
    """A value that a path leads to: in a message of the type `inside`, the `at`-th value of a field.

    Attributes:
        kind: the value's own type; None where it is not known. steps: the path to it, each step with its index.
    """

    message: Message
    inside: str | None
    field: Field
    at: int
    steps: tuple[PathStep, ...]

    @property
    def value(self) -> FieldValue:
        return self.field.values[self.at]

    @property
    def kind(self) -> str | None:
        return kind_in(self.inside, self.field.name)


def steps_of(path: str) -> tuple[PathStep, ...]:
    """A path in steps.

    Raises:
        UsageError: it is none.
    """
    found = []
    for part in path.split("."):
        match = _STEP.fullmatch(part)
        if match is None:
            message = (
                f"{shown(path)} is no path of fields, such as convolution_param.kernel_size[1] or param[*].lr_mult"
            )
            raise UsageError(message)
        name, index = match.groups()
        found.append(PathStep(name, index if index in (None, ALL) else int(index)))
    return tuple(found)


def path_of(steps: Sequence[PathStep]) -> str:
    return ".".join(map(str, steps))


def spots(
    message: Message, inside: str | None, steps: Sequence[PathStep], before: tuple[PathStep, ...] = ()
) -> list[Spot]:
    """The values that steps lead to from a message of the type `inside`.

    Raises:
        UsageError: a step leads into a value that is no message; without a place.
    """
    (name, which), *rest = steps
    here = [
        (field, at) for field in message.fields if field.name == name for at in range(len(field.values))
    ]  # `[1, 2]` counts as two
    chosen = [at for at in range(len(here)) if not isinstance(which, int) or which in (at, at - len(here))]
    found: list[Spot] = []
    for nth in chosen:
        field, at = here[nth]
        spot = Spot(message, inside, field, at, (*before, PathStep(name, nth)))
        if not rest:
            found.append(spot)
        elif isinstance(spot.value, Message):
            found += spots(spot.value, spot.kind, rest, spot.steps)
        else:
            raise UsageError(f"{path_of((*before, PathStep(name)))} is a value, and has no fields in it")
    return found
