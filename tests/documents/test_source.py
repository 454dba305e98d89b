"""Splices, sources, and outputs that appear whole or not at all."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from split_surgery.documents.source import Source
from split_surgery.documents.spans import Span, Splice, apply_splices, splice_chunks
from split_surgery.errors import FileError


@st.composite
def cases(draw):
    data = draw(st.binary(max_size=60))
    marks = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    pairs = list(zip(marks[::2], marks[1::2]))
    return data, [Splice(start, stop, draw(st.binary(max_size=5))) for start, stop in pairs]


@given(cases())
def test_everything_outside_the_splices_stays(case):
    data, splices = case
    expected, at = b"", 0
    for start, stop, new in splices:
        expected, at = expected + data[at:start] + new, stop
    assert apply_splices(data, splices) == expected + data[at:]
    assert apply_splices(data, []) == data


def test_chunks_are_ranges_where_nothing_changes():
    assert list(splice_chunks(10, [Splice(2, 4, b"x"), Splice(10, 10, b"y")])) == [Span(0, 2), b"x", Span(4, 10), b"y"]


@pytest.mark.parametrize("splices", [[Splice(0, 5, b""), Splice(4, 6, b"")], [Splice(0, 11, b"")], [Splice(3, 2, b"")]])
def test_overlapping_splices_are_refused(splices):
    with pytest.raises(ValueError, match="overlaps"):
        apply_splices(b"0123456789", splices)


def test_source_reads_ranges(tmp_path):
    path = tmp_path / "file"
    data = bytes(range(256)) * 100
    path.write_bytes(data)
    with Source(path) as source:
        for start, stop in ((0, 0), (0, 10), (4090, 4100), (25599, 25600), (0, 25600), (100, 110)):
            assert source.read(start, stop) == data[start:stop]
        with open(path, "r+b") as file:
            file.truncate(5000)
        with pytest.raises(FileError, match="ends at byte 5000, earlier than expected"):
            source.read(4000, 25600)


@pytest.mark.parametrize(("name", "message"), [("missing", "No such file"), (".", "is a directory")])
def test_source_says_what_is_wrong(tmp_path, name, message):
    with pytest.raises(FileError, match=message):
        Source(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileError, match="is not a regular file"):
        Source(tmp_path / "pipe")
