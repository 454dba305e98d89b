"""Values of fields as Python has them, and as a prototxt spells them: types and enum names are checked where Caffe's are known."""

from __future__ import annotations

import math
import operator
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from typing import Any, Union

from split_surgery.documents.caffe_fields import CaffeField, caffe_fields, enums
from split_surgery.documents.prototxt import Message, Scalar, quote
from split_surgery.errors import UsageError, nearest, shown


class Name(str):
    """A word that stands without quotes, such as an enum value; to compare it is a string like any other."""

    __slots__ = ()


FieldContent = Union[str, bool, int, float, "dict[str, Any]"]
"""What `get` gives of one field: a `Name` for an enum value, a dict for a message."""

Spelled = Union[bytes, "tuple[tuple[str, Spelled], ...]"]
"""A value as it will be written: a scalar, or a message's fields in their order."""

FORK = "what only a fork has is taken with fork=True"

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RANGES = {
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
}


def content_of(value: Scalar | Message, kind: str | None) -> FieldContent:
    """A value as Python has it.

    Args:
        kind: its type in Caffe; None where that is not known, so that its spelling decides.
    """
    if isinstance(value, Message):
        names = dict.fromkeys(field.name for field in value.fields if field.values)
        return {name: _one_or_all([content_of(v, kind_in(kind, name)) for v in value.values(name)]) for name in names}
    if value.kind == "string":
        return value.text
    number = value.integer()
    if kind in enums():
        return next((Name(name) for name, own in enums()[kind].items() if own == number), Name(value.text))
    if kind == "bool" or (kind is None and value.text in ("true", "false")):
        flag = value.boolean()
        return Name(value.text) if flag is None else flag
    if number is not None:
        return number
    real = value.real() if value.kind == "number" or kind in ("float", "double") else None
    return Name(value.text) if real is None else real


def _one_or_all(values: list[FieldContent]) -> Any:
    return values[0] if len(values) == 1 else values


def kind_in(message: str | None, name: str) -> str | None:
    """The type of a field in a message of Caffe's; None where one of the two is not known."""
    field = caffe_fields(message or "").get(name)
    return field.type if field is not None else None


def same_content(value: Scalar, new: object, kind: str | None) -> bool:
    """Whether a value is there already, however it is spelled."""
    old = content_of(value, kind)
    if isinstance(old, float) and isinstance(new, float) and math.isnan(old):
        return math.isnan(new)
    if isinstance(old, str) and not isinstance(old, Name) and isinstance(new, Name):
        return False  # the one in quotes, the other without
    if isinstance(old, bool) != isinstance(new, bool):
        return False  # though Python takes True for 1
    return bool(old == (os.fspath(new) if isinstance(new, os.PathLike) else new))


def spelled(new: object, kind: str | None, mark: bytes, like: Scalar | None = None, *, fork: bool = False) -> Spelled:
    """A Python value as it is written.

    Args:
        kind: its type in Caffe, if that is known. mark: the quote character. like: the value that it takes the place of.
        fork: whether it may hold fields and names of enum values that Caffe does not know.

    Raises:
        UsageError: it is of another type; without a place.
    """
    if isinstance(new, Mapping):
        if kind is not None and not caffe_fields(kind):
            raise UsageError(f"takes a value of type {kind}, not fields")
        return tuple(_spelled_fields(new, kind, mark, fork))
    if kind in enums():
        return _enum_name(new, kind, fork)
    if kind is not None and caffe_fields(kind):
        raise UsageError(f"is a message: give its fields, as a dict, not {shown(new)}")
    if isinstance(new, bool) and kind in (None, "bool"):
        return b"true" if new else b"false"
    if isinstance(new, (str, os.PathLike)) and kind in (None, "string"):
        text = os.fspath(new)
        bare = isinstance(new, Name) or (like is not None and like.kind == "name" and _WORD.fullmatch(text))
        return text.encode() if bare and kind is None else quote(text, mark)
    if not isinstance(new, (bool, str)):
        if kind in (None, *_RANGES) and hasattr(new, "__index__"):
            return _integer(operator.index(new), kind)
        if kind in (None, "float", "double") and isinstance(new, Real):
            number = new if isinstance(new, int) else float(new)
            return repr(number).encode()
    wanted = (
        f"takes a value of type {kind}" if kind is not None else "takes a string, a number, True or False, or fields"
    )
    raise UsageError(f"{wanted}, not {shown(new)}")


def _integer(number: int, kind: str | None) -> bytes:
    low, high = _RANGES[kind or "int64"]
    if not low <= number <= high:
        raise UsageError(f"takes whole numbers of {low} to {high}, not {shown(number)}")
    return b"%d" % number


def _enum_name(new: object, kind: str, fork: bool) -> bytes:
    names = enums()[kind]
    if isinstance(new, int) and not isinstance(new, bool):
        new = next((name for name, number in names.items() if number == new), new)
    if not isinstance(new, str) or not (new in names or (fork and _WORD.fullmatch(new))):
        raise UsageError(f"takes one of {', '.join(names)}, not {shown(new)}", hint=FORK)
    return new.encode()


def _spelled_fields(
    fields: Mapping[Any, object], message: str | None, mark: bytes, fork: bool
) -> Iterator[tuple[str, Spelled]]:
    for name, value in fields.items():
        if not isinstance(name, str) or not _WORD.fullmatch(name):
            raise UsageError(f"has fields, whose names are words, not {shown(name)}")
        known_field(message, name, there=False, fork=fork)
        for one in several(name, value, message):
            try:
                yield name, spelled(one, kind_in(message, name), mark, fork=fork)
            except UsageError as error:
                raise UsageError(f"{name} {error.message}", hint=error.hint) from None


def several(name: str, value: object, message: str | None) -> list[object]:
    """The values that are meant for a field of a message: those of a list, or the one.

    Raises:
        UsageError: a list for a field that stands once.
    """
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        return [value]
    field = caffe_fields(message or "").get(name)
    if field is not None and not field.repeated:
        raise UsageError(f"{name} takes one value, not a list")
    return list(value)


def known_field(message: str | None, name: str, there: bool, fork: bool) -> CaffeField | None:
    """What Caffe knows of a field; None of a fork's.

    Args:
        there: whether the text has it already. fork: whether the caller says that it is a fork's.

    Raises:
        UsageError: it is no field of that message, and not said to be a fork's.
    """
    known = caffe_fields(message or "")
    if known and name not in known and not there and not fork:
        hint = "; ".join(filter(None, (nearest(name, list(known)), FORK)))
        raise UsageError(f"{name} is no field of {message} in BVLC Caffe 1.0", hint=hint)
    return known.get(name)
