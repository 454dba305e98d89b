"""The demo, the example it comes from, and the README's own words."""

from __future__ import annotations

import json
import re
import shlex
import subprocess

import pytest
import yaml

from split_surgery import extension
from split_surgery.errors import UsageError
from split_surgery.verbs.demo import DATA, demo
from tests.support.nets import write_tiny
from tests.support.paths import EXAMPLE, ROOT, caffe_tools


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


def test_figures_in_the_examples_readme_are_from_its_logs():
    text = (EXAMPLE / "README.md").read_text()
    rows = re.findall(r"\| `(\S+/train\.log|train\.log)` \| ([\d.]+) \| ([\d.]+) \|", text)
    assert len(rows) == 4
    for log, start, final in rows:
        found = re.findall(r"accuracy = ([\d.]+)", (EXAMPLE / log).read_text())
        assert (found[0], found[-1]) == (start, final), log


def test_the_readmes_commands_exist(command):
    text = (ROOT / "README.md").read_text()
    options = set(re.findall(r"`(--[a-z-]+)", text)) | set(re.findall(r" (--[a-z][a-z-]*)", text))
    helps = "".join(
        command(verb, "--help").stdout
        for verb in (
            "residual",
            "extension",
            "skip",
            "apply",
            "rank",
            "fold",
            "verify",
            "diff",
            "show",
            "report",
            "demo",
        )
    )
    helps += "".join(command("plot", kind, "--help").stdout for kind in ("loss", "tpm", "kernels", "net"))
    of_other_programs = {"--weights", "--snapshot", "--reflink"}
    assert options - of_other_programs <= set(re.findall(r"--[a-z-]+", helps))
    assert re.findall(r"^ {4}make (\w+)", text, re.MULTILINE) == ["demo", "test"]


def test_the_readmes_shell_examples_run(tmp_path, command):
    """Every split-surgery line of the README, in its order, on a net of the names it uses."""
    write_tiny(tmp_path)
    lines = re.findall(r"^ {4}(split-surgery .*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(lines) >= 3
    for line in lines:
        words = shlex.split(line)[1:]
        if "caffe" in words and caffe_tools() is None:
            continue  # the engine is what `make caffe` is for
        done = command(*words, cwd=tmp_path)
        assert done.returncode == 0, line + "\n" + done.stdout + done.stderr


def test_the_diagrams_in_the_readme_are_drawn_by_the_tool(tmp_path):
    from split_surgery import residual
    from split_surgery.cli.block_text import draw

    readme = (ROOT / "README.md").read_text()
    for verb in (residual, extension):
        report = verb(DATA / "deploy.prototxt", DATA / "fashion_vgg_iter_3000.caffemodel", tmp_path / verb.__name__)
        for line in draw(report.splits[0].new_layers, "conv1_1", "data").splitlines():
            assert line.strip().removeprefix("data ") in readme, line


def test_no_place_of_work_is_named():
    """No file that is not binary holds a path of somebody's home or of this checkout."""
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    place = re.compile(rb"(?<![\w}$.])/(root|home/\w+)/|" + re.escape(str(ROOT).encode() + b"/"))
    for name in filter(None, names):
        data = (ROOT / name).read_bytes()
        if b"\0" not in data:
            assert not place.search(data), name
