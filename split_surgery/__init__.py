"""Surgery on trained Caffe networks: split a convolution into fast and slow kernels, and prove what that did.

Every verb of the command line is a function here; they load what they need when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from split_surgery.errors import SurgeryError, SurgeryWarning

if TYPE_CHECKING:
    from split_surgery.verbs import plot as plot
    from split_surgery.verbs.convert import convert
    from split_surgery.verbs.demo import demo
    from split_surgery.verbs.diff import diff
    from split_surgery.verbs.extract import extract
    from split_surgery.verbs.fold import fold
    from split_surgery.verbs.open import open as open
    from split_surgery.verbs.rank import rank
    from split_surgery.verbs.rename import rename
    from split_surgery.verbs.report import report
    from split_surgery.verbs.reshape import reshape
    from split_surgery.verbs.show import show
    from split_surgery.verbs.split import apply, extension, residual, skip
    from split_surgery.verbs.verify import verify
    from split_surgery.verbs.weights import weights

__version__ = "0.2.0"

__all__ = [
    "SurgeryError",
    "SurgeryWarning",
    "__version__",
    "apply",
    "convert",
    "demo",
    "diff",
    "extension",
    "extract",
    "fold",
    "plot",
    "rank",
    "rename",
    "report",
    "reshape",
    "residual",
    "show",
    "skip",
    "verify",
    "weights",
]


SPLITS = ("apply", "extension", "residual", "skip")
"""The verbs that one module, `verbs.split`, holds; every other has a module of its own name."""


def __getattr__(name: str) -> Any:
    if name == "plot":  # the one verb of several kinds: a module of functions
        return import_module("split_surgery.verbs.plot")
    if name in __all__ or name == "open":  # which `import *` must not put in the place of Python's own
        return getattr(import_module(f"split_surgery.verbs.{'split' if name in SPLITS else name}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
