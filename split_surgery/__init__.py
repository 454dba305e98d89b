"""Surgery on trained Caffe networks: split a convolution into fast and slow kernels, and prove what that did.

Every verb of the command line is a function here; they load what they need when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from split_surgery.errors import SurgeryError

if TYPE_CHECKING:
    from split_surgery.commands import extension, rank, residual, verify
    from split_surgery.demonstration import demo

__version__ = "0.1.0"

__all__ = ["SurgeryError", "__version__", "demo", "extension", "rank", "residual", "verify"]


def __getattr__(name: str) -> Any:
    if name == "demo":
        from split_surgery.demonstration import demo

        return demo
    if name in __all__:
        from split_surgery import commands

        return getattr(commands, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
