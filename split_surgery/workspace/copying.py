"""Bytes into a file: literal ones, and ranges of another file, by the quickest way that there is."""

from __future__ import annotations

import errno
import io
import itertools
import os
import sys
from collections.abc import Generator, Iterable
from contextlib import closing, suppress
from mmap import PAGESIZE, mmap
from queue import Empty, Queue
from threading import Thread

from split_surgery.documents.source import Source
from split_surgery.documents.spans import Span

_BLOCK = 8 * 1024 * 1024
"""Bytes read at a time where nothing else works: large enough for the disk, small enough for memory."""

_BUFFER = 512 * 1024
"""Bytes that go through memory at a time: they stay in the processor's cache."""

_BUFFERS_AHEAD = 3
"""One that is written, one that waits, and one that is read."""

_LONG = 8 * 1024 * 1024
"""Bytes of a range that is read by one thread while another writes: fewer are not worth a thread."""

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
    """Whether a file is on a disk of this machine, and that runs Linux (others lack preadv and sched_getaffinity): a file system with
    larger blocks than pages is on a server (NFS, Ceph), which may copy by itself."""
    return sys.platform == "linux" and os.fstatvfs(out.fileno()).f_bsize <= PAGESIZE


def _through_memory(source: Source, start: int, stop: int, out: io.FileIO) -> int:
    """Append a range by reading and writing, the one during the other where there are two processors; how far it came, where the
    source ends early.

    Each piece ends where a multiple of its size does in `out`, so that the file system takes its memory for a piece at once.
    """
    ahead = stop - start >= _LONG and len(os.sched_getaffinity(0)) > 1
    pieces = _pieces(source, Span(start, stop), _BUFFER - out.tell() % _BUFFER, _BUFFERS_AHEAD if ahead else 1)
    with closing(_read_ahead(pieces) if ahead else pieces) as found:
        for piece in found:
            write_all(out, piece)
            start += len(piece)
    return start


def _pieces(source: Source, span: Span, first: int, buffers: int) -> Generator[memoryview, None, None]:
    """A range piece by piece; each begins with a page, as the pieces of `out` do, so that whole pages are copied.

    Args:
        first: bytes of the first piece; the others have _BUFFER.
        buffers: a piece is overwritten once so many more are read.
    """
    at, count = span.start, first
    for buffer in itertools.cycle([memoryview(mmap(-1, _BUFFER)) for _ in range(buffers)]):
        piece = buffer[: min(count, span.stop - at)]
        got = os.preadv(source.fileno(), [piece], at) if piece else 0
        if got == 0:
            return
        yield piece[:got]
        at, count = at + got, _BUFFER


def _read_ahead(pieces: Iterable[memoryview]) -> Generator[memoryview, None, None]:
    """The same pieces, read in a thread while others are used."""
    waiting: Queue[memoryview | BaseException | None] = Queue(1)
    ended = False

    def run() -> None:
        last: BaseException | None = None
        try:
            for piece in pieces:
                waiting.put(piece)
                if ended:
                    return
        except BaseException as error:
            last = error
        waiting.put(last)

    thread = Thread(target=run, daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no more threads are allowed here
        yield from pieces
        return
    try:
        while (piece := waiting.get()) is not None:
            if isinstance(piece, BaseException):
                raise piece
            yield piece
    finally:
        ended = True
        with suppress(Empty):  # the thread may wait for a place
            waiting.get_nowait()
        thread.join()


def _copy_file_range(src: int, dst: int, offset: int, count: int) -> int:
    return os.copy_file_range(src, dst, count, offset_src=offset)


def _sendfile(src: int, dst: int, offset: int, count: int) -> int:
    if sys.platform != "linux":
        raise AttributeError("sendfile between files is Linux's")
    return os.sendfile(dst, src, offset, count)
