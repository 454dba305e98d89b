"""The README's own words: its commands exist and run, and its figures and diagrams are the tool's."""

from __future__ import annotations

import re
import shlex
import subprocess

from split_surgery import extension
from split_surgery.verbs.demo import DATA
from tests.support.nets import write_tiny
from tests.support.paths import EXAMPLE, ROOT, caffe_tools


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
