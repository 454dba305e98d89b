"""Where the things are that tests share: the project's folders, the real files beside it, and real Caffe."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "fashion_vgg"
FIXTURES = ROOT / "tests" / "fixtures"
GOLDEN = ROOT / "tests" / "golden"
SUPPORT = ROOT / "tests" / "support"

SHARED = ROOT.parent / "shared"
"""Real nets and weights, which are not published."""

CORPUS = SHARED / "corpus" / "prototxt"
"""Real prototxts: a folder for each repository that they come from."""

PROGRAM = Path(sys.executable).with_name("split-surgery")
"""The installed command."""

REQUIRE_CAFFE = os.environ.get("SPLIT_SURGERY_REQUIRE_CAFFE") == "1"
WHOLE_CORPUS = os.environ.get("SPLIT_SURGERY_WHOLE_CORPUS") == "1"


def examples(most: int) -> int:
    """How many examples of a law a run tries: a third of them, all where the whole corpus is read."""
    return most if WHOLE_CORPUS else -(-most // 3)


CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "split-surgery"


def _private_root() -> Path:
    return Path(os.environ.get("SPLIT_SURGERY_CAFFE_ROOT") or CACHE / "caffe")


def caffe_wheel() -> tuple[Path, Path] | None:
    """The same of a root that was made of the wheel: the one that is named, the private root, or the one beside it that CI makes."""
    named = os.environ.get("SPLIT_SURGERY_CAFFE_WHEEL_ROOT")
    for root in (Path(named),) if named else (_private_root(), CACHE / "caffe-wheel"):
        if (root / "venv").exists():
            return root / "bin" / "caffe", root / "bin" / "caffe-python"
    return None


def caffe_tools() -> tuple[Path, Path] | None:
    """The `caffe` program and the Python with pycaffe: the user's own, or those of the private root."""
    root = _private_root()
    if (root / "venv").exists():
        return None  # made of the wheel, which lacks some tools and layers: caffe_wheel
    caffe = Path(os.environ.get("SPLIT_SURGERY_CAFFE") or root / "bin" / "caffe")
    python = Path(os.environ.get("SPLIT_SURGERY_CAFFE_PYTHON") or caffe.with_name("caffe-python"))
    return (caffe, python) if caffe.exists() and python.exists() else None
