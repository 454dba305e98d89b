"""The layers that a reshape is asked to change."""

from __future__ import annotations

from collections.abc import Sequence

from split_surgery.documents.net.layer import Layer
from split_surgery.errors import OptionError, UsageError, nearest
from split_surgery.workspace.inputs import Inputs


def named_layers(inputs: Inputs, names: Sequence[str], kind: str) -> tuple[str, ...]:
    """Names of layers in the order of the net; "fc6,fc7" stands for two, unless a layer is called so.

    Args:
        kind: the type that they should have, of which the nearest are listed where there is no such layer.

    Raises:
        UsageError: a layer is not there.
        OptionError: an `--also` file has none of them.
    """
    there = {layer.name: layer for layer in inputs.net.layers}
    wanted = [name for given in names for name in ([given] if given in there else given.split(","))]
    for name in wanted:
        if name not in there:
            close = [layer.name for layer in there.values() if layer.type == kind]
            raise UsageError(f'no layer "{name}" in {inputs.net.document.name}', hint=nearest(name, close))
    for text in inputs.also:
        if wanted and not any(net.named(name) for net in text.nets for name in wanted):
            raise OptionError("also", "has none of the layers that are reshaped", text.document.name)
    return tuple(name for name in there if name in wanted)


def check_passes_on(layer: Layer) -> None:
    """Raises: Unsupported, where a layer does not make one blob of one other."""
    if len(layer.bottoms) != 1 or len(layer.tops) != 1 or layer.bottoms == layer.tops:
        layer.refuse("must have one bottom and another top")
