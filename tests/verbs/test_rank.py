"""rank: all layers, one layer, windows of the training, automatic choice, and what it reads."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil

import numpy as np
import pytest

from split_surgery import rank, residual
from split_surgery.documents import source
from split_surgery.documents.weights.records import same_record
from split_surgery.errors import FileError, UsageError
from split_surgery.kernels.tpm import MEASURES
from split_surgery.splitting.ranking import rank_target
from split_surgery.splitting.remarks import Remark, remark_lines
from tests.support.fixture_nets import siamese
from tests.support.nets import CONV, DATA, conv_arrays, net_of, random_weights, tiny_weights, write_tiny
from tests.support.paths import EXAMPLE

SNAPSHOTS = str(EXAMPLE / "snapshots" / "*.caffemodel")
FASHION = (EXAMPLE / "train_val.prototxt", EXAMPLE / "fashion_vgg.caffemodel")


def test_the_table_of_a_net():
    table = rank(*FASHION, snapshots=SNAPSHOTS)
    assert {row.layer for row in table.layers} == {"conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1"}
    assert [row.entropy for row in table.layers] == sorted((row.entropy for row in table.layers), reverse=True)
    assert table.entropy == pytest.approx(np.mean([row.entropy for row in table.layers]))
    for row in table.layers:
        one = rank(*FASHION, snapshots=SNAPSHOTS, layer=row.layer)
        assert (one.mean, one.entropy) == (row.mean, row.entropy)
        assert {k.channel: k.score for k in one.kernels} == dict(enumerate(row.scores))


def test_what_rank_prints_is_read_as_scores(tmp_path, command):
    arguments = ["rank", *FASHION, "--snapshots", SNAPSHOTS]
    wanted = rank(*FASHION, snapshots=SNAPSHOTS, layer="conv1_1").kernels
    for name, extra in (
        ("net.json", ["--json"]),
        ("one.json", ["--layer", "conv1_1", "--json"]),
        ("one.csv", ["--layer", "conv1_1", "--csv"]),
    ):
        (tmp_path / name).write_text(command(*arguments, *extra).stdout)
        assert rank(*FASHION, scores=tmp_path / name, layer="conv1_1").kernels == wanted, name
    rows = list(csv.DictReader(io.StringIO(command(*arguments, "--csv").stdout)))
    assert [row["layer"] for row in rows] == [row.layer for row in rank(*FASHION, snapshots=SNAPSHOTS).layers]
    assert json.loads((tmp_path / "net.json").read_text())["measure"] == "coherence"


def test_windows_share_their_ends_and_cover_the_range():
    report = rank(*FASHION, snapshots=SNAPSHOTS, windows=3)
    assert [window.last for window in report.windows[:-1]] == [window.first for window in report.windows[1:]]
    assert report.windows[0].first.endswith("_250.caffemodel")
    assert report.windows[-1].last.endswith("_3000.caffemodel")
    assert sum(window.snapshots - 1 for window in report.windows) == 11
    alone = rank(*FASHION, snapshots=SNAPSHOTS, window="250:1250")
    assert {row.layer: row.entropy for row in alone.layers} == report.windows[0].entropy
    whole = rank(*FASHION, snapshots=SNAPSHOTS, windows=1)
    assert set(whole.windows[0].kept.values()) == {1.0}
    with pytest.raises(UsageError, match="12 snapshots make from 1 to 5 windows"):
        rank(*FASHION, snapshots=SNAPSHOTS, windows=6)


def test_the_layer_of_highest_entropy_is_chosen(tmp_path):
    table = rank(*FASHION, snapshots=SNAPSHOTS)
    report = residual(*FASHION, tmp_path / "out", snapshots=SNAPSHOTS, layer="auto:2")
    assert [split.plan.layer for split in report.splits] == [row.layer for row in table.layers[:2]]
    with pytest.raises(UsageError, match="nothing decides which layer to split"):
        residual(FASHION[0], apart(tmp_path), tmp_path / "other", layer="auto")


def apart(folder):
    """The example's weights where no snapshots lie near."""
    (folder / "apart").mkdir()
    shutil.copy(FASHION[1], folder / "apart")
    return folder / "apart" / FASHION[1].name


def test_snapshots_one_level_down_are_found(tmp_path):
    table = rank(*FASHION)
    assert table.measure == "coherence"
    assert "over 12 snapshots" in table.evidence, "the last of them holds the numbers of WEIGHTS"
    assert "over 5 snapshots" in rank(*FASHION, window="250:1250").evidence
    assert len(rank(*FASHION, windows=2).windows) == 2
    weights = apart(tmp_path)
    (weights.parent / "snapshots").mkdir()
    for step in (250, 500, 750):
        shutil.copy(EXAMPLE / "snapshots" / f"fashion_vgg_iter_{step}.caffemodel", weights.parent / "snapshots")
    report = rank(FASHION[0], weights)
    assert report.measure == "norm", "none of them holds the numbers of WEIGHTS: it may be another training"
    (warning,) = report.warnings
    pattern = warning.split("'")[1]
    assert rank(FASHION[0], weights, snapshots=pattern).measure == "coherence", "the glob that is named works"
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(EXAMPLE / "snapshots" / "fashion_vgg_iter_250.caffemodel", alone)
    shutil.copy(FASHION[0], alone)
    (warning,) = rank(alone / FASHION[0].name, alone / "fashion_vgg_iter_250.caffemodel").warnings
    assert warning.endswith("for TPM: --snapshots 'GLOB', or --solver FILE"), "a glob of one file would say nothing"
    last = weights.parent / "fashion_vgg_iter_1000.caffemodel"
    shutil.copy(EXAMPLE / "snapshots" / last.name, last)
    assert "over 4 snapshots" in rank(FASHION[0], last).evidence, "of one prefix, up to WEIGHTS"


def test_one_snapshot_is_measured_from_what_the_split_wrote(tmp_path):
    derived = tmp_path / "derived1"
    shutil.copytree(EXAMPLE / "derived1", derived)
    table = rank(derived)
    assert table.evidence == "TPM (ratio over 2 snapshots, net.caffemodel to grow_iter_1000.caffemodel)"
    assert table.layers[0].layer == "conv1_1_split2_residual_pre"
    assert not table.warnings
    (derived / "net.caffemodel").unlink()
    (warning,) = rank(derived).warnings
    assert warning.startswith("only one snapshot was found, so kernels are ranked by weight norm")
    assert f'snapshot_prefix, "derived1/grow", leads to one alone, {derived / "grow_iter_1000.caffemodel"}' in warning


def test_the_snapshots_are_looked_for_once(tmp_path, monkeypatch):
    """Not for each layer: whether a snapshot holds the numbers of WEIGHTS takes reading every convolution."""
    compared = []
    monkeypatch.setattr(rank_target, "same_record", lambda *four: compared.append(four) or same_record(*four))
    table = rank(*FASHION)
    assert len(compared) == len(table.layers) == 5


def test_a_solver_that_was_given_is_not_asked_for(tmp_path):
    solver = tmp_path / "solver.prototxt"
    solver.write_text(f'net: "{FASHION[0]}"\nsnapshot_prefix: "elsewhere/x"\n')
    (warning,) = rank(FASHION[0], apart(tmp_path), solver=solver).warnings
    assert "--solver" not in warning
    assert 'the solver\'s snapshot_prefix, "elsewhere/x", leads to none' in warning


def test_what_is_said_of_many_layers_is_one_line(tmp_path):
    names = [f"conv{at}" for at in range(13)]
    net = tmp_path / "deep.prototxt"
    chain = zip(["data", *names], names)
    net.write_text(
        DATA + "".join(CONV.replace("conv1_1", top).replace('"data"', f'"{bottom}"') for bottom, top in chain)
    )
    for step in (1, 2, 3):
        (tmp_path / f"run_iter_{step}.caffemodel").write_bytes(random_weights(net_of(net)))
    (warning,) = rank(net, tmp_path / "run_iter_3.caffemodel").warnings
    assert warning == (
        "conv0 (0), conv1 (0), conv2 (0), conv3 (0), conv4 (0), conv5 (0), ... (13 layers): "
        "all kernels have the same coherence, so the ranking is that of the channels"
    )
    remarks = [Remark("is odd", name) for name in names]
    assert remark_lines(remarks, names) == ["all 13 layers: is odd"]
    assert remark_lines(remarks[:2], names) == ["conv0, conv1: is odd"]


def test_the_measure_update_reads_a_solver_state(tmp_path):
    early = EXAMPLE / "snapshots" / "fashion_vgg_iter_1000.caffemodel"
    report = rank(FASHION[0], early, measure="update", layer="conv1_1")
    assert report.tpm is True
    assert report.evidence == "fast/slow by TPM (update, from fashion_vgg_iter_1000.solverstate)"
    alone = tmp_path / early.name
    alone.write_bytes(early.read_bytes())
    with pytest.raises(FileError, match="needs the snapshot's solver state"):
        rank(FASHION[0], alone, measure="update", layer="conv1_1")
    (tmp_path / "fashion_vgg_iter_1000.solverstate").write_bytes(early.with_suffix(".solverstate").read_bytes())
    found = rank(FASHION[0], alone, layer="conv1_1")
    assert found.kernels == report.kernels, "the best measure that one snapshot allows"
    (tmp_path / "fashion_vgg_iter_1000.solverstate").write_bytes(b"\x08\x01")
    damaged = rank(FASHION[0], alone, layer="conv1_1")
    assert damaged.measure == "norm"
    assert any("is not used" in warning for warning in damaged.warnings)


def test_degenerate_scores_are_remarked(tmp_path):
    report = rank(*FASHION, snapshots=SNAPSHOTS, layer="conv1_1")
    assert any("conv1_1 (1 of 32): kernels moved in a straight line" in warning for warning in report.warnings)
    net, _ = write_tiny(tmp_path)
    for step in (1, 2, 3):
        (tmp_path / f"run_iter_{step}.caffemodel").write_bytes(tiny_weights())
    still = rank(net, tmp_path / "run_iter_3.caffemodel", layer="conv1_1")
    assert any("conv1_1 (0): all kernels have the same coherence" in warning for warning in still.warnings)


def test_only_the_convolutions_are_read(tmp_path, monkeypatch):
    """Of 50 snapshots with a large InnerProduct, what is read grows with the convolution only."""
    net, _ = write_tiny(tmp_path)
    for step in range(50):
        (tmp_path / f"run_iter_{step}.caffemodel").write_bytes(tiny_weights(conv_arrays(seed=step)))
    size, read = os.path.getsize(tmp_path / "run_iter_0.caffemodel"), []
    plain = source._pread
    monkeypatch.setattr(source, "_pread", lambda fd, count, at: read.append(count) or plain(fd, count, at))
    monkeypatch.setattr(source, "PAGE", 256)
    rank(net, tmp_path / "run_iter_49.caffemodel")
    assert size > 6144
    assert sum(read) < 50 * size / 2


def test_every_measure_says_what_it_is(command):
    text = command("rank", "--help").stdout
    assert [name for name, measure in MEASURES.items() if not measure.tpm] == ["norm"]
    assert "norm (NOT TPM)" in text
    for name, measure in MEASURES.items():
        assert name in text
        assert measure.summary
        assert measure.reference


def test_what_would_be_ignored_is_refused(tmp_path, command):
    for options, message in (
        ({"windows": 2, "measure": "norm"}, "windows is for measures over snapshots"),
        ({"window": "250:1000", "measure": "norm"}, "window is for measures over snapshots"),
    ):
        with pytest.raises(UsageError, match=message):
            rank(*FASHION, snapshots=SNAPSHOTS, **options)
    (tmp_path / "s.json").write_text(json.dumps([1.0] * 32))
    with pytest.raises(UsageError, match="scores and measure exclude each other"):
        rank(*FASHION, scores=tmp_path / "s.json", measure="norm", layer="conv1_1")
    done = command("rank", *FASHION, "--layer", "conv1_1", "--layer", "conv1_2")
    assert done.returncode == 2


def test_scores_of_another_layer_are_refused(tmp_path, command):
    done = command("rank", *FASHION, "--snapshots", SNAPSHOTS, "--layer", "conv2_1", "--csv")
    (tmp_path / "r.csv").write_text(done.stdout)
    with pytest.raises(FileError, match='0 scores, but layer "conv1_1" has 32 kernels'):
        rank(*FASHION, scores=tmp_path / "r.csv", layer="conv1_1")


def test_a_ranking_of_shared_layers_is_read_back(tmp_path, command):

    net, weights = siamese(tmp_path)
    (tmp_path / "s.json").write_text(command("rank", net, weights, "--layer", "conv1_p", "--json").stdout)
    residual(net, weights, tmp_path / "out", layer="conv1_p", scores=tmp_path / "s.json")
