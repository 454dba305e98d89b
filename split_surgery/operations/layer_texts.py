"""A prototxt's text as its layers and what stands between them, so that an edit of one layer reads no other again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from split_surgery.documents.edit.field_edit import EditableFields
from split_surgery.documents.edit.field_path import Spot
from split_surgery.documents.edit.field_splices import rendered, style_inside
from split_surgery.documents.edit.field_values import Spelled
from split_surgery.documents.edit.layer_text import eol_near, indent_at, removals
from split_surgery.documents.net.net import LAYERS, Prototxt
from split_surgery.documents.prototxt import BOM, Document, Field, Message
from split_surgery.documents.spans import Splice, apply_splices
from split_surgery.errors import SurgeryError, TextPlace, UsageError
from split_surgery.operations.editable_layer import EditableLayer, layer_alone
from split_surgery.operations.layer_gaps import joined, parted_after, parted_before
from split_surgery.operations.new_layers import INSIDE, AddedLayers, texts_of


class LayerTexts(EditableFields):
    """A prototxt that is being edited: its layers in the order of the file, and the fields outside them."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__()
        self.path = name
        self._layers: list[EditableLayer] = []
        self._tail = b""
        self._bytes: bytes | None = None
        self._parsed: Document | None = None
        self._read(data, None)

    def __bytes__(self) -> bytes:
        if self._bytes is None:
            self._bytes = b"".join(part for one in self._layers for part in (one.before, one.text)) + self._tail
        return self._bytes

    def changed(self) -> None:
        """A layer's text is another now."""
        self._bytes = self._parsed = None

    def place_of(self, layer: EditableLayer, at: int) -> TextPlace:
        """Where a byte of a layer's text stands in the whole."""
        return TextPlace(self.path, bytes(self), self._offset(layer) + at)

    def _offset(self, layer: EditableLayer) -> int:
        """Where a layer's text begins in the whole."""
        at = 0
        for one in self._layers:
            at += len(one.before)
            if one is layer:
                break
            at += len(one.text)
        return at

    def _read(self, data: bytes, order: Sequence[EditableLayer | None] | None) -> None:
        """Take a text as the one to be edited.

        Args:
            order: its layers, where they are known already, None for those that are new; all of them are, where it is None.

        Raises:
            UsageError: it has another number of layers than are known.
        """
        document = Document(data, self.path)
        prototxt = Prototxt(document)
        nets = list(zip(prototxt.nets, prototxt.titles()))
        found = sorted(
            ((layer, title) for net, title in nets for layer in net.layers), key=lambda pair: pair[0].span.start
        )
        known: Sequence[EditableLayer | None] = [None] * len(found) if order is None else order
        if len(known) != len(found):
            hint = "layers are added with add_after, add_before and append, and removed with remove"
            raise UsageError(f"{self.path} would have {len(found)} layers instead of {len(known)}", hint=hint)
        at, layers = 0, []
        for handle, (layer, title) in zip(known, found):
            before, at = data[at : layer.span.start], layer.span.stop
            if handle is None:
                handle = EditableLayer(self, before, layer, title)
            else:
                handle.place_in(before, layer)
            layers.append(handle)
        self._layers, self._tail = layers, data[at:]
        self._bytes, self._parsed = data, document
        self._is_solver = prototxt.is_solver
        self._inputs = [
            (f"{title}.input[{at}]".lstrip("."), blob) for net, title in nets for at, blob in enumerate(net.inputs())
        ]

    @contextmanager
    def _at_once(self) -> Iterator[None]:
        """Make several changes, or none: if one is refused, all are taken back."""
        back = self._way_back()
        try:
            yield
        except SurgeryError:
            back()
            raise

    def _put_behind(self, one: EditableLayer, new: AddedLayers, fork: bool) -> tuple[EditableLayer, ...]:
        """Put layers behind another one, after the comment on its line."""
        at, (texts, eol, indent) = self._layers.index(one), self._texts(one, new, fork)
        if one.listed:
            where = self._offset(one) + len(one.text)
            return self._put_in_list(at + 1, where, [b"," + eol + indent + _in_braces(text) for text in texts])
        follower = self._layers[at + 1] if at + 1 < len(self._layers) else None
        before, after = parted_after(self._gap_before(follower), follower.text if follower else b"", eol)
        added = self._put_in(at + 1, one, before, texts, eol, indent)
        self._set_gap_before(follower, after)
        return added

    def _put_before(self, one: EditableLayer, new: AddedLayers, fork: bool) -> tuple[EditableLayer, ...]:
        """Put layers before another one, above the comments that stand just above it."""
        at, (texts, eol, indent) = self._layers.index(one), self._texts(one, new, fork)
        if one.listed:
            return self._put_in_list(at, self._offset(one), [_in_braces(text) + b"," + eol + indent for text in texts])
        before, own = parted_before(one.before, at == 0, eol, indent)
        added = self._put_in(at, one, before, texts, eol, indent)
        self._set_gap_before(one, own)
        return added

    def _put_into_empty(self, new: AddedLayers, fork: bool) -> tuple[EditableLayer, ...]:
        """Put layers into a net that has none."""
        data = bytes(self)
        eol = eol_near(data, len(data))
        texts = texts_of(new, LAYERS[0], style_inside(data, self._message), b"", eol, fork=fork)
        begun = b"" if not data or data.endswith(b"\n") else eol
        self._read(data + begun + b"".join(text + eol for text in texts), [None] * len(texts))
        return tuple(self._layers)

    def _take_out(self, one: EditableLayer) -> None:
        """Take a layer out, with its line and the empty ones before it."""
        at = self._layers.index(one)
        left = [other for other in self._layers if other is not one]
        if one.listed:
            document, start = self._document, self._offset(one)
            layers = (layer for net in Prototxt(document).nets for layer in net.layers)
            found = next(layer for layer in layers if layer.span.start == start)
            self._read(apply_splices(document.data, removals([found])), left)
        else:
            follower = left[at] if at < len(left) else None
            preceding, following = left[at - 1].text if at else b"", follower.text if follower else b""
            gap = joined(one.before, one.text, self._gap_before(follower), preceding, following)
            self._set_gap_before(follower, gap)
            self._layers = left
            self.changed()
        one.gone = True

    def _gap_before(self, one: EditableLayer | None) -> bytes:
        return self._tail if one is None else one.before

    def _set_gap_before(self, one: EditableLayer | None, gap: bytes) -> None:
        if one is None:
            self._tail = gap
        else:
            one.before = gap

    def _texts(self, near: EditableLayer, new: AddedLayers, fork: bool) -> tuple[list[bytes], bytes, bytes]:
        """What is added, in the form of a layer near it; the end of its lines, and their indent."""
        layer = near.read
        data, start = layer.document.data, layer.span.start
        indent, eol = indent_at(data, start), eol_near(data, start)
        return texts_of(new, layer.field.name, style_inside(data, layer.message), indent, eol, fork=fork), eol, indent

    def _put_in(
        self, at: int, near: EditableLayer, before: bytes, texts: Sequence[bytes], eol: bytes, indent: bytes
    ) -> tuple[EditableLayer, ...]:
        added = []
        for number, text in enumerate(texts):
            layer = layer_alone(text, indent, eol, "", self.path)
            added.append(EditableLayer(self, (eol if number else before) + indent, layer, near.inside))
        self._layers[at:at] = added
        self.changed()
        return tuple(added)

    def _put_in_list(self, at: int, where: int, texts: Sequence[bytes]) -> tuple[EditableLayer, ...]:
        data = apply_splices(bytes(self), [Splice(where, where, text) for text in texts])
        self._read(data, [*self._layers[:at], *[None] * len(texts), *self._layers[at:]])
        return tuple(self._layers[at : at + len(texts)])

    # The fields outside the layers (see EditableFields).

    @property
    def _document(self) -> Document:
        if self._parsed is None:
            self._parsed = Document(bytes(self), self.path)
        return self._parsed

    @property
    def _message(self) -> Message:
        return self._document.root

    @property
    def _kind(self) -> str:
        return "SolverParameter" if self._is_solver else "NetParameter"

    def _splice(self, splices: Sequence[Splice]) -> None:
        self._read(apply_splices(bytes(self), splices), self._layers)

    def _way_back(self) -> Callable[[], None]:
        data, layers = bytes(self), list(self._layers)
        return lambda: self._read(data, layers)

    def _place(self, at: int) -> TextPlace:
        return self._document.place(at)

    def _refuse(self, message: str, at: int, hint: str = "") -> NoReturn:
        raise UsageError(message, self._place(at), hint)

    def _last_field(self, message: Message) -> Field | None:
        """A net's own fields stand before its layers."""
        first = next((at for at, field in enumerate(message.fields) if field.name in LAYERS), len(message.fields))
        return message.fields[first - 1] if first else None

    def _insert(self, message: Message, name: str, value: Spelled, there: Sequence[Spot]) -> None:
        if message is self._message and message.fields and not there and self._last_field(message) is None:
            data = bytes(self)
            at, eol = len(BOM) if data.startswith(BOM) else 0, eol_near(data, 0)
            text = rendered(name, value, style_inside(data, message), eol, b"")
            self._splice([Splice(at, at, text + eol)])
        else:
            super()._insert(message, name, value, there)


def _in_braces(text: bytes) -> bytes:
    """A layer's text as a value in a list."""
    (field,) = Document(text, INSIDE).root.fields
    return text[field.values[0].span.start :]
