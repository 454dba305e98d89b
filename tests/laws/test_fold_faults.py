"""Each deliberate fault of fold_faults.py is planted in a copy of the package, and must be caught: by the laws, and by the probe."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.support.fold_faults import FAULTS
from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faulty")
    shutil.copytree(
        ROOT / "split_surgery", folder / "split_surgery", ignore=shutil.ignore_patterns("__pycache__", "demo_data")
    )
    (folder / "tests" / "support").mkdir(parents=True)
    for name in ("__init__", "support/__init__", "support/nets", "support/linear_nets", "support/fold_laws"):
        shutil.copy(ROOT / "tests" / f"{name}.py", folder / "tests" / f"{name}.py")
    return folder


def broken_laws(folder):
    """The laws that are broken in a copy of the package, with the probe and without; "" for none."""
    done = subprocess.run(
        [sys.executable, "-B", "-m", "tests.support.fold_laws"],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_laws_hold_in_a_copy(copy):
    assert broken_laws(copy) == ["", ""]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what)
def test_every_fault_is_caught(copy, fault):
    path = copy / "split_surgery" / fault.module
    sound = path.read_text()
    assert sound.count(fault.code) == 1, "the list is of another time than the code"
    path.write_text(sound.replace(fault.code, fault.fault))
    try:
        with_probe, without = broken_laws(copy)
        assert without
        if fault.arithmetic:
            assert "changed what they compute" in with_probe or "no image was found" in with_probe, with_probe
    finally:
        path.write_text(sound)
