"""What verbs hold of a large layer: no read hands out more than a piece, whatever a blob's size, and sums are those of the whole."""

from __future__ import annotations

import numpy as np

from split_surgery import convert, diff, fold, rank, residual, show, verify
from split_surgery.documents import source
from split_surgery.documents.weights import values
from split_surgery.documents.weights.blobs import Held
from tests.support.linear_nets import INPUT, conv, model_of, relu, write_net

LARGEST = 2 * 1024 * 1024
"""Bytes that any read may hand out: a block of kernels that is scored."""

TEXT = (
    INPUT
    + conv("c", "data", num_output=400, kernel_size=3)
    + relu("c")
    + conv("large", "c", num_output=1500, kernel_size=3)
)
SHAPES = {"c": [(400, 3, 3, 3), (400,)], "large": [(1500, 400, 3, 3), (1500,)]}
"""A convolution of 21 MB behind a small one."""


def test_no_verb_reads_more_than_a_piece_at_a_time(tmp_path, monkeypatch):
    net, model = write_net(tmp_path, TEXT, model_of(TEXT, SHAPES))
    changed = bytearray(model.read_bytes())
    changed[-5_000_000] ^= 1
    (tmp_path / "changed.caffemodel").write_bytes(changed)
    asked, pread = [], source._pread
    monkeypatch.setattr(source, "_pread", lambda fd, count, at: asked.append(count) or pread(fd, count, at))
    residual(net, model, tmp_path / "out", layer="c", measure="norm")
    assert [row.layer for row in rank(net, model).layers] == ["c", "large"]
    assert verify(net, model, (tmp_path / "out" / "net.prototxt", tmp_path / "out" / "net.caffemodel")).changed == ()
    fold(tmp_path / "out", None, tmp_path / "folded")
    assert len(show(model).nets[0].layers) == 3
    for name, to in (("a.caffemodel", "half"), ("b.caffemodel.h5", "double"), ("c.caffemodel", "raw-double")):
        convert(model, output=tmp_path / name, to=to)
    convert(tmp_path / "b.caffemodel.h5", output=tmp_path / "d.caffemodel", to="float")
    (layer,) = diff(model, tmp_path / "changed.caffemodel").parts[0].layers
    assert layer.blobs[0].numbers.equal == 1 - 1 / (1500 * 400 * 9)
    assert LARGEST / 2 < max(asked) <= LARGEST


def test_a_sum_over_pieces_is_that_of_the_whole():
    numbers = np.random.RandomState(0).standard_normal(3_000_017).astype("<f4")
    other = (numbers + np.float32(0.5)).astype("<f4")
    other[::7] = numbers[::7]
    found = values.difference(Held(numbers, 0, ""), Held(other, 0, ""))
    piece = 2 * 1024 * 1024
    old = moved = 0.0
    for at in range(0, len(numbers), piece):
        was, now = (side[at : at + piece].astype(float) for side in (numbers, other))
        steps = np.abs(now - was)[was != now]
        old, moved = old + float(np.square(was).sum()), moved + float(np.square(steps).sum())
    assert found is not None
    assert found.norms[0] == old**0.5
    assert found.drift == (moved / old) ** 0.5
    assert values.summary(Held(numbers, 0, "")).norm == old**0.5
