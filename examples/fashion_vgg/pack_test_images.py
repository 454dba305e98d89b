#!/usr/bin/env python3
"""Pack the first Fashion-MNIST test images into one .npz file.

    pack_test_images.py OUTPUT.npz [FOLDER] [--count N]

FOLDER holds the data set's .gz files; by default it is the one that scripts/get-caffe unpacks. The output has `images`,
uint8 (N, 28, 28), and `labels`, uint8 (N,), in the data set's own order: the same call gives the same arrays each time.
Needs Python 3.10 or later and numpy, not Caffe.
"""

import argparse
import gzip
import os
import sys
from pathlib import Path

import numpy as np


def default_folder():
    root = os.environ.get("SPLIT_SURGERY_CAFFE_ROOT")
    if not root:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        root = Path(cache) / "split-surgery" / "caffe"
    return Path(root) / "usr" / "share" / "datasets" / "fashion-mnist"


def read_idx(path):
    """The array in a gzipped idx file of unsigned bytes."""
    with gzip.open(path, "rb") as file:
        data = file.read()
    if len(data) < 4 or data[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path}: not an idx file of unsigned bytes")
    dimensions = data[3]
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", dimensions, offset=4))
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions)
    if values.size != np.prod(shape):
        raise ValueError(f"{path}: {values.size} bytes of data, but its header says {shape}")
    return values.reshape(shape)


def main():
    parser = argparse.ArgumentParser(description="Pack the first Fashion-MNIST test images into one .npz file.")
    parser.add_argument("output", type=Path)
    parser.add_argument("folder", type=Path, nargs="?", default=default_folder(), help="the data set's folder")
    parser.add_argument("--count", type=int, default=500, help="how many images (default: 500)")
    arguments = parser.parse_args()
    try:
        images = read_idx(arguments.folder / "t10k-images-idx3-ubyte.gz")
        labels = read_idx(arguments.folder / "t10k-labels-idx1-ubyte.gz")
    except (OSError, EOFError, ValueError) as error:
        sys.exit(f"pack_test_images.py: {error}")
    if not 0 < arguments.count <= len(images):
        sys.exit(f"pack_test_images.py: --count must be from 1 to {len(images)}")
    with open(arguments.output, "wb") as file:  # a file object: numpy would add .npz to a name without it
        np.savez_compressed(file, images=images[: arguments.count], labels=labels[: arguments.count])


if __name__ == "__main__":
    main()
