"""What stands between two layers, parted where a layer goes in between and joined where one goes: each the inverse of the other."""

from __future__ import annotations

from split_surgery.documents.edit.layer_text import removal_at, rest_of_line
from split_surgery.documents.spans import Span


def parted_after(gap: bytes, following: bytes, eol: bytes) -> tuple[bytes, bytes]:
    """For a layer put behind another one: what then stands before it, without its indent, and what stands after it.

    Args:
        gap: what stands behind the other one. following: the layer after that, or nothing.
    """
    rest = rest_of_line(gap + following, 0) or 0  # with a comment on its line
    return gap[:rest] + eol, gap[rest:]


def parted_before(gap: bytes, first: bool, eol: bytes, indent: bytes) -> tuple[bytes, bytes]:
    """The same for a layer put before another one, of which the comments just above it remain part.

    Args:
        gap: what stands before the other one. first: whether the file begins with it.
    """
    lines = gap.split(b"\n")
    if lines[-1].strip(b" \t") or (len(lines) == 1 and not first):  # something else is on its line
        return gap + (b" " if gap[-1:].strip() else b""), b" "
    last = len(lines) - 1
    while last > 1 and lines[last - 1].strip().startswith(b"#"):
        last -= 1
    kept = b"\n".join(lines[:last]).rstrip(b" \t\r\n")
    if first and not kept:  # what the file begins with stays there
        return gap.removesuffix(indent), eol + indent
    return kept + eol, gap[len(kept) :]


def joined(before: bytes, layer: bytes, after: bytes, preceding: bytes, following: bytes) -> bytes:
    """What stands between two layers once the one between them is gone; `preceding` and `following` are those two, or nothing."""
    on_line = before.rpartition(b"\n")[2].strip(b" \t") or b"\n" not in before
    if on_line and before[-1:].isspace() and after and following and not after.strip(b" \t"):
        return before  # between others on one line
    data = preceding + before + layer + after + following
    start = len(preceding) + len(before)
    splice = removal_at(data, Span(start, start + len(layer)))
    return data[len(preceding) : splice.start] + data[splice.stop : len(data) - len(following)]
