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


Chunk = Union[bytes, Span]
"""A piece of an output: literal bytes, or a range of the source to be copied."""


class Splice(NamedTuple):
    """Replace the bytes of `start <= i < stop` by `replacement` (start == stop inserts).

    Numbers that only move are ranges of the same source in it: they are copied, and never held.
    """

    start: int
    stop: int
    replacement: bytes | tuple[Chunk, ...]

    def chunks(self) -> tuple[Chunk, ...]:
        """The replacement as chunks; none where it is empty."""
        if isinstance(self.replacement, bytes):
            return (self.replacement,) if self.replacement else ()
        return self.replacement


_PIECE = 256 * 1024
"""Bytes of a range read at a time: few enough to stay in the processor's cache."""


def pieces_of(reader: Reader, span: Span) -> Iterator[bytes]:
    """The bytes of a range, a piece at a time."""
    for start in range(span.start, span.stop, _PIECE):
        yield reader.read(start, min(span.stop, start + _PIECE))


Fragment = Union[bytes, memoryview, Span]
"""A chunk that is being put together: a view of numbers is copied once, when it is merged."""


def chunk_size(chunk: Fragment) -> int:
    """The bytes that a chunk stands for."""
    return chunk.stop - chunk.start if isinstance(chunk, Span) else len(chunk)


def merged(fragments: Iterable[Fragment]) -> tuple[Chunk, ...]:
    """The same as chunks, with literal bytes that follow each other in one piece."""
    found: list[Chunk] = []
    literal: list[bytes | memoryview] = []
    for fragment in (*fragments, Span(0, 0)):
        if not isinstance(fragment, Span):
            literal.append(fragment)
            continue
        found += [b"".join(literal)] if any(map(len, literal)) else []
        literal = []
        found += [fragment] if fragment.stop > fragment.start else []
    return tuple(found)


def written_out(reader: Reader, chunks: Iterable[Chunk]) -> bytes:
    """The bytes that chunks stand for; their ranges are those of `reader`."""
    return b"".join(chunk if isinstance(chunk, bytes) else reader.read(*chunk) for chunk in chunks)


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
        yield from splice.chunks()
        at = splice.stop
    if at < size:
        yield Span(at, size)


def apply_splices(data: bytes, splices: Iterable[Splice]) -> bytes:
    """The edited bytes of a source held in memory."""
    return b"".join(
        chunk if isinstance(chunk, bytes) else data[chunk.start : chunk.stop]
        for chunk in splice_chunks(len(data), splices)
    )
