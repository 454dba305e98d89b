"""Weights as HDF5 files, written as Caffe writes them."""

from __future__ import annotations

import h5py
import numpy as np

from tests.support.nets import conv_arrays, write_tiny


def write_h5(path, layers, dtype=np.float32, diff=False):
    """A weights file as Net::ToHDF5 writes it: a group for every layer, datasets for the blobs it owns."""
    with h5py.File(path, "w") as file:
        for group in ("data", "diff") if diff else ("data",):
            file.create_group(group)
            for name, arrays in layers.items():
                made = file[group].create_group(name)
                for index, array in arrays.items():
                    made.create_dataset(str(index), data=np.asarray(array, dtype) * (1 if group == "data" else 0))
    return path


def tiny_layers(seed=1):
    arrays = conv_arrays(seed=seed)
    ip = [np.ones((4, 384), np.float32), np.zeros(4, np.float32)]
    return {"data": {}, "conv1_1": dict(enumerate(arrays)), "relu1_1": {}, "ip": dict(enumerate(ip))}


def h5_case(tmp_path, **options):
    net, _ = write_tiny(tmp_path)
    return net, write_h5(tmp_path / "base.caffemodel.h5", tiny_layers(), **options)
