"""Snapshots are known by their names."""

from __future__ import annotations

from split_surgery.workspace.snapshots import snapshot_of, snapshots_in


def test_snapshot_names(tmp_path):
    for name in (
        "a_iter_10.caffemodel",
        "a_iter_9.caffemodel",
        "a_iter_9.solverstate",
        "b_iter_1.caffemodel.h5",
        "a_iter_x.caffemodel",
    ):
        (tmp_path / name).write_bytes(b"")
    assert [s.iteration for s in snapshots_in(tmp_path, "a", "caffemodel")] == [9, 10]
    found = snapshot_of("x/b_iter_1.caffemodel.h5")
    assert (found.prefix, found.iteration, found.kind, found.hdf5) == ("b", 1, "caffemodel", True)
    assert len(snapshots_in(tmp_path)) == 4
    assert snapshots_in(tmp_path / "missing") == []
