"""Directories of splits, damaged in every way that we could think of: what finds each damage is in a table, and the table is kept."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.support.damaged_dirs import RECIPES, Dir, Files, baseline, codes_of
from tests.support.damages import DAMAGES, page_tables
from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Files:
    return baseline(tmp_path_factory.mktemp("base"))


PARTS = [pytest.param(True, id="every eighth"), pytest.param(False, id="rest", marks=pytest.mark.whole_corpus)]


@pytest.mark.parametrize("some", PARTS)
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("file", DAMAGES)
def test_each_damage_is_found_by_the_verbs_that_the_table_names(tmp_path, files, recipe, file, some):
    clean, damaged = files.split(recipe, tmp_path / "clean"), tmp_path / "damaged"
    assert codes_of(files, clean, clean) == (0, 0, 0, 0, 0)
    for at, damage in enumerate(DAMAGES[file]):
        if (at % 8 == 0) == some and recipe in (damage.only or RECIPES):
            shutil.copytree(clean, damaged)
            damage.act(Dir(damaged, files))
            assert codes_of(files, clean, damaged) == damage.codes, damage.name
            shutil.rmtree(damaged)


def test_every_damage_is_found():
    damages = [damage for several in DAMAGES.values() for damage in several]
    assert len({damage.name for damage in damages}) == len(damages) >= 100
    assert [damage.name for damage in damages if not any(damage.codes)] == []
    # Where the weights or the net are other than they were, verify and diff say the same.
    for damage in (*DAMAGES["net.caffemodel"], *DAMAGES["net.prototxt"]):
        passes = damage.codes[0] == 0, damage.codes[2] == 0
        assert passes in ((True, True), (False, False)) or "record" in damage.name, damage.name


def test_the_page_shows_the_table():
    page = (ROOT / "docs" / "verdicts.md").read_text()
    assert page_tables() in page, "put the tables anew: python -m tests.support.damages"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("record_sha256: ....", "record_sha256: 0123", "its SHA-256 differs"),
        ("  bytes: ", "  bytes: 9", None),  # of the prototxt: its digest decides
        ("layer: conv1_1", "layer: conv1_2", "its SHA-256 differs"),
    ],
)
def test_a_plan_of_another_baseline_is_told(tmp_path, files, old, new, why):
    """It prescribes nothing, and the directory is judged without it; but not in silence."""
    from split_surgery import verify

    out = files.split("extension", tmp_path / "out")
    plan = out / "split.yaml"
    plan.write_text(re.sub(old, new, plan.read_text(), count=1))
    report = verify(files.net, files.model, out)
    assert report.exit_code == 0
    told = [warning for warning in report.warnings if "were not held against split.yaml" in warning]
    assert [why in warning for warning in told] == ([True] if why else [])
