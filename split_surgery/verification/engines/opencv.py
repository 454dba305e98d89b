"""OpenCV's Caffe importer as an engine: another implementation, which shares no code with Caffe or with us."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from split_surgery.documents.source import has_magic, read_file
from split_surgery.documents.weights.hdf5 import MAGIC as HDF5_MAGIC
from split_surgery.errors import FileError, FilePlace
from split_surgery.verification.engines.prepare import Arrays, Runnable
from split_surgery.verification.engines.stderr import held_back


def run(
    net: Runnable, weights: Path, inputs: Mapping[str, np.typing.NDArray[np.float32]], blobs: Sequence[str]
) -> Arrays:
    """The blobs asked for, float32, after a forward pass with these inputs.

    Raises:
        FileError: OpenCV is missing, too new (5 dropped Caffe), or refused the files.
    """
    try:
        import cv2
    except ImportError as error:
        raise FileError("OpenCV is not installed", hint='pip install "opencv-python-headless<5"') from error
    read = getattr(cv2.dnn, "readNetFromCaffe", None)
    if read is None:
        hint = 'pip install "opencv-python-headless<5"'
        raise FileError(f"OpenCV {cv2.__version__} has no Caffe importer (version 5 dropped it)", hint=hint)
    if has_magic(weights, HDF5_MAGIC):
        hint = "use --engine caffe"
        raise FileError("is HDF5, which OpenCV's importer does not read", FilePlace(os.fspath(weights)), hint)
    model = read_file(weights)
    with held_back() as said:
        try:
            loaded = read(np.frombuffer(net.text, np.uint8), np.frombuffer(model, np.uint8))
            loaded.enableFusion(False)  # fused layers' own blobs cannot be asked for
            for name, array in inputs.items():
                loaded.setInput(array, name)
            # OpenCV names a layer by its top, an in-place one (the last to make its top) by its own name.
            names = set(loaded.getLayerNames())
            found = loaded.forward([net.makers[name] if net.makers[name] in names else name for name in blobs])
        except cv2.error as error:
            place, hint = FilePlace(os.fspath(weights)), "if it is about a shape: check --input-shape"
            reason = " ".join(filter(None, (str(error).strip(), said())))
            raise FileError(f"OpenCV cannot run it: {reason}", place, hint) from error
    return {name: np.asarray(array, np.float32) for name, array in zip(blobs, found)}
