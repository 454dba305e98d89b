"""Fields asked for and edited by path: what layers and whole prototxts have in common. All other bytes stay."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from split_surgery.documents.caffe_fields import caffe_fields
from split_surgery.documents.edit.field_path import ALL, PathStep, Spot, path_of, spots, steps_of
from split_surgery.documents.edit.field_splices import (
    added_to_list,
    insertion,
    removal_of_value,
    style_inside,
)
from split_surgery.documents.edit.field_values import (
    Spelled,
    content_of,
    known_field,
    same_content,
    several,
    spelled,
)
from split_surgery.documents.prototxt import Document, Field, Message, Scalar
from split_surgery.documents.spans import Splice
from split_surgery.errors import SurgeryError, TextPlace, UsageError, shown


class EditableFields(ABC):
    """The fields of a message in a prototxt.

    A path names them as `convolution_param.kernel_size`; where several stand, `[0]`, `[-1]` or `[*]` behind a name says which.
    """

    def __init__(self) -> None:
        # How values were spelled that have been replaced: whoever sets one back gets its bytes back.
        self._as_found: dict[tuple[PathStep, ...], Scalar] = {}

    @property
    @abstractmethod
    def _document(self) -> Document:
        """The text that the message stands in now, or a part of it."""

    @property
    @abstractmethod
    def _message(self) -> Message: ...

    @property
    @abstractmethod
    def _kind(self) -> str:
        """The message's type."""

    @abstractmethod
    def _splice(self, splices: Sequence[Splice]) -> None:
        """Make splices in `_document`, after which it is another."""

    @abstractmethod
    def _place(self, at: int) -> TextPlace:
        """Where a byte of `_document` stands in the whole text as it is now."""

    def get(self, path: str, default: Any = None) -> Any:
        """The value of a field, a list where several stand, `default` where none does.

        Enum values are strings, and messages dicts. `values` gives a list always.
        """
        found = self.values(path)
        return default if not found else found[0] if len(found) == 1 else found

    def values(self, path: str) -> list[Any]:
        """The values of a field, in order; none where it is missing."""
        return [content_of(spot.value, spot.kind) for spot in self._spots(steps_of(path))]

    def set(self, path: str, value: object, *, fork: bool = False) -> None:
        """Give a field a value: a scalar, a list for one that is repeated, a dict for a message.

        A field that is missing is made, in the style of what is around it. What is there already keeps its bytes, however it is
        spelled, and a value that is set back is spelled as it was.

        Args:
            fork: a field, or a name of an enum's value, that BVLC Caffe 1.0 does not have is meant.

        Raises:
            UsageError: a value of another type, a field that Caffe does not know, or a path that several fields answer to.
        """
        with self._all_or_nothing():
            self._set(steps_of(path), value, fork)

    def add(self, path: str, value: object, *, fork: bool = False) -> None:
        """Add a value to a repeated field, behind those that it has.

        Raises:
            UsageError: as `set`; or the field stands once.
        """
        steps = steps_of(path)
        inside, name = self._inside(steps, fork), steps[-1].name
        if steps[-1].which is not None:
            self._refuse(
                f"{path}: what is added goes to the end; leave out [{steps[-1].which}]", self._first_place(steps)
            )
        there = self._spots(steps)
        field = caffe_fields(inside or "").get(name)
        if there and field is not None and not field.repeated:
            self._refuse(f"{name} stands once; `set` gives it another value", self._at(there[0]))
        self._create(steps, value, fork)

    def delete(self, path: str) -> int:
        """Take out every field that the path leads to; how many that were."""
        found = self._spots(steps_of(path))
        for spot in reversed(found):  # so that the indices of those that are left stay
            (now,) = self._spots(spot.steps)
            self._splice(removal_of_value(self._document.data, now.field, now.at))
        return len(found)

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """Take an edit of several steps back, where one of them is refused."""
        back, before = self._way_back(), self._document
        try:
            yield
        except SurgeryError as error:
            if self._document is not before:  # its place is in a text that there is no more
                back()
                error.place = self._place(self._message.span.start)
            raise

    @abstractmethod
    def _way_back(self) -> Callable[[], None]:
        """What makes the text again what it is now."""

    def _set(self, steps: tuple[PathStep, ...], value: object, fork: bool) -> None:
        inside = self._inside(steps, fork)
        with_place = self._first_place(steps)
        try:
            values = several(steps[-1].name, value, inside)
        except UsageError as error:
            self._refuse(error.message, with_place, error.hint)
        if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
            self._set_all(steps, values, fork)
        elif any(step.which == ALL for step in steps):
            found = self._spots(steps)
            if not found:
                self._refuse(f"has no {path_of(steps)}", with_place)
            for spot in found:
                self._set_one(spot.steps, value, fork)
        else:
            self._set_one(steps, value, fork)

    def _set_one(self, steps: tuple[PathStep, ...], value: object, fork: bool) -> None:
        found = self._spots(steps)
        if len(found) > 1:
            path, whole = path_of(steps), path_of((*steps[:-1], PathStep(steps[-1].name, ALL)))
            hint = f"name one with [0], [1] ... behind a name, all with [*] ({whole}), or give a list"
            self._refuse(f"{path} stands {len(found)} times", self._at(found[1]), hint)
        if not found:
            self._create(steps, value, fork)
        elif isinstance(value, Mapping):
            self._set_fields(found[0], value, fork)
        else:
            self._replace(found[0], value, fork)

    def _set_all(self, steps: tuple[PathStep, ...], values: Sequence[object], fork: bool) -> None:
        """Give a repeated field these values: those that are there change, the rest is added or goes."""
        if steps[-1].which is not None:
            self._refuse(
                f"{path_of(steps)}: a list is for all of them; leave out [{steps[-1].which}]", self._first_place(steps)
            )
        there = self._spots(steps)
        for spot, value in zip(there, values):
            self._set_one(spot.steps, value, fork)
        for spot in reversed(there[len(values) :]):
            self.delete(path_of(spot.steps))
        for value in values[len(there) :]:
            self._create(steps, value, fork)

    def _set_fields(self, spot: Spot, fields: Mapping[Any, object], fork: bool) -> None:
        """Give a message these fields, and no others."""
        path = path_of(spot.steps)
        if not isinstance(spot.value, Message):
            self._refuse(f"{self._shown(spot.steps)} takes a value, not fields", self._at(spot))
        for name in dict.fromkeys(field.name for field in spot.value.fields if field.name not in fields):
            self.delete(f"{path}.{name}")
        for name, value in fields.items():
            if not isinstance(name, str):
                self._refuse(
                    f"{self._shown(spot.steps)} has fields, whose names are words, not {shown(name)}", self._at(spot)
                )
            self._set(steps_of(f"{path}.{name}"), value, fork)

    def _replace(self, spot: Spot, value: object, fork: bool) -> None:
        old, path = spot.value, self._shown(spot.steps)
        if isinstance(old, Message):
            self._refuse(f"{path} is a message: give its fields, as a dict", self._at(spot))
        if same_content(old, value, spot.kind):
            return
        was = self._as_found.setdefault(spot.steps, old)
        if same_content(was, value, spot.kind):
            self._splice([Splice(*old.span, was.raw)])
            return
        mark = old.raw[:1] if old.kind == "string" else self._mark(spot.message)
        new = self._spell(value, spot.kind, mark, self._at(spot), path, old, fork=fork)
        assert isinstance(new, bytes)  # it is no dict
        self._splice([Splice(*old.span, new)])

    def _create(self, steps: tuple[PathStep, ...], value: object, fork: bool) -> None:
        """Make a field, and the messages around it that are missing."""
        message, inside = self._message, self._kind if self._kind else None
        for depth, step in enumerate(steps):
            name = step.name
            there = spots(message, inside, [PathStep(name)])
            last = depth == len(steps) - 1
            index = len(there) if step.which is None and last else 0 if step.which is None else step.which
            field = caffe_fields(inside or "").get(name)
            if not last and index in range(-len(there), len(there)) and isinstance(index, int):
                if step.which is None and len(there) > 1:
                    hint = f"name one with [0], [1] ... behind {name}, or all with [*]"
                    self._refuse(f"{path_of(steps[: depth + 1])} stands {len(there)} times", self._at(there[1]), hint)
                spot = there[index]
                assert isinstance(spot.value, Message)  # else `spots` has refused
                message, inside = spot.value, spot.kind
                continue
            if index != len(there) or (index and field is not None and not field.repeated):
                stands = "stands once" if field is not None and not field.repeated else f"stands {len(there)} times"
                self._refuse(f"there is no {path_of(steps[: depth + 1])}: {name} {stands}", message.span.start)
            kind = field.type if field is not None else None
            path = path_of(steps)
            spelt = self._spelled_path(
                steps[depth + 1 :], kind, value, self._mark(message), message.span.start, path, fork
            )
            self._insert(message, name, spelt, there)
            return

    def _spelled_path(
        self, steps: Sequence[PathStep], kind: str | None, value: object, mark: bytes, at: int, path: str, fork: bool
    ) -> Spelled:
        """A value inside the messages that lead to it, none of which is there."""
        if not steps:
            return self._spell(value, kind, mark, at, path, fork=fork)
        step, *rest = steps
        if step.which not in (None, 0):
            self._refuse(f"there is no {path}: {step.name} stands 0 times", at)
        field = caffe_fields(kind or "").get(step.name)
        inner = self._spelled_path(rest, field.type if field is not None else None, value, mark, at, path, fork)
        return ((step.name, inner),)

    def _insert(self, message: Message, name: str, value: Spelled, there: Sequence[Spot]) -> None:
        data = self._document.data
        if there and there[-1].field.is_list and isinstance(value, bytes):
            self._splice([added_to_list(there[-1].field, value)])
            return
        after = there[-1].field if there else self._last_field(message)
        style = style_inside(data, message if message.fields else self._message)
        self._splice([insertion(data, message, name, value, style, after)])

    def _last_field(self, message: Message) -> Field | None:
        """The field behind which a new one of a message goes."""
        return message.fields[-1] if message.fields else None

    def _mark(self, message: Message) -> bytes:
        data = self._document.data
        return style_inside(data, message if b'"' in data[slice(*message.span)] else self._message).mark

    def _inside(self, steps: Sequence[PathStep], fork: bool) -> str | None:
        """The type of the message that the last step is in; each step is held against what Caffe knows.

        Raises:
            UsageError: Caffe knows no such field.
        """
        inside: str | None = self._kind
        for depth, step in enumerate(steps):
            there = self._spots([*(PathStep(one.name, ALL) for one in steps[:depth]), PathStep(step.name)])
            try:
                field = known_field(inside, step.name, bool(there), fork)
            except UsageError as error:
                self._refuse(error.message, self._first_place(steps), error.hint)
            if depth < len(steps) - 1:
                inside = field.type if field is not None else None
        return inside

    def _spell(
        self,
        value: object,
        kind: str | None,
        mark: bytes,
        at: int,
        path: str,
        like: Scalar | None = None,
        *,
        fork: bool = False,
    ) -> Spelled:
        try:
            return spelled(value, kind, mark, like, fork=fork)
        except UsageError as error:
            self._refuse(f"{path} {error.message}", at, error.hint)

    def _spots(self, steps: Sequence[PathStep]) -> list[Spot]:
        try:
            return spots(self._message, self._kind, steps)
        except UsageError as error:
            self._refuse(error.message, self._message.span.start)

    def _shown(self, steps: Sequence[PathStep]) -> str:
        """The path to a value, with indices only where several stand."""
        names = [[*steps[:depth], PathStep(step.name)] for depth, step in enumerate(steps)]
        return path_of([step if len(self._spots(name)) > 1 else name[-1] for step, name in zip(steps, names)])

    def _at(self, spot: Spot) -> int:
        return spot.value.span.start

    def _first_place(self, steps: Sequence[PathStep]) -> int:
        """Where an error about a path points: at what is there of it."""
        at = self._message.span.start
        for depth in range(1, len(steps) + 1):
            found = self._spots([PathStep(step.name) for step in steps[:depth]])
            if not found or (depth < len(steps) and not isinstance(found[0].value, Message)):
                break
            at = found[0].field.span.start
        return at

    @abstractmethod
    def _refuse(self, message: str, at: int, hint: str = "") -> NoReturn:
        """Raises: UsageError, about these fields, with the place of a byte of `_document`."""
