"""How kernels may be ordered from fast to slow."""

from __future__ import annotations

from typing import Literal, get_args

Order = Literal["tpm", "random", "reverse"]
ORDERS: tuple[Order, ...] = get_args(Order)
"""`tpm` takes the highest scores as fast; the others are controls: any channels, or the lowest scores."""
