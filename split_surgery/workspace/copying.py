"""Bytes into a file: literal ones, and ranges of another file, by the quickest way that there is."""

from __future__ import annotations

import errno
import io
import os
import sys
from mmap import PAGESIZE, mmap

from split_surgery.documents.source import Source
from split_surgery.documents.spans import Span

_BLOCK = 8 * 1024 * 1024
"""Bytes read at a time where nothing else works: large enough for the disk, small enough for memory."""

_BUFFER = 512 * 1024
"""Bytes that go through memory at a time: they stay in the processor's cache."""

TOLD_AFTER = 128 * 1024 * 1024
"""Bytes of a range after which progress is told."""


def write_all(out: io.FileIO, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[out.write(view) :]


def copy_range(source: Source, span: Span, out: io.FileIO) -> None:
    """Append a range of a source to `out`: in the kernel where it can (copy_file_range, sendfile), else by reading.

    A range that comes to stand elsewhere in a page than before goes through memory: the kernel copies such a one across the borders
    of pages, and takes half as long again.
    """
    start, stop = span
    if start < stop and (start - out.tell()) % PAGESIZE and _is_local(out):
        start = _through_memory(source, start, stop, out)
    for call in (_copy_file_range, _sendfile):
        while start < stop:
            try:
                moved = call(source.fileno(), out.fileno(), start, stop - start)
            except (AttributeError, OSError) as error:
                # Not on this system, or not between these two file systems: the next way. A full disk is a full disk.
                if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                    raise
                break
            if moved == 0:
                break
            start += moved
    while start < stop:
        block = source.read(start, min(stop, start + _BLOCK))
        write_all(out, block)
        start += len(block)


def _is_local(out: io.FileIO) -> bool:
    """Whether a file is on this machine: a file system with larger blocks than pages is on a server (NFS, Ceph), which may copy by
    itself."""
    return hasattr(os, "preadv") and os.fstatvfs(out.fileno()).f_bsize <= PAGESIZE


def _through_memory(source: Source, start: int, stop: int, out: io.FileIO) -> int:
    """Append a range that is not empty by reading and writing; how far it came, where the source ends early.

    The buffer begins with a page, and each piece ends where a multiple of its size does in `out`: so both copies are of whole pages,
    and the file system takes its memory for a piece at once.
    """
    buffer = memoryview(mmap(-1, min(_BUFFER, stop - start)))
    size = _BUFFER - out.tell() % _BUFFER
    while start < stop:
        piece = buffer[: min(size, stop - start)]
        got = os.preadv(source.fileno(), [piece], start)
        if got == 0:
            break
        write_all(out, piece[:got])
        start, size = start + got, _BUFFER
    return start


def _copy_file_range(src: int, dst: int, offset: int, count: int) -> int:
    return os.copy_file_range(src, dst, count, offset_src=offset)


def _sendfile(src: int, dst: int, offset: int, count: int) -> int:
    if sys.platform != "linux":
        raise AttributeError("sendfile between files is Linux's")
    return os.sendfile(dst, src, offset, count)
