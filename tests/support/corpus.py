"""The corpus of real prototxts, and the tenth of it that every run reads."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import CORPUS


def corpus_files() -> list[Path]:
    """Every file of the corpus's folders, in a fixed order; none where the corpus is not on this machine."""
    return sorted(path for path in CORPUS.glob("*/**/*") if path.is_file())


def corpus_shares(every: int = 1) -> list[Any]:
    """The files as parameters of a test: for each folder a fixed tenth for every run, and the rest marked `whole_corpus`.

    Args:
        every: of the rest only one in so many, for laws that take long on each file.
    """
    tenth, rest = defaultdict(list), defaultdict(list)
    for number, path in enumerate(corpus_files()):
        (rest if number % 10 else tenth)[path.relative_to(CORPUS).parts[0]].append(path)
    shares = [pytest.param(paths, id=f"{folder}-tenth") for folder, paths in sorted(tenth.items())]
    shares += [
        pytest.param(paths[::every], id=f"{folder}-rest", marks=pytest.mark.whole_corpus)
        for folder, paths in sorted(
            rest.items(), key=lambda item: -len(item[1])
        )  # the longest first: workers end together
    ]
    return shares or [pytest.param([], id="none")]
