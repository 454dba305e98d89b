"""Words of the README and the pages: what they name exists, and their figures and diagrams are the tool's."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from split_surgery import extension
from split_surgery.cli.main import cli
from split_surgery.verbs.demo import DATA
from tests.support.paths import EXAMPLE, ROOT


def test_figures_in_the_examples_readme_are_from_its_logs():
    text = (EXAMPLE / "README.md").read_text()
    rows = re.findall(r"\| `(\S+/train\.log|train\.log)` \| ([\d.]+) \| ([\d.]+) \|", text)
    assert len(rows) == 4
    for log, start, final in rows:
        found = re.findall(r"accuracy = ([\d.]+)", (EXAMPLE / log).read_text())
        assert (found[0], found[-1]) == (start, final), log


OTHERS = {
    "--weights", "--snapshot", "--gpu", "--reflink",  # caffe's and cp's
    "--array", "--gres", "--time", "--requeue", "--dependency", "--parsable",  # Slurm's
    "--input_model", "--input_proto", "--compress_to_fp16", "--output_dir",  # mo's
    "--no-textconv", "--strict", "--help", "--version",
    "--rm",  # docker's
}  # fmt: skip
"""Options of other programs that pages name."""


def test_options_that_pages_name_exist():
    known = {word for _, made in commands(cli) for option in made.params for word in option.opts}
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z_0-9-]*\w", path.read_text()))
        assert named <= known | OTHERS, path.name


def test_the_readme_names_every_command_and_is_two_screens():
    text = (ROOT / "README.md").read_text()
    assert text.count("\n") <= 120
    for name, _ in commands(cli):
        assert f"`{name.split()[0]}`" in text or name in ("demo", "help", "completion"), name
    assert re.findall(r"^make (\w+)$", text, re.MULTILINE) == ["demo", "test"]
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"`make (\w+)`", text)) <= set(targets)


def commands(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    """The commands that do something, with the words after the program's name."""
    if not isinstance(command, click.Group):
        yield name.strip(), command
        return
    context = click.Context(command)
    for word in command.list_commands(context):
        inner = command.get_command(context, word)
        assert inner is not None
        yield from commands(inner, f"{name} {word}")


def test_the_diagrams_in_the_docs_are_drawn_by_the_tool(tmp_path):
    from split_surgery import residual
    from split_surgery.verbs.printed.block_text import draw

    page = (ROOT / "docs" / "method.md").read_text()
    for verb in (residual, extension):
        report = verb(DATA / "deploy.prototxt", DATA / "fashion_vgg_iter_3000.caffemodel", tmp_path / verb.__name__)
        for line in draw(report.splits[0].new_layers, "conv1_1", "data").splitlines():
            assert line.strip().removeprefix("data ") in page, line
