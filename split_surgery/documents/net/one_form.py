"""Two nets in one form, so that they can be compared: where one of them alone has V1 layers, or declares its inputs outside of layers.

Caffe upgrades such nets when it reads them (UpgradeV1Net, UpgradeNetDataTransformation and UpgradeNetInput in Caffe 1.0's
upgrade_proto.cpp); what it makes of the two is the same where this says the same. Nets of one form keep their own words.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.meaning import Fields, layer_meaning, net_meaning, scalar_text
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.shape_rules import SOURCES, Shape, Unknown
from split_surgery.documents.net.shapes import net_inputs
from split_surgery.documents.v1 import IMAGE_MESSAGES, SPEC_OF, TRANSFORMS

_INPUT_FIELDS = ("input", "input_dim", "input_shape")
_OF_INPUT = frozenset(("name", "type", "top", "input_param"))
"""Fields of an Input layer that a declared input has words for."""


@dataclass(frozen=True)
class Said:
    """What a net says in the form that it shares with another.

    Attributes:
        fields: those of the net itself. layers: its layers, but for Input layers that stand among the fields.
        upgraded: whether V1 layers speak as new ones do.
    """

    fields: Fields
    layers: tuple[Layer, ...]
    upgraded: bool

    def meaning(self, layer: Layer | None) -> Fields:
        """All that a layer of the net says, but for its name; nothing where there is none."""
        fields = layer_meaning(layer)
        return _upgraded(layer, fields) if layer is not None and layer.v1 and self.upgraded else fields

    def named(self, name: str) -> list[Layer]:
        return self._by_name.get(name, [])

    @cached_property
    def _by_name(self) -> dict[str, list[Layer]]:
        found: dict[str, list[Layer]] = {}
        for layer in self.layers:
            found.setdefault(layer.name, []).append(layer)
        return found


def in_one_form(one: Net, other: Net) -> tuple[Said, Said]:
    """What two nets say, in one form."""
    upgraded = _has_v1(one) != _has_v1(other)
    inputs = [_inputs(net) for net in (one, other)]
    apart = bool(one.inputs()) != bool(other.inputs()) and None not in inputs
    first, second = (_said(net, own if apart else None, upgraded) for net, own in zip((one, other), inputs))
    return first, second


def _has_v1(net: Net) -> bool:
    return any(layer.v1 for layer in net.layers)


def _said(net: Net, inputs: dict[str, Shape | None] | None, upgraded: bool) -> Said:
    fields = net_meaning(net)
    if inputs is None:
        return Said(fields, net.layers, upgraded)
    kept = {path: text for path, text in fields.items() if path.split("[")[0].split(".")[0] not in _INPUT_FIELDS}
    made = {f'input "{blob}"': "x".join(map(str, shape or ())) for blob, shape in inputs.items()}
    return Said(kept | made, tuple(layer for layer in net.layers if layer.type != "Input"), upgraded)


def _inputs(net: Net) -> dict[str, Shape | None] | None:
    """The inputs of a net, by name, declared or of Input layers; None where these say more than that, or both are there."""
    layers = [layer for layer in net.layers if layer.type == "Input"]
    if net.inputs():
        return None if layers else net_inputs(net)
    found: dict[str, Shape | None] = {}
    for layer in layers:
        if {field.name for field in layer.message.fields} - _OF_INPUT:
            return None
        try:
            shapes = SOURCES["Input"](layer)
        except Unknown:
            return None
        found |= dict(zip(layer.tops, shapes)) if shapes else dict.fromkeys(layer.tops)
    return found


def _upgraded(layer: Layer, fields: Fields) -> Fields:
    """A V1 layer's fields under the names of new ones: lists by parameter, and what data layers do to their images."""
    holder = IMAGE_MESSAGES.get(layer.type, "")
    moved = {f"{holder}.{key}": f"transform_param.{key}" for key in TRANSFORMS if holder}
    found = {path: text for path, text in fields.items() if path not in SPEC_OF and path not in moved}
    for old, new in moved.items():
        if old in fields:  # what stood there counts, whatever transform_param says
            found[new] = fields[old]
    for old, key in SPEC_OF.items():
        for at, value in enumerate(layer.message.scalars(old)):
            found[f"param[{at}].{key}"] = scalar_text(key, value)
    return found
