"""CIFAR-10 as the two LMDBs that the net reads, by Caffe's own convert_cifar_data.

    cifar10_lmdb.py DIR [SOURCE]

SOURCE is the folder of the official binary version (data_batch_1.bin to data_batch_5.bin, test_batch.bin), or an npz file with JPEG
images (`train_jpeg`, `train_offsets`, `train_labels`, and the same of `test`). Without it: DIR/cifar-10-batches-bin, else
../shared/data/cifar10_jpeg.npz.
What is there already is left alone. Needs numpy, for an npz OpenCV too, and convert_cifar_data beside `caffe` or on the PATH.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

IMAGES = {"train": 50_000, "test": 10_000}


def rows_of_npz(path: Path, part: str) -> np.ndarray:
    """uint8 (n, 3073): a label, then red, green and blue, each 32x32. The file is sorted by class, so training images are shuffled."""
    import cv2

    with np.load(path) as file:
        data, offsets, labels = (file[f"{part}_{name}"] for name in ("jpeg", "offsets", "labels"))
    rows = np.empty((len(labels), 3073), np.uint8)
    for at, label in enumerate(labels):
        image = cv2.imdecode(data[offsets[at] : offsets[at + 1]], cv2.IMREAD_COLOR)
        rows[at, 0], rows[at, 1:] = label, image[:, :, ::-1].transpose(2, 0, 1).reshape(-1)
    return np.random.default_rng(0).permutation(rows) if part == "train" else rows


def write_batches(path: Path, folder: Path) -> None:
    for part, names in (("train", [f"data_batch_{at}.bin" for at in range(1, 6)]), ("test", ["test_batch.bin"])):
        rows = rows_of_npz(path, part)
        if len(rows) != IMAGES[part]:
            sys.exit(f"{path}: {len(rows):,} images for {part}, and not {IMAGES[part]:,}")
        for name, some in zip(names, np.split(rows, len(names))):
            (folder / name).write_bytes(some.tobytes())


def converter() -> str:
    caffe = shutil.which(os.environ.get("SPLIT_SURGERY_CAFFE", "caffe"))
    beside = Path(caffe).resolve().parent / "convert_cifar_data" if caffe else None
    found = str(beside) if beside is not None and beside.exists() else shutil.which("convert_cifar_data")
    return found or sys.exit("convert_cifar_data is neither beside caffe nor on the PATH")


def main(place: str, source: str | None = None) -> None:
    folder = Path(place)
    if all((folder / f"{part}_lmdb").is_dir() for part in IMAGES):
        return
    folder.mkdir(parents=True, exist_ok=True)
    given = Path(source) if source else folder / "cifar-10-batches-bin"
    if source is None and not given.is_dir():
        given = Path("../shared/data/cifar10_jpeg.npz")
    if not given.exists():
        sys.exit(
            f"no CIFAR-10 in {folder}/cifar-10-batches-bin; name its folder, or an npz of JPEG images, as the second argument"
        )
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        batches = given
        if not given.is_dir():
            batches = Path(scratch)
            write_batches(given, batches)
        made = Path(scratch) / "made"
        made.mkdir()
        subprocess.run([converter(), str(batches), str(made), "lmdb"], check=True)
        for part in IMAGES:
            os.replace(made / f"cifar10_{part}_lmdb", folder / f"{part}_lmdb")


if __name__ == "__main__":
    main(*sys.argv[1:])
