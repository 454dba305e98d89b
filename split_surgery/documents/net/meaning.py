"""What a prototxt says without how it is written: fields as lines of text that are equal where their meaning is.

Comments, layout, quotes, the spelling of numbers and bools, and the order of fields of different names are gone; the order
of values of one name stays. Works without a schema, so that a fork's fields are there too.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterator, Sequence

from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.net import LAYERS, Net
from split_surgery.documents.prototxt import FieldValue, Message, Scalar, quote
from split_surgery.errors import SurgeryError

Fields = dict[str, str]
"""Values as text by path, such as `convolution_param.weight_filler.type`; the values of a list are in one text."""

BOOLS = frozenset(
    "across_channels bias_term cache_images channel_shared debug_info encoded expose_hidden force_backward force_color "
    "force_encoded_color force_gray force_nd_im2col global_pooling is_color layer_wise_reduce legacy_version mirror normalize "
    "normalize_variance out_max_val propagate_down share_in_parallel shuffle shuffle_images snapshot_after_train snapshot_diff "
    "stable_prod_grad test_compute_loss test_initialization transpose use_global_stats".split()
)
"""The bools of BVLC Caffe 1.0, which may be written 1 and 0. (In a fork's field these stay numbers.)"""

REPEATED = frozenset("param include exclude shape blobs input_shape test_state test_net_param".split())
"""Messages of which there may be several (BVLC Caffe 1.0): they are numbered even where there is one."""

_SHOWN = 64
"""Values of a list that are shown; of a longer one (the numbers of a blob in the text) it is the digest."""


def fields_of(message: Message, without: Collection[str] = ()) -> Fields:
    """The fields of a message and of those in it, by path, sorted by name.

    Args:
        without: names of fields at the top that are left out.
    """
    return dict(_fields([message], "", without))


def _fields(messages: list[Message], prefix: str, without: Collection[str] = ()) -> Iterator[tuple[str, str]]:
    """The fields of a message, or of several that protobuf merges into one."""
    found: dict[str, list[FieldValue]] = {}
    for message in messages:
        for field in message.fields:
            if field.name not in without:
                found.setdefault(field.name, []).extend(field.values)
    for name in sorted(found):
        path = prefix + name
        texts = [scalar_text(name, value) for value in found[name] if isinstance(value, Scalar)]
        inner = [value for value in found[name] if isinstance(value, Message)]
        if texts:
            yield path, _list_text(texts)
        if name in REPEATED or (len(inner) > 1 and not name.endswith("_param")):
            for at, message in enumerate(inner):
                yield from _fields([message], f"{path}[{at}].") if message.fields else [(f"{path}[{at}]", "{}")]
        elif inner:
            yield from _fields(inner, f"{path}.") if any(part.fields for part in inner) else [(path, "{}")]


def inline(message: Message) -> str:
    """The fields of a message in one line."""
    return "; ".join(f"{path} {text}" for path, text in fields_of(message).items())


GEOMETRY_WORDS = frozenset(
    "num_output kernel_size kernel_h kernel_w stride stride_h stride_w pad pad_h pad_w dilation group bias_term".split()
)
"""Fields of a convolution that its geometry says, which may be written in several ways and left out."""

_HEADER = ("name", "type", "bottom", "top", "include", "exclude")


def geometry_of(layer: Layer) -> Fields:
    """The geometry of a layer that has a 2-D convolution's, by Caffe's names for it, defaults included; else nothing."""
    if not layer.message.messages("convolution_param"):
        return {}
    try:
        geometry = layer.geometry()
    except SurgeryError:
        return {}
    pairs = {
        "kernel_size": geometry.kernel,
        "stride": geometry.stride,
        "pad": geometry.pad,
        "dilation": geometry.dilation,
    }
    return {
        "num_output": str(geometry.num_output),
        **{name: f"{high}x{wide}" for name, (high, wide) in pairs.items()},
        "group": str(geometry.group),
        "bias_term": str(geometry.bias_term).lower(),
    }


def layer_fields(layer: Layer) -> Fields:
    """The fields of a layer but for its name, type, connections, rules and geometry."""
    known = {f"convolution_param.{name}" for name in GEOMETRY_WORDS} if geometry_of(layer) else set()
    known.add("convolution_param")  # and nothing in it
    return {path: text for path, text in fields_of(layer.message, without=_HEADER).items() if path not in known}


def rules_of(layer: Layer) -> tuple[str, ...]:
    """A layer's rules, each in a line, sorted: any of several is enough."""
    kinds = ("include", "exclude")
    return tuple(sorted(f"{kind}: {inline(rule)}" for kind in kinds for rule in layer.message.messages(kind)))


def layer_meaning(layer: Layer | None) -> Fields:
    """All that a layer says, its name left out: two layers that say the same are the same to Caffe, however they are written."""
    if layer is None:
        return {}
    fields = {"type": layer.type, "bottom": names_text(layer.bottoms), "top": names_text(layer.tops)}
    for kind in ("include", "exclude"):
        fields[kind] = "; ".join(rule.removeprefix(f"{kind}: ") for rule in rules_of(layer) if rule.startswith(kind))
    geometry = {f"convolution_param.{name}": text for name, text in geometry_of(layer).items()}
    return {path: text for path, text in fields.items() if text} | geometry | layer_fields(layer)


def net_meaning(net: Net) -> Fields:
    """The fields of a net that are no layers."""
    return fields_of(net.message, without=LAYERS)


def names_text(blobs: Sequence[str]) -> str:
    """Names of blobs in one text."""
    return " ".join(map(quoted, blobs))


def _list_text(texts: list[str]) -> str:
    if len(texts) <= _SHOWN:
        return " ".join(texts)
    return f"{len(texts)} values, sha256 {hashlib.sha256(' '.join(texts).encode()).hexdigest()[:16]}"


def scalar_text(name: str, value: Scalar) -> str:
    """A value as text: strings in double quotes, numbers and bools in one spelling, other names as they are."""
    if value.kind == "string":
        return quoted(value.text)
    if name == "phase":  # by its number, too
        return {"0": "TRAIN", "1": "TEST"}.get(value.text, value.text)
    if value.kind == "number" and not (name in BOOLS and value.boolean() is not None):
        return _number(value)
    flag = value.boolean()
    return value.text if flag is None else str(flag).lower()


def quoted(text: str) -> str:
    """A text in double quotes and in one line; bytes that are no UTF-8 are escaped."""
    return quote(text).decode("utf-8", "backslashreplace")


def _number(value: Scalar) -> str:
    integer = value.integer()
    if integer is None:
        text = value.compact().decode("utf-8", "surrogateescape")
        number = _float(text) if _float(text) is not None else _float(text.rstrip("fF"))
        if number is None:
            return text
        if not math.isfinite(number) or number != int(number) or abs(number) >= 2**64:
            return repr(number)
        integer = int(number)
    return str(integer) if abs(integer) < 2**64 else hex(integer)


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
