"""Each deliberate fault of fold_faults.py, planted in a process of its own, must be caught: by the laws, and by the probe."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.fold_faults import FAULTS
from tests.support.paths import ROOT


def broken_laws(*faults):
    """The laws that are broken where faults are planted, with the probe and without; "" for none."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.fold_laws", *faults],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_laws_hold_without_a_fault():
    assert broken_laws() == ["", ""]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what)
def test_every_fault_is_caught(fault):
    with_probe, without = broken_laws(fault.what)
    assert without
    if fault.arithmetic:
        assert "changed what they compute" in with_probe or "no image was found" in with_probe, with_probe
