"""What a ranking rests on: snapshots found or named, windows, stand-ins, and files of scores."""

from __future__ import annotations

import json

import numpy as np
import pytest

from split_surgery import rank, residual
from split_surgery.errors import FileError, SurgeryError, UsageError
from tests.support.nets import conv_arrays, tiny_weights, write_tiny


def rank_one(net, weights, **options):
    """The kernels of the one convolution."""
    return rank(net, weights, layer="conv1_1", **options)


@pytest.fixture
def run(tmp_path):
    """A run with snapshots at 10, 20, 30 and 40 in which every kernel takes its own path."""
    net, _ = write_tiny(tmp_path)
    draw = np.random.RandomState(3)
    arrays = conv_arrays()
    for iteration in (10, 20, 30, 40):
        (tmp_path / f"run_iter_{iteration}.caffemodel").write_bytes(tiny_weights(arrays))
        # Kernel k wanders the more the higher k is; kernel 0 goes straight.
        arrays[0] += np.float32(0.1)
        arrays[0] += (
            draw.standard_normal(arrays[0].shape).astype(np.float32)
            * (np.arange(6, dtype=np.float32) * 0.1)[:, None, None, None]
        )
    return net, tmp_path


def snapshot(folder, iteration):
    return folder / f"run_iter_{iteration}.caffemodel"


def test_the_runs_own_snapshots_up_to_the_weights(run):
    net, folder = run
    report = rank_one(net, snapshot(folder, 40))
    assert (report.measure, report.tpm) == ("coherence", True)
    assert (
        report.evidence
        == "fast/slow by TPM (coherence over 4 snapshots, run_iter_10.caffemodel to run_iter_40.caffemodel)"
    )
    assert report.kernels[0].channel == 0
    assert report.kernels[0].score == pytest.approx(1, abs=1e-5)
    assert [kernel.group for kernel in report.kernels] == ["fast"] * 3 + ["slow"] * 3
    assert rank_one(net, snapshot(folder, 30)).evidence.startswith("fast/slow by TPM (coherence over 3")
    assert rank_one(net, snapshot(folder, 20)).measure == "ratio"
    assert rank_one(net, snapshot(folder, 10)).tpm is False


def test_a_stand_in_is_named(run, command):
    net, folder = run
    done = command("residual", net, folder / "base.caffemodel", "-o", folder / "out", "-q")
    assert "fast/slow by weight norm, NOT TPM" in done.stdout
    done = command("residual", net, folder / "base.caffemodel", "-o", folder / "out", "--json")
    report = json.loads(done.stdout)
    assert report["plan"]["layers"][0]["tpm"] is False
    with pytest.raises(FileError, match="no measure of training fits the number of snapshots, 0"):
        rank_one(net, folder / "base.caffemodel", measure="tpm")
    assert rank_one(net, snapshot(folder, 20), measure="tpm").measure == "ratio"


def test_named_snapshots_and_windows(run):
    net, folder = run
    glob = str(folder / "run_iter_*.caffemodel")
    whole = rank_one(net, folder / "base.caffemodel", snapshots=glob)
    assert whole.measure == "coherence"
    window = rank_one(net, folder / "base.caffemodel", snapshots=glob, window="20:40")
    assert window.evidence.startswith("fast/slow by TPM (coherence over 3 snapshots, run_iter_20")
    assert window.mean != whole.mean
    assert rank_one(net, snapshot(folder, 40), window="30:40").measure == "ratio"
    for bad, message in (
        ("20:35", "no snapshot of iteration 35"),
        ("40:20", "the first the smaller"),
        ("a:b", "must be A:B"),
        ("20", "must be A:B"),
    ):
        with pytest.raises(UsageError, match=message):
            rank_one(net, folder / "base.caffemodel", snapshots=glob, window=bad)


def test_snapshots_that_do_not_serve(run):
    net, folder = run
    with pytest.raises(UsageError, match="matches no file"):
        rank_one(net, folder / "base.caffemodel", snapshots=str(folder / "no*"))
    with pytest.raises(UsageError, match="no measure of training fits the number of snapshots, 1"):
        rank_one(net, folder / "base.caffemodel", snapshots=str(snapshot(folder, 10)))
    with pytest.raises(FileError, match="measure coherence needs 3 snapshots, and 2 were found"):
        rank_one(net, snapshot(folder, 20), measure="coherence")
    with pytest.raises(UsageError, match="must be one of tpm, coherence, ratio, update, norm"):
        rank_one(net, snapshot(folder, 20), measure="speed")
    with pytest.raises(UsageError, match="has no iteration in its name"):
        rank_one(net, folder / "base.caffemodel", snapshots=str(folder / "base.caffemodel"))
    snapshot(folder, 20).write_bytes(tiny_weights(conv_arrays(n=5)))
    with pytest.raises(
        FileError, match=r"run_iter_20.caffemodel: layer \"conv1_1\" has another shape: \(5, 3, 3, 3\) here"
    ):
        rank_one(net, snapshot(folder, 40))


def test_snapshots_under_the_solvers_prefix(run):
    net, folder = run
    (folder / "s.prototxt").write_text('net: "base.prototxt"\nsnapshot_prefix: "run"\n')
    assert rank_one(net, folder / "base.caffemodel", solver=folder / "s.prototxt").measure == "coherence"


def test_a_prefix_that_is_a_folder(run):
    net, folder = run
    (folder / "snaps").mkdir()
    for step in (10, 20, 30):
        (folder / "snaps" / f"_iter_{step}.caffemodel").write_bytes(snapshot(folder, step).read_bytes())
    (folder / "s.prototxt").write_text('net: "base.prototxt"\nsnapshot_prefix: "snaps/"\n')
    report = rank_one(net, folder / "base.caffemodel", solver=folder / "s.prototxt")
    assert report.evidence.endswith("over 3 snapshots, _iter_10.caffemodel to _iter_30.caffemodel)")


def test_controls(run):
    net, folder = run
    by_tpm = rank_one(net, snapshot(folder, 40))
    reverse = rank_one(net, snapshot(folder, 40), order="reverse")
    assert {k.channel for k in reverse.kernels[:3]} == {k.channel for k in by_tpm.kernels[3:]}
    ranked = rank_one(net, snapshot(folder, 40), order="random", seed=4)
    assert (ranked.tpm, ranked.evidence) == (False, "fast/slow at random (seed 4), a control, NOT TPM")
    report = residual(net, snapshot(folder, 40), folder / "out", order="random", seed=4)
    assert report.splits[0].evidence == "fast/slow at random (seed 4), a control, NOT TPM"
    assert report.to_dict()["plan"]["layers"][0]["tpm"] is False


SCORES = [0.5, 0.1, 0.9, 0.9, 0.2, 0.3]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.csv", "\n".join(map(str, SCORES))),
        ("s.csv", "channel,score\r\n" + "\r\n".join(f"{c},{SCORES[c]}" for c in (5, 4, 3, 2, 1, 0))),
        ("s.csv", "score,name\n" + "\n".join(f"{score},x" for score in SCORES)),
        ("s.json", json.dumps(SCORES)),
        ("s.json", json.dumps({"conv1_1": SCORES, "other": [1]})),
        (
            "s.json",
            json.dumps(
                {"layer": "conv1_1", "kernels": [{"channel": c, "score": SCORES[c]} for c in (2, 3, 0, 1, 4, 5)]}
            ),
        ),
        ("s.yaml", "conv1_1:\n" + "".join(f"- {score}\n" for score in SCORES)),
        ("s.yml", str(SCORES)),
    ],
)
def test_files_of_scores(tmp_path, name, text):
    net, weights = write_tiny(tmp_path)
    (tmp_path / name).write_text(text)
    report = rank_one(net, weights, scores=tmp_path / name)
    assert [k.channel for k in report.kernels] == [2, 3, 0, 5, 4, 1], "ties keep the lower channel"
    assert (report.measure, report.tpm, report.evidence) == ("scores", None, f"fast/slow by scores of {name}")


def test_npy_scores_and_feeding_a_ranking_back(tmp_path, command):
    net, weights = write_tiny(tmp_path)
    np.save(tmp_path / "s.npy", np.array(SCORES))
    assert rank_one(net, weights, scores=tmp_path / "s.npy").kernels[0].channel == 2
    done = command("rank", net, weights, "--layer", "conv1_1", "--json")
    (tmp_path / "ranked.json").write_text(done.stdout)
    again = rank_one(net, weights, scores=tmp_path / "ranked.json")
    assert [k.score for k in again.kernels] == [k["score"] for k in json.loads(done.stdout)["kernels"]]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("s.csv", "0.1\n0.2\nx\n", r"s.csv:3:1: no number in 'x'"),
        ("s.csv", "a,b\n1,2\n", 'the header has no column "score"'),
        ("s.csv", "1,2\n3,4\n", "several columns need a header"),
        ("s.csv", "channel,score\n0,1\n0,2\n", "each once"),
        ("s.csv", "channel,score\n0,1\n2,2\n", "each once"),
        ("s.csv", "1\n2\n", '2 scores, but layer "conv1_1" has 6 kernels'),
        ("s.csv", "1\n2\n3\n4\n5\nnan\n", "NaN or infinite"),
        ("s.json", "[1, 2,\n 3,, 4]", r"s.json:2:4: not JSON"),
        ("s.json", '{"conv9": [1]}', 'holds no list of numbers for layer "conv1_1"'),
        ("s.json", '[1, "2", 3]', "holds no list of numbers"),
        ("s.yaml", "a: [1, 2\nb: 3", "s.yaml:2:2: not YAML"),
        ("s.npy", "not numpy", "cannot be read as npy"),
        ("s.txt", "1", "must end in .csv, .json, .yaml, .yml or .npy"),
    ],
)
def test_malformed_scores(tmp_path, name, text, message):
    net, weights = write_tiny(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(SurgeryError, match=message):
        rank_one(net, weights, scores=tmp_path / name)


@pytest.mark.parametrize(
    "text", ["-1\n-2\n-3\n-4\n-5\n-6\n", "0\n0\n0\n0\n0\n0\n", "5e-324\n0\n0\n0\n0\n0\n", "1e300\n-1e300\n0\n0\n0\n0\n"]
)
def test_scores_of_any_range(tmp_path, text):
    net, weights = write_tiny(tmp_path)
    (tmp_path / "s.csv").write_text(text)
    report = rank_one(net, weights, scores=tmp_path / "s.csv")
    assert 0 <= report.entropy < 2.4
    assert len(report.kernels) == 6


def test_weights_too_large_for_a_norm(tmp_path):
    arrays = conv_arrays()
    net, weights = write_tiny(
        tmp_path, model=tiny_weights([arrays[0].astype(np.float64) * 1e200, arrays[1]], dtype="<f8")
    )
    with pytest.raises(FileError, match="is not a finite number"):
        rank_one(net, weights)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("s.csv", b"1\r2\r3\r"),
        ("s.csv", b"1," * 200000),
        ("s.csv", b"channel,score\ninf,1\n"),
        ("s.csv", b"channel,score\n0.5,1\n"),
        ("s.csv", b"\xff\xfe"),
        ("s.json", b"[" + b"9" * 400 + b"]"),
        ("s.json", b"[" * 100000),
        ("s.json", b'[{"channel": 0, "score": 1}, {"channel": 0, "score": 1}]'),
        ("s.yaml", b"[" * 5000),
        ("s.npy", b"PK\x03\x04"),
        ("s.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f4', "),
        ("s.npy", b"\x93NUMPY\x01\x00\x46\x00{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,)}"),
    ],
)
def test_scores_that_no_parser_likes(tmp_path, name, data):
    net, weights = write_tiny(tmp_path)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(FileError, match=name):
        rank_one(net, weights, scores=tmp_path / name)


def test_complex_scores(tmp_path):
    net, weights = write_tiny(tmp_path)
    np.save(tmp_path / "s.npy", np.ones(6, np.complex64))
    with pytest.raises(FileError, match="real numbers"):
        rank_one(net, weights, scores=tmp_path / "s.npy")


def test_two_snapshots_of_one_iteration(run):
    net, folder = run
    (folder / "run_iter_0030.caffemodel").write_bytes(snapshot(folder, 30).read_bytes())
    with pytest.raises(UsageError, match="are both of iteration 30"):
        rank_one(net, snapshot(folder, 40))


def test_a_solvers_snapshots_after_the_weights_do_not_count(run):
    net, folder = run
    (folder / "best").mkdir()
    early = folder / "best" / "run_iter_30.caffemodel"
    early.write_bytes(snapshot(folder, 30).read_bytes())
    (folder / "s.prototxt").write_text('net: "base.prototxt"\nsnapshot_prefix: "run"\n')
    report = rank_one(net, early, solver=folder / "s.prototxt")
    assert report.evidence.endswith("over 3 snapshots, run_iter_10.caffemodel to run_iter_30.caffemodel)")


def test_a_directory_of_snapshots_is_named_by_a_glob(run):
    net, folder = run
    with pytest.raises(UsageError, match="is a directory; name the files in it"):
        rank_one(net, folder / "base.caffemodel", snapshots=str(folder))


def test_a_measure_says_what_it_is_and_whose_reading(run, command):
    net, folder = run
    done = command("rank", net, snapshot(folder, 40), "-v")
    assert "coherence: net displacement over path length" in done.stdout
    assert "our reading of TPM as path efficiency; the author of the method published no formula" in done.stdout
