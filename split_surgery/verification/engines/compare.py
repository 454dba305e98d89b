"""Both nets run in one engine, and their outputs held against each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from split_surgery.documents.source import PathLike
from split_surgery.errors import FileError
from split_surgery.verification.engines.prepare import Arrays, Runnable

_SATURATED = 0.999
"""Share of the numbers of a Softmax or Sigmoid that are 0 or 1 but for `_CLOSE`, above which it hides what is before it."""

_CLOSE = 1e-4


@dataclass(frozen=True)
class EngineOutput:
    """One output blob of both nets.

    Attributes:
        difference: the largest, relative to the largest value of the baseline's; infinite where the nets give other numbers of values.
        tolerance: what rounding explains. size: how many numbers the baseline's has.
        shapes: of both, where they differ: of as many numbers they are compared number by number.
        saturated: whether nearly all numbers of both are 0 or 1, as a softmax makes them of large inputs.
    """

    blob: str
    difference: float
    tolerance: float
    size: int
    shapes: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    saturated: bool = False

    @property
    def other_size(self) -> bool:
        """Whether the two nets give other numbers of values."""
        return self.shapes is not None and math.prod(self.shapes[0]) != math.prod(self.shapes[1])


def compare(
    run: Callable[[Sequence[tuple[Runnable, Path]], Mapping[str, np.typing.NDArray[np.float32]], Sequence[str]], list[Arrays]],
    nets: Sequence[Runnable], weights: Sequence[PathLike], tops: Sequence[str], inputs: Mapping[str, np.typing.NDArray[np.float32]],
) -> list[EngineOutput]:  # fmt: skip
    """Every output of both nets, what a last Softmax or Sigmoid makes it of, and the tops of the split layers.

    Args:
        run: an engine's. nets, weights: the baseline's, then the derived net's.

    Raises:
        FileError: the nets have other inputs, or no output in common; or the engine fails.
    """
    base, derived = nets
    outputs = [blob for blob in base.outputs if blob in derived.outputs]
    if base.inputs != derived.inputs or not outputs:
        raise FileError(f"the nets have other inputs or outputs: {base.outputs} and {derived.outputs}")
    squashed = [net.squashed[blob] for net in nets for blob in outputs if blob in net.squashed]
    there = [blob for blob in dict.fromkeys([*squashed, *tops]) if all(blob in net.makers for net in nets)]
    asked = [*outputs, *(blob for blob in there if blob not in outputs)]
    before, after = run([(net, Path(path)) for net, path in zip(nets, weights)], inputs, asked)
    return [_held(blob, before[blob], after[blob], derived.tolerance, blob in base.squashed) for blob in asked]


def _held(
    blob: str, was: np.typing.NDArray[np.float32], now: np.typing.NDArray[np.float32], tolerance: float, squashes: bool
) -> EngineOutput:
    shapes = (tuple(was.shape), tuple(now.shape)) if was.shape != now.shape else None
    if was.size != now.size:
        return EngineOutput(blob, math.inf, tolerance, was.size, shapes)
    old, new = was.astype(np.float64).reshape(-1), now.astype(np.float64).reshape(-1)
    scale = (float(np.abs(old).max()) if old.size else 0.0) or 1.0
    difference = float(np.abs(new - old).max()) / scale if old.size else 0.0
    ends = [bool((np.minimum(np.abs(side), np.abs(side - 1)) < _CLOSE).mean() >= _SATURATED) for side in (old, new)]
    return EngineOutput(blob, difference, tolerance, was.size, shapes, squashes and all(ends))
