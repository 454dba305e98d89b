"""Proof of a fold by another route: a random image goes through the old layers one by one, and through the new one.

Both are worked out directly, tap by tap in float64, padding included; no composition of kernels is used here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from split_surgery.documents.net.flow import Flow, Value
from split_surgery.documents.net.layer import Layer
from split_surgery.errors import Defect, NotFoldable
from split_surgery.kernels.dense import Array
from split_surgery.kernels.linear_maps import LinearMap, Slide

Image = npt.NDArray[np.float64]
"""(channels, height, width)."""

Blobs = Callable[[Layer, int], "Array | None"]
"""The numbers of a layer's blob of that index, None where it has none."""

TOLERANCE = 1e-9
"""Allowed difference, relative to the largest absolute value that a sum could have had: far above float64 rounding over the
longest sums there are, far below any mistake."""

_ROWS = 256
"""Rows of a large matrix that are held as float64 at a time."""


class Probe:
    """One small image, what a group of layers makes of it, and what the map that they were folded into does, window by window."""

    def __init__(
        self, flow: Flow, group: Sequence[int], bottom: Value, last: int, blobs: Blobs, slide: Slide, channels: int, flat: bool
    ) -> None:  # fmt: skip
        """Run the layers.

        Args:
            slide, channels: how the map slides, and how many channels it takes.
            flat: whether it is an InnerProduct's, which reads the whole image.

        Raises:
            Defect: no image was found that the layers agree on.
        """
        self.name, self.slide = flow.layers[last].name, slide
        split = _channels(flow, group, bottom, blobs) if flat else None
        draw = np.random.RandomState(0)
        values: dict[Value, _Bounded] = {}
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
                        values[flow.makes[at][0]] = _run(flow.layers[at], read, blobs)
                break
            except _SizesDiffer:
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
            seen = convolve(self.image[channels], map.weight, slide.stride, slide.pad, slide.dilation)
            self.found = seen if self.found is None else self.found + seen

    def prove(self, bias: Array) -> None:
        """Hold the map, whose windows have all been added, against the layers.

        Raises:
            NotFoldable: the numbers are too large for that.
            Defect: they do not agree.
        """
        if not np.isfinite(self.scale).all():
            raise NotFoldable("its numbers are so large that what the layers compute overflows")
        assert self.found is not None  # a map has a window
        found = self.found + bias[:, None, None]
        if found.shape != self.wanted.shape or not (np.abs(found - self.wanted) <= TOLERANCE * (1 + self.scale)).all():
            raise Defect(f'folding the layers before "{self.name}" changed what they compute')


def _channels(flow: Flow, group: Sequence[int], bottom: Value, blobs: Blobs) -> int | None:
    """How many channels an image has that is flattened later, where a layer of the group works on them before."""
    for at in group:
        first = blobs(flow.layers[at], 0) if flow.layers[at].type in ("BatchNorm", "Scale", "Bias") else None
        if first is not None and bottom in flow.reads[at]:
            return first.size
    return None


class _SizesDiffer(Exception):
    """Images of several sizes were to be joined."""


_Bounded = tuple[Image, Image]
"""What a blob holds, and the sum of the absolute values of all that was added to make it."""


def _run(layer: Layer, read: list[_Bounded], blobs: Blobs) -> _Bounded:
    if layer.type in ("Concat", "Eltwise"):
        if len({image.shape[1:] for image, _ in read}) > 1:
            raise _SizesDiffer
        if layer.type == "Concat":
            return np.concatenate([a for a, _ in read]), np.concatenate([b for _, b in read])
        said = [value.real() for param in layer.message.messages("eltwise_param") for value in param.scalars("coeff")]
        factors = [float(np.float32(number or 0.0)) for number in said] or [1.0] * len(read)
        parts = [(factor * image, abs(factor) * size) for factor, (image, size) in zip(factors, read)]
        return sum(a for a, _ in parts), sum(b for _, b in parts)  # type: ignore[return-value]  # not empty
    if layer.type == "Dropout":
        return read[0]
    (image, size), first, second = read[0], blobs(layer, 0), blobs(layer, 1)
    assert first is not None  # it was folded
    if layer.type == "Convolution":
        geometry = layer.geometry()
        rest = (geometry.stride, geometry.pad, geometry.dilation, geometry.group)
        out, reach = convolve(image, first, *rest), convolve(size, np.abs(first), *rest)
        return _plus(out, reach, second)
    if layer.type == "InnerProduct":
        matrix = first.reshape(first.shape[-2:])
        transposed = any(
            value.boolean() for p in layer.message.messages("inner_product_param") for value in p.scalars("transpose")
        )
        matrix = (matrix.T if transposed else matrix)[:, :, None, None]
        image, size = image.reshape(-1, 1, 1), size.reshape(-1, 1, 1)
        return _plus(convolve(image, matrix), convolve(size, np.abs(matrix)), second)
    if layer.type == "BatchNorm":
        third = blobs(layer, 2)
        assert second is not None
        assert third is not None
        factor = float(third.reshape(-1)[0])
        share = 1.0 / factor if factor else 0.0  # Caffe multiplies with the inverse
        mean, variance = (blob.reshape(-1, 1, 1).astype(np.float64) * share for blob in (first, second))
        said = [value.real() for p in layer.message.messages("batch_norm_param") for value in p.scalars("eps")]
        root = np.sqrt(variance + float(np.float32(said[-1] if said else 1e-5)))
        return (image - mean) / root, (size + np.abs(mean)) / root
    wide = first.reshape(-1, 1, 1).astype(np.float64)
    if layer.type == "Bias":
        return _plus(image, size, wide)
    return _plus(image * wide, size * np.abs(wide), second)


def _plus(image: Image, size: Image, bias: Array | None) -> _Bounded:
    wide = np.zeros((1, 1, 1)) if bias is None else bias.reshape(-1, 1, 1).astype(np.float64)
    return image + wide, size + np.abs(wide)


def convolve(
    image: Image, weight: Array, stride: tuple[int, int] = (1, 1), pad: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1), group: int = 1,
) -> Image:  # fmt: skip
    """A convolution as Caffe defines it, (n, height, width), without bias.

    Args:
        weight: (n, channels // group, kernel_h, kernel_w).
    """
    count, width, *kernel = weight.shape
    padded = np.pad(image, ((0, 0), (pad[0], pad[0]), (pad[1], pad[1])))
    sizes = [(padded.shape[i + 1] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in (0, 1)]
    out = np.zeros((count, *sizes))
    for tap in np.ndindex(*kernel):
        rows, columns = (
            slice(dilation[i] * tap[i], dilation[i] * tap[i] + stride[i] * sizes[i], stride[i]) for i in (0, 1)
        )
        seen = padded[:, rows, columns]
        for start in range(0, count, _ROWS if group == 1 else count // group):
            stop = min(count, start + (_ROWS if group == 1 else count // group))
            first = start * group // count * width
            out[start:stop] += np.tensordot(
                weight[start:stop, :, tap[0], tap[1]].astype(np.float64), seen[first : first + width], 1
            )
    return out
