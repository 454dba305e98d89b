"""Inputs that are missing, odd, damaged, or not of one another."""

from __future__ import annotations

import pytest

from split_surgery import residual
from split_surgery.errors import FileError
from tests.support.nets import TINY, write_tiny


def test_missing_and_odd_inputs(tmp_path):
    net, weights = write_tiny(tmp_path)
    (tmp_path / "empty").write_bytes(b"")
    for given, message in (
        ((tmp_path / "missing", weights), "missing: No such file or directory"),
        ((net, tmp_path / "missing"), "missing: No such file or directory"),
        ((tmp_path, weights), "is a directory, and not one that a split, a fold or an edit wrote"),
        ((net, tmp_path), "is a directory"),
        ((tmp_path / "empty", weights), "empty: is empty"),
        ((net, tmp_path / "empty"), "empty: is empty"),
        ((weights, weights), "is binary, not a prototxt"),
        ((net, net), "is plain text, not weights"),
    ):
        with pytest.raises(FileError, match=message):
            residual(*given, tmp_path / "out")


def test_a_layer_that_the_weights_lack(tmp_path):
    from tests.support.nets import tiny_weights

    net, weights = write_tiny(tmp_path, TINY, tiny_weights().replace(b"\x07conv1_1", b"\x07conv9_9"))
    with pytest.raises(
        FileError, match=r'base.caffemodel: has no layer "conv1_1" \(which .*base.prototxt:8:1 defines\)'
    ):
        residual(net, weights, tmp_path / "out")


def test_a_cut_caffemodel_is_refused_or_reported_by_coverage(tmp_path):
    from split_surgery import verify
    from split_surgery.errors import SurgeryError
    from tests.support.paths import EXAMPLE, WHOLE_CORPUS

    net, whole = EXAMPLE / "deploy.prototxt", (EXAMPLE / "fashion_vgg.caffemodel").read_bytes()
    cut = tmp_path / "cut.caffemodel"
    kept = []
    for size in range(0, len(whole), 97 if WHOLE_CORPUS else 389):
        cut.write_bytes(whole[:size])
        try:
            residual(net, cut, tmp_path / "out", force=True)
        except SurgeryError:
            continue
        kept.append(size)
        assert any(row.status == "unfilled" for row in verify(net, cut, tmp_path / "out").coverage)
    assert len(kept) < len(whole) / 97 / 40, "a cut is nearly always inside a record"
