"""The text of layers from V1 to new and back, as splices: what both forms say alike is not touched, and comments stay.

The rules are those of Caffe 1.0's upgrade (UpgradeV1LayerParameter and UpgradeNetDataTransformation).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from split_surgery.documents.edit.layer_text import (
    eol_near,
    indent_at,
    rest_of_line,
    starts_line,
    verbatim,
    whole_line,
)
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.net import Net
from split_surgery.documents.prototxt import Field, Message, Scalar, quote
from split_surgery.documents.spans import Span, Splice
from split_surgery.documents.v1 import (
    IMAGE_MESSAGES,
    NEW_ONLY,
    OLD_ONLY,
    OLD_TYPES,
    SPEC_DEFAULTS,
    SPEC_OF,
    TRANSFORMS,
)

OLD_NAME = {new: old for old, new in SPEC_OF.items()}


def to_new(net: Net) -> list[Splice]:
    """What makes new layers of a net's V1 layers; nothing where it has none.

    Raises:
        Unsupported: a layer is of a type that only a fork knows.
        FileError: a layer is neither one nor the other.
    """
    splices = [Splice(field.span.start, field.span.start + 6, b"layer") for field in net.message.named("layers")]
    for layer in net.layers:
        if layer.v1:
            splices += [*_new_type(layer), *_new_params(layer), *_transforms(layer)]
    return splices


def to_v1(net: Net) -> list[Splice]:
    """What makes V1 layers of a net's new ones; nothing where it has none.

    Raises:
        Unsupported: a layer has a type or a field that V1 has not.
        FileError: it says one thing of a parameter twice.
    """
    splices = [Splice(field.span.start, field.span.start + 5, b"layers") for field in net.message.named("layer")]
    for layer in net.layers:
        if not layer.v1:
            _check_expressible(layer)
            splices += [*_old_type(layer), *_old_params(layer)]
    return splices


def _new_type(layer: Layer) -> Iterator[Splice]:
    for value in layer.message.scalars("type"):
        if layer.type == value.text and layer.type not in OLD_TYPES:
            layer.refuse(f"type {value.text} is none of Caffe's V1 types, so that its new name is not known", value)
        names = layer.message.scalars("name")
        mark = names[-1].raw[:1] if names and names[-1].kind == "string" else b'"'
        yield Splice(*value.span, quote(layer.type, mark))


def _old_type(layer: Layer) -> Iterator[Splice]:
    data = layer.document.data
    for value in layer.message.scalars("type"):
        touches = re.match(rb"[\w\"'.+-]", data[value.span.stop : value.span.stop + 1])  # only a string ends by itself
        yield Splice(*value.span, OLD_TYPES[layer.type].encode() + (b" " if touches else b""))


def _check_expressible(layer: Layer) -> None:
    """Raises: Unsupported, where V1 has no words for what a new layer is."""
    if layer.type not in OLD_TYPES:
        hint = 'say it before the layers: input: "data" input_shape { dim: 1 ... }' if layer.type == "Input" else ""
        layer.refuse(f'V1 has no layers of the type "{layer.type}", which came after it', hint=hint)
    for field in layer.message.fields:
        if field.name in NEW_ONLY and field.values:
            layer.refuse(f"V1 layers have no `{field.name}`, which came after them", field)
        if field.name in OLD_ONLY:
            layer.refuse(f"`{field.name}` is no field of a new layer, and would be one of a V1 layer", field)
    for message in layer.message.messages(IMAGE_MESSAGES.get(layer.type, "")):
        for field in message.fields:
            if field.name in TRANSFORMS:
                layer.refuse(
                    f"`{field.name}` says nothing there in a new layer, and would count in a V1 layer", field,
                    "remove it (what counts is in transform_param)",
                )  # fmt: skip


def _new_params(layer: Layer) -> Iterator[Splice]:
    """The lists of V1 as one `param { }` for each parameter, each where the first word about it was."""
    fields = [field for field in layer.message.fields if field.name in SPEC_OF]
    said: dict[int, dict[str, bytes]] = {}
    homes: dict[int, Field] = {}
    counts = dict.fromkeys(SPEC_OF, 0)
    for field in fields:
        for value in field.values:
            if isinstance(value, Message):
                layer.fail("a V1 layer has no `param { }`: is it half converted?", value)
            at = counts[field.name]
            counts[field.name] += 1
            said.setdefault(at, {})[SPEC_OF[field.name]] = verbatim(value)
            homes.setdefault(at, field)
    for field in fields:
        here = [_spec(said[at]) for at in sorted(said) if homes[at] is field]
        if here:
            yield Splice(*field.span, b" ".join(here))
        else:
            yield Splice(*whole_line(layer.document.data, field.span), b"")


def _spec(said: dict[str, bytes]) -> bytes:
    inside = b" ".join(key.encode() + b": " + said[key] for key in SPEC_DEFAULTS if key in said)
    return b"param { " + inside + b" }"


def _old_params(layer: Layer) -> Iterator[Splice]:
    """Each `param { }` opened up; where a later parameter says something, those before it say the default."""
    fields = [field for field in layer.message.fields if field.name == "param" and field.values]
    specs: list[tuple[Field, Message]] = []
    for field in fields:
        value = field.values[0]
        if field.is_list or isinstance(value, Scalar):
            layer.refuse("a list of `param` is not converted: write `param { }` for each parameter", field)
        specs.append((field, value))
    last: dict[str, int] = {}
    for at, (_, message) in enumerate(specs):
        for inner in message.fields:
            if inner.name not in OLD_NAME or len(inner.values) != 1:
                layer.refuse(f"V1 layers have no `{inner.name}` of a parameter", inner)
            if len(list(message.named(inner.name))) > 1:
                layer.fail(f"says `{inner.name}` of a parameter twice", inner)
            last[inner.name] = at
    for at, (field, message) in enumerate(specs):
        there = {inner.name for inner in message.fields}
        gaps = [key for key in SPEC_DEFAULTS if key not in there and at < last.get(key, -1)]
        yield from _opened(layer, field, message, gaps)


def _opened(layer: Layer, field: Field, message: Message, gaps: Sequence[str]) -> Iterator[Splice]:
    """One `param { }` without its braces, its fields under their old names and as deep as it was."""
    data, indent = layer.document.data, indent_at(layer.document.data, field.span.start)
    opening = whole_line(data, Span(field.span.start, message.body.start))
    opening = Span(opening.start, min(opening.stop, message.body.stop))
    yield Splice(*opening, b"")
    for inner in message.fields:
        start = inner.span.start
        line = data.rfind(b"\n", 0, start) + 1
        moved = starts_line(data, start) and line >= message.body.start
        named = (indent if moved else b"") + OLD_NAME[inner.name].encode()
        yield Splice(line if moved else start, start + len(inner.name), named)
    own_line = starts_line(data, message.body.stop) and data.rfind(b"\n", 0, message.body.stop) >= message.body.start
    added = " ".join(f"{OLD_NAME[key]}: {SPEC_DEFAULTS[key]}" for key in gaps).encode()
    closing = Span(message.body.stop, field.span.stop)
    if own_line:
        yield Splice(*(closing if added else whole_line(data, closing)), added)
        return
    # The blank before the brace goes with it; what follows it must not touch the last value.
    start = max(opening.stop, len(data[: closing.start].rstrip(b" \t")))
    touches = not data[closing.stop : closing.stop + 1].isspace() and closing.stop < len(data)
    yield Splice(start, closing.stop, (b" " + added if added else b"") + (b" " if touches else b""))


def _transforms(layer: Layer) -> Iterator[Splice]:
    """What a data layer of V1 says of its images, moved to `transform_param`, where it overrides what is said already."""
    data, holder = layer.document.data, IMAGE_MESSAGES.get(layer.type, "")
    moved = [
        field
        for message in layer.message.messages(holder)
        for field in message.fields
        if field.name in TRANSFORMS and field.values
    ]
    if not moved:
        return
    for field in moved:
        yield Splice(*whole_line(data, field.span), b"")
    texts = {field.name: b"".join(verbatim(v) for v in field.values[-1:] if isinstance(v, Scalar)) for field in moved}
    there = layer.message.messages("transform_param")
    for inner in there[0].fields if there else ():
        if inner.name in texts:
            yield Splice(*inner.value_span, texts.pop(inner.name))
    lines = [name.encode() + b": " + text for name, text in texts.items()]
    if not lines:
        return
    if there:
        yield _inserted(data, there[0], lines)
        return
    home = next(layer.message.named(holder))
    made = b"transform_param { " + b" ".join(lines) + b" }"
    rest = rest_of_line(data, home.span.stop)
    if rest is not None and starts_line(data, home.span.start):
        eol = eol_near(data, home.span.start)
        yield Splice(rest, rest, eol + indent_at(data, home.span.start) + made)
    else:
        yield Splice(home.span.stop, home.span.stop, b" " + made + b" ")


def _inserted(data: bytes, message: Message, lines: Sequence[bytes]) -> Splice:
    """Fields before the end of a message, each on a line of its own where its fields are."""
    at, first = message.body.stop, message.fields[0].span.start if message.fields else -1
    if first >= 0 and starts_line(data, first) and starts_line(data, at):
        line, indent, eol = data.rfind(b"\n", 0, at) + 1, indent_at(data, first), eol_near(data, first)
        return Splice(line, line, b"".join(indent + text + eol for text in lines))
    return Splice(at, at, b" " + b" ".join(lines) + b" ")
