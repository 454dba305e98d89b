"""A progress bar on a terminal, for whatever takes longer than about a second."""

from __future__ import annotations

import sys
import time

from split_surgery.errors import harmless

PATIENCE = 1.0
"""Seconds before a bar appears."""

WIDTH = 30


class Bar:
    """Called with a label, the units done and the units in all; draws on stderr, and wipes what it drew when it is closed."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled and sys.stderr is not None and sys.stderr.isatty()
        self.began = time.monotonic()
        self.drawn = False

    def __call__(self, label: str, done: int, total: int) -> None:
        if not self.enabled or time.monotonic() - self.began < PATIENCE:
            return
        full = WIDTH * done // max(total, 1)
        sys.stderr.write(
            f"\r\x1b[K{harmless(label)} [{'#' * full}{'.' * (WIDTH - full)}] {100 * done // max(total, 1)}%"
        )
        sys.stderr.flush()
        self.drawn = True

    def close(self) -> None:
        if self.drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
