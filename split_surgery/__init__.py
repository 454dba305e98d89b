"""Surgery on trained Caffe networks: split a convolution into fast and slow kernels, and prove what that did.

Every verb of the command line is a function here; they load what they need when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from split_surgery.errors import SurgeryError

if TYPE_CHECKING:
    from split_surgery import plot as plot
    from split_surgery.checking import verify
    from split_surgery.collapsing import fold
    from split_surgery.commands import apply, extension, residual, skip
    from split_surgery.comparing import diff
    from split_surgery.demonstration import demo
    from split_surgery.ranking import rank
    from split_surgery.reporting import report
    from split_surgery.showing import show

__version__ = "0.1.0"

__all__ = [
    "SurgeryError",
    "__version__",
    "apply",
    "demo",
    "diff",
    "extension",
    "fold",
    "plot",
    "rank",
    "report",
    "residual",
    "show",
    "skip",
    "verify",
]


_MODULES = {
    "demo": "demonstration",
    "diff": "comparing",
    "fold": "collapsing",
    "rank": "ranking",
    "report": "reporting",
    "show": "showing",
    "verify": "checking",
}
"""Where a verb is, if not in `commands`. (A module of the verb's own name would hide it.)"""


def __getattr__(name: str) -> Any:
    if name == "plot":  # the one verb of several kinds: a module of functions
        return import_module("split_surgery.plot")
    if name in __all__:
        return getattr(import_module(f"split_surgery.{_MODULES.get(name, 'commands')}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
