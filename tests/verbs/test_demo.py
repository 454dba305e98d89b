"""The demo, and the example that it comes from."""

from __future__ import annotations

import json
import shutil
import sys

import pytest
import yaml

from split_surgery.errors import UsageError
from split_surgery.verbs.demo import DATA, demo
from tests.support.paths import EXAMPLE
from tests.support.run_command import run_here
from tests.support.schemas import validator
from tests.support.unpainted import unpaint


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The demo in a directory `there`: the folder that this is in, and the report. `make demo` paints its pictures, and CI runs it."""
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        unpaint(patch)
        done = run_here("demo", "there", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def test_the_demo(made, tmp_path, undrawn, monkeypatch):
    folder, report = made
    shutil.copytree(folder / "there", tmp_path / "there")
    accuracy = {row["net"]: row["correct"] for row in report["accuracy"]}
    assert accuracy["extension, noise-free"] == accuracy["baseline"]
    assert 400 < accuracy["baseline"] < 500
    assert list(accuracy) == [
        "baseline",
        "extension, noise-free",
        "residual, untrained",
        "residual, trained",
        "the same, folded",
    ]
    assert accuracy["the same, folded"] == accuracy["residual, trained"]
    assert "; 0 predictions differ" in report["accuracy"][-1]["remark"]
    assert (tmp_path / "there" / "report.html").read_text().count("<h2>") == 7
    assert report["page"] == "there/report.html"
    assert report["fold"]["parameters"]["after"] == report["splits"][0]["parameters"]["before"]
    assert all(proof["passed"] for proof in report["verify"])
    assert {proof["inputs"] for proof in report["verify"]} == {"there/baseline/images.npy"}, "real images, not noise"
    differences = [{o["blob"]: o["difference"] for o in proof["outputs"]} for proof in report["verify"]]
    assert differences[0]["prob"] > 0.1, "the residual split changes what the net says"
    assert differences[1]["prob"] < 1e-5
    assert [split["plan"]["layers"][0]["measure"] for split in report["splits"]] == ["coherence"] * 2
    shutil.copytree(tmp_path / "there" / "residual", tmp_path / "there" / "tried")
    monkeypatch.setitem(sys.modules, "cv2", None)  # no net has to run a second time
    again = demo(tmp_path / "there")
    page = (tmp_path / "there" / "report.html").read_text()
    assert "there/residual" in page
    assert "tried" not in page, "the demo's own nets only"
    assert [split.status for split in (*again.splits, again.fold)] == ["unchanged"] * 3
    (tmp_path / "there" / "baseline" / "deploy.prototxt").write_text("other")
    with pytest.raises(UsageError, match="something else than the demo's baseline"):
        demo(tmp_path / "there")


def test_its_json_is_what_the_schema_says(made):
    pytest.importorskip("jsonschema")
    validator("demo").validate(made[1])


NO_OPENCV = (
    "no net was run: no accuracy is measured, and the proofs are from the files alone: OpenCV is not installed "
    '(pip install "opencv-python-headless<5")'
)
NO_MATPLOTLIB = "no report was written: drawing needs matplotlib, which is not installed (pip install matplotlib)"


@pytest.mark.parametrize(
    ("missing", "remarks"),
    [
        pytest.param(["cv2"], [NO_OPENCV], marks=pytest.mark.whole_corpus),
        pytest.param(["matplotlib"], [NO_MATPLOTLIB], marks=pytest.mark.whole_corpus),
        (["cv2", "matplotlib"], [NO_OPENCV, NO_MATPLOTLIB]),
    ],
)
def test_what_is_not_installed_is_left_out_with_a_line_each(tmp_path, monkeypatch, missing, remarks):
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "matplotlib.figure", raising=False)
    done = run_here("demo", "there", "--json", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr.splitlines()[-len(remarks) :] == [f"split-surgery: {remark}" for remark in remarks]
    report = json.loads(done.stdout)
    assert report["warnings"] == remarks
    assert [proof["passed"] for proof in report["verify"]] == [True] * 3
    assert [proof["engine"] for proof in report["verify"]] == [None if "cv2" in missing else "opencv"] * 3
    assert len(report["accuracy"]) == (0 if "cv2" in missing else 5)
    assert (tmp_path / "there" / "report.html").exists() == ("matplotlib" not in missing)
    pytest.importorskip("jsonschema")
    validator("demo").validate(report)


def test_a_bare_demo_says_what_it_proved(tmp_path, monkeypatch):
    for name in ("cv2", "matplotlib"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "matplotlib.figure", raising=False)
    done = run_here("demo", "there", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.count("passed: the files are sound") == 3
    assert "OpenCV" not in done.stdout
    assert "accuracy" not in done.stdout
    assert done.stdout.endswith("the files are in there\n")


def test_a_directory_of_somebody_elses_is_refused(tmp_path):
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(UsageError, match="holds something else than the demo"):
        demo(tmp_path)
    assert (tmp_path / "report.html").read_text() == "mine"


def test_the_demos_nets_are_the_examples():
    """What the package carries is what real Caffe trained in examples/fashion_vgg."""
    assert (DATA / "deploy.prototxt").read_bytes() == (EXAMPLE / "deploy.prototxt").read_bytes()
    snapshots = sorted(DATA.glob("fashion_vgg_iter_*.caffemodel"))
    assert len(snapshots) == 12
    for path in snapshots:
        assert path.read_bytes() == (EXAMPLE / "snapshots" / path.name).read_bytes()
    assert (DATA / "residual_trained.caffemodel").read_bytes() == (
        EXAMPLE / "derived1" / "grow_iter_1000.caffemodel"
    ).read_bytes()


def test_the_trained_net_was_split_as_the_demo_splits(made):
    demos, kept = (
        yaml.safe_load((folder / "split.yaml").read_text())["layers"][0]
        for folder in (made[0] / "there" / "residual", EXAMPLE / "derived1")
    )
    assert demos["fast_channels"] == kept["fast_channels"]
    assert demos["scores"] == kept["scores"]


@pytest.mark.parametrize("name", ["derived1", "derived1_old"])
def test_the_examples_splits_are_what_is_generated_today(name, command):
    verb = "residual" if name == "derived1" else "extension"
    arguments = [
        "train_val.prototxt",
        "fashion_vgg.caffemodel",
        "--snapshots",
        "snapshots/fashion_vgg_iter_*.caffemodel",
    ]
    done = command(verb, *arguments, "--solver", "solver_grow.prototxt", "-o", name, "--check", cwd=EXAMPLE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_file_in_the_place_of_its_directory(tmp_path):
    (tmp_path / "net.prototxt").write_text("")
    with pytest.raises(
        UsageError, match=r"net.prototxt is a file; demo makes a directory of its own, and takes no net"
    ):
        demo(tmp_path / "net.prototxt")
