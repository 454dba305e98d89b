"""A few walks of random surgery in real Caffe: what was split, split again and trained, and what came of folding it."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from tests.support.random_surgery import IMAGE, Split, Surgery
from tests.support.run_caffe import in_caffe

pytestmark = pytest.mark.caffe

WALKS = 4


def test_folded_walks_compute_the_same_in_caffe(tmp_path, caffe):
    images, tasks = tmp_path / "images.npz", []
    np.savez(images, data=np.random.RandomState(1).standard_normal(IMAGE).astype(np.float32))
    for seed in range(WALKS):
        folder, random = tmp_path / str(seed), Random(seed)
        folder.mkdir()
        surgery = Surgery(folder, random)
        while surgery.splits < 3:
            surgery.split(random.choice(surgery.layers()), Split.drawn(random))
        surgery.train(seed)
        for name, (net, weights) in (("split", (surgery.net, surgery.weights)), ("folded", surgery.fold())):
            out = folder / f"{name}.npz"
            tasks.append({"net": net, "weights": weights, "inputs": images, "out": out, "blobs": ["ip"]})
    in_caffe(caffe, tasks)
    for seed in range(WALKS):
        split, folded = (np.load(tmp_path / str(seed) / f"{name}.npz")["blob_0"] for name in ("split", "folded"))
        assert np.abs(split).max() > 0
        assert np.abs(folded - split).max() <= 1e-4 * max(np.abs(split).max(), 1), f"walk {seed}"
