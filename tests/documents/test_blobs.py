"""Blobs by parts: what a part, a choice of kernels, or what is made of them holds is what numpy's indexing says of the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from split_surgery.documents.spans import Span, merged, written_out
from split_surgery.documents.weights import caffemodel, wire
from split_surgery.documents.weights.blobs import ChosenKernels, Held, MadeKernels, pieces
from split_surgery.documents.weights.caffemodel import encode_blob, index_blob

SHAPE = (7, 3, 2, 2)
NUMBERS = np.arange(84, dtype="<f4").reshape(SHAPE)


def stored(packed: bool):
    """A blob of a file, its numbers in one field or each in a field of its own."""
    dims = wire.tagged(7, wire.tagged(1, b"".join(map(wire.varint, SHAPE))))
    head = wire.varint(5 << 3 | wire.FIXED32)
    data = wire.tagged(5, NUMBERS.tobytes()) if packed else b"".join(head + n.tobytes() for n in NUMBERS.reshape(-1))
    data = dims + data
    return index_blob(wire.Buffer(data), Span(0, len(data)), "blob", 0)


def blobs():
    return {"held": Held(NUMBERS, 0, ""), "packed": stored(packed=True), "unpacked": stored(packed=False)}


@pytest.mark.parametrize("kind", ["held", "packed", "unpacked"])
@given(chosen=st.lists(st.integers(0, 6), max_size=12), ends=st.tuples(st.integers(0, 144), st.integers(0, 144)))
def test_a_part_is_that_of_the_whole(kind, chosen, ends):
    blob = blobs()[kind]
    kernels = ChosenKernels(blob, tuple(chosen), (len(chosen), *SHAPE[1:]))
    doubled = MadeKernels(blob, tuple(chosen), (len(chosen), *SHAPE[1:]), lambda some: some.astype(float) * 2)
    for found, wanted in ((blob, NUMBERS), (kernels, NUMBERS[chosen]), (doubled, NUMBERS[chosen] * 2)):
        start, stop = sorted(min(end, wanted.size) for end in ends)
        assert found.part(start, stop).tobytes() == wanted.reshape(-1)[start:stop].tobytes()
        assert found.load().tobytes() == wanted.tobytes()
        assert found.load().shape == found.shape == wanted.shape
        assert b"".join(piece.tobytes() for piece in pieces(found, 40)) == wanted.tobytes()
        assert all(len(piece) <= 10 for piece in pieces(found, 40))


def test_what_is_made_is_made_of_few_kernels_at_a_time(monkeypatch):
    asked = []
    monkeypatch.setattr("split_surgery.documents.weights.blobs._MADE", 24)
    made = MadeKernels(Held(NUMBERS, 0, ""), tuple(range(7)), SHAPE, lambda some: asked.append(len(some)) or some)
    assert made.load().tobytes() == NUMBERS.tobytes()
    assert asked == [2, 2, 2, 1]


@pytest.mark.parametrize("chosen", [(0, 1, 2), (5, 6, 1), (4,)])
def test_kernels_that_move_are_ranges_of_the_file(monkeypatch, chosen):
    blob = stored(packed=True)
    kernels = ChosenKernels(blob, chosen, (len(chosen), *SHAPE[1:]))
    literal = merged(encode_blob(kernels, blob))
    monkeypatch.setattr(caffemodel, "_HELD", 0)
    ranges = merged(encode_blob(kernels, blob))
    spans = [chunk for chunk in ranges if isinstance(chunk, Span)]
    assert sum(span.stop - span.start for span in spans) == 48 * len(chosen)
    assert len(spans) == {(0, 1, 2): 1, (5, 6, 1): 2, (4,): 1}[chosen]
    assert [len(literal), type(literal[0])] == [1, bytes]
    assert written_out(blob.reader, ranges) == literal[0]


def test_other_numbers_are_never_ranges(monkeypatch):
    monkeypatch.setattr(caffemodel, "_HELD", 0)
    blob, other = stored(packed=True), stored(packed=True)  # of two files
    assert all(not isinstance(chunk, Span) for chunk in encode_blob(ChosenKernels(other, (0,), (1, *SHAPE[1:])), blob))
    made = MadeKernels(blob, (0,), (1, *SHAPE[1:]), lambda some: some + 1)
    (literal,) = merged(encode_blob(made, blob))
    assert (NUMBERS[:1] + 1).tobytes() in literal
