"""Every block of the documentation's pages: run in its order, compared with what is shown, or parsed."""

from __future__ import annotations

import re

import pytest

from tests.support.doc_blocks import (
    PARSED,
    RUN,
    SHOWN,
    Block,
    blocks_of,
    commands_of,
    matches,
    pages,
    parse,
    run_page,
    runnable,
    with_outputs,
)  # fmt: skip
from tests.support.doc_exceptions import NOT_RUN, SHOWN_TO_FAIL
from tests.support.paths import ROOT

PAGES = {path.name: path for path in pages()}
BLOCKS = {name: blocks_of(path.read_text()) for name, path in PAGES.items()}
RUN_HERE = [name for name, blocks in BLOCKS.items() if list(runnable(blocks, False, NOT_RUN))]
WITH_CAFFE = [name for name, blocks in BLOCKS.items() if any(block.needs_caffe for block in blocks)]


@pytest.mark.parametrize("name", RUN_HERE)
def test_the_blocks_of_a_page_run_and_print_what_is_shown(name, programs, tmp_path):
    pytest.importorskip("cv2")
    blocks = list(runnable(BLOCKS[name], False, NOT_RUN))
    printed = run_page(blocks, tmp_path, programs, failing=SHOWN_TO_FAIL.get(name, ()))
    for block in blocks:
        if block.language == "console":
            for (command, shown), output in zip(commands_of(block), printed[block.line]):
                assert matches(shown, output), f"{name}:{block.line}: {command}\n{output}\n(`make docs` writes it anew)"


@pytest.mark.caffe
@pytest.mark.parametrize("name", WITH_CAFFE)
def test_the_blocks_of_a_page_run_with_real_caffe(name, programs, tmp_path, caffe):
    pytest.importorskip("cv2")
    blocks, failing = list(runnable(BLOCKS[name], True, NOT_RUN)), SHOWN_TO_FAIL.get(name, ())
    run_page(blocks, tmp_path, programs, {"OPENBLAS_NUM_THREADS": "1"}, failing)


@pytest.mark.parametrize("name", PAGES)
def test_every_block_is_run_or_parsed_or_a_picture(name):
    for block in BLOCKS[name]:
        assert block.language in (*RUN, *PARSED, *SHOWN), f"{name}:{block.line}: {block.language!r}"
        parse(block)


def test_commands_in_pictures_are_few():
    """A block of text is no way around being run: of those that begin with our command all are generated or have no files to run on."""
    found = [
        (name, line)
        for name, blocks in BLOCKS.items()
        for block in blocks
        if block.language == "text" and name != "commands.md"
        for line in block.text.splitlines()
        if line.startswith(("split-surgery", "$ "))
    ]
    assert {name for name, _ in found} == {"cluster.md"}, found
    assert len(found) == 3


def test_no_exception_is_stale():
    firsts = [block.text.splitlines()[0] for blocks in BLOCKS.values() for block in blocks if block.text]
    assert [line for line in NOT_RUN if line not in firsts] == []

    for name, titles in SHOWN_TO_FAIL.items():
        failing = {block.title for block in BLOCKS[name] if re.search("^split-surgery: ", block.text, re.MULTILINE)}
        assert set(titles) - failing == set(), name


def test_no_page_has_an_indented_block():
    for name, path in PAGES.items():
        text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
        assert not re.search(r"\n\n {4}(?![-*\d ])\S", text), (
            f"{name}: use a fenced block, whose language says what becomes of it"
        )


def anchors(text: str) -> set[str]:
    return {
        re.sub(r"[^\w\- ]", "", line).strip().lower().replace(" ", "-")
        for line in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }


@pytest.mark.parametrize("name", [*PAGES, "CHANGELOG.md"])
def test_links_lead_somewhere(name):
    path = PAGES.get(name, ROOT / name)
    prose = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(#[^)\s]*)?\)", prose):
        place = path.parent / target if target else path
        assert place.exists(), f"{name}: {target}"
        if anchor:
            assert anchor[1:] in anchors(place.read_text()), f"{name}: {target}{anchor}"


def test_a_page_that_shows_something_else_is_found(programs, tmp_path):
    page = "# A\n```bash\ncd examples\nx=1\n```\n```console\n$ echo $x; ls configs | wc -l\nother\n$ false; echo $?\n...\n```\n"
    blocks = blocks_of(page)
    printed = run_page(blocks, tmp_path, programs)
    assert printed[7][1] == "1\n"
    (first, shown), second = commands_of(blocks[1])
    assert not matches(shown, printed[7][0])
    assert matches(second[1], printed[7][1])
    assert "\n...\n" in with_outputs(page, printed)
    assert "\nother\n" not in with_outputs(page, printed)


def test_a_block_that_fails_is_found(programs, tmp_path):
    with pytest.raises(AssertionError, match="exit 2, line 2:\n.*--fast x"):
        run_page(
            blocks_of("```bash\nsplit-surgery residual configs nosuch --fast x -o d\necho on\n```\n"),
            tmp_path,
            programs,
        )


def test_an_error_that_no_section_is_declared_to_show_is_found(programs, tmp_path):
    blocks = blocks_of("# A\n```console\n$ split-surgery show nosuch\n...\n$ cmp nosuch nosuch\n...\n```\n")
    (tmp_path / "undeclared").mkdir()
    with pytest.raises(AssertionError, match="line 3: split-surgery show nosuch\nsplit-surgery: nosuch: No such file"):
        run_page(blocks, tmp_path / "undeclared", programs)
    (tmp_path / "declared").mkdir()
    printed = run_page(blocks, tmp_path / "declared", programs, failing=["A"])
    assert [text.partition(":")[0] for text in printed[3]] == ["split-surgery", "cmp"]


def test_what_needs_caffe_is_known():
    for text in (
        "caffe train --solver x",
        "x=1; caffe time",
        "split-surgery verify a b --engine caffe",
        "./prepare_data.sh",
        "caffe-python - <<X",
    ):
        assert Block("bash", text, 1, "").needs_caffe, text
    for text in ("grep caffe x", "ls caffe", "cp x.caffemodel y"):
        assert not Block("bash", text, 1, "").needs_caffe, text
