"""Real pycaffe as an engine, run by whatever interpreter has it."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from split_surgery.errors import FileError, FilePlace, Missing
from split_surgery.verification.engines.child import hint_on, run_child
from split_surgery.verification.engines.prepare import Arrays, Runnable

TELLING = re.compile(r"[EF]\d{4} |\[libprotobuf ERROR|pycaffe cannot be imported|\w*Error: ")
"""Lines of Caffe's log (glog's errors and fatal errors), of protobuf and of Python that say why it stopped."""

_LOG_HEAD = re.compile(r"^[EF]\d{4} [\d:.]+ +\d+ ")

CAFFE_RUNNER = Path(__file__).with_name("caffe_runner.py")


def find_interpreter() -> str:
    """The Python that has pycaffe.

    `SPLIT_SURGERY_CAFFE_PYTHON`, else this one, else `caffe-python` beside `SPLIT_SURGERY_CAFFE`, on the PATH, or in the
    private root that `make caffe` makes.

    Raises:
        Missing: there is none.
    """
    given = os.environ.get("SPLIT_SURGERY_CAFFE_PYTHON")
    if given:
        return given
    if importlib.util.find_spec("caffe") is not None:
        return sys.executable
    beside = [Path(os.environ["SPLIT_SURGERY_CAFFE"]).parent] if os.environ.get("SPLIT_SURGERY_CAFFE") else []
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "split-surgery" / "caffe"
    root = Path(os.environ.get("SPLIT_SURGERY_CAFFE_ROOT") or cache)
    for folder in (*beside, root / "bin"):
        if (folder / "caffe-python").exists():
            return str(folder / "caffe-python")
    found = shutil.which("caffe-python")
    if found is None:
        raise Missing(
            "no Python with pycaffe was found",
            hint="name one in SPLIT_SURGERY_CAFFE_PYTHON, run `make caffe`, or use --engine opencv",
        )
    return found


def run(
    nets: Sequence[tuple[Runnable, Path]], inputs: Mapping[str, np.typing.NDArray[np.float32]], blobs: Sequence[str]
) -> list[Arrays]:
    """Of each net, given with its weights, the blobs asked for, float32, after a forward pass with these inputs.

    Raises:
        FileError: Caffe refused the files or died; its last words are in the message.
    """
    python = find_interpreter()
    # A clean Python path: ours must not leak into an interpreter of another version.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH" or python == sys.executable}
    found = run_child([python, str(CAFFE_RUNNER)], nets, inputs, [blobs] * len(nets), environment)
    if isinstance(found, list):
        return [dict(zip(blobs, arrays)) for arrays in found]
    words = found.said.splitlines()
    telling = [line for line in words if TELLING.match(line)] or words[-1:] or ["it said nothing"]
    reasons = "; ".join(_LOG_HEAD.sub("", line) for line in telling)
    place = FilePlace(os.fspath(found.weights))
    raise FileError(f"Caffe failed on it ({found.code}): {reasons}", place, hint_on(reasons))
