"""Folded nets in a report: what they were folded from, what they came to, and what a log says of them."""

from __future__ import annotations

import json
import shutil

import pytest

from split_surgery import fold, report
from split_surgery.errors import FileError
from tests.support.log_lines import caffe_test_log
from tests.support.paths import EXAMPLE
from tests.support.schemas import validator


@pytest.fixture
def folded(tmp_path):
    """A trained split and what it was folded into, beside each other."""
    for name in ("net.prototxt", "split.yaml", "grow_iter_1000.caffemodel", "net.caffemodel"):
        (tmp_path / "trained").mkdir(exist_ok=True)
        shutil.copy(EXAMPLE / "derived1" / name, tmp_path / "trained")
    fold(tmp_path / "trained", output=tmp_path / "folded")
    return tmp_path / "folded"


def test_a_folded_net_has_a_row(folded):
    found = report(folded)
    (row,) = found.folded
    assert (row.net, row.source, row.layers, row.was, row.accuracy) == ("folded", ("trained",), ("conv1_1",), 7, None)
    assert row.net_layers == fold(folded.parent / "trained", output=folded, check=True).layers == (24, 18)
    assert row.parameters == (43_914, 42_426)
    assert row.bytes == (177_882, (folded / "net.caffemodel").stat().st_size)
    (table,) = found.tables()
    assert table.columns == ("folded net", "folded from", "layers", "parameters", "bytes of weights")
    assert table.rows == (("folded", "trained", "24 -> 18", "43,914 -> 42,426", f"177,882 -> {row.bytes[1]:,}"),)
    assert str(found).startswith("folded nets:\nfolded net  folded from  layers")


def test_the_accuracy_is_that_of_a_log_in_its_directory(folded, command):
    pytest.importorskip("jsonschema")
    (folded / "test.log").write_text(caffe_test_log(0.96, 50, 2))
    (row,) = report(folded.parent).folded
    assert (row.accuracy.told.final, row.accuracy.told.images) == (0.96, 100)
    done = command("report", folded.parent, "--json")
    tree = json.loads(done.stdout)
    validator("report").validate(tree)
    assert tree["folded"][0]["accuracy"]["standard_error"] == 0.0196
    text = command("report", folded.parent).stdout
    assert [line.split()[-3:] for line in text.splitlines() if line.startswith("folded  ") and "trained" in line] == [
        ["0.96", "0.020", "100"]
    ]


def test_the_page_has_them_in_a_section_of_their_own(folded):
    pytest.importorskip("matplotlib")
    for name in ("page.html", "page.md"):
        report(folded, folded.parent / name)
    assert '<td class="n">43,914 -&gt; 42,426</td>' in (folded.parent / "page.html").read_text()
    text = (folded.parent / "page.md").read_text()
    assert "# split-surgery: 1 folded net\n" in text
    assert "## Folded nets\n\n| folded net | folded from |" in text


def test_directories_with_the_same_files_are_all_named(folded):
    shutil.copytree(folded.parent / "trained", folded.parent / "another")
    (row,) = report(folded).folded
    assert row.source == ("another", "trained")
    assert report(folded).tables()[0].rows[0][1] == "another or trained"


def test_what_it_was_folded_from_may_be_gone(folded):
    (folded.parent / "trained" / "net.prototxt").write_bytes(b"# another\n")
    (row,) = report(folded).folded
    assert (row.source, row.parameters) == ((), (None, 42_426))
    assert "net.prototxt with grow_iter_1000.caffemodel, not found" in str(report(folded))
    assert "? -> 42,426" in str(report(folded))


@pytest.mark.parametrize("text", ["", "[]", "format: 1\n", "net: {file: a}\n", "net: 3\nweights: 3\nfolded: 3\n"])
def test_a_damaged_fold_yaml_is_named(text, folded):
    (folded / "fold.yaml").write_text(text)
    with pytest.raises(FileError, match="fold.yaml"):
        report(folded)
