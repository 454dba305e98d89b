"""HDF5 weights and solver states: indexed, every blob read, shown."""

from __future__ import annotations

import tempfile
from pathlib import Path

import h5py
import numpy as np

from fuzz.law import lawful, written
from split_surgery import show
from split_surgery.documents.weights.hdf5 import Hdf5Weights
from split_surgery.documents.weights.solverstate import Hdf5Solverstate
from tests.support.hdf5_files import write_h5

_BLOBS = {0: np.ones((2, 1, 2, 2)), 1: np.zeros(2)}


def _seeds() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file.h5")
        found = [write_h5(path, {"data": {}, "conv1": _BLOBS}, **more).read_bytes() for more in ({}, {"diff": True})]
        with h5py.File(path, "w") as file:
            file["iter"], file["learned_net"], file["current_step"] = 3, np.bytes_(b"net.caffemodel"), 0
            for index, array in _BLOBS.items():
                file[f"history/{index}"] = array
        found.append(path.read_bytes())
        with h5py.File(path, "w", libver="latest") as file:
            file.create_dataset("data/conv1/0", data=np.ones((4, 1, 2, 2)), chunks=True, compression="gzip")
        return [*found, path.read_bytes()]


SEEDS = _seeds()


def check(data: bytes) -> None:
    with written(data, ".h5") as path:
        lawful(lambda: list(show(path).lines(verbose=True)))
        weights = lawful(lambda: Hdf5Weights(str(path)))
        for record in weights.layers if weights is not None else ():
            for blob in record.blobs:
                lawful(blob.load)
        state = lawful(lambda: Hdf5Solverstate(str(path)))
        for blob in state.history if state is not None else ():
            lawful(blob.load)
