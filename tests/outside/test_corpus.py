"""Both splits on real nets; `python -m tests.support.corpus_splits` prints the counts."""

from __future__ import annotations

import pytest

from tests.support.corpus import corpus_folders
from tests.support.corpus_splits import split_file

FOLDED = 12
"""Of so many files one is folded again here; `python -m tests.support.corpus_splits` folds them all."""


@pytest.mark.corpus
@pytest.mark.parametrize("folder", corpus_folders(), ids=lambda path: path.name)
def test_real_nets_are_split_or_refused(folder, tmp_path):
    for number, path in enumerate(sorted(path for path in folder.rglob("*") if path.is_file())):
        place = tmp_path / str(number)
        place.mkdir()
        split_file(path, place, folds=number % FOLDED == 0)
