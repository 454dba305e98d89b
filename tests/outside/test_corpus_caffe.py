"""Real architectures in real Caffe: inputs shrunk, batch 1, random weights; a noise-free extension computes the same, shapes too."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from split_surgery import extension, fold, residual, verify
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.rules import State
from split_surgery.documents.net.shape_rules import Unknown, parameter_shapes
from split_surgery.documents.net.shapes import infer
from split_surgery.documents.prototxt import Document
from split_surgery.documents.weights.caffemodel import Caffemodel
from split_surgery.documents.weights.wire import Buffer
from split_surgery.errors import SurgeryError
from split_surgery.verification.engines.prepare import prepare, random_inputs
from tests.support.architectures import ARCHITECTURES, shrunk
from tests.support.corpus_splits import first_splittable
from tests.support.nets import read_weights
from tests.support.paths import CORPUS, SUPPORT
from tests.support.run_caffe import in_caffe

pytestmark = [pytest.mark.caffe, pytest.mark.corpus]


@dataclass(frozen=True)
class Case:
    """A net made small, the layer to split, and its folder."""

    name: str
    layer: str
    folder: Path

    def file(self, name: str) -> Path:
        return self.folder / name


def read(path: Path) -> Net:
    return Net(Document(path.read_bytes(), path.name))


@dataclass(frozen=True)
class Pair:
    """Two nets that must compute the same: folders with net.prototxt and net.caffemodel, and the blobs to compare."""

    case: Case
    what: str
    before: Path
    after: Path
    blobs: tuple[str, ...]
    tolerance: float


def made_cases(tmp_path: Path, caffe, part: int) -> list[Case]:
    """Every fourth architecture, with random weights that Caffe has saved."""
    cases = []
    for at, name in enumerate(ARCHITECTURES[part::4]):
        path = CORPUS / f"{name}.prototxt"
        net = read(path)
        cases.append(Case(name, first_splittable(net)[0], tmp_path / str(at)))
        (cases[-1].file("base")).mkdir(parents=True)
        cases[-1].file("base/net.prototxt").write_bytes(shrunk(net).text)
    save_random(caffe, [case.file("base") for case in cases])
    return cases


def save_random(caffe, folders: list[Path]) -> None:
    in_caffe(caffe, [{"net": f / "net.prototxt", "save": f / "net.caffemodel"} for f in folders])


def pair_of(case: Case, what: str, before: Path, after: Path, blobs: tuple[str, ...] = ()) -> Pair:
    made = prepare(read(before / "net.prototxt"), Caffemodel(Buffer((before / "net.caffemodel").read_bytes())), {})
    if not case.file("in.npz").exists():
        np.savez(case.file("in.npz"), **random_inputs(made.inputs, 1))
    return Pair(case, what, before, after, (*made.outputs, *blobs), made.tolerance)


def assert_same(caffe, pairs: list[Pair]) -> None:
    """Both nets of each pair in Caffe, every blob asked for within what float32 rounding explains."""
    tasks: list[dict[str, object]] = []
    for at, pair in enumerate(pairs):
        for folder in (pair.before, pair.after):
            tasks.append(
                {"net": folder / "net.prototxt", "weights": folder / "net.caffemodel", "inputs": pair.case.file("in.npz"),
                 "out": folder / f"out{at}.npz", "blobs": pair.blobs}
            )  # fmt: skip
    in_caffe(caffe, tasks)
    for at, pair in enumerate(pairs):
        before, after = (np.load(folder / f"out{at}.npz") for folder in (pair.before, pair.after))
        largest = 0.0
        for blob in before.files:
            assert np.isfinite(before[blob]).all()
            scale = float(np.abs(before[blob]).max())
            assert scale > 0, f"{pair.case.name}: the output is all zeros, which shows nothing"
            largest = max(largest, float(np.abs(after[blob] - before[blob]).max()) / scale)
        assert largest <= pair.tolerance, (pair.case.name, pair.what, largest)
        print(
            f"{pair.case.name}: {pair.what}: largest relative difference {largest:.2g} (allowed {pair.tolerance:.2g})"
        )


@pytest.mark.parametrize("part", range(4))
def test_real_architectures_compute_the_same(tmp_path, caffe, part):
    """A noise-free extension is what the baseline was; and with every linear region folded it is that too."""
    pairs = []
    for case in made_cases(tmp_path, caffe, part):
        base, out = case.file("base"), case.file("derived")
        given = (base / "net.prototxt", base / "net.caffemodel")
        extension(*given, out, layer=case.layer, noise=0)
        assert verify(*given, out, max_drift=0).problems == (), case.name
        pairs.append(pair_of(case, f"extension of {case.layer}", base, out, read(given[0]).named(case.layer)[0].tops))
        report = fold(*given, case.file("all"), all=True)
        assert all(region.parameters[1] <= region.parameters[0] for region in report.regions), case.name
        assert report.parameters[1] <= report.parameters[0]
        if report.regions:
            pairs.append(pair_of(case, f"{len(report.regions)} regions folded", base, case.file("all")))
    assert_same(caffe, pairs)


@pytest.mark.parametrize("part", range(4))
def test_real_architectures_with_a_trained_split_fold(tmp_path, caffe, part):
    """A residual split of a split, all its layers random as after long training: one layer computes the same."""
    cases = made_cases(tmp_path, caffe, part)
    for case in cases:
        base, name = case.file("base"), case.layer
        residual(base / "net.prototxt", base / "net.caffemodel", case.file("one"), layer=name, even_center="low")
        residual(case.file("one"), None, case.file("two"), layer=f"{name}_split2", even_center="low")
    save_random(caffe, [case.file("two") for case in cases])
    pairs = []
    for case in cases:
        report = fold(case.file("two"), None, case.file("back"))
        assert [region.layer for region in report.regions] == [case.layer], report.left
        assert (case.file("back") / "net.prototxt").read_bytes() == (case.file("base") / "net.prototxt").read_bytes()
        assert report.parameters[1] == sum(
            array.size
            for _, arrays in read_weights(case.file("base/net.caffemodel").read_bytes()).values()
            for array in arrays
        )
        tops = read(case.file("base/net.prototxt")).named(case.layer)[0].tops
        pairs.append(pair_of(case, f"two splits of {case.layer} folded", case.file("two"), case.file("back"), tops))
    assert_same(caffe, pairs)


@pytest.mark.caffe
@pytest.mark.corpus
def test_every_shape_is_caffes(tmp_path, caffe):
    """Blobs and parameters of the architectures that the other tests run, small as there and as large as they are."""
    paths = []
    for at, name in enumerate(ARCHITECTURES):
        file = tmp_path / f"{at}.prototxt"
        document = Document((CORPUS / f"{name}.prototxt").read_bytes(), name)
        file.write_bytes(shrunk(Net(document)).text)
        paths.append(file)
    script = SUPPORT / "caffe_shapes.py"
    done = subprocess.run([caffe[1], script, *paths], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    known = 0
    for path, there in zip(paths, json.loads(done.stdout)):
        made = {}
        for shaped in infer(read(path), State("TEST")):
            made.update(zip(shaped.layer.tops, shaped.tops))
            try:
                params = parameter_shapes(shaped.layer, shaped.bottoms)
            except (Unknown, SurgeryError):
                continue
            assert [list(shape) for shape in params] == there["params"].get(shaped.layer.name, [])
        assert {blob: list(shape) for blob, shape in made.items()} == {blob: there["blobs"][blob] for blob in made}
        known += len(made)
    assert known > 500
