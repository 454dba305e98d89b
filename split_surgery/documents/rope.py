"""A file as it will be: ranges of the source and new bytes, which can be read, and edited again, before anything is written."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from split_surgery.documents.spans import Chunk, Made, Reader, Span, Splice, chunk_size, splice_chunks, written_out


class Rope:
    """A reader over chunks of `base`; without chunks, `base` as it is."""

    def __init__(self, base: Reader, chunks: Sequence[Chunk] | None = None) -> None:
        self.base = base
        self.name = base.name
        self.chunks: Sequence[Chunk] = [Span(0, base.size)] if chunks is None else chunks
        self._starts = [0]
        for chunk in self.chunks:
            self._starts.append(self._starts[-1] + chunk_size(chunk))
        self.size = self._starts[-1]

    def read(self, start: int, stop: int) -> bytes:
        """The bytes of `start <= i < stop`."""
        return written_out(self.base, self._pieces(start, stop))

    def spliced(self, splices: Iterable[Splice]) -> Rope:
        """This file edited once more."""
        chunks: list[Chunk] = []
        for chunk in splice_chunks(self.size, splices):
            chunks += self._pieces(chunk.start, chunk.stop) if isinstance(chunk, Span) else [chunk]
        return Rope(self.base, chunks)

    def _pieces(self, start: int, stop: int) -> Iterator[Chunk]:
        at = bisect_right(self._starts, start) - 1
        while start < stop:
            chunk, first = self.chunks[at], self._starts[at]
            end = min(stop, self._starts[at + 1])
            if isinstance(chunk, bytes):
                yield chunk[start - first : end - first]
            elif isinstance(chunk, Made):
                yield chunk.part(start - first, end - first)
            else:
                yield Span(chunk.start + start - first, chunk.start + end - first)
            start, at = end, at + 1


def same_range(reader: Reader, span: Span, other: Reader, there: Span) -> bool:
    """Whether two ranges are one range of one file, whose bytes need not be read to be compared."""
    ropes = [one if isinstance(one, Rope) else Rope(one) for one in (reader, other)]
    pieces = [list(rope._pieces(*one)) for rope, one in zip(ropes, (span, there))]
    return ropes[0].base is ropes[1].base and pieces[0] == pieces[1]
