"""Writing the golden derived nets anew changes nothing."""

import pytest

from tests.golden_cases import CASES, GOLDEN, generate


@pytest.mark.parametrize("case", CASES)
def test_golden(case, tmp_path):
    generate(case, tmp_path)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_bytes() for path in (GOLDEN / case).iterdir()}
    assert made.keys() == kept.keys()
    for name in made:
        assert made[name] == kept[name], (
            f"tests/golden/{case}/{name} differs; if that is meant: make golden, and review the diff"
        )


def test_every_folder_is_a_case():
    assert {path.name for path in GOLDEN.iterdir() if path.is_dir()} == set(CASES)
