"""Figures and pictures in the documentation, worked out and drawn again. (Blocks of commands: test_doc_blocks.py.)"""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from split_surgery import rank
from split_surgery.kernels.tpm import MEASURES
from split_surgery.splitting.options import Settings, word_of
from split_surgery.splitting.recipes import RECIPES
from split_surgery.verbs.rank import NetRankReport
from tests.support.paths import EXAMPLE, ROOT

LATE = 100_000
"""An iteration at which Adam's bias correction is 1."""


def step_lengths(solver: str, count: int) -> list[float]:
    """Steps, in units of the rate, of a parameter whose history starts at zero and whose gradient is 1 (Caffe's solvers)."""
    first = second = 0.0
    steps = []
    for k in range(1, count + 1):
        if solver.startswith("SGD"):
            first = 0.9 * first + 1
            steps.append(first)
        elif solver.startswith("AdaGrad"):
            second += 1
            steps.append(1 / math.sqrt(second))
        elif solver.startswith("RMSProp"):
            second = 0.99 * second + 0.01
            steps.append(1 / math.sqrt(second))
        else:
            first, second = 0.9 * first + 0.1, 0.999 * second + 0.001
            correction = math.sqrt(1 - 0.999 ** (LATE + k)) / (1 - 0.9 ** (LATE + k))
            steps.append(correction * first / math.sqrt(second))
    return steps


def table_rows():
    text = (ROOT / "docs" / "resume.md").read_text()
    lines = text[text.index("| solver |") :].splitlines()
    columns = [int(found) for found in re.findall(r"\d+", lines[0])]
    for line in lines[2:]:
        if not line.startswith("|"):
            return
        name, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        yield name, columns, [float(cell) for cell in cells]


@pytest.mark.parametrize(("solver", "columns", "figures"), list(table_rows()))
def test_steps_from_a_zero_history(solver, columns, figures):
    steps = step_lengths(solver, max(columns))
    assert [round(steps[k - 1], 2) for k in columns] == figures


def test_the_largest_step_of_adam_is_the_one_stated():
    assert "up to 6.6 times" in (ROOT / "docs" / "resume.md").read_text()
    assert round(max(step_lengths("Adam", 1000)), 1) == 6.6


def tpm_table() -> str:
    """The table of docs/tpm.md, from the example's snapshots."""
    report = rank(
        EXAMPLE / "train_val.prototxt", EXAMPLE / "fashion_vgg.caffemodel",
        snapshots=str(EXAMPLE / "snapshots" / "*.caffemodel"), windows=3,
    )  # fmt: skip
    assert isinstance(report, NetRankReport)
    heads = [f"{iteration(w.first)}-{iteration(w.last)}" for w in report.windows]
    lines = [f"| layer (kernels) | mean | entropy | {' | '.join(heads)} |", "| --- |" + " --- |" * (2 + len(heads))]
    for row in report.layers:
        cells = [f"{w.entropy[row.layer]:.4f}" for w in report.windows]
        lines.append(f"| `{row.layer}` ({row.num_output}) | {row.mean:.4f} | {row.entropy:.4f} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def iteration(name: str) -> str:
    found = re.search(r"_iter_(\d+)\.", name)
    assert found is not None
    return found[1]


def measures_table() -> str:
    """The measures as the code knows them."""
    lines = ["| measure | needs | what it is | source |", "| --- | --- | --- | --- |"]
    for measure in MEASURES.values():
        needs = (
            "a solver state"
            if measure.needs_state
            else f"{measure.snapshots} snapshots"
            if measure.snapshots > 1
            else "the weights"
        )
        lines.append(f"| `{measure.name}` | {needs} | {measure.summary} | {measure.reference} |")
    return "\n".join(lines) + "\n"


def test_the_tables_of_tpm_are_what_the_tool_gives():
    text = (ROOT / "docs" / "tpm.md").read_text()
    assert tpm_table() in text
    assert measures_table() in text


SAME, SIMILAR = 1.0, 8.0
"""Root mean square differences of colours, of 255, drawn by one version of matplotlib and by two, which set letters and hatches
elsewhere by some pixels (between 3.8 and 3.11 up to 6.6)."""


def difference(first: Path, second: Path) -> tuple[float, bool]:
    """How much two pictures of about one size differ once they are a twelfth as large, and whether one version drew both."""
    from PIL import Image

    images = [Image.open(path) for path in (first, second)]
    assert all(abs(a - b) <= 0.02 * a for a, b in zip(images[0].size, images[1].size)), [image.size for image in images]
    size = tuple(side // 12 for side in images[0].size)
    small = [np.asarray(image.convert("RGB").resize(size, Image.Resampling.BOX), float) for image in images]
    return float(np.sqrt(np.mean((small[0] - small[1]) ** 2))), images[0].info["Software"] == images[1].info["Software"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The pictures of docs/, drawn by docs/draw.py."""
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("drawn")
    subprocess.run([sys.executable, ROOT / "docs" / "draw.py", folder], check=True)
    return folder


@pytest.mark.whole_corpus  # drawing all of them takes long
def test_the_pictures_are_drawn_by_the_commands_beside_them(drawn):
    texts = [path.read_text() for path in (ROOT / "docs").glob("*.md")]
    shown = {name for text in texts for name in re.findall(r"\]\(pictures/([^)]+)\)", text)}
    assert sorted(shown) == sorted(path.name for path in drawn.iterdir())
    assert sorted(shown) == sorted(path.name for path in (ROOT / "docs" / "pictures").iterdir())
    for name in shown:
        found, same = difference(ROOT / "docs" / "pictures" / name, drawn / name)
        assert found < (SAME if same else SIMILAR), name


@pytest.mark.whole_corpus
def test_a_picture_that_shows_something_else_is_told_apart(drawn, tmp_path):
    """The comparison can fail: a line less, other kernels, one bar of another colour, nothing marked."""
    from split_surgery import plot

    trained = EXAMPLE / "derived1" / "grow_iter_1000.caffemodel"
    net, weights, snapshots = (
        EXAMPLE / name for name in ("train_val.prototxt", "fashion_vgg.caffemodel", "snapshots/*.caffemodel")
    )
    plot.loss([EXAMPLE / name for name in ("train.log", "derived1")], tmp_path / "curves.png")
    plot.kernels(trained, "conv1_2", tmp_path / "kernels.png")
    plot.kernels(trained, "conv1_1", tmp_path / "compared.png", compare=True)
    plot.tpm(net, weights, tmp_path / "tpm.png", snapshots=str(snapshots), fast="15")
    plot.net(EXAMPLE / "derived1", tmp_path / "after.png", around="conv1_1", base=EXAMPLE / "derived1" / "net.prototxt",
             input_shape={"data": (64, 1, 28, 28)})  # fmt: skip
    found = {path.name: difference(drawn / path.name, path)[0] for path in tmp_path.iterdir()}
    assert len(found) == 5
    assert min(found.values()) > SAME, found
    assert found["after.png"] > SIMILAR


def test_the_page_of_commands_is_what_the_program_declares():
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs" / "make_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text() == module.page(), "make docs"
    for text in ("--even-center", "--noise FLOAT", "split-surgery plot net"):
        assert text in module.page()


def test_the_page_of_configs_has_every_key():
    text = (ROOT / "docs" / "configs.md").read_text()
    cells = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    keys = {key for cell in cells for key in re.findall(r"`([a-z-]+)`", cell)}
    assert keys == {"recipe", "layers", *map(word_of, dataclasses.fields(Settings))}
    for path in (ROOT / "configs").glob("*.yaml"):
        found = yaml.safe_load(path.read_text())
        assert set(found) <= keys, path


def test_the_suffixes_in_the_page_of_configs_are_the_recipes():
    text = (ROOT / "docs" / "configs.md").read_text()
    roles = re.findall(r"`(\w+)`", text[text.index("Roles are") :])
    assert set(roles) == {part.role for recipe in RECIPES.values() for part in recipe.parts}


def test_the_changelog_has_this_version():
    import split_surgery

    text = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## (\d+\.\d+\.\d+) \((\d{4}-\d\d-\d\d)\)$", text, re.MULTILINE)
    assert split_surgery.__version__ == versions[0][0]
    assert [day for _, day in versions] == sorted((day for _, day in versions), reverse=True)


if __name__ == "__main__":
    print(measures_table())
    print(tpm_table())
