"""Proof of a fold by another route: a random image goes through the old layers one by one, and through the new one.

Both are worked out directly, tap by tap in float64, padding included; no composition of kernels is used here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from split_surgery.documents.net.flow import Flow, Value
from split_surgery.documents.net.layer_types import BY_CHANNEL
from split_surgery.errors import Defect, Overflow
from split_surgery.folding.forward import Blobs, Bounded, Image, SizesDiffer, convolve, run, spread
from split_surgery.kernels.dense import Array
from split_surgery.kernels.linear_maps import LinearMap, Slide

TOLERANCE = 1e-9
"""Allowed difference, relative to the largest absolute value that a sum could have had: far above float64 rounding over the
longest sums there are, far below any mistake."""


class Probe:
    """One small image, what a group of layers makes of it, and what the map that they were folded into does, window by window."""

    def __init__(
        self, flow: Flow, group: Sequence[int], bottom: Value, last: int, blobs: Blobs, slide: Slide, channels: int, *,
        flat: bool = False, apart: bool = False,
    ) -> None:  # fmt: skip
        """Run the layers.

        Args:
            slide, channels: how the map slides, and how many channels it takes.
            flat: whether it is an InnerProduct's, which reads the whole image.
            apart: whether the map has a kernel for each channel, as a Scale's: then `channels` is their number.

        Raises:
            Defect: no image was found that the layers agree on.
        """
        self.name, self.slide, self.apart = flow.layers[last].name, slide, apart
        split = _channels(flow, group, blobs) if flat else None
        draw = np.random.RandomState(0)
        values: dict[Value, Bounded] = {}
        for more in np.ndindex(*slide.stride):  # where a sum's bottoms agree in size for some images only
            reach = [slide.dilation[i] * (slide.kernel[i] - 1) + 1 - 2 * slide.pad[i] for i in (0, 1)]
            sizes = [max(reach[i], 1) + 2 * slide.stride[i] + more[i] for i in (0, 1)]
            shape = (split or channels, channels // (split or channels), 1) if flat else (channels, *sizes)
            image = draw.standard_normal(shape)
            values = {bottom: (image, np.abs(image))}
            try:
                with np.errstate(over="ignore", invalid="ignore"):  # asked about in prove
                    for at in sorted(group):
                        read = [values[value] for value in flow.reads[at]]
                        values |= zip(flow.makes[at], run(flow.layers[at], read, blobs))
                break
            except SizesDiffer:
                continue
        else:
            raise Defect(f'"{self.name}": no image was found that its layers agree on')
        self.image = image.reshape(-1, 1, 1) if flat else image
        self.wanted, self.scale = values[flow.makes[last][0]]
        self.found: Image | None = None

    def add(self, channels: slice, map: LinearMap) -> None:
        """What the map makes of some of the image's channels."""
        slide = self.slide
        with np.errstate(over="ignore", invalid="ignore"):  # asked about in prove
            rest = (slide.stride, slide.pad, slide.dilation)
            if self.apart:
                seen = convolve(self.image, map.weight, *rest, group=len(self.image))
            elif slide.spreads:
                seen = spread(self.image[channels], map.weight.swapaxes(0, 1), *rest)
            else:
                seen = convolve(self.image[channels], map.weight, *rest)
            self.found = seen if self.found is None else self.found + seen

    def prove(self, bias: Array) -> None:
        """Hold the map, whose windows have all been added, against the layers.

        Raises:
            Overflow: the numbers are too large for that.
            Defect: they do not agree.
        """
        if not np.isfinite(self.scale).all():
            raise Overflow("its numbers are so large that what the layers compute overflows")
        assert self.found is not None  # a map has a window
        found = self.found + bias[:, None, None]
        if found.shape != self.wanted.shape or not (np.abs(found - self.wanted) <= TOLERANCE * (1 + self.scale)).all():
            raise Defect(f'folding the layers before "{self.name}" changed what they compute')


def _channels(flow: Flow, group: Sequence[int], blobs: Blobs) -> int | None:
    """How many channels an image has that is flattened later, where a layer of the group works on them before."""
    for at in sorted(group):
        layer = flow.layers[at]
        first = blobs(layer, 0) if layer.type in BY_CHANNEL else None
        if first is not None or layer.type == "InnerProduct":
            return first.size if first is not None else None
    return None
