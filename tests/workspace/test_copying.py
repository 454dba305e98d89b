"""Ranges of a file come to stand anywhere in another, and arrive as they are."""

from __future__ import annotations

import errno
import io
import os
import random
import sys
import threading
from mmap import PAGESIZE

import pytest

from split_surgery.documents.source import Source
from split_surgery.documents.spans import Span
from split_surgery.errors import FileError
from split_surgery.workspace import copying
from split_surgery.workspace.copying import copy_range

SIZE = 3 * copying._BUFFER + 5

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere the kernel copies, or what is read is written"
)


@pytest.fixture(scope="module")
def content() -> bytes:
    return random.Random(0).randbytes(SIZE)


@pytest.fixture(params=[1, 2], ids=["in_turn", "ahead"])
def processors(request, monkeypatch):
    """With two of them even a short range is read by one thread while another writes."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(request.param)), raising=False)
    monkeypatch.setattr(copying, "_LONG", 1)
    monkeypatch.setattr(copying, "_is_local", lambda _: True)
    return request.param


@pytest.fixture
def source(tmp_path, content):
    (tmp_path / "source").write_bytes(content)
    with Source(tmp_path / "source") as opened:
        yield opened


@pytest.mark.parametrize("before", [0, 1, PAGESIZE - 1, PAGESIZE, PAGESIZE + 7])
@pytest.mark.parametrize("start", [0, 1, 7, PAGESIZE])
@pytest.mark.parametrize("length", [0, 1, PAGESIZE, copying._BUFFER, copying._BUFFER + 1, SIZE - PAGESIZE])
def test_a_range_arrives_as_it_is(source, content, tmp_path, monkeypatch, processors, before, start, length):
    moved = []
    monkeypatch.setattr(
        copying, "_copy_file_range", lambda *call: moved.append(call) or os.copy_file_range(*call[:2], call[3], call[2])
    )
    started = []
    monkeypatch.setattr(copying, "Thread", lambda *a, **options: started.append(1) or threading.Thread(*a, **options))
    with open(tmp_path / "out", "xb", buffering=0) as out:
        out.write(b"-" * before)
        copy_range(source, Span(start, start + length), out)
    assert (tmp_path / "out").read_bytes() == b"-" * before + content[start : start + length]
    # The kernel copies what stands as before in its page, and nothing else.
    assert bool(moved) == (length > 0 and (start - before) % PAGESIZE == 0)
    assert bool(started) == (processors == 2 and length > 0 and not moved)


def test_a_source_that_ends_early_is_told(source, tmp_path, processors):
    os.truncate(source.name, SIZE // 2)
    with open(tmp_path / "out", "xb", buffering=0) as out, pytest.raises(FileError, match="earlier than expected"):
        copy_range(source, Span(1, SIZE), out)


def test_where_a_server_may_copy_the_kernel_is_asked(source, content, tmp_path, monkeypatch):
    """Of a file system with large blocks, as NFS's; there is none here, so its block size is said to be one."""
    monkeypatch.setattr(os, "preadv", None)  # calling it would fail
    real = os.fstatvfs
    monkeypatch.setattr(os, "fstatvfs", lambda fd: os.statvfs_result((1 << 20, *real(fd)[1:])))
    with open(tmp_path / "out", "xb", buffering=0) as out:
        copy_range(source, Span(1, SIZE), out)
    assert (tmp_path / "out").read_bytes() == content[1:]


class Full(io.FileIO):
    """A file on a disk that is full after some pieces."""

    def write(self, data):
        if self.tell() > SIZE // 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


def test_a_full_disk_ends_the_reading(source, tmp_path, processors):
    threads = threading.active_count()
    with Full(tmp_path / "out", "xb") as out, pytest.raises(OSError, match="No space left"):
        copy_range(source, Span(1, SIZE), out)
    assert threading.active_count() == threads


def test_a_disk_that_cannot_be_read_is_told(source, tmp_path, processors, monkeypatch):
    def broken(fd, buffers, at, real=os.preadv):
        if at > SIZE // 2:
            raise OSError(errno.EIO, "Input/output error")
        return real(fd, buffers, at)

    monkeypatch.setattr(os, "preadv", broken)
    with open(tmp_path / "out", "xb", buffering=0) as out, pytest.raises(OSError, match="Input/output error"):
        copy_range(source, Span(1, SIZE), out)


def test_a_short_range_starts_no_thread(source, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(copying, "_is_local", lambda _: True)
    monkeypatch.setattr(copying, "Thread", None)  # calling it would fail
    with open(tmp_path / "out", "xb", buffering=0) as out:
        copy_range(source, Span(1, SIZE), out)


def test_where_no_thread_is_allowed_one_reads_and_writes(source, content, tmp_path, monkeypatch):
    def refused(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(copying, "_LONG", 1)
    monkeypatch.setattr(copying, "_is_local", lambda _: True)
    monkeypatch.setattr(copying.Thread, "start", refused)
    with open(tmp_path / "out", "xb", buffering=0) as out:
        copy_range(source, Span(1, SIZE), out)
    assert (tmp_path / "out").read_bytes() == content[1:]
