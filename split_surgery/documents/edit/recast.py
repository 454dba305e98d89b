"""An InnerProduct as the convolution that computes the same with the same numbers, and back: the text and the record of the layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from split_surgery.documents.edit.layer_text import eol_near, indent_at, rest_of_line, starts_line, whole_line
from split_surgery.documents.edit.record_fields import fields_inside, record_fields
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.prototxt import Field, Message, Scalar, quote
from split_surgery.documents.spans import Fragment, Span, Splice
from split_surgery.documents.v1 import MESSAGES_OF_LAYERS, OLD_NUMBERS, OLD_TYPES
from split_surgery.documents.weights import wire
from split_surgery.documents.weights.caffemodel import LAYER, LAYER_V1, NET_LAYER, NET_LAYERS_V1, LayerRecord
from split_surgery.documents.weights.wire import WireField, tagged, wrapped
from split_surgery.errors import BytePlace, Unsupported

HOLDERS = {"Convolution": "convolution_param", "InnerProduct": "inner_product_param"}
"""The message that each of the two types keeps what it is in."""

KEPT = {"num_output": (1, 1), "bias_term": (2, 2), "weight_filler": (7, 3), "bias_filler": (8, 4), "axis": (16, 5)}
"""What means the same in both: its field numbers in `convolution_param` and in `inner_product_param`."""

KERNEL_NUMBERS = {"kernel_size": 4, "kernel_h": 11, "kernel_w": 12}


@dataclass(frozen=True)
class Recast:
    """What a layer becomes. `kernel`: (height, width) where it becomes a convolution, else None."""

    type: str
    kernel: tuple[int, int] | None = None

    @property
    def sizes(self) -> dict[str, int]:
        """The fields that say the kernel."""
        if self.kernel is None:
            return {}
        high, wide = self.kernel
        return {"kernel_size": high} if high == wide else {"kernel_h": high, "kernel_w": wide}


def recast_splices(layer: Layer, recast: Recast) -> Iterator[Splice]:
    """What makes a layer's text that of the other type; what one of the two types has not is taken out or put in."""
    data, old = layer.document.data, HOLDERS[layer.type]
    for value in layer.message.scalars("type"):
        yield Splice(*value.span, _type_text(layer, value, recast.type))
    fields = [field for field in layer.message.named(old) if field.values]
    for field in fields:
        yield Splice(field.span.start, field.span.start + len(old), HOLDERS[recast.type].encode())
    messages = [value for field in fields for value in field.values if isinstance(value, Message)]
    for message in messages:
        for span in _runs(data, [field.span for field in message.fields if field.name not in KEPT]):
            yield Splice(*_with_blank(data, span), b"")
    if recast.sizes:
        count = next(field for message in messages for field in message.named("num_output"))
        yield _inserted(data, count, " ".join(f"{name}: {size}" for name, size in recast.sizes.items()).encode())


def _type_text(layer: Layer, value: Scalar, kind: str) -> bytes:
    """The new type as the old one was written: a string, or one of V1's names or numbers."""
    if not layer.v1:
        return quote(kind, value.raw[:1])
    return str(OLD_NUMBERS[kind]).encode() if value.kind == "number" else OLD_TYPES[kind].encode()


def _runs(data: bytes, spans: Sequence[Span]) -> list[Span]:
    """The spans, those with nothing but blanks between them as one."""
    found: list[Span] = []
    for span in spans:
        if found and not data[found[-1].stop : span.start].strip(b" \t"):
            found[-1] = Span(found[-1].start, span.stop)
        else:
            found.append(span)
    return found


def _with_blank(data: bytes, span: Span) -> Span:
    """What goes with fields that are taken out: their line where they are alone on it, else the blank that parts them from the rest."""
    whole = whole_line(data, span)
    if whole.start < span.start or data[whole.stop - 1 : whole.stop] == b"\n" or starts_line(data, span.start):
        return whole
    return Span(len(data[: span.start].rstrip(b" \t")), span.stop)


def _inserted(data: bytes, after: Field, text: bytes) -> Splice:
    """Fields behind another, on a line of their own where that one has one."""
    rest = rest_of_line(data, after.span.stop)
    if rest is not None and starts_line(data, after.span.start):
        text = eol_near(data, after.span.start) + indent_at(data, after.span.start) + text
        return Splice(rest, rest, text)
    return Splice(after.span.stop, after.span.stop, b" " + text)


def recast_record(
    record: LayerRecord, was: str, recast: Recast, blobs: Sequence[tuple[Fragment, ...]]
) -> tuple[Fragment, ...]:
    """The record as that of the other type, tag and length included; its other fields are the bytes that they were.

    Args:
        was: the layer's type, which the record need not say. blobs: the new BlobProtos.

    Raises:
        FileError: a field is not stored as its type demands.
        Unsupported: it has the other type's message already.
    """
    numbers = LAYER_V1 if record.v1 else LAYER
    place = 0 if record.v1 else 1
    old, new = (MESSAGES_OF_LAYERS[HOLDERS[kind]][place] for kind in (was, recast.type))
    kind: int | bytes = OLD_NUMBERS[recast.type] if record.v1 else recast.type.encode()
    out: list[Fragment] = []
    rest, said = iter(blobs), False
    for item in record_fields(record):
        if item.number == numbers["type"]:
            out.append(tagged(item.number, kind))
        elif item.number == numbers["blobs"]:
            out += wrapped(item.number, next(rest))
        elif item.number == old:
            out += wrapped(new, _recast_param(record, item, was, recast, said))
            said = True
        elif item.number == new:
            message = f"its record has a {HOLDERS[recast.type]}, which a layer of type {was} does not read"
            raise Unsupported(message, BytePlace(record.reader.name, item.start), layer=record.name)
        else:
            out.append(Span(item.start, item.stop))
    return wrapped(NET_LAYERS_V1 if record.v1 else NET_LAYER, out)


def _recast_param(record: LayerRecord, message: WireField, was: str, recast: Recast, said: bool) -> list[Fragment]:
    """The inside of the other type's message; `said`: whether an earlier one of the record says the kernel."""
    side = ("Convolution", "InnerProduct").index(was)
    moved = {pair[side]: pair[1 - side] for pair in KEPT.values()}
    sizes = [] if said else [(KERNEL_NUMBERS[name], size) for name, size in recast.sizes.items()]
    out: list[Fragment] = []
    for item in fields_inside(record, message.value, message.stop, (HOLDERS[was],)):
        if item.number not in moved:
            continue
        while sizes and sizes[0][0] < moved[item.number]:
            out.append(tagged(*sizes.pop(0)))
        tag = wire.varint(moved[item.number] << 3 | item.wire_type)
        _, used = wire.read_varint(record.reader.read(item.start, min(item.stop, item.start + 10)), 0)
        out += [tag, Span(item.start + used, item.stop)]
    return out + [tagged(*size) for size in sizes]
