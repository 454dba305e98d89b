"""What the tests of pages and pictures share."""

from __future__ import annotations

import shutil

from tests.support.paths import EXAMPLE

SECTIONS = ["Accuracy", "Curves", "Splits", "derived1", "derived1_old", "Glossary"]
"""The headings of the page on the example."""


def one_log(folder, name="derived1"):
    """A directory with nothing but a log."""
    (folder / name).mkdir(parents=True)
    return shutil.copy(EXAMPLE / "derived1" / "train.log", folder / name)


MAGIC = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
"""Formats of pictures, and how their files begin."""
