"""One line of a file taken apart: what stands before glog's head, the head, and what Caffe says after it.

Before the head may stand what grep puts there (the name of a file), the rank that mpirun adds, a terminal's colours or the time
that Docker adds. The line may also be a string inside JSON, as Docker's json-file driver stores it, or part of an HTML page.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain, islice, pairwise

LONGEST = 4096
"""Bytes of a line that are looked at: a log may hold anything, also a line without an end."""

_HEAD = rb"([IWEF])(?:\d{4})?(\d{4} \d\d:\d\d:\d\d)(\.\d+)?\s+(\d+) [^\s:\]]+:\d+\] "

GLOG_HEAD = re.compile(_HEAD + rb"((?s:.*))")
"""Glog's head, and what follows it. Groups: level, month to second, fraction of the second, thread, message."""

PLAIN_LINE = re.compile(_HEAD + rb"([^\r\n<&]*)\r?\n?\Z")
"""The same of a line as Caffe writes it: nothing stands before the head, and no HTML and no other line after it."""

_GREPPED = re.compile(rb"(?P<file>(?=.*[A-Za-z/])[^\s\0][^\0]*?)(?P<mark>[:-])(?:\d+(?P=mark))?")
"""What grep puts before a line: a name and, with -n, the line's number; a time has no letter."""

_RANK = re.compile(rb"\[(?:\d+,)?(\d{1,9})\](?:<std(?:out|err)>)?:? *$")
"""What mpirun puts before a line when it is asked for ranks: `[0] ` (MPICH, Intel MPI) or `[1,0]<stderr>:` (Open MPI)."""

_JSON_STRING = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)')
_JSON_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_JSON_LETTERS = {b"n": b"\n", b"r": b"\n", b"t": b"\t", b"b": b"", b"f": b""}
_NEW_LINE = re.compile(r"</?(?:br|p|div|li|tr|pre)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-z][^<>]*>", re.IGNORECASE)

_SAMPLE, _NARROWEST, _WIDEST = 2000, 40, 400
"""Lines that are looked at to learn whether a terminal wrapped them, and how wide a terminal may be."""


@lru_cache(maxsize=256)
def source_of(before: bytes) -> tuple[bytes | None, int | None]:
    """The file that grep names before a line and the rank that mpirun names there, each None where there is none."""
    rank = _RANK.search(before)
    end = rank.start() if rank is not None else len(before)
    grepped = _GREPPED.fullmatch(before, 0, end) if before[:end].endswith((b":", b"-")) else None
    return grepped["file"] if grepped is not None else None, int(rank[1]) if rank is not None else None


def plain_lines(line: bytes) -> list[bytes]:
    """The lines of text that a line of a file holds: several, where JSON, HTML or a carriage return part them."""
    parts = line.split(b"\r") if b"\r" in line else [line]
    if b'{"' in line:
        parts = [text for part in parts for text in _from_json(part)]
    if b"<" in line or b"&" in line:
        parts = [text for part in parts for text in _from_html(part)]
    return [part[:LONGEST] for part in parts]


def _from_json(line: bytes) -> list[bytes]:
    """The strings of a JSON object that hold lines of glog, without escapes, after what stands before the object."""
    start = line.find(b'{"')
    if start < 0:
        return [line]
    found: list[bytes] = []
    last = line.rfind(b"] ")
    for match in _JSON_STRING.finditer(line, start):
        if match.start() > last:
            break
        string = match[1]
        if b"] " in string:
            text = _JSON_ESCAPE.sub(_unescaped, string) if b"\\" in string else string
            found += [line[:start] + part for part in text.split(b"\n") if b"] " in part]
    return found or [line]


def _unescaped(escape: re.Match[bytes]) -> bytes:
    letter = escape[2]
    return _JSON_LETTERS.get(letter, letter) if letter else chr(int(escape[1], 16)).encode("utf-8", "replace")


def _from_html(line: bytes) -> list[bytes]:
    """The lines of a piece of an HTML page, without tags and entities."""
    text = line.decode("utf-8", "surrogateescape")
    if "&" in text:
        text = html.unescape(text).replace("\xa0", " ")
    if ">" in text:
        text = _TAG.sub("", _NEW_LINE.sub("\n", text))
    return text.encode("utf-8", "surrogateescape").split(b"\n")


def unwrapped(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines as they were before a terminal broke them at its right edge; as they are, where none did."""
    rest = iter(lines)
    sample = list(islice(rest, _SAMPLE))
    width = _terminal_width([line.rstrip(b"\r\n") for line in sample])
    return chain(sample, rest) if width is None else _joined(chain(sample, rest), width)


def _terminal_width(lines: list[bytes]) -> int | None:
    """The length of the longest lines, where most of these go on in a line without a head; None where that is not so."""
    width = max(map(len, lines), default=0)
    if not _NARROWEST <= width <= _WIDEST:
        return None
    after = [follower for line, follower in pairwise(lines) if len(line) == width and GLOG_HEAD.match(line)]
    wrapped = sum(GLOG_HEAD.match(follower) is None for follower in after)
    return width if wrapped > 2 and 2 * wrapped > len(after) else None


def _joined(lines: Iterable[bytes], width: int) -> Iterator[bytes]:
    """Lines with a head, each joined to those without one that follow while the line above reaches the terminal's edge."""
    whole, goes_on = b"", False
    for line in lines:
        text = line.rstrip(b"\r\n")
        if goes_on and GLOG_HEAD.match(text) is None and len(whole) < LONGEST:
            whole += text
        else:
            if whole:
                yield whole
            whole = text
        goes_on = width - 1 <= len(text) <= width
        if len(text) == width - 1:  # a space at the edge, which copying has dropped
            whole += b" "
    yield whole
