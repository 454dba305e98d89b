"""The verb fold: what it prints, and what its directory stands for."""

from __future__ import annotations

import json

import pytest

from split_surgery import extension, fold, residual, verify
from split_surgery.errors import FileError, UsageError
from tests.support.nets import TINY, write_tiny


def test_the_command(tmp_path, command):
    net, weights = write_tiny(tmp_path)
    residual(net, weights, tmp_path / "out")
    done = command("fold", "out", "-o", "back", cwd=tmp_path)
    assert done.returncode == 0
    assert "folded: 1 split; layers 10 -> 4" in done.stdout
    assert "deploy: back/net.prototxt with back/net.caffemodel" in done.stdout
    assert "which is untrained" in done.stderr
    assert "unchanged" in command("fold", "out", "-o", "back", "-q", cwd=tmp_path).stdout
    assert command("fold", "out", "-o", "back", "--check", cwd=tmp_path).returncode == 0
    shown = command("fold", "out", "-o", "elsewhere", "--diff", cwd=tmp_path).stdout
    assert "-conv1_1_concat  []" in shown
    assert "+conv1_1  [(6, 3, 3, 3), (6,)]" in shown
    assert not (tmp_path / "elsewhere").exists()
    (tmp_path / "back" / "net.prototxt").write_text("changed")
    assert command("fold", "out", "-o", "back", "--check", cwd=tmp_path).returncode == 1
    again = command("fold", "out", "-o", "back", cwd=tmp_path)
    assert (again.returncode, "--force" in again.stderr) == (2, True)
    tree = json.loads(command("fold", "out", "-o", "back", "--force", "--json", cwd=tmp_path).stdout)
    assert tree["regions"][0]["layer"] == "conv1_1"
    assert tree["deploy"] == ["net.prototxt", "net.caffemodel"]
    for wrong, code, message in (
        (("fold", net, "-o", "x"), 2, "WEIGHTS is missing"),
        (
            ("fold", weights, net, "-o", "x"),
            3,
            "is binary, not a prototxt: verbs that read weights take them right behind NET",
        ),
        (("fold", "out", "-o", "out", "--force"), 2, "is the directory that is folded: choose another"),
    ):
        refused = command(*wrong, cwd=tmp_path)
        assert (refused.returncode, message in refused.stderr) == (code, True), refused.stderr
        assert "Traceback" not in refused.stderr


def test_nothing_to_fold_is_a_copy(tmp_path):
    net, weights = write_tiny(tmp_path)
    report = fold(net, weights, tmp_path / "out")
    assert (report.regions, report.left, report.exit_code) == ((), (), 0)
    assert (tmp_path / "out" / "net.caffemodel").read_bytes() == weights.read_bytes()


def test_a_fold_stands_for_its_net_in_the_next_split(tmp_path):
    net, weights = write_tiny(tmp_path)
    residual(net, weights, tmp_path / "one")
    (tmp_path / "one" / "run_iter_9.caffemodel").write_bytes((tmp_path / "one" / "net.caffemodel").read_bytes())
    report = fold(tmp_path / "one", None, tmp_path / "back")
    assert report.source[1].endswith("run_iter_9.caffemodel")
    assert verify(tmp_path / "one", None, tmp_path / "back", max_drift=0).problems == ()
    again = extension(tmp_path / "back", None, tmp_path / "two", noise=0)
    assert not any("untrained" in warning for warning in again.warnings)
    assert len(again.plan.lineage) == 1
    assert (tmp_path / "back" / "fold.yaml").read_text().endswith(
        "folded:\n- layer: conv1_1\n  was: [conv1_1_split1, conv1_1_split2, conv1_1_split2_residual_pre, conv1_1_split2_residual_post, "
        "conv1_1_split2_residual_sum,\n    conv1_1_concat, conv1_1_reorder]\n"
    )  # fmt: skip


def test_weights_of_another_net_are_refused(tmp_path):
    net, weights = write_tiny(tmp_path)
    residual(net, weights, tmp_path / "out")
    with pytest.raises(FileError, match='has no blob 0 of layer "conv1_1_split1"'):
        fold(tmp_path / "out" / "net.prototxt", weights, tmp_path / "back")
    (tmp_path / "other.prototxt").write_text(TINY.replace("conv1_1", "conv9"))
    with pytest.raises(UsageError, match="has none of the layers that are folded"):
        fold(tmp_path / "out", None, tmp_path / "back", also=(tmp_path / "other.prototxt",))
    assert not (tmp_path / "back").exists()
