"""Half-open byte ranges, what reads them, and edits as splices: everything outside the splices is copied byte for byte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol, Union


class Reader(Protocol):
    """What reading by byte range needs of a file: its name, its size, and a call."""

    name: str
    size: int

    def read(self, start: int, stop: int) -> bytes: ...


class Span(NamedTuple):
    """The bytes `start <= i < stop` of a file."""

    start: int
    stop: int


class Splice(NamedTuple):
    """Replace the bytes of `start <= i < stop` by `replacement` (start == stop inserts)."""

    start: int
    stop: int
    replacement: bytes


Chunk = Union[bytes, Span]
"""A piece of an output: literal bytes, or a range of the source to be copied."""


def splice_chunks(size: int, splices: Iterable[Splice]) -> Iterator[Chunk]:
    """The edited file as chunks, in order; untouched ranges stay ranges of the source.

    Args:
        size: length of the source in bytes.
        splices: in any order; those that insert at one offset keep the order given.

    Raises:
        ValueError: splices overlap or leave the source.
    """
    at = 0
    for splice in sorted(splices, key=lambda s: (s.start, s.stop)):
        if not at <= splice.start <= splice.stop <= size:
            raise ValueError(f"{splice[:2]} overlaps an earlier splice or leaves the {size} bytes of the source")
        if splice.start > at:
            yield Span(at, splice.start)
        if splice.replacement:
            yield splice.replacement
        at = splice.stop
    if at < size:
        yield Span(at, size)


def apply_splices(data: bytes, splices: Iterable[Splice]) -> bytes:
    """The edited bytes of a source held in memory."""
    return b"".join(
        chunk if isinstance(chunk, bytes) else data[chunk.start : chunk.stop]
        for chunk in splice_chunks(len(data), splices)
    )
