"""Pictures that are drawn and not painted, which takes most of a page's time: for tests of what is put down, and where."""

from __future__ import annotations

import pytest


def unpaint(patch: pytest.MonkeyPatch) -> None:
    """Until `patch` is undone, a few bytes stand for each picture's file, and an empty element for it on a page."""
    from split_surgery.reporting.pictures import style

    patch.setattr(style.Picture, "saved", _saved)
    patch.setattr(style.Picture, "inline", lambda one: f'<svg class="{one.name}"></svg>')


def _saved(picture, suffix: str) -> bytes:
    """As a report knows its own files, and another for each picture."""
    return b"\x89PNG Software\0split-surgery" + f"{suffix} {picture.name}: {picture.about}".encode("utf-8", "replace")
