"""The demo, the example it comes from, and the README's own words."""

from __future__ import annotations

import json

import pytest
import yaml

from split_surgery.errors import UsageError
from split_surgery.verbs.demo import DATA, demo
from tests.support.paths import EXAMPLE


def test_the_demo(tmp_path, command):
    done = command("demo", "there", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
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
    assert (tmp_path / "there" / "report.html").read_text().count("<h2>") == 5
    assert report["page"] == "there/report.html"
    assert report["fold"]["parameters"]["after"] == report["splits"][0]["parameters"]["before"]
    assert all(proof["passed"] for proof in report["verify"])
    assert [split["plan"]["layers"][0]["measure"] for split in report["splits"]] == ["coherence"] * 2
    again = demo(tmp_path / "there")
    assert [split.status for split in (*again.splits, again.fold)] == ["unchanged"] * 3
    (tmp_path / "there" / "baseline" / "deploy.prototxt").write_text("other")
    with pytest.raises(UsageError, match="something else than the demo's baseline"):
        demo(tmp_path / "there")


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


def test_the_trained_net_was_split_as_the_demo_splits(tmp_path):
    demo(tmp_path)
    made, kept = (
        yaml.safe_load((folder / "split.yaml").read_text())["layers"][0]
        for folder in (tmp_path / "residual", EXAMPLE / "derived1")
    )
    assert made["fast_channels"] == kept["fast_channels"]
    assert made["scores"] == kept["scores"]


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
