"""Two directories exchanged in one step, where the system can do that: nobody ever sees the one gone and the other not yet there."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
"""Linux' fcntl.h and linux/fs.h."""

_RENAME_SWAP = 2
"""macOS' sys/stdio.h."""


def swap(one: Path, other: Path) -> None:
    """Exchange two directories of one file system.

    Raises:
        OSError: this system, or this file system, cannot.
    """
    first, second = os.fsencode(one), os.fsencode(other)
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            failed = library.renamex_np(first, second, _RENAME_SWAP)
        else:
            failed = library.renameat2(_AT_FDCWD, first, _AT_FDCWD, second, _RENAME_EXCHANGE)
    except (AttributeError, TypeError) as error:  # Windows has no CDLL(None), and old or other systems no such function
        raise OSError("directories cannot be exchanged on this system") from error
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(other))
