"""The pages that `report -o` writes, as text."""

from __future__ import annotations

import html
import html.parser
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest

from split_surgery import __version__, apply, diff, fold, plot, rank, report, residual, show, skip, verify
from split_surgery.errors import UsageError
from split_surgery.reporting.pages.glossary import GLOSSARY
from split_surgery.reporting.tables import Table
from split_surgery.splitting.plan_file import read_plan
from tests.support.paths import EXAMPLE, ROOT
from tests.support.report_pages import SECTIONS, one_log
from tests.support.run_command import run_here
from tests.support.unpainted import unpaint

pytest.importorskip("matplotlib")

PARTS = ["The block", "Scores of the kernels", "Kernels", "Proof", "Made again"]


class Reader(html.parser.HTMLParser):
    """Tags, ids and texts; a tag that is closed by another is an error."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.references, self.texts, self.headings = [], [], [], [], []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href", "action"):
                self.references.append(value)
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in ("meta", "input"):
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("h2", "h3"):
            self.headings.append(data)
        self.texts.append(data)


def test_the_page_holds_everything(page):
    text = page.read_text()
    read = Reader(text)
    assert [heading for heading in read.headings if heading in SECTIONS] == SECTIONS
    assert [heading for heading in read.headings if heading in PARTS] == PARTS * 2
    assert len(set(read.ids)) == len(read.ids)
    assert all(reference.startswith(("#", "data:image/png;base64,")) for reference in read.references)
    assert not re.search(r"url\((?!#)|@import|https?://(?!www\.w3\.org/)", text)
    whole = " ".join(read.texts)
    for digest in (read_plan(EXAMPLE / "derived1" / "split.yaml").net.sha256, "verify", "passed"):
        assert digest in whole
    assert "0.8965" in whole
    assert "split-surgery fold " in whole
    inside = set(read.ids)
    assert all(reference[1:] in inside for reference in read.references if reference.startswith("#"))
    assert set(re.findall(r"url\(#([^)]*)\)", text)) <= inside


def test_the_commands_on_the_page_make_the_split_again(page, tmp_path, command):
    lines = re.findall(r"split-surgery (?:apply|verify|fold) [^\n<]+", page.read_text())
    assert len(lines) == 6
    for at, line in enumerate(lines):
        words = [str(tmp_path / f"{at}") if word in ("COPY", "FOLDED") else word for word in line.split()[1:]]
        done = command(*words)
        assert done.returncode == 0, line + done.stderr
    for name in ("net.prototxt", "net.caffemodel", "split.yaml"):
        assert (tmp_path / "0" / name).read_bytes() == (EXAMPLE / "derived1" / name).read_bytes()


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    """The report on the example as notes.md, its pictures unpainted, in a folder of their own, and what the command printed."""
    folder = tmp_path_factory.mktemp("notes")
    with pytest.MonkeyPatch.context() as patch:
        unpaint(patch)
        done = run_here("report", EXAMPLE, "-o", folder / "notes.md")
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_markdown_with_pictures_beside_it(notes, tmp_path, command, undrawn):
    folder, printed = notes
    assert "written, with 12 pictures beside it" in printed
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    text = (tmp_path / "notes.md").read_text()
    names = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert len(names) == 12
    assert sorted(names) == sorted(f"notes_files/{path.name}" for path in (tmp_path / "notes_files").iterdir())
    assert "| derived1 | 0.8915 | 0.0007 | 0.8965 | 0.0030 | 0.8965 at 1000 | 10,000 | 1,000 |" in text
    assert [line[3:].replace("\\_", "_") for line in text.splitlines() if line.startswith("## ")] == SECTIONS
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    assert ": unchanged" in command("report", EXAMPLE, "-o", tmp_path / "notes.md").stdout
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}


def test_a_picture_beside_markdown_is_that_of_plot(tmp_path):
    log = EXAMPLE / "train.log"
    report(log, tmp_path / "notes.md")
    plot.loss(log, tmp_path / "alone.png")  # with a legend: a page in Markdown has no check boxes
    painted = (tmp_path / "notes_files" / "curves.png").read_bytes()
    assert painted == (tmp_path / "alone.png").read_bytes()
    assert report(log, tmp_path / "notes.md").status == "unchanged"
    assert (tmp_path / "notes_files" / "curves.png").read_bytes() == painted


def test_pictures_that_a_page_no_longer_shows_are_removed(notes, tmp_path, undrawn):
    shutil.copytree(notes[0], tmp_path, dirs_exist_ok=True)
    first = sorted((tmp_path / "notes_files").iterdir())
    (tmp_path / "notes_files" / "mine.png").write_bytes(b"mine")
    second = report(EXAMPLE / "train.log", tmp_path / "notes.md")
    assert len(second.pictures) == 1 < len(first)
    assert sorted(path.name for path in (tmp_path / "notes_files").iterdir()) == ["curves.png", "mine.png"]
    report(EXAMPLE, tmp_path / "notes.md")
    (tmp_path / "notes_files" / "derived1--tpm.png").unlink()  # one that is gone already
    report(EXAMPLE / "train.log", tmp_path / "notes.md")
    shutil.copy(tmp_path / "notes.md", tmp_path / "other.md")
    (tmp_path / "other_files").mkdir()
    with pytest.raises(UsageError, match="other_files is there"):
        report(EXAMPLE / "train.log", tmp_path / "other.md")


def test_somebodys_own_pictures_are_not_replaced(tmp_path, undrawn):
    log = one_log(tmp_path)
    (tmp_path / "notes_files").mkdir()
    (tmp_path / "notes_files" / "curves.png").write_bytes(b"mine")
    with pytest.raises(UsageError, match="notes_files is there, and no report made it"):
        report(log, tmp_path / "notes.md")
    assert (tmp_path / "notes_files" / "curves.png").read_bytes() == b"mine"
    assert not (tmp_path / "notes.md").exists()
    (tmp_path / "page.md").mkdir()
    with pytest.raises(UsageError, match="is a directory"):
        report(log, tmp_path / "page.md")
    assert not (tmp_path / "page_files").exists()


@pytest.mark.parametrize("suffix", ["html", "md"])
def test_a_log_is_not_replaced_by_its_page(suffix, tmp_path):
    log = Path(shutil.copy(EXAMPLE / "train.log", tmp_path / f"train.{suffix}"))
    with pytest.raises(UsageError, match="would replace the input"):
        report(log, log, force=True)
    assert log.read_bytes() == (EXAMPLE / "train.log").read_bytes()
    assert list(tmp_path.iterdir()) == [log]


def test_a_directory_may_be_called_anything(tmp_path, undrawn):
    names = ["<img src=x onerror=alert(1)>", "a|b`c`\\", "x\n\n<b>y", "\udcff", "$\\frac$", "a b#(1)"]
    for name in names:
        folder = tmp_path / name
        shutil.copytree(EXAMPLE / "derived1", folder, ignore=shutil.ignore_patterns("*.caffemodel"))
    report(tmp_path, tmp_path / "page.html")
    read = Reader((tmp_path / "page.html").read_text())
    assert "Curves" in read.headings
    pages = [f"{name.replace(chr(10), '')}.md" for name in names]
    report(tmp_path, tmp_path / pages[0])
    text = (tmp_path / pages[0]).read_text()
    own = r"^<details>$|^</details>$|^<summary>|</summary>$"
    outside = [re.sub(own, "", line) for line in text.splitlines()[1:] if not line.startswith("    ")]
    assert not [line for line in outside if re.search(r"(?<!\\)<", line)]
    bars = {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in outside if line.startswith("| ")}
    assert bars <= {3, 4, 6, 10}  # as many as the heads of the tables have
    links = re.findall(r"\]\((.*)\)", text)
    assert len(links) > len(names)
    for link in links:
        assert (tmp_path / unquote(link, errors="surrogateescape")).is_file(), link
        assert " " not in link
    log = one_log(tmp_path)
    for page in pages[1:]:
        assert report(log, tmp_path / page).status == "written"


@pytest.mark.parametrize("name", ["notes.md", "page.html"])
def test_somebodys_own_file_is_not_replaced(name, tmp_path, undrawn):
    (tmp_path / name).write_text("mine")
    with pytest.raises(UsageError, match="no report made it"):
        report(EXAMPLE, tmp_path / name)
    assert (tmp_path / name).read_text() == "mine"
    assert report(EXAMPLE / "derived1", tmp_path / name, force=True).status == "written"


def test_a_page_on_a_split_whose_baseline_is_elsewhere(tmp_path, undrawn):
    shutil.copytree(EXAMPLE / "derived1", tmp_path / "only" / "derived1")
    for log in tmp_path.rglob("*.log"):
        log.unlink()
    found = report(tmp_path / "only", tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert "The prototxt that it was made from (train_val.prototxt) was not found" in text
    assert "Accuracy" not in Reader(text).headings
    assert found.groups[0].rows == ()
    (tmp_path / "only" / "train_val.prototxt").write_bytes((EXAMPLE / "train_val.prototxt").read_bytes())
    damaged = bytearray((EXAMPLE / "fashion_vgg.caffemodel").read_bytes())
    at = damaged.index(b"conv1_1") + 200
    damaged[at] ^= 1
    (tmp_path / "only" / "fashion_vgg.caffemodel").write_bytes(damaged)
    report(tmp_path / "only", tmp_path / "page.html")
    assert (
        "The weights that it was made from (fashion_vgg.caffemodel) were not found"
        in (tmp_path / "page.html").read_text()
    )


def test_a_chain_of_splits_and_several_layers(tmp_path, undrawn):
    """derived2 of derived1: what it was made from is found in derived1."""
    net, weights = EXAMPLE / "train_val.prototxt", EXAMPLE / "fashion_vgg.caffemodel"
    residual(net, weights, tmp_path / "derived1", layer=("conv1_1", "conv2_1"))
    residual(tmp_path / "derived1", None, tmp_path / "derived2", layer="conv1_1_split2")
    shutil.copy(net, tmp_path)
    shutil.copy(weights, tmp_path)
    report(tmp_path, tmp_path / "page.html")
    read = Reader((tmp_path / "page.html").read_text())
    assert [heading for heading in read.headings if heading.startswith("derived")] == ["derived1", "derived2"]
    assert "was not found" not in " ".join(read.texts)
    assert " ".join(read.texts).count("passed") == 4  # each split, and in the list of them


def test_of_two_parents_with_one_prototxt_the_page_takes_the_right_one(tmp_path, undrawn):
    net, weights = EXAMPLE / "train_val.prototxt", EXAMPLE / "fashion_vgg.caffemodel"
    for at in range(2):
        residual(net, weights, tmp_path / f"p{at}", seed=at)
    skip(tmp_path / "p1", None, tmp_path / "child", layer="conv1_2")
    report(tmp_path, tmp_path / "page.html")
    text = " ".join(Reader((tmp_path / "page.html").read_text()).texts)
    assert "FAILED" not in text
    assert f"apply {tmp_path}/child/split.yaml {tmp_path}/p1/net.prototxt {tmp_path}/p1/net.caffemodel" in text
    shutil.rmtree(tmp_path / "p1")
    report(tmp_path / "child", tmp_path / "page.html")
    assert "The directory that it was made from" in (tmp_path / "page.html").read_text()


def test_several_recipes_and_what_was_split_again(tmp_path, undrawn):
    config = tmp_path / "several.yaml"
    config.write_text(
        "layers:\n- {layer: conv1_1, recipe: residual}\n- {layer: conv1_2, recipe: extension}\n"
        "- {layer: conv1_1_split2, recipe: extension}\n"
    )
    apply(config, EXAMPLE / "train_val.prototxt", EXAMPLE / "fashion_vgg.caffemodel", tmp_path / "d")
    report(tmp_path / "d", tmp_path / "page.html")
    read = Reader((tmp_path / "page.html").read_text())
    assert "residual split of conv1_1; extension split of conv1_2, conv1_1_split2; not trained yet." in read.texts
    kernels = [text for text in read.texts if text.startswith("before training: ") and " of " in text]
    assert list(dict.fromkeys(text.split(":")[1].strip() for text in kernels)) == [
        "conv1_1_split2_residual_pre", "conv1_2_split2", "conv1_1_split2_split2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["-o", "x.txt"], 2, "must end in .html or .md"),
        ([".", "-o", "x.html", "--avg", "0"], 2, "--avg 0"),
        ([".", "-o", "x.html", "--input-shape", "data"], 2, "must be BLOB:N,C,H,W"),
        (["snapshots", "-o", "x.html"], 3, "holds no log"),
        (["-o", "x.html"], 2, "no log was given"),
    ],
)
def test_errors(arguments, code, message, command):
    done = command("report", *arguments, cwd=EXAMPLE)
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr
    assert not list(EXAMPLE.glob("x.*"))


def test_reports_and_plans_show_themselves_in_notebooks(tmp_path):
    net, weights = EXAMPLE / "train_val.prototxt", EXAMPLE / "fashion_vgg.caffemodel"
    split = residual(net, weights, tmp_path / "d")
    shown = {
        "conv1_1_split2_residual_post": split,
        "conv1_1": split.plan,
        "num_output": rank(net, weights),
        "fast": rank(net, weights, layer="conv1_1"),
        "passed": verify(net, weights, tmp_path / "d", engine=None),
        "folded from": fold(tmp_path / "d", None, tmp_path / "f"),
        "derived1_old": report(EXAMPLE),
        "conv2_1": show(net),
        "removed": diff(net, tmp_path / "d" / "net.prototxt"),
    }
    for word, one in shown.items():
        text = one._repr_html_()
        assert word in text, one
        assert Reader(text).texts


def test_tables_escape_what_they_hold():
    table = Table("<t>", ("a|b", "c"), (("<script>", "1|2"), ("x", "3.5")))
    assert "<script>" not in table.html()
    assert '<td class="n">3.5</td>' in table.html()
    assert table.markdown().splitlines()[-2:] == ["| \\<script> | 1\\|2 |", "| x | 3.5 |"]


def test_what_is_long_is_folded_away_and_what_is_short_is_not(page, notes):
    text, marked = page.read_text(), (notes[0] / "notes.md").read_text()
    assert text.count("<details>") == text.count("</details>") == 2
    assert text.count("<summary>What it was made from: 3 digests</summary>") == 2
    assert marked.count("<details>\n<summary>What it was made from: 3 digests</summary>\n\n| file |") == 2
    assert marked.count("\n\n</details>\n") == 2


def test_of_many_splits_each_is_folded_away(tmp_path, undrawn):
    for at in range(4):
        shutil.copytree(EXAMPLE / "derived1", tmp_path / f"derived{at}", ignore=shutil.ignore_patterns("*.log"))
    report(tmp_path, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    for at in range(4):
        assert f"<summary>All on derived{at}; verify: not held against it</summary>" in text
    assert Reader(text).headings.count("Kernels") == 4
    report(tmp_path, tmp_path / "page.md")
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", (tmp_path / "page.md").read_text())
    assert len(pictures) == 4 * 4
    assert all((tmp_path / name).is_file() for name in pictures)


def test_values_are_under_the_pointer(page):
    text = page.read_text()
    for title in (
        "derived1, iteration 1,000: 0.8965",  # of a curve
        "fashion_vgg, iteration 3,000: 0.8922",
    ):
        spots = re.findall(
            rf'<circle class="hint" cx="[\d.]+" cy="[\d.]+" r="5"[^>]*><title>{title}</title></circle>', text
        )
        assert spots, title
    plan = read_plan(EXAMPLE / "derived1" / "split.yaml").layers[0]
    channel = plan.fast[0]
    assert f"<title>channel {channel}, fast: {plan.scores[channel]:.6g}</title>" in text
    assert re.search(r"<title>conv1_1: [\d.]{6}</title>", text)
    assert "<circle" not in plot.loss(EXAMPLE / "train.log").picture.saved("svg").decode()


def test_a_spot_is_where_its_line_is(page):
    text = page.read_text()
    part = text[text.index('<g id="curves-line-2-2-0">') :]
    part = part[: part.index("</g>")]
    spots = [tuple(map(float, one)) for one in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', part)]
    points = [tuple(map(float, one)) for one in re.findall(r"[ML] ([\d.]+) ([\d.]+)", part)]
    assert len(spots) == 5
    assert spots == [pytest.approx(point, abs=0.11) for point in points]


def test_a_name_under_the_pointer_is_text(tmp_path):
    one_log(tmp_path, "<b>&")
    report(tmp_path, tmp_path / "page.html")
    assert "<title>&lt;b&gt;&amp;, iteration 0: 0.8915</title>" in (tmp_path / "page.html").read_text()


def test_the_page_ends_with_its_words_and_what_made_it(page, notes):
    words = (ROOT / "docs" / "glossary.md").read_text()
    text = html.unescape(page.read_text())
    for term, meaning in GLOSSARY.items():
        assert f"**{term}**: {meaning}" in re.sub(r" \(\[[^]]*\]\([^)]*\)\)", "", words), term
        assert f'<th scope="row">{term}</th>' in text
    assert {"TPM", "fast, slow", "evidence", "drift"} <= set(GLOSSARY)
    assert f"<footer><p>Made by split-surgery {__version__}.</p></footer>" in text
    assert (notes[0] / "notes.md").read_text().endswith(f"\n---\n\nMade by split-surgery {__version__}.\n")


def test_words_in_cells_are_kept_whole():
    table = Table("", ("", ""), (("a", "deep/path-name.caffemodel, and <more>"),))
    assert (
        '<span class="word">deep/path-name.caffemodel,</span> and <span class="word">&lt;more&gt;</span>'
        in table.html()
    )
    assert "word" not in Table("", ("", ""), (("a", "conv1_1, conv2_1 (0.5)"),)).html()
