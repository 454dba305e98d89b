"""The directory of a split: what is in it, when it may be written, and the solver that trains it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import yaml

from split_surgery import extension, residual
from split_surgery.documents.prototxt import Document
from split_surgery.errors import FileError, UsageError
from split_surgery.workspace.outputs import dedented
from tests.support.nets import TINY, write_tiny


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_files_and_plan(tmp_path):
    net, weights = write_tiny(tmp_path)
    report = residual(net, weights, tmp_path / "out", seed=3)
    assert report.status == "written"
    assert set(files(tmp_path / "out")) == {"net.prototxt", "net.caffemodel", "split.yaml"}
    plan = yaml.safe_load(files(tmp_path / "out")["split.yaml"])
    assert plan["format"] == 1
    assert plan["net"] == {
        "file": "base.prototxt",
        "bytes": len(TINY),
        "sha256": hashlib.sha256(TINY.encode()).hexdigest(),
    }
    (layer,) = plan["layers"]
    assert sorted(layer["fast_channels"] + layer["slow_channels"]) == list(range(6))
    assert (layer["layer"], layer["recipe"], layer["measure"], layer["tpm"], layer["seed"]) == (
        "conv1_1",
        "residual",
        "norm",
        False,
        3,
    )
    assert (layer["surround"], layer["center"], layer["noise"]) == (-0.2, 2.0, 0.01)
    assert len(layer["scores"]) == 6
    assert str(tmp_path) not in files(tmp_path / "out")["split.yaml"].decode()
    record = weights.read_bytes().index(b"\x0a\x07conv1_1")
    end = weights.read_bytes().index(b"\xa2\x06", record)
    assert layer["record_sha256"] == hashlib.sha256(weights.read_bytes()[record:end]).hexdigest()


def test_again_is_unchanged_and_another_split_is_refused(tmp_path):
    net, weights = write_tiny(tmp_path)
    out = tmp_path / "out"
    residual(net, weights, out)
    before = files(out)
    stamps = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert residual(net, weights, out).status == "unchanged"
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == stamps
    with pytest.raises(UsageError, match="(?s)is not empty, and holds something else .*force"):
        residual(net, weights, out, fast="2")
    assert files(out) == before


def test_force_replaces_only_its_own_files(tmp_path):
    net, weights = write_tiny(tmp_path)
    out = tmp_path / "out"
    residual(net, weights, out)
    (out / "notes.txt").write_text("mine")
    assert residual(net, weights, out, fast="2", force=True).status == "written"
    assert (out / "notes.txt").read_text() == "mine"
    assert len(yaml.safe_load((out / "split.yaml").read_text())["layers"][0]["fast_channels"]) == 2
    assert residual(net, weights, out, fast="2").status == "unchanged"


def test_force_does_not_mix_a_split_with_anothers_snapshots(tmp_path):
    net, weights = write_tiny(tmp_path)
    out = tmp_path / "out"
    residual(net, weights, out)
    (out / "net_iter_100.caffemodel").write_bytes(b"days of training")
    with pytest.raises(UsageError, match=r"holds snapshots \(net_iter_100.caffemodel\) of another net"):
        residual(net, weights, out, fast="2", force=True)
    (out / "net.prototxt").write_bytes(b"damaged")
    assert residual(net, weights, out, force=True).status == "written", "the plan is unchanged"
    assert (out / "net_iter_100.caffemodel").read_bytes() == b"days of training"


@pytest.mark.parametrize("name", ["net.prototxt", "net.caffemodel"])
def test_outputs_never_replace_inputs(tmp_path, name):
    net, weights = write_tiny(tmp_path)
    moved = (net if name.endswith("prototxt") else weights).rename(tmp_path / name)
    given = (moved, weights) if name.endswith("prototxt") else (net, moved)
    content = moved.read_bytes()
    with pytest.raises(UsageError, match="would replace the input"):
        residual(*given, tmp_path, force=True)
    assert moved.read_bytes() == content


def test_check_and_diff_write_nothing(tmp_path):
    net, weights = write_tiny(tmp_path)
    out = tmp_path / "out"
    assert residual(net, weights, out, check=True).status == "differs"
    diff = residual(net, weights, out, diff=True).diff
    assert not out.exists()
    assert '-  name: "conv1_1"\n+  name: "conv1_1_split1"\n' in diff
    assert "-conv1_1  [(6, 3, 3, 3), (6,)]" in diff
    assert "+conv1_1_split2_residual_post  [(3, 3, 1, 1), (3,)]" in diff
    residual(net, weights, out)
    assert residual(net, weights, out, check=True).status == "same"
    (out / "net.caffemodel").write_bytes((out / "net.caffemodel").read_bytes()[:-1] + b"!")
    report = residual(net, weights, out, check=True)
    assert (report.status, report.differing, report.exit_code) == ("differs", ("net.caffemodel",), 1)
    (out / "net.prototxt").write_text((out / "net.prototxt").read_text().replace("pad: 1", "pad: 2", 1))
    (out / "split.yaml").unlink()
    both = residual(net, weights, out, check=True, diff=True)
    assert (both.status, both.exit_code) == ("differs", 1)
    assert "-    pad: 2\n+    pad: 1\n" in both.diff, "from what is there to what would be generated"
    assert "net.caffemodel differs (split-surgery diff tells in what)\n" in both.diff
    assert "+# How this directory was made." in both.diff
    assert not (out / "split.yaml").exists(), "nothing is written"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"\n  a: 1\n    b: 2\n\n", b"a: 1\n  b: 2\n"),
        (b"\r\n\ta: 1\r\n\t# c\r\n", b"a: 1\r\n# c\r\n"),
        (b" a: 1 b: 2 ", b"a: 1 b: 2\n"),
        (b"\n    a: 1\n  b: 2\n", b"  a: 1\nb: 2\n"),
    ],
)
def test_dedenting(body, expected):
    assert dedented(body) == expected
    assert [f.name for f in Document(dedented(body), "x").root.fields] == [
        f.name for f in Document(body, "x").root.fields
    ]


def test_unwritable_places(tmp_path):
    net, weights = write_tiny(tmp_path)
    (tmp_path / "file").write_bytes(b"")
    for place, message in (
        ("file", "is a file, and the output is a directory"),
        ("file/below", "cannot write|is a file"),
    ):
        with pytest.raises(FileError, match=message):
            extension(net, weights, tmp_path / place)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["base.caffemodel", "base.prototxt", "file"]


def test_an_existing_directory_is_filled_where_it_is(tmp_path):
    """A shell that stands in it, a mount point and a shared folder's mode must all survive."""
    net, weights = write_tiny(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o2775)
    before = out.stat()
    residual(net, weights, out)
    assert (out.stat().st_ino, out.stat().st_mode) == (before.st_ino, before.st_mode)
    assert set(files(out)) == {"net.prototxt", "net.caffemodel", "split.yaml"}


def test_a_directory_in_a_files_place_stops_force_before_it_begins(tmp_path):
    net, weights = write_tiny(tmp_path)
    residual(net, weights, tmp_path / "out")
    (tmp_path / "out" / "split.yaml").unlink()
    (tmp_path / "out" / "split.yaml").mkdir()
    before = (tmp_path / "out" / "net.prototxt").read_bytes()
    with pytest.raises(FileError, match="split.yaml: is a directory where a file must go"):
        residual(net, weights, tmp_path / "out", fast="2", force=True)
    assert (tmp_path / "out" / "net.prototxt").read_bytes() == before


def test_a_directory_without_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net, weights = write_tiny(tmp_path)
    with pytest.raises(UsageError, match="empty shell variable"):
        residual(net, weights, "", force=True)


def test_fields_and_comments_beside_the_opening_brace(tmp_path):
    assert dedented(b" # c\r\n  a: 1\r\n  b: 2\r\n") == b"# c\r\na: 1\r\nb: 2\r\n"
    assert dedented(b' name: "x"\n  a: 1\n') == b'name: "x"\na: 1\n'


def test_diffs_end_lines_where_files_do(tmp_path):
    net, weights = write_tiny(tmp_path, TINY.replace('  top: "conv1_1"\n', '  top: "conv1_1" # a\fb\u0085c\n'))
    assert "No newline" not in residual(net, weights, tmp_path / "out", diff=True).diff


def test_also_edits_the_deploy_net_alike(tmp_path):
    from split_surgery import verify
    from tests.support.paths import EXAMPLE

    arguments = (EXAMPLE / "train_val.prototxt", EXAMPLE / "fashion_vgg.caffemodel", tmp_path / "out")
    report = residual(*arguments, also=(EXAMPLE / "deploy.prototxt",))
    assert report.files == ("net.caffemodel", "net.prototxt", "deploy.prototxt", "split.yaml")
    plan = yaml.safe_load((tmp_path / "out" / "split.yaml").read_text())
    assert [file["file"] for file in plan["also"]] == ["deploy.prototxt"]
    derived = (tmp_path / "out" / "deploy.prototxt", tmp_path / "out" / "net.caffemodel")
    assert verify(EXAMPLE / "deploy.prototxt", arguments[1], derived, engine="opencv").problems == ()
    assert (
        "deploy.prototxt"
        in residual(*arguments[:2], tmp_path / "o", also=(EXAMPLE / "deploy.prototxt",), diff=True).diff
    )


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        (TINY.replace("conv1_1", "c"), "other.prototxt", 'no layer "conv1_1" in .*other.prototxt'),
        (
            TINY.replace("pad: 1", "pad: 2"),
            "other.prototxt",
            "differs in geometry from the layer at .*base.prototxt:8:1",
        ),
        ("net_param { " + TINY + " }", "other.prototxt", "is a solver, not a net"),
        (TINY, "solver.prototxt", "solver.prototxt is the name of another file"),
        (TINY.replace("relu1_1", "conv1_1_concat"), "other.prototxt", "would have the name of what"),
    ],
)
def test_also_files_that_do_not_fit(tmp_path, text, name, message):
    net, weights = write_tiny(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises((UsageError, FileError), match=message):
        residual(net, weights, tmp_path / "out", also=(tmp_path / name,))
    assert not (tmp_path / "out").exists()


def test_a_solver_of_another_split_is_not_left_beside_this_one(tmp_path):
    net, weights = write_tiny(tmp_path)
    (tmp_path / "s.prototxt").write_text('net: "base.prototxt"\n')
    residual(net, weights, tmp_path / "out", solver=tmp_path / "s.prototxt")
    assert residual(net, weights, tmp_path / "out", check=True).differing == ("solver.prototxt",)
    for force in (False, True):
        with pytest.raises(UsageError, match="holds solver.prototxt of another run"):
            residual(net, weights, tmp_path / "out", fast="2", force=force)
