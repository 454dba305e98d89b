"""The corpus of real prototxts."""

from __future__ import annotations

from tests.support.paths import CORPUS


def corpus_folders():
    return sorted(path for path in CORPUS.iterdir() if path.is_dir()) if CORPUS.is_dir() else [CORPUS]
