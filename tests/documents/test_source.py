"""Splices, sources, and outputs that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from split_surgery.documents import source as files
from split_surgery.documents.source import Output, OutputDir, Source
from split_surgery.documents.spans import Span, Splice, apply_splices, splice_chunks
from split_surgery.errors import FileError, UsageError
from split_surgery.workspace.snapshots import snapshot_of, snapshots_in


@st.composite
def cases(draw):
    data = draw(st.binary(max_size=60))
    marks = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    pairs = list(zip(marks[::2], marks[1::2]))
    return data, [Splice(start, stop, draw(st.binary(max_size=5))) for start, stop in pairs]


@given(cases())
def test_everything_outside_the_splices_stays(case):
    data, splices = case
    expected, at = b"", 0
    for start, stop, new in splices:
        expected, at = expected + data[at:start] + new, stop
    assert apply_splices(data, splices) == expected + data[at:]
    assert apply_splices(data, []) == data


def test_chunks_are_ranges_where_nothing_changes():
    assert list(splice_chunks(10, [Splice(2, 4, b"x"), Splice(10, 10, b"y")])) == [Span(0, 2), b"x", Span(4, 10), b"y"]


@pytest.mark.parametrize("splices", [[Splice(0, 5, b""), Splice(4, 6, b"")], [Splice(0, 11, b"")], [Splice(3, 2, b"")]])
def test_overlapping_splices_are_refused(splices):
    with pytest.raises(ValueError, match="overlaps"):
        apply_splices(b"0123456789", splices)


def test_source_reads_ranges(tmp_path):
    path = tmp_path / "file"
    data = bytes(range(256)) * 100
    path.write_bytes(data)
    with Source(path) as source:
        for start, stop in ((0, 0), (0, 10), (4090, 4100), (25599, 25600), (0, 25600), (100, 110)):
            assert source.read(start, stop) == data[start:stop]
        with open(path, "r+b") as file:
            file.truncate(5000)
        with pytest.raises(FileError, match="ends at byte 5000, earlier than expected"):
            source.read(4000, 25600)


@pytest.mark.parametrize(("name", "message"), [("missing", "No such file"), (".", "is a directory")])
def test_source_says_what_is_wrong(tmp_path, name, message):
    with pytest.raises(FileError, match=message):
        Source(tmp_path / name)


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


def outputs(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"0123456789" * 1000)
    opened = Source(source)
    return [Output("a", [b"new"]), Output("b", [Span(0, 5), b"-", Span(5, 10000)], opened)], opened


B = b"01234-56789" + b"0123456789" * 999


@pytest.mark.parametrize("without", [(), ("_copy_file_range",), ("_copy_file_range", "_sendfile")])
def test_create_copies_ranges_by_every_way(tmp_path, monkeypatch, without):
    def unavailable(*_):
        raise OSError(errno.EXDEV, "not between these")

    for name in without:
        monkeypatch.setattr(files, name, unavailable)
    made, opened = outputs(tmp_path)
    directory = OutputDir(tmp_path / "deep" / "out")
    with opened:
        directory.create(made)
        assert (directory.path / "a").read_bytes() == b"new"
        assert (directory.path / "b").read_bytes() == B
        assert directory.differing(made) == []
    assert sorted(p.name for p in (tmp_path / "deep").iterdir()) == ["out"]


def test_an_empty_directory_and_a_link_to_one_are_filled(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real", target_is_directory=True)
    OutputDir(tmp_path / "link").create([Output("a", [b"x"])])
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "a").read_bytes() == b"x"


@pytest.mark.parametrize("fail_at", [1, 2, 3])
def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch, fail_at):
    made, opened = outputs(tmp_path)
    calls = []

    def write_all(out, data):
        calls.append(data)
        if len(calls) == fail_at:
            out.write(data[:1])
            raise OSError(errno.ENOSPC, "No space left on device")
        out.write(data)

    def no_copy(*_):
        raise OSError(errno.EXDEV, "not between these")

    monkeypatch.setattr(files, "write_all", write_all)
    monkeypatch.setattr(files, "_copy_file_range", no_copy)
    monkeypatch.setattr(files, "_sendfile", no_copy)
    with opened, pytest.raises(FileError, match="cannot write: No space left on device"):
        OutputDir(tmp_path / "new" / "out").create(made)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source"]


def test_a_full_disk_is_not_taken_for_a_missing_system_call(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_copy_file_range", full)
    made, opened = outputs(tmp_path)
    with opened, pytest.raises(FileError, match="No space left"):
        OutputDir(tmp_path / "out").create(made)


def test_replace_keeps_the_old_files_until_all_is_written(tmp_path, monkeypatch):
    directory = OutputDir(tmp_path / "out")
    directory.create([Output("a", [b"old"]), Output("b", [b"old"])])
    monkeypatch.setattr(
        Output, "write", lambda self, path, progress: (_ for _ in ()).throw(OSError(errno.EIO, "I/O error"))
    )
    with pytest.raises(FileError, match="I/O error"):
        directory.replace([Output("a", [b"new"])])
    monkeypatch.undo()
    assert (tmp_path / "out" / "a").read_bytes() == b"old"
    directory.replace([Output("a", [b"new"])])
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == {"a": b"new", "b": b"old"}
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_an_input_is_never_replaced(tmp_path):
    (tmp_path / "net.prototxt").write_bytes(b"in")
    with pytest.raises(UsageError, match="would replace the input"):
        OutputDir(tmp_path).refuse_inputs([Output("net.prototxt", [b"out"])], [tmp_path / "net.prototxt"])


def test_a_file_in_the_directorys_place(tmp_path):
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(FileError, match="is not a directory"):
        OutputDir(tmp_path / "out").entries()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_new_directories_have_ordinary_permissions(tmp_path):
    mask = os.umask(0o022)
    try:
        OutputDir(tmp_path / "out").create([Output("a", [b""])])
    finally:
        os.umask(mask)
    assert ((tmp_path / "out").stat().st_mode & 0o777, (tmp_path / "out" / "a").stat().st_mode & 0o777) == (
        0o755,
        0o644,
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileError, match="is not a regular file"):
        Source(tmp_path / "pipe")


def test_two_runs_at_once_may_both_be_done(tmp_path, monkeypatch):
    made = [Output("a", [b"x"])]
    first = OutputDir(tmp_path / "out")
    real = Output.write

    def overtaken(self, path, progress=files.no_progress):
        real(self, path, progress)
        monkeypatch.undo()
        OutputDir(tmp_path / "out").create(made)

    monkeypatch.setattr(Output, "write", overtaken)
    first.create(made)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
