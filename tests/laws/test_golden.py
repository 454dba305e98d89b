"""Writing the golden derived nets anew changes nothing."""

import pytest

from tests.support.golden_cases import CASES, GOLDEN, generate, generate_fold_all


def assert_same(case, folder):
    made = {path.name: path.read_bytes() for path in folder.iterdir()}
    kept = {path.name: path.read_bytes() for path in (GOLDEN / case).iterdir()}
    assert made.keys() == kept.keys()
    for name in made:
        assert made[name] == kept[name], (
            f"tests/golden/{case}/{name} differs; if that is meant: make golden, and review the diff"
        )


@pytest.mark.parametrize("case", CASES)
def test_golden(case, tmp_path):
    generate(case, tmp_path)
    assert_same(case, tmp_path)


def test_golden_folds(tmp_path):
    generate_fold_all(tmp_path)
    assert_same("fold_all", tmp_path)


def test_every_folder_is_a_case():
    assert {path.name for path in GOLDEN.iterdir() if path.is_dir()} == {*CASES, "fold_all"}
