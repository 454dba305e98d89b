"""What a recipe is: a small declarative graph of the layers that take a convolution's place.

The same value feeds the text writer, the weights writer, the diagram and the tests.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal, NamedTuple, get_args

INPUT = ""
"""The bottom of the layer being split, where a part names its bottoms."""


EvenCenter = Literal["low", "high", "both"]
EVEN_CENTERS: tuple[EvenCenter, ...] = get_args(EvenCenter)
"""Which of the two middle taps of an axis of even size counts as the spatial centre."""


SkipKind = Literal["identity", "average"]
SKIPS: tuple[SkipKind, ...] = get_args(SkipKind)
"""How the skip path of a strided layer takes its input: the pixel the stride stops at, or the mean of those it steps over."""


class Channels(Enum):
    """Which kernels of the old layer a part makes."""

    FAST = "fast"
    SLOW = "slow"
    ALL = "all"


class Kind(Enum):
    """How a part is made."""

    COPY = "as the layer"
    POINTWISE = "1x1"
    SKIP = "identity of the input, which does not learn"
    SUM = "Eltwise SUM"
    CONCAT = "Concat"


class Start(Enum):
    """How a convolution's weights start; biases start at zero but for ROWS, which takes the old layer's."""

    ROWS = "rows of the layer"
    IDENTITY = "identity + noise"
    CENTRE_BOOSTED = "centre-boosted copy of the slow kernels"
    PERMUTATION = "permutation + noise"
    EYE = "identity of the input channels"


class Part(NamedTuple):
    """One new layer.

    Attributes:
        role: what it is; its layer is named `<old layer>_<role>`.
        bottoms: roles of other parts, or INPUT.
    """

    role: str
    kind: Kind
    bottoms: tuple[str, ...]
    channels: Channels
    start: Start | None = None


class Recipe(NamedTuple):
    """The parts in the order they stand in the prototxt; the last makes the old top.

    Attributes:
        summary: a line for the list of verbs. about: what a person who has not read the method needs to know of it.
    """

    name: str
    parts: tuple[Part, ...]
    summary: str = ""
    about: str = ""

    @property
    def uses_centre(self) -> bool:
        return any(part.start is Start.CENTRE_BOOSTED for part in self.parts)

    @property
    def has_skip(self) -> bool:
        return any(part.kind is Kind.SKIP for part in self.parts)


def halves(name: str, second_half: tuple[Part, ...], summary: str, about: str) -> Recipe:
    """A recipe that runs fast and slow kernels apart, sends the slow through `second_half`, and joins them again."""
    return Recipe(
        name,
        (
            Part("split1", Kind.COPY, (INPUT,), Channels.FAST, Start.ROWS),
            Part("split2", Kind.COPY, (INPUT,), Channels.SLOW, Start.ROWS),
            *second_half,
            Part("concat", Kind.CONCAT, ("split1", second_half[-1].role), Channels.ALL),
            Part("reorder", Kind.POINTWISE, ("concat",), Channels.ALL, Start.PERMUTATION),
        ),
        summary,
        about,
    )
