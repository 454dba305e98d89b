"""What libraries of C write to stderr themselves: held back, because it may quote a file as it is."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SAID = 1000
"""Bytes of it that are told, from its beginning."""


@contextmanager
def held_back() -> Iterator[Callable[[], str]]:
    """Nothing reaches stderr meanwhile; what is given tells, even after it, the beginning of what was written, in one line."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no stderr
        yield lambda: ""
        return
    with tempfile.TemporaryFile(buffering=0) as file:
        said: list[str] = []

        def tell() -> str:
            if said:
                return said[0]
            file.seek(0)
            return " ".join(file.read(_SAID).decode("utf-8", "replace").split())

        try:
            os.dup2(file.fileno(), 2)
            yield tell
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            said.append(tell())
