"""Caffe's logs of every version, and the tables made of them."""

from __future__ import annotations

import gzip
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from split_surgery import report
from split_surgery.errors import FileError, UsageError
from split_surgery.logs import LIMIT, Curve, read_logs
from split_surgery.trainings import natural
from tests.conftest import EXAMPLE

RC2 = """\
I0213 23:00:46.169908 26554 solver.cpp:340] Iteration 90000, Testing net (#0)
I0213 23:02:27.650948 26554 solver.cpp:408]     Test net output #0: accuracy = 0.653201
I0213 23:02:27.651077 26554 solver.cpp:408]     Test net output #1: loss = 1.3247 (* 1 = 1.3247 loss)
I0213 23:02:27.651082 26554 solver.cpp:325] Optimization Done.
I0213 23:02:27.651084 26554 caffe.cpp:215] Optimization Done.
"""

MIXED = """\
name: "net"
layer { name: "data" }
I1231 23:59:50.000000  7 solver.cpp:60] Solver scaffolding done.
I1231 23:59:55.000000  7 solver.cpp:347] Iteration 0, Testing net (#0)
I1231 23:59:56.000000  7 solver.cpp:414]     Test net output #0: Accuracy = 0.1
I1231 23:59:56.100000  7 solver.cpp:414]     Test net output #1: accuracy_top5 = 0.5
I1231 23:59:57.000000  7 solver.cpp:347] Iteration 0, Testing net (#1)
I1231 23:59:58.000000  7 solver.cpp:414]     Test net output #0: Accuracy = 0.2
I1231 23:59:59.000000  7 solver.cpp:239] Iteration 0 (-nan iter/s, 0s/100 iters), loss = 2.5
I1231 23:59:59.100000  7 solver.cpp:258]     Train net output #0: loss = 2.5 (* 1 = 2.5 loss)
I1231 23:59:59.200000  7 sgd_solver.cpp:112] Iteration 0, lr = 0.02
I0306 02:20:44.612457 30821 data_transformer.cpp:608] Using online data augmentation Phase=1 crop_size=0
I0101 00:00:10.000000  7 solver.cpp:239]     [0.0] Iteration 100 (3.29837 iter/s, 30.318s/100 iters), 1.0/300.0ep, loss = 1.5
I0101 00:00:10.100000  7 sgd_solver.cpp:112] Iteration 100, lr = 0.002, m = 0.9
W0101 00:00:11.000000  7 solver.cpp:239] Iteration 200, loss = nan
I0101 00:00:12.000000  7 solver.cpp:347] Iteration 200, Testing net (#0)
I0101 00:00:13.000000  7 solver.cpp:414]     Test net output #0: Accuracy = 0.75
I0101 00:00:13.100000  7 solver.cpp:414]     Test net outp
"""


def only(text, name="train.log"):
    (log,) = read_logs(text.encode().splitlines(keepends=True), name)
    return log


def test_lines_of_rc2():
    log = only(RC2)
    assert log.tests[0, "accuracy"].last == 0.653201
    assert log.tests[0, "accuracy"].best == (0.653201, 90000)
    assert (log.iterations, log.done, log.skipped) == (90000, True, 0)
    assert log.seconds == pytest.approx(101.481176, abs=1e-3)


def test_lines_of_caffe_1_and_of_nvidias_fork():
    log = only(MIXED)
    assert {key: curve.last for key, curve in log.tests.items()} == {
        (0, "Accuracy"): 0.75, (0, "accuracy_top5"): 0.5, (1, "Accuracy"): 0.2,
    }  # fmt: skip
    assert log.tests[0, "Accuracy"].first == 0.1
    assert list(log.train["loss"].iterations) == [0, 100, 200]
    assert list(log.train["loss"].values)[:2] == [2.5, 1.5]
    assert math.isnan(log.train["loss"].last)
    assert list(log.train["lr"].values) == [0.02, 0.002]
    assert list(log.train["output loss"].values) == [2.5]
    assert (log.iterations, log.done, log.runs, log.skipped) == (200, False, 1, 2)


def test_a_new_year_and_an_appended_run():
    log = only(
        MIXED.replace(
            "I0306 02:20:44.612457 30821 data_transformer.cpp:608] Using online data augmentation Phase=1 crop_size=0\n",
            "",
        )
    )
    assert log.seconds == pytest.approx(23.1)
    twice = only(RC2.replace("90000", "500") + RC2.replace("90000", "100").replace("Optimization Done", "x"))
    assert (twice.runs, twice.done, twice.iterations) == (2, False, 500)


def grepped(flow, values):
    """As `grep -B 3 "Optimization Done" | grep accuracy` prints it."""
    lines = [
        f"../../caffe/exp/{flow}/{net}/{'baseline_relu_lsuv' if net == 'baseline' else 'train'}.log-I0213 23:02:27.650948 26554 "
        f"solver.cpp:408]     Test net output #0: accuracy = {value}"
        for net, value in values.items()
    ]  # fmt: skip
    return "\n--\n".join(lines) + "\n"


RESIDUAL = {
    "baseline": "0.653201",
    "derived1": "0.6617",
    "derived2": "0.6802",
    "derived3": "0.686",
    "derived4": "0.69",
    "derived5": "0.6914",
}
EXTENSION = {"baseline": "0.653201", "derived1": "0.661601", "derived2": "0.6703", "derived3": "0.682801", "derived4": "0.683501",
             "derived5": "0.6867", "derived6": "0.681701"}  # fmt: skip
"""The published tables."""


def test_the_notes_tables_come_out_of_the_notes_lines(tmp_path, command):
    (tmp_path / "lines.txt").write_text(grepped("test_residual_split", RESIDUAL) + grepped("test_split3", EXTENSION))
    done = command(
        "report",
        "lines.txt",
        "--group",
        "residual=test_residual_split",
        "--group",
        "extension=test_split3",
        "-q",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0] == ["net", "residual", "extension", "residual", "-", "extension"]
    for net, row in zip(EXTENSION, rows[1:]):
        assert row[0] == net
        assert row[1:3] == ([RESIDUAL[net], EXTENSION[net]] if net in RESIDUAL else [EXTENSION[net]])
    assert rows[1][3] == "+0"
    assert rows[3][3] == "+0.0099"
    assert len(rows) == 8


def test_the_examples_logs_parse_completely(command):
    """Logs that real Caffe wrote: every value that grep finds is in the curves."""
    for path in EXAMPLE.rglob("train.log"):
        text = path.read_text()
        log = only(text)
        for name, pattern in (("accuracy", "accuracy = "), ("loss", "#1: loss = ")):
            values = [
                float(line.split(pattern)[1].split()[0])
                for line in text.splitlines()
                if pattern in line and "Test net" in line
            ]
            assert list(log.tests[0, name].values) == values
        assert log.train["lr"].count == text.count(", lr = ")
        assert log.train["loss"].count == text.count(", loss = ")
        assert log.done
    done = command("report", ".", cwd=EXAMPLE)
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines()}
    assert list(rows) == ["net", "train", "control", "derived1", "derived1_old"]
    assert rows["derived1"][1:5] == ["0.8915", "0.0007", "0.8965", "0.8965"]
    assert rows["control"][1:3] == ["0.8922", "0.8946"]


def write(folder, values, iterations=(0, 100, 200)):
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        f"I0101 00:00:{10 + at:02}.000000 1 s.cpp:1] Iteration {iteration}, Testing net (#0)\n"
        f"I0101 00:00:{11 + at:02}.000000 1 s.cpp:1]     Test net output #0: accuracy = {value}\n"
        for at, (iteration, value) in enumerate(zip(iterations, values))
    ]
    (folder / "train.log").write_text("".join(lines) + "I0101 00:00:30.000000 1 s.cpp:1] Optimization Done.\n")


def test_drops_against_parents_in_natural_order(tmp_path):
    write(tmp_path / "baseline", (0.1, 0.6, 0.65))
    write(tmp_path / "derived1", (0.57, 0.7, 0.66))
    write(tmp_path / "derived2", (0.6, 0.68, 0.67))
    write(tmp_path / "derived10", (0.5, 0.6, 0.7))
    (group,) = report(tmp_path).groups
    assert [row.net for row in group.rows] == ["baseline", "derived1", "derived2", "derived10"]
    assert [row.parent for row in group.rows] == [None, "baseline", "derived1", None]
    assert [row.drop for row in group.rows] == [None, pytest.approx(0.08), pytest.approx(0.06), None]
    assert (group.rows[1].best, group.rows[1].best_iteration) == (0.7, 100)


def test_every_form_of_the_table(tmp_path, command):
    write(tmp_path / "baseline", (0.1, 0.6, 0.65))
    write(tmp_path / "derived1", (0.57, 0.7, 0.66))
    printed = command("report", "baseline", "derived1", cwd=tmp_path).stdout.splitlines()
    assert printed[0].split() == ["net", "start", "drop", "final", "best", "iterations", "time"]
    assert printed[2].split() == ["derived1", "0.57", "0.08", "0.66", "0.7", "at", "100", "200", "0:00:20"]
    markdown = command("report", ".", "--markdown", cwd=tmp_path).stdout.splitlines()
    assert markdown[0] == "| net | start | drop | final | best | iterations | time |"
    assert markdown[3] == "| derived1 | 0.57 | 0.08 | 0.66 | 0.7 at 100 | 200 | 0:00:20 |"
    assert command("report", ".", "--csv", cwd=tmp_path).stdout.splitlines()[2].startswith(",derived1,0.57,0.08")
    tree = json.loads(command("report", ".", "--json", cwd=tmp_path).stdout)
    assert [net["net"] for net in tree["groups"][0]["nets"]] == ["baseline", "derived1"]
    both = command("report", "--group", "a=baseline", "--group", "b=derived1", cwd=tmp_path)
    assert "a:" in both.stdout.splitlines()


def test_gzip_and_standard_input(tmp_path, command):
    write(tmp_path / "derived1", (0.5, 0.6))
    text = (tmp_path / "derived1" / "train.log").read_bytes()
    (tmp_path / "zipped" / "derived1").mkdir(parents=True)
    packed = gzip.compress(text)
    (tmp_path / "zipped" / "derived1" / "train.log.gz").write_bytes(packed)
    assert report(tmp_path / "zipped").groups[0].rows[0].final == 0.6
    (tmp_path / "zipped" / "derived1" / "train.log.gz").write_bytes(packed[: len(packed) // 2])
    assert len(report(tmp_path / "zipped").groups[0].rows) == 1
    program = Path(sys.executable).with_name("split-surgery")
    done = subprocess.run([program, "report", "-"], input=text, capture_output=True, check=False)
    assert done.returncode == 0
    assert b"0.6" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["report"], 2, "no log was given"),
        (["report", "nosuch.log"], 3, "nosuch.log: No such file or directory"),
        (["report", "."], 3, "holds no log"),
        (["report", "--group", "x"], 2, "must be NAME=PATH"),
        (["report", "a.txt", "--group", "x=nosuch"], 2, "is no path, and no log has it in its name"),
        (["report", "a.txt", "--csv", "--markdown"], 2, "exclude each other"),
        (["report", "a.txt"], 0, "tells no test output"),
    ],
)
def test_errors(tmp_path, command, arguments, code, message):
    (tmp_path / "a.txt").write_bytes(b"\0\1garbage\n" * 3)
    done = command(*arguments, cwd=tmp_path)
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


def test_only_our_errors_leave(tmp_path):
    with pytest.raises(FileError):
        report(tmp_path / "nosuch")
    with pytest.raises(UsageError):
        report([], group=("a",))


@given(
    st.lists(st.one_of(st.binary(max_size=80), st.sampled_from((RC2 + MIXED).encode().splitlines())), max_size=30),
    st.integers(0, 70),
)
def test_any_bytes_are_read(lines, cut):
    for log in read_logs([line[cut:] if at % 3 == 0 else line for at, line in enumerate(lines)], "x"):
        assert log.seconds >= 0
        for curve in (*log.tests.values(), *log.train.values()):
            assert len(curve.values) == len(curve.iterations) <= curve.count


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.integers(2, 8))
def test_curves_stay_bounded(values, limit):
    import split_surgery.logs as logs

    curve = Curve()
    kept, logs.LIMIT = logs.LIMIT, 2 * limit
    try:
        for at, value in enumerate(values):
            curve.add(at, value)
    finally:
        logs.LIMIT = kept
    assert len(curve.values) < max(2 * limit, 2)
    assert (curve.first, curve.last, curve.count) == (values[0], values[-1], len(values))
    assert curve.best[0] == max(values)
    whole = len(values) - len(values) % curve.every
    means = [sum(values[at : at + curve.every]) / curve.every for at in range(0, whole, curve.every)]
    assert list(curve.values) == pytest.approx(means, abs=1e-6)
    assert kept == LIMIT


def test_natural_order():
    names = ["derived10", "derived2", "control", "derived1"]
    assert sorted(names, key=natural) == ["control", "derived1", "derived2", "derived10"]
