"""Bytes into a file: literal ones, and ranges of another file, which the kernel copies where it can."""

from __future__ import annotations

import errno
import io
import os
import sys

from split_surgery.documents.source import Source
from split_surgery.documents.spans import Span

_BLOCK = 8 * 1024 * 1024
"""Bytes copied at a time where the kernel cannot: large enough for the disk, small enough for memory."""

TOLD_AFTER = 16 * _BLOCK
"""Bytes of a range after which progress is told."""


def write_all(out: io.FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[out.write(view) :]


def copy_range(source: Source, span: Span, out: io.FileIO) -> None:
    """Append a range of a source to `out`: in the kernel where it can (copy_file_range, sendfile), else by reading."""
    start, stop = span
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


def _copy_file_range(src: int, dst: int, offset: int, count: int) -> int:
    return os.copy_file_range(src, dst, count, offset_src=offset)


def _sendfile(src: int, dst: int, offset: int, count: int) -> int:
    if sys.platform != "linux":
        raise AttributeError("sendfile between files is Linux's")
    return os.sendfile(dst, src, offset, count)
