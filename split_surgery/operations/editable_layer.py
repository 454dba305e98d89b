"""One layer of a prototxt that is being edited: a text of its own, so that an edit reads no other layer again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn

from split_surgery.documents.edit.field_edit import EditableFields
from split_surgery.documents.edit.layer_text import eol_near, indent_at
from split_surgery.documents.net.layer import Layer, layer_of
from split_surgery.documents.prototxt import Document, Message
from split_surgery.documents.spans import Span, Splice, apply_splices
from split_surgery.errors import Defect, FilePlace, TextPlace, UsageError

if TYPE_CHECKING:
    from split_surgery.operations.layer_texts import LayerTexts

PHASES = ("TRAIN", "TEST")


class EditableLayer(EditableFields):
    """A layer of an `EditableNet`: it stays the same object while the net is edited.

    Attributes:
        v1: whether it is an old `layers { }`, whose fields have other names (`blobs_lr` for `param { lr_mult }`).
    """

    def __init__(self, net: LayerTexts, before: bytes, layer: Layer, inside: str) -> None:
        """`before`: what stands between the layer before and this one. `inside`: the field of a solver that holds its net, or ""."""
        super().__init__()
        self._net = net
        self.inside = inside
        self.gone = False
        self.place_in(before, layer)

    def place_in(self, before: bytes, layer: Layer) -> None:
        """Take another reading of the same layer."""
        self.before = before  # the bytes between the layer before and this one
        self.listed = layer.field.is_list
        self._layer = layer

    def __repr__(self) -> str:
        return f'<layer "{self.name}" ({self.type})>'

    def __str__(self) -> str:
        return self.text.decode("utf-8", "surrogateescape")

    @property
    def name(self) -> str:
        return self._layer.name

    @property
    def type(self) -> str:
        """As layers are called now: Convolution, also where a V1 layer says CONVOLUTION."""
        return self._layer.type

    @property
    def bottoms(self) -> tuple[str, ...]:
        return self._layer.bottoms

    @property
    def tops(self) -> tuple[str, ...]:
        return self._layer.tops

    @property
    def v1(self) -> bool:
        return self._layer.v1

    @property
    def phases(self) -> tuple[str, ...]:
        """The phases in whose nets the layer can be: TRAIN, TEST or both."""
        return tuple(phase for phase in PHASES if self._only in ("", phase) and self._may_be_in(phase))

    @property
    def _only(self) -> str:
        """The one phase of the net around it, if a solver says so."""
        return "TRAIN" if self.inside.startswith("train") else "TEST" if self.inside.startswith("test") else ""

    def _may_be_in(self, phase: str) -> bool:
        layer = self._layer
        if layer.include:
            return any(rule.phase in (None, phase) for rule in layer.include)
        always = (rule for rule in layer.exclude if not rule.stages | rule.not_stages)
        return not any(
            rule.phase in (None, phase) and rule.min_level is None and rule.max_level is None for rule in always
        )

    @property
    def read(self) -> Layer:
        """The layer as the rest of the program knows one; it is replaced at the next edit."""
        return self._layer

    @property
    def text(self) -> bytes:
        """The layer's own bytes."""
        return self._layer.document.data[slice(*self._span)]

    @property
    def place(self) -> TextPlace:
        """Where it stands in the text as that is now."""
        return self._place(self._span.start)

    @property
    def _span(self) -> Span:
        return self._layer.message.span if self.listed else self._layer.field.span

    @property
    def _document(self) -> Document:
        return self._layer.document

    @property
    def _message(self) -> Message:
        return self._layer.message

    @property
    def _kind(self) -> str:
        return "V1LayerParameter" if self.v1 else "LayerParameter"

    def _splice(self, splices: Sequence[Splice]) -> None:
        self._check_there()
        data, span = self._document.data, self._span
        inside = [Splice(one.start - span.start, one.stop - span.start, one.replacement) for one in splices]
        self._layer = layer_alone(
            apply_splices(data[slice(*span)], inside),
            b"" if data[: span.start].endswith(b"\n") else indent_at(data, span.start),
            eol_near(data, span.start),
            self._layer.field.name if self.listed else "",
            self._document.name,
        )
        self._net.changed()

    def _way_back(self) -> Callable[[], None]:
        was = self._layer

        def back() -> None:
            self._layer = was
            self._net.changed()

        return back

    def _place(self, at: int) -> TextPlace:
        return self._net.place_of(self, at - self._span.start)

    def _check_there(self) -> None:
        if self.gone:
            raise UsageError(f'layer "{self.name}" was removed from {self._net.path}')

    def _refuse(self, message: str, at: int, hint: str = "") -> NoReturn:
        self._check_there()
        raise UsageError(message, self._place(at), hint, layer=self.name)


def layer_alone(text: bytes, indent: bytes, eol: bytes, listed_as: str, name: str) -> Layer:
    """A layer's text read by itself, in the indent and before the end of line that it has in its file.

    Args:
        listed_as: the field's name, where the text begins with the brace of a value in a list.

    Raises:
        UsageError: an edit has made a V0 layer of it.
        Defect: an edit has made something else of it.
    """
    data = indent + (f"{listed_as} ".encode() if listed_as else b"") + text + eol
    document = Document(data, name)
    fields = [field for field in document.root.fields if len(field.values) == 1]
    if len(fields) != 1 or not isinstance(fields[0].values[0], Message):
        raise Defect(f"an edit of a layer makes something else of it: {text[:200]!r}")
    layer = layer_of(document, fields[0], fields[0].values[0])
    if layer.v1 and layer.message.messages("layer"):
        raise UsageError("a `layer` inside `layers` is a V0 layer, which is not read", FilePlace(name))
    return layer
