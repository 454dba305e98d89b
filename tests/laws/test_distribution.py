"""What is handed out: the metadata that a package page shows, the source distribution, and the Makefile's help."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

LINK = re.compile(r"\]\(([^)\s]*)|(?:src|href)=\"([^\"]*)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
"""Where links and pictures lead, in Markdown and in HTML."""


def hatchling(*arguments: str) -> str:
    """What the build backend answers, for this tree."""
    pytest.importorskip("hatchling")
    pytest.importorskip("hatch_fancy_pypi_readme")
    words = [sys.executable, "-m", "hatchling", *arguments]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def targets_of(text: str) -> list[str]:
    return [next(filter(None, found), "") for found in LINK.findall(text)]


def test_links_of_the_package_page_lead_somewhere():
    """A package page is no place in the repository: only whole addresses lead anywhere from it."""
    relative = [to for to in targets_of((ROOT / "README.md").read_text()) if not to.startswith("https://")]
    assert len(relative) > 20, "the README itself has links to files, which must not come through"
    page = json.loads(hatchling("metadata"))["readme"]["text"]
    assert [to for to in targets_of(page) if not to.startswith("https://")] == []
    assert "Getting started with your own net (`docs/getting-started.md` in the source distribution)" in page


def test_all_is_every_extra_that_the_tool_can_use():
    extras = json.loads(hatchling("metadata"))["optional-dependencies"]
    used = {name: needs for name, needs in extras.items() if name not in ("all", "docs", "dev", "fuzz", "experiment")}
    assert set(used) == {"opencv", "hdf5", "plot"}
    assert sorted(extras["all"]) == sorted(need for needs in used.values() for need in needs)


@pytest.fixture(scope="module")
def handed_out() -> dict[str, Path]:
    """The files of the source distribution by their names in it, as its builder chooses them; CI builds and unpacks it."""
    sdist = pytest.importorskip("hatchling.builders.sdist")
    pytest.importorskip("hatch_fancy_pypi_readme")
    chosen = sdist.SdistBuilder(str(ROOT)).recurse_included_files()
    return {Path(file.distribution_path).as_posix(): Path(file.path) for file in chosen}


def test_the_source_distribution_holds_what_its_pages_and_tests_need(handed_out):
    for name in (
        "Makefile",
        ".ci/run",
        ".pre-commit-hooks.yaml",
        "mkdocs.yml",
        "LICENSE",
        "split_surgery/verbs/demo_data/images.npz",
    ):
        assert name in handed_out, name
    for folder in ("docs", "examples", "configs", "tests", "benchmarks", "scripts", "split_surgery"):
        for path in (ROOT / folder).rglob("*"):
            kept = (
                path.is_file()
                and "__pycache__" not in path.parts
                and path.suffix in (".py", ".md", ".yaml", ".prototxt")
            )
            assert not kept or path.relative_to(ROOT).as_posix() in handed_out, path


def test_no_place_of_work_is_named(handed_out):
    """No file that is handed out holds a path of somebody's home or of this checkout."""
    place = re.compile(rb"(?<![\w}$.])/(root|home/\w+)/|" + re.escape(str(ROOT).encode() + b"/"))
    for name, path in handed_out.items():
        data = path.read_bytes()
        if b"\0" not in data:
            assert not place.search(data), name


TRIED = {
    "scripts/get-caffe": "make caffe",
    "pip install --no-cache-dir '.[all]'": '[all]"',
    "split-surgery demo demo -q": "split-surgery demo",
}
"""The steps of the Dockerfile, with what tries each in CI: the image itself is not built."""


def test_the_steps_of_the_dockerfile_are_those_that_ci_tries():
    text, ci = (ROOT / "Dockerfile").read_text(), (ROOT / ".ci" / "run").read_text()
    assert re.findall(r"^RUN (.*)$", text, re.MULTILINE) == list(TRIED)
    for step, trial in TRIED.items():
        assert trial in ci, step
    assert "caffe:  ## " in (ROOT / "Makefile").read_text()
    assert os.access(ROOT / "scripts" / "get-caffe", os.X_OK)
    for source in re.findall(r"^COPY (\S+) ", text, re.MULTILINE):
        assert (ROOT / source).exists()
    (python,) = re.findall(r"^FROM python:3\.(\d+)-slim-bookworm$", text, re.MULTILINE)
    assert json.loads(hatchling("metadata"))["requires-python"] == ">=3.10"
    assert int(python) >= 10


def test_make_help_tells_every_target():
    made = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    told = dict(re.findall(r"^make (\w+) +(\S.*)$", made, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    assert sorted(told) == sorted(phony[1].split())
    assert told["test"].startswith("the whole test suite")
