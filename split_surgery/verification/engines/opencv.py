"""OpenCV's Caffe importer as an engine: another implementation, which shares no code with Caffe or with us."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from split_surgery.documents.source import has_magic
from split_surgery.documents.weights.hdf5 import MAGIC as HDF5_MAGIC
from split_surgery.errors import FileError, FilePlace, Missing
from split_surgery.verification.engines.child import UNKNOWN_LAYER, ended, hint_on, run_child
from split_surgery.verification.engines.prepare import Arrays, Runnable

HINT = 'pip install "opencv-python-headless<5"'
RUNNER = Path(__file__).with_name("opencv_runner.py")
NO_IMPORTER, REFUSED = 7, 8
"""Exit codes of the script."""


def run(
    nets: Sequence[tuple[Runnable, Path]], inputs: Mapping[str, np.typing.NDArray[np.float32]], blobs: Sequence[str]
) -> list[Arrays]:
    """Of each net, given with its weights, the blobs asked for, float32, after a forward pass with these inputs.

    Raises:
        Missing: OpenCV is not installed, or too new (5 dropped Caffe).
        FileError: it refused the files.
    """
    if importlib.util.find_spec("cv2") is None:
        raise Missing("OpenCV is not installed", hint=HINT)
    for _, weights in nets:
        if has_magic(weights, HDF5_MAGIC):
            hint = "use --engine caffe"
            raise FileError("is HDF5, which OpenCV's importer does not read", FilePlace(os.fspath(weights)), hint)
    asked = [[[net.makers[name], name] for name in blobs] for net, _ in nets]
    found = run_child([sys.executable, str(RUNNER)], nets, inputs, asked)
    if isinstance(found, list):
        return [dict(zip(blobs, arrays)) for arrays in found]
    words = found.said or ended(found.code)
    if found.code == NO_IMPORTER:
        raise Missing(words, hint=HINT)
    what = "cannot run it" if found.code == REFUSED else f"did not survive it: {ended(found.code)}"
    hint = hint_on(words) or (UNKNOWN_LAYER if found.code < 0 else "")  # killed, as by a layer that it does not know
    raise FileError(f"OpenCV {what}: {words}", FilePlace(os.fspath(found.weights)), hint)
