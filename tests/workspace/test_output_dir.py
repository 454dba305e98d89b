"""Outputs appear whole or not at all, and never in the place of an input."""

from __future__ import annotations

import errno
import os
import sys

import pytest

from split_surgery.documents.source import Source
from split_surgery.documents.spans import Span
from split_surgery.errors import FileError, UsageError
from split_surgery.workspace import copying, output_dir
from split_surgery.workspace.output_dir import Output, OutputDir


def outputs(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"0123456789" * 1000)
    opened = Source(source)
    return [Output("a", [b"new"]), Output("b", [Span(0, 5), b"-", Span(5, 10000)], opened)], opened


B = b"01234-56789" + b"0123456789" * 999


@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize("without", [(), ("_copy_file_range",), ("_copy_file_range", "_sendfile")])
def test_create_copies_ranges_by_every_way(tmp_path, monkeypatch, without, local):
    def unavailable(*_):
        raise OSError(errno.EXDEV, "not between these")

    monkeypatch.setattr(copying, "_is_local", lambda _: local)
    for name in without:
        monkeypatch.setattr(copying, name, unavailable)
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

    monkeypatch.setattr(copying, "_is_local", lambda _: False)

    for module in (copying, output_dir):
        monkeypatch.setattr(module, "write_all", write_all)
    monkeypatch.setattr(copying, "_copy_file_range", no_copy)
    monkeypatch.setattr(copying, "_sendfile", no_copy)
    with opened, pytest.raises(FileError, match="cannot write: No space left on device"):
        OutputDir(tmp_path / "new" / "out").create(made)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source"]


def test_a_full_disk_is_not_taken_for_a_missing_system_call(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(copying, "_copy_file_range", full)
    monkeypatch.setattr(copying, "_is_local", lambda _: False)
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
    with pytest.raises(FileError, match="is a file, and the output is a directory"):
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


def test_two_runs_at_once_may_both_be_done(tmp_path, monkeypatch):
    made = [Output("a", [b"x"])]
    first = OutputDir(tmp_path / "out")
    real = Output.write

    def overtaken(self, path, progress=output_dir.no_progress):
        real(self, path, progress)
        monkeypatch.undo()
        OutputDir(tmp_path / "out").create(made)

    monkeypatch.setattr(Output, "write", overtaken)
    first.create(made)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
