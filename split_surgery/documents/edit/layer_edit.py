"""What makes a new layer out of the one it replaces, said once for the prototxt and the weights file alike.

A new layer is the old one field by field, each field kept, dropped or rewritten; so a fork's fields and fillers carry over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Union


@dataclass(frozen=True)
class EnumValue:
    """An enum value: its name for the prototxt, its number for the weights file."""

    name: str
    number: int


Content = Union[str, int, float, EnumValue, "tuple[NewField, ...]"]


class NewField(NamedTuple):
    """A field to be written: a string, an integer, a float, an enum value (a bool is one), or a message."""

    name: str
    value: Content


Rewrite = tuple[NewField, ...]
"""What stands in a field's place; nothing drops it."""

_Pair = tuple[int, int]


def geometry_fields(kernel: _Pair, stride: _Pair, pad: _Pair, dilation: _Pair) -> Rewrite:
    """How a convolution slides, as fields; pairs are (height, width), and defaults are left out."""
    fields: list[NewField] = []
    for both, high, wide, pair, default in (
        ("kernel_size", "kernel_h", "kernel_w", kernel, None), ("stride", "stride_h", "stride_w", stride, 1),
        ("pad", "pad_h", "pad_w", pad, 0), ("dilation", "dilation", "dilation", dilation, 1),
    ):  # fmt: skip
        if pair[0] != pair[1]:
            fields += [NewField(high, pair[0]), NewField(wide, pair[1])]
        elif pair[0] != default:
            fields.append(NewField(both, pair[0]))
    return tuple(fields)


class Join(NamedTuple):
    """What makes a layer without weights: its type, and its own `*_param` where the default is not meant."""

    type: str | EnumValue
    param: NewField | None


PARAM_NAME = ("param", "name")
PARAM_NAME_V1 = ("param",)
PARAMETERS = ("param", "blobs_lr", "weight_decay", "blob_share_mode", "convolution_param")
"""What a convolution says of its blobs, in either form."""

RULES = ("include", "exclude", "phase")
GEOMETRY = tuple("pad kernel_size stride dilation group pad_h pad_w kernel_h kernel_w stride_h stride_w".split())
"""What a convolution says of how it slides."""


@dataclass(frozen=True)
class LayerEdit:
    """One new layer as a difference from the layer it is copied from.

    Attributes:
        name, bottoms, top: as in the prototxt, and in the record of the weights file.
        num_output: kernels of a convolution; None for a Scale, and for a layer without weights.
        holder: the message that says num_output.
        drops: fields of it that the new layer has not. adds: those that it has instead.
        suffix: added to the names of parameters. A copied name would silently tie the new blobs to each other.
        unsuffix: taken from their end, where a fold undoes that.
        keep_propagate_down: only layers reading the old layer's bottom have the same bottoms as it.
        keep_loss_weight: only the layer making the old top has its loss.
        more_tops: behind the top, where it has several. join: for a layer without weights, what makes it one.
        fresh: for a convolution made anew, what stands for the old one's parameters and `convolution_param`.
        v1: whether the old layer, and so the new one, is a V1 `layers`.
    """

    name: str
    bottoms: tuple[str, ...]
    top: str
    num_output: int | None = None
    holder: str = "convolution_param"
    drops: tuple[str, ...] = ()
    adds: Rewrite = ()
    suffix: str = ""
    unsuffix: str = ""
    keep_propagate_down: bool = False
    keep_loss_weight: bool = False
    more_tops: tuple[str, ...] = ()
    join: Join | None = None
    fresh: Rewrite | None = None
    v1: bool = False

    @property
    def tops(self) -> tuple[str, ...]:
        return (self.top, *self.more_tops)

    def rewrite(self, path: tuple[str, ...], nth: int, texts: Sequence[str]) -> Rewrite | None:
        """What becomes of the `nth` field of that path in the old layer; None keeps it as it is.

        Args:
            path: names of the enclosing messages and of the field, from the layer inwards.
            texts: the field's values, needed for the names of parameters only.
        """
        *outer, key = path
        if self.fresh is not None and not outer and key in PARAMETERS:
            return self.fresh if key == "convolution_param" and nth == 0 else ()
        if self.join is None and path == (PARAM_NAME_V1 if self.v1 else PARAM_NAME):
            return tuple(NewField(key, self.renamed(text)) for text in texts)
        if not outer:
            return self._rewrite_layer_field(key, nth)
        if self.join is not None:
            return None
        if outer == [self.holder]:
            if key == "num_output":
                return self.held_fields()
            if key in self.drops:
                return ()
        return None

    def renamed(self, text: str) -> str:
        """The new layer's name of a parameter."""
        return text.removesuffix(self.unsuffix) + self.suffix if text else ""

    def held_fields(self) -> Rewrite:
        """What stands for num_output: it, and what the edit adds."""
        assert self.num_output is not None
        return (NewField("num_output", self.num_output), *self.adds)

    def _rewrite_layer_field(self, key: str, nth: int) -> Rewrite | None:
        if key == "name":
            return (NewField(key, self.name),)
        if key == "bottom":
            return tuple(NewField(key, bottom) for bottom in self.bottoms) if nth == 0 else ()
        if key == "top":
            return tuple(NewField(key, top) for top in self.tops) if nth == 0 else ()
        if key == "blobs":
            return ()
        if key == "loss_weight":
            return None if self.keep_loss_weight else ()
        if self.join is not None:
            if key == "type":
                return (NewField(key, self.join.type),)
            if key == "convolution_param" and nth == 0 and self.join.param is not None:
                return (self.join.param,)
            return None if key in RULES else ()
        if key == "propagate_down":
            return None if self.keep_propagate_down else ()
        return None
