"""A map that is composed window by window: what is kept of each, so that no more is held than the files will hold."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from split_surgery.errors import Overflow
from split_surgery.folding.compose import Folded
from split_surgery.kernels.linear_maps import LinearMap


@dataclass
class Gathered:
    """A map whose windows have been added, each once.

    Attributes:
        map: the whole map, its weight rounded to the type that the file has. largest: of its numbers, unrounded.
        linked: (n, c), whether an output depends on a channel. digest: of the unrounded numbers.
    """

    map: LinearMap
    largest: float
    linked: npt.NDArray[np.bool_]
    _hash: hashlib._Hash

    @classmethod
    def begun(cls, first: Folded, dtype: str) -> Gathered:
        """A map of which a window is known, no numbers added yet. dtype: that its weight will be stored in."""
        own = first.map
        weight = np.empty((len(own.weight), first.channels, *own.weight.shape[2:]), dtype)
        linked = np.empty(weight.shape[:2], bool)
        whole = LinearMap(weight, own.bias, own.slide, own.group, own.bias_term, own.reach, own.roundings)
        return cls(whole, 0.0, linked, hashlib.sha256(repr(own.slide).encode() + own.bias.tobytes()))

    def add(self, channels: slice, part: LinearMap) -> None:
        """Round and keep a window.

        Raises:
            Overflow: it holds NaN or infinity.
        """
        if not (np.isfinite(part.weight).all() and np.isfinite(part.bias).all()):
            raise Overflow("its weights hold NaN or infinity")
        with np.errstate(over="ignore"):  # asked about once the layer is stored
            self.map.weight[:, channels] = part.weight
        self.largest = max(self.largest, part.largest)
        self.linked[:, channels] = (part.weight != 0).any(axis=(2, 3))
        self._hash.update(np.ascontiguousarray(part.weight).data)

    def same_as(self, other: Gathered) -> bool:
        """Whether two maps, added by the same windows, have the same numbers to the last bit."""
        return self._hash.digest() == other._hash.digest()
