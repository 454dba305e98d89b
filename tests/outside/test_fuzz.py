"""What fuzzing has found stays mended, and the harnesses hold: `make fuzz` runs them for longer, guided by coverage."""

from __future__ import annotations

import importlib
import time
from random import Random

import pytest

from fuzz import HARNESSES
from fuzz.law import lawful
from split_surgery.errors import Defect, FileError
from tests.support.paths import ROOT

CRASHES = sorted((ROOT / "fuzz" / "crashes").glob("*/*"))


NEEDS = {"hdf5": "h5py", "inputs": "cv2"}
"""What not every installation has."""


def harness(name: str):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    return importlib.import_module(f"fuzz.{name}")


def test_every_harness_is_run():
    shared = {"__init__", "__main__", "law", "edits", "fields", "pairs"}
    assert {path.stem for path in (ROOT / "fuzz").glob("*.py")} - shared == set(HARNESSES)


@pytest.mark.parametrize("path", CRASHES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_once_broke_the_law(path):
    harness(path.parent.name).check(path.read_bytes())


@pytest.mark.parametrize("name", HARNESSES)
def test_seeds_and_what_becomes_of_them(name):
    found, random = harness(name), Random(1)
    for seed in found.SEEDS:
        found.check(seed)
    if hasattr(found, "mutated"):
        changed = [found.mutated(random.choice(found.SEEDS), random) for _ in range(25)]
        assert len(set(changed)) > 15
        for data in changed:
            found.check(data)


def raises(error: BaseException):
    def call() -> None:
        raise error

    return call


@pytest.mark.parametrize(
    "error", [ValueError("an error of Python's"), Defect("the tool contradicted itself"), MemoryError()]
)
def test_the_law_finds_other_errors(error):
    with pytest.raises((AssertionError, type(error))):
        lawful(raises(error))


def test_the_law_finds_what_takes_long(monkeypatch):
    monkeypatch.setattr("fuzz.law.SECONDS", 0.01)

    def slow() -> None:
        end = time.process_time() + 0.02
        while time.process_time() < end:
            pass

    with pytest.raises(AssertionError, match="took"):
        lawful(slow)


def test_the_law_takes_errors_of_ours():
    assert lawful(raises(FileError("cut off", hint="get it again"))) is None
    assert lawful(lambda: 3) == 3
