"""Ranges of a file come to stand anywhere in another, and arrive as they are."""

from __future__ import annotations

import os
import random
from mmap import PAGESIZE

import pytest

from split_surgery.documents.source import Source
from split_surgery.documents.spans import Span
from split_surgery.errors import FileError
from split_surgery.workspace import copying
from split_surgery.workspace.copying import copy_range

SIZE = 3 * copying._BUFFER + 5

pytestmark = pytest.mark.skipif(not hasattr(os, "preadv"), reason="needs preadv")


@pytest.fixture(scope="module")
def content() -> bytes:
    return random.Random(0).randbytes(SIZE)


@pytest.fixture
def source(tmp_path, content):
    (tmp_path / "source").write_bytes(content)
    with Source(tmp_path / "source") as opened:
        yield opened


@pytest.mark.parametrize("before", [0, 1, PAGESIZE - 1, PAGESIZE, PAGESIZE + 7])
@pytest.mark.parametrize("start", [0, 1, 7, PAGESIZE])
@pytest.mark.parametrize("length", [0, 1, PAGESIZE, copying._BUFFER, copying._BUFFER + 1, SIZE - PAGESIZE])
def test_a_range_arrives_as_it_is(source, content, tmp_path, monkeypatch, before, start, length):
    moved = []
    monkeypatch.setattr(
        copying, "_copy_file_range", lambda *call: moved.append(call) or os.copy_file_range(*call[:2], call[3], call[2])
    )
    monkeypatch.setattr(copying, "_is_local", lambda _: True)
    with open(tmp_path / "out", "xb", buffering=0) as out:
        out.write(b"-" * before)
        copy_range(source, Span(start, start + length), out)
    assert (tmp_path / "out").read_bytes() == b"-" * before + content[start : start + length]
    # The kernel copies what stands as before in its page, and nothing else.
    assert bool(moved) == (length > 0 and (start - before) % PAGESIZE == 0)


def test_a_source_that_ends_early_is_told(source, tmp_path, monkeypatch):
    monkeypatch.setattr(copying, "_is_local", lambda _: True)
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
