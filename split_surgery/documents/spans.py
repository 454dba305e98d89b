"""Half-open byte ranges, what reads them, and edits as splices: everything outside the splices is copied byte for byte."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
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


_PIECE = 256 * 1024
"""Bytes of a range read at a time: few enough to stay in the processor's cache."""


@dataclass(frozen=True)
class Made:
    """The bytes `start <= i < stop` of something that is worked out whenever it is asked for, and not held.

    Attributes:
        make: the bytes of a range. at_once: whether a part takes as long as the whole, which then is asked for.
    """

    make: Callable[[int, int], bytes]
    start: int
    stop: int
    at_once: bool = False

    def part(self, start: int, stop: int) -> Made:
        """A range of these bytes, counted from their own beginning."""
        return replace(self, start=self.start + start, stop=self.start + stop)

    def pieces(self) -> Iterator[bytes]:
        step = self.stop - self.start if self.at_once else _PIECE
        for at in range(self.start, self.stop, max(1, step)):
            yield self.make(at, min(self.stop, at + step))


Chunk = Union[bytes, Span, Made]
"""A piece of an output: literal bytes, a range of the source to be copied, or bytes that are worked out."""


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


def pieces_of(reader: Reader, span: Span) -> Iterator[bytes]:
    """The bytes of a range, a piece at a time."""
    for start in range(span.start, span.stop, _PIECE):
        yield reader.read(start, min(span.stop, start + _PIECE))


Fragment = Union[bytes, memoryview, Span, Made]
"""A chunk that is being put together: a view of numbers is copied once, when it is merged."""


def chunk_size(chunk: Fragment) -> int:
    """The bytes that a chunk stands for."""
    return chunk.stop - chunk.start if isinstance(chunk, (Span, Made)) else len(chunk)


def merged(fragments: Iterable[Fragment]) -> tuple[Chunk, ...]:
    """The same as chunks, with literal bytes that follow each other in one piece."""
    found: list[Chunk] = []
    literal: list[bytes | memoryview] = []
    for fragment in (*fragments, Span(0, 0)):
        if not isinstance(fragment, (Span, Made)):
            literal.append(fragment)
            continue
        found += [b"".join(literal)] if any(map(len, literal)) else []
        literal = []
        found += [fragment] if fragment.stop > fragment.start else []
    return tuple(found)


def written_out(reader: Reader, chunks: Iterable[Chunk]) -> bytes:
    """The bytes that chunks stand for; their ranges are those of `reader`."""
    return b"".join(reader.read(*chunk) if isinstance(chunk, Span) else own_bytes(chunk) for chunk in chunks)


def own_bytes(chunk: bytes | Made) -> bytes:
    """What a chunk stands for that is no range of a source."""
    return chunk if isinstance(chunk, bytes) else b"".join(chunk.pieces())


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
        data[chunk.start : chunk.stop] if isinstance(chunk, Span) else own_bytes(chunk)
        for chunk in splice_chunks(len(data), splices)
    )
