"""The law: a reader ends in a value or in an error of ours, which is one line and exits with 2 or 3, soon and within bounds."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from split_surgery.errors import MESSAGE_LIMIT, SurgeryError, SurgeryWarning

Found = TypeVar("Found")

SECONDS = 5.0
"""Of the processor's time for one file: the harnesses take files of at most 64 KiB, and measuring coverage slows the program."""

MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
"""Where files cost no disk, if there is such a place."""

_PARTS = 3
"""A place, a message and a hint: each is shortened by itself."""


def lawful(call: Callable[[], Found]) -> Found | None:
    """What a call gives, or None where it ends in an error of ours.

    Raises:
        AssertionError: it breaks the law. What else it raises breaks it too.
    """
    started = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a warning of numpy's would be printed among the results
            warnings.simplefilter("ignore", SurgeryWarning)
            found = call()
    except SurgeryError as error:
        assert error.exit_code in (2, 3), f"exit code {error.exit_code}: {error}"
        place = f"{error.place}: " if error.place is not None else ""
        first = error.with_flags().removesuffix(f"\n  {error.hint}") if error.hint else error.with_flags()
        assert "\n" not in first, f"more than one line: {error}"
        assert error.message, f"{place}no message"
        assert len(str(error)) < (_PARTS + 1) * MESSAGE_LIMIT, f"{len(str(error))} characters of message"
        found = None
    took = time.process_time() - started
    assert took < SECONDS, f"took {took:.1f} seconds"
    return found


@contextmanager
def written(data: bytes, suffix: str = "") -> Iterator[Path]:
    """A file with this content."""
    with tempfile.NamedTemporaryFile(suffix=suffix, dir=MEMORY) as file:
        file.write(data)
        file.flush()
        yield Path(file.name)
