"""`verify` beside real Caffe: of many nets, damages and re-savings it passes exactly those that Caffe loads with every blob copied."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from split_surgery import verify
from split_surgery.errors import SurgeryError
from tests.support import verdict_files, verdict_pairs
from tests.support.damaged_dirs import RECIPES, Dir, baseline
from tests.support.damages import DAMAGES
from tests.support.paths import SUPPORT
from tests.support.verdict_nets import NETS

pytestmark = pytest.mark.caffe


def test_verify_passes_exactly_what_caffe_loads_whole(caffe, tmp_path, record_property):
    words = json.dumps({"nets": NETS, "folder": str(tmp_path)})
    done = subprocess.run(
        [caffe[1], SUPPORT / "caffe_verdicts.py"], input=words, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = json.loads(done.stdout.strip().splitlines()[-1])
    matrix = {(ours, theirs): [] for ours in (True, False) for theirs in (True, False)}
    for text, model, what, theirs in rows:
        try:
            ours = verify(text, model).exit_code == 0
        except SurgeryError:
            ours = False
        matrix[ours, theirs].append((text.rpartition("/")[2], what))
    counts = {f"verify {ours}, Caffe {theirs}": len(found) for (ours, theirs), found in matrix.items()}
    record_property("verdicts", counts)
    print(counts)
    assert matrix[True, False] == [], "passed, and Caffe does not take it"
    assert matrix[False, True] == [], "failed, and Caffe takes it"
    assert len(rows) >= 200, counts
    assert len(matrix[True, True]) >= 40, counts


FAMILIES = (
    verdict_pairs.splits, verdict_pairs.exact_splits, verdict_pairs.folds, verdict_pairs.heads,
    verdict_files.hdf5, verdict_files.v1, verdict_files.written_again,
)  # fmt: skip


def test_verify_passes_exactly_the_derived_nets_that_caffe_takes(caffe, tmp_path, record_property):
    """Derived nets, folds, new heads, HDF5, V1 and files written again: loaded whole, and computing what verify says that they do."""
    table = verdict_pairs.Table(caffe, tmp_path)
    for family in FAMILIES:
        family(table)
    theirs = table.judged()
    matrices: dict[str, dict[str, int]] = {}
    wrong = []
    for pair, taken in zip(table.pairs, theirs):
        passed = pair.ours()
        for name in (pair.family.partition(" ")[0], "all"):
            counts = matrices.setdefault(
                name, {f"verify {a}, Caffe {b}": 0 for a in (True, False) for b in (True, False)}
            )
            counts[f"verify {passed}, Caffe {taken}"] += 1
        if passed != taken:
            wrong.append((f"verify {passed}, Caffe {taken}", pair.family, pair.what, *pair.files))
    for name, counts in matrices.items():
        print(f"{name}: {counts}")
    record_property("verdicts", matrices)
    assert wrong == []
    assert len(theirs) >= 500, matrices["all"]
    assert theirs.count(True) >= 150, matrices["all"]


def test_caffe_loads_every_damaged_directory_that_verify_passes(caffe, tmp_path):
    """Of the damages in docs/verdicts.md: what passes untrained computes what the clean directory does, and what passes as trained is
    loaded whole."""
    files, table = baseline(tmp_path), verdict_pairs.Table(caffe, tmp_path)
    codes = []
    for recipe in RECIPES:
        clean = files.split(recipe, tmp_path / recipe)
        for damage in (*DAMAGES["net.caffemodel"], *DAMAGES["net.prototxt"]):
            if recipe in (damage.only or RECIPES) and 0 in damage.codes[:2]:
                out = tmp_path / f"{recipe}_{len(codes)}"
                shutil.copytree(clean, out)
                damage.act(Dir(out, files))
                codes.append(damage.codes[:2])
                pair = [(folder / "net.prototxt", folder / "net.caffemodel") for folder in (out, clean)]
                # tests/verification/test_damages.py holds verify to these codes.
                table.add(recipe, damage.name, pair[0], lambda: True, pair[1], equal=codes[-1][0] == 0)
    judged = zip(table.pairs, table.judged())
    assert [(pair.family, pair.what) for pair, taken in judged if not taken] == []
    assert codes.count((0, 0)) >= 12
    assert len(codes) >= 50
