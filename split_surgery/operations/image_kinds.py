"""What images `reshape --channels` makes a net take."""

from __future__ import annotations

from typing import Literal, get_args

ImageKind = Literal["gray", "color", "swapped"]
IMAGE_KINDS: tuple[ImageKind, ...] = get_args(ImageKind)
"""One channel for three, three for one, and three in the other order (RGB for BGR)."""
