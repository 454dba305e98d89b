"""Each deliberate fault of fold_faults.py must be caught: by the laws, and by the probe."""

from __future__ import annotations

import pytest

from tests.support.fold_faults import FAULTS, planted
from tests.support.fold_laws import broken, broken_without_probe


def test_the_laws_hold_without_a_fault():
    assert (broken(), broken_without_probe()) == ("", "")


@pytest.mark.parametrize(
    "fault",
    [pytest.param(fault, marks=[pytest.mark.whole_corpus] if at % 3 else []) for at, fault in enumerate(FAULTS)],
    ids=lambda fault: fault.what,
)
def test_every_fault_is_caught(fault):
    with planted(fault):
        with_probe, without = broken(), broken_without_probe()
    assert without
    if fault.arithmetic:
        assert "changed what they compute" in with_probe or "no image was found" in with_probe, with_probe
