"""One layer of a prototxt, and the geometry of a convolution. Read-only."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn

from split_surgery.documents.net.rules import Rule, State, rule_of
from split_surgery.documents.prototxt import Document, Field, Message, Scalar
from split_surgery.documents.spans import Span
from split_surgery.documents.v1 import modern_type
from split_surgery.errors import FileError, NotFoldable, TextPlace, Unsupported

CONVOLUTION_FIELDS = frozenset(
    "num_output bias_term pad kernel_size group stride weight_filler bias_filler pad_h pad_w kernel_h kernel_w "
    "stride_h stride_w engine axis force_nd_im2col dilation".split()
)
"""ConvolutionParameter of BVLC Caffe 1.0."""


@dataclass(frozen=True)
class Geometry:
    """What a 2-D convolution computes, apart from its weights. Pairs are (height, width)."""

    num_output: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int]
    dilation: tuple[int, int]
    group: int
    bias_term: bool


MAX_INT = 2**31 - 1
"""The largest size that Caffe's int holds."""

POINTWISE = ((1, 1), (1, 1), (0, 0), 1)
"""Kernel, stride, pad and group of a 1x1 convolution that mixes channels and nothing else."""


@dataclass(frozen=True, eq=False)
class Layer:
    """One `layer { }` of a prototxt, or a V1 `layers { }`, whose `type` is then the one that its enum value became.

    Layers are told apart by where they stand, not by what they say: each equals itself only, and can be a key.
    """

    document: Document
    field: Field
    message: Message
    v1: bool
    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    include: tuple[Rule, ...]
    exclude: tuple[Rule, ...]

    @property
    def span(self) -> Span:
        """The bytes it stands on; in a `layer: [ ]` list those of its own braces."""
        return self.message.span if self.field.is_list else self.field.span

    def place(self) -> TextPlace:
        return self.document.place(self.span)

    def refuse(self, message: str, at: Field | Message | Scalar | None = None, hint: str = "") -> NoReturn:
        """Raises: Unsupported, about this layer, at a place in it."""
        raise Unsupported(message, self.document.place(at or self.span), hint, layer=self.name)

    def fail(self, message: str, at: Field | Message | Scalar | None = None) -> NoReturn:
        """Raises: FileError, about this layer, at a place in it."""
        raise FileError(message, self.document.place(at or self.span), layer=self.name)

    @property
    def text(self) -> bytes:
        """What stands between its braces, and they."""
        return self.document.data[slice(*self.message.span)]

    def real(self, value: Scalar) -> float:
        """A number of this layer as Caffe reads it, which keeps 32 bits of it.

        Raises:
            FileError: it is none.
        """
        found = value.real()
        if found is None:
            self.fail("this is not a number", value)
        try:
            (read,) = struct.unpack("<f", struct.pack("<f", found))
        except OverflowError:
            return math.copysign(math.inf, found)
        return float(read)

    def leave(self, reason: str) -> NoReturn:
        """Raises: NotFoldable, for this layer."""
        raise NotFoldable(reason, self.place(), layer=self.name)

    def in_state(self, state: State) -> bool:
        """Whether Caffe keeps the layer in a net of that state (Net::FilterNet)."""
        if self.include:
            return any(rule.meets(state) for rule in self.include)
        return not any(rule.meets(state) for rule in self.exclude)

    def param_names(self) -> list[tuple[int, str, Scalar]]:
        """Names of parameters, each with the blob's index and its place; a name shares blobs between layers."""
        if self.v1:
            named = list(enumerate(self.message.scalars("param")))
        else:
            params = enumerate(self.message.messages("param"))
            named = [(index, value) for index, param in params for value in param.scalars("name")[-1:]]
        return [(index, value.text, value) for index, value in named if value.text]

    def frozen(self, blobs: int) -> bool:
        """Whether none of the layer's blobs learns: each has a rate of 0 (lr_mult, in V1 blobs_lr; 1 is the default)."""
        if self.v1:
            rates: list[str | None] = [rate.text for rate in self.message.scalars("blobs_lr")]
        else:
            rates = [param.text("lr_mult") for param in self.message.messages("param")]
        return len(rates) >= blobs and all(map(_is_zero, rates))

    def geometry(self) -> Geometry:
        """The geometry of a 2-D convolution.

        Raises:
            FileError: a number is missing or impossible.
            Unsupported: N-D, or another axis than 1.
        """
        return self._geometry  # of a layer that many ask

    @cached_property
    def _geometry(self) -> Geometry:
        numbers: dict[str, list[int]] = {}
        bias_term = True
        for param in self.message.messages("convolution_param"):
            for field in param.fields:
                if not field.values:
                    continue
                if field.name == "bias_term":
                    value = field.values[-1]
                    flag = value.boolean() if isinstance(value, Scalar) else None
                    if flag is None:
                        self.fail("bias_term is neither true nor false", field)
                    bias_term = flag
                elif field.name in CONVOLUTION_FIELDS and not field.name.endswith(("filler", "engine", "im2col")):
                    numbers.setdefault(field.name, []).extend(self._integer(field, value) for value in field.values)
        if "num_output" not in numbers:
            self.fail("num_output is missing")
        if not numbers.setdefault("group", [1])[-1]:
            self.fail("group is 0")
        if numbers.get("axis", [1])[-1] != 1:
            self.refuse("only convolutions on axis 1 (the channels) are split")
        return Geometry(
            num_output=numbers["num_output"][-1],
            kernel=self._pair(numbers, "kernel_size", "kernel_h", "kernel_w", None),
            stride=self._pair(numbers, "stride", "stride_h", "stride_w", 1),
            pad=self._pair(numbers, "pad", "pad_h", "pad_w", 0),
            dilation=self._pair(numbers, "dilation", "", "", 1),
            # That fork's layer has a kernel for each channel, whatever it says of groups.
            group=numbers["num_output" if self.type == "ConvolutionDepthwise" else "group"][-1],
            bias_term=bias_term,
        )

    def _integer(self, field: Field, value: Message | Scalar) -> int:
        number = value.integer() if isinstance(value, Scalar) else None
        if number is None or not 0 <= number <= MAX_INT:
            self.fail(f"{field.name} is not a whole number of at most {MAX_INT}", value)
        return number

    def _pair(
        self, numbers: dict[str, list[int]], both: str, high: str, wide: str, default: int | None
    ) -> tuple[int, int]:
        if numbers.get(high) or numbers.get(wide):
            fallback = [default] if default is not None else []
            pair = (numbers.get(high) or fallback)[-1:] + (numbers.get(wide) or fallback)[-1:]
        else:
            pair = numbers.get(both) or ([default] if default is not None else [])
        if not pair:
            self.fail(f"{both} is missing")
        if len(pair) > 2:
            self.refuse(f"{both} has {len(pair)} axes; only 2-D convolutions are split")
        if len(pair) == 1 and (numbers.get(high) or numbers.get(wide)):
            self.fail(f"{high} and {wide} must both be given")
        if both != "pad" and not all(pair):
            self.fail(f"{both} is 0")
        return (pair[0], pair[-1])


def _is_zero(text: str | None) -> bool:
    try:
        return text is not None and float(text.rstrip("fF")) == 0
    except ValueError:
        return False


def layer_of(document: Document, field: Field, message: Message) -> Layer:
    """The layer that a `layer` or `layers` field of a net says.

    Raises:
        FileError: one of its names stands there without quotes.
    """
    v1, kind = field.name == "layers", message.text("type") or ""
    for name in ("name", "bottom", "top") if v1 else ("name", "type", "bottom", "top"):  # a V1 type is an enum's value
        for value in message.scalars(name):
            if value.kind != "string":
                text = value.text
                raise FileError(f'{name} needs quotes, or Caffe does not read it: "{text}"', document.place(value))
    return Layer(
        document, field, message, v1, message.text("name") or "", modern_type(kind) if v1 else kind,
        tuple(value.text for value in message.scalars("bottom")), tuple(value.text for value in message.scalars("top")),
        tuple(map(rule_of, message.messages("include"))), tuple(map(rule_of, message.messages("exclude"))),
    )  # fmt: skip
