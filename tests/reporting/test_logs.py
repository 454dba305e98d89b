"""Caffe's logs of every version, and the tables made of them."""

from __future__ import annotations

import gzip
import json
import math
import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from split_surgery import plot, report, residual
from split_surgery.errors import FileError, SurgeryError, UsageError
from split_surgery.reporting.logs.accuracy import rows
from split_surgery.reporting.logs.caffe_log import LIMIT, MOST_LOGS, MOST_OUTPUTS, Curve, read_logs
from split_surgery.reporting.logs.test_output import told
from split_surgery.reporting.logs.trainings import arranged, natural, net_names
from tests.support.paths import EXAMPLE, PROGRAM

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
    assert log.tests[0, "accuracy"].highest == (0.653201, 90000)
    assert (log.iterations, log.end, log.skipped) == (90000, "done", 0)
    assert log.clock.seconds == pytest.approx(101.481176, abs=1e-3)


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
    assert (log.iterations, log.end, log.runs, log.skipped) == (200, "", 1, 2)


NVIDIA = """\
I0612 10:00:00.000000 11 caffe.cpp:250] Starting Optimization
I0612 10:00:00.100000 11 solver.cpp:494] Iteration 0, Testing net (#0)
I0612 10:00:01.000000 11 solver.cpp:581]     (0)     Test net output #0: accuracy = 0.11
I0612 10:00:01.000100 11 solver.cpp:581]     (0)     Test net output #1: loss = 2.3 (* 1 = 2.3 loss)
I0612 10:00:01.200000 11 solver.cpp:241] Initial Test completed in 1.1s
I0612 10:00:02.000000 21 solver.cpp:342]     [0] Iteration 0 (0.9 s), loss = 2.31
I0612 10:00:02.000100 21 solver.cpp:358]     [0]     Train net output #0: loss = 2.31 (* 1 = 2.31 loss)
I0612 10:00:02.000200 21 sgd_solver.cpp:180] [0] Iteration 0, lr = 0.01, m = 0.9, lrm = 0.1, wd = 0.0005, gs = 1
I0612 10:00:09.000000 21 solver.cpp:337]     [1.0] Iteration 100 (14 iter/s, 7s/99 iter), 12.5/12.5ep, loss = 0.5
I0612 10:00:09.000200 21 sgd_solver.cpp:180] [1.0] Iteration 99, lr = 0.001, m = 0.9, lrm = 0.01, wd = 0.0005, gs = 1
I0612 10:00:09.100000 11 solver.cpp:494] Iteration 100, Testing net (#0)
I0612 10:00:10.000000 11 solver.cpp:581]     (0)     Test net output #0: accuracy = 0.81
I0612 10:00:10.500000 11 solver.cpp:722] Test net output mAP #0: mbox = 0.7
I0612 10:00:11.000000 11 caffe.cpp:262] Optimization Done in 11s
"""
"""NVIDIA's fork from 0.17 on: a device before what the solver says, in parentheses for the tested net."""


def test_lines_of_nvidias_fork_since_0_17():
    log = only(NVIDIA)
    assert {key: (curve.first, curve.last) for key, curve in log.tests.items()} == {
        (0, "accuracy"): (0.11, 0.81), (0, "loss"): (2.3, 2.3), (0, "mbox"): (0.7, 0.7),
    }  # fmt: skip
    assert log.tests[0, "accuracy"].highest == (0.81, 100)
    assert list(zip(log.train["loss"].iterations, log.train["loss"].values)) == [(0, 2.31), (100, 0.5)]
    assert list(log.train["lr"].values) == [0.01, 0.001]
    assert log.train["output loss"].last == 2.31
    # The rate of iteration 99 comes after the loss of 100: that is no second run.
    assert (log.runs, log.end, log.iterations, log.clock.seconds) == (1, "done", 100, 11.0)


def head(second, text, place="solver.cpp:1", level="I", hour=1):
    return f"{level}0101 {hour:02}:00:{second:02}.000000 1 {place}] {text}\n"


def test_outputs_of_several_values_and_the_sum_of_the_losses():
    text = "".join(
        head(10 + at, line)
        for at, line in enumerate(
            [
                "Iteration 5, Testing net (#0)",
                "Test loss: 1.25",
                "    Test net output #0: accuracy = 0.5",
                "    Test net output #1: by_class = 0.1",
                "    Test net output #2: by_class = 0.2",
                "    Test net output #3: by_class = 0.3",
                "Iteration 10, Testing net (#0)",
                "Test loss: 1.5",
                "    Test net output #0: accuracy = 0.6",
                "    Test net output #1: by_class = 0.4",
                "    Test net output #2: by_class = 0.5",
                "    Test net output #3: by_class = 0.6",
            ]
        )
    )
    assert {key[1]: list(curve.values) for key, curve in only(text).tests.items()} == {
        "test loss": [1.25, 1.5], "accuracy": [0.5, 0.6], "by_class": [0.1, 0.4], "by_class[1]": [0.2, 0.5],
        "by_class[2]": [0.3, 0.6],
    }  # fmt: skip


def run_of(first, last, hour, end="Optimization Done."):
    return (
        head(0, "Use CPU.", "caffe.cpp:197", hour=hour)
        + head(1, "Initializing solver from parameters: ", hour=hour)
        + head(3, f"Iteration {first}, loss = 2", hour=hour)
        + head(13, f"Iteration {last}, loss = 1", hour=hour)
        + head(14, "Snapshotting to binary proto file x", hour=hour)
        + head(15, end, level="F" if end.startswith("Check") else "I", hour=hour)
    )


def test_what_passes_between_two_runs_is_not_counted():
    died = "Check failed: error == cudaSuccess (2 vs. 0)  out of memory"
    resumed = only(run_of(0, 500, 1, died) + run_of(500, 900, 9))  # no iteration runs back
    assert (resumed.runs, resumed.end, resumed.clock.seconds) == (2, "done", 13 + 14)
    crashed = only(run_of(0, 500, 1) + run_of(300, 400, 23, died))
    assert (crashed.runs, crashed.end) == (2, f"died: {died}")
    assert crashed.iterations == 500


def test_stopped_by_ctrl_c():
    """Caffe says Optimization Done all the same."""
    text = head(1, "Iteration 26, loss = 1") + head(2, "Optimization stopped early.") + head(3, "Optimization Done.")
    assert only(text).end == "stopped early"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b"\x1b[32m%s\x1b[0m", "x"),
        (b"50%%\r%s", "x"),
        (b"\xef\xbb\xbf%s", "x"),
        (b"2020-02-13T23:02:27.65Z %s", "x"),
        (b"12:30:45:%s", "x"),
        (b"caffe_1  | %s", "x"),
        (b"runs/a b.log:%s", "runs/a b.log"),
        (b"runs/a.log-12-%s", "runs/a.log"),
    ],
)
def test_what_stands_before_a_line(line, name):
    (log,) = read_logs([line % head(1, "Iteration 5, loss = 1.5").strip().encode()], "x")
    assert (log.name, log.train["loss"].last) == (name, 1.5)


def test_no_number_of_names_fills_the_memory():
    lines = [head(1, f"    Test net output #0: a{at} = 1").encode() for at in range(MOST_OUTPUTS + 9)]
    assert len(read_logs(lines, "x")[0].tests) == MOST_OUTPUTS
    lines = [b"a%d.log:" % at + head(1, "Iteration 5, loss = 1.5").encode() for at in range(MOST_LOGS + 9)]
    logs = read_logs(lines, "x")
    assert (len(logs), logs[0].skipped) == (MOST_LOGS, 9)
    assert net_names([log.name for log in logs])[-1] == f"a{MOST_LOGS - 1}"


@pytest.mark.parametrize(
    ("names", "told_one"),
    [
        (
            "loss1/loss1 loss1/top-1 loss1/top-5 loss2/loss1 loss2/top-1 loss3/loss3 loss3/top-1 loss3/top-5",
            "loss3/top-1",
        ),
        ("accuracy/top1 accuracy/top5 loss", "accuracy/top1"),
        ("Accuracy5 Accuracy1 loss", "Accuracy1"),
        ("loss accuracy", "accuracy"),
        ("mbox_loss detection_eval", "detection_eval"),
        ("loss", "loss"),
    ],
)
def test_which_output_is_told(names, told_one):
    lines = [head(1, f"    Test net output #{at}: {name} = 1") for at, name in enumerate(names.split())]
    lines += [head(2, "Iteration 0, Testing net (#1)"), head(3, "    Test net output #0: accuracy = 1")]
    assert told(only("".join(lines)), None) == (0, told_one)


@pytest.mark.parametrize(
    ("sources", "names"),
    [
        (["a/train.log", "b/train.log"], ["a", "b"]),
        (["x/a/train.log", "y/a/train.log.gz"], ["x/a", "y/a"]),
        (["c/base.log", "c/derived1.log"], ["base", "derived1"]),
        (
            ["d/base/train.log", "d/derived1/train.log", "d/derived1/train_lr2.log"],
            ["base", "derived1/train", "derived1/train_lr2"],
        ),
        (["", ".", "/"], ["", "", ""]),
        (["standard input"], ["standard input"]),
    ],
)
def test_names_of_nets(sources, names):
    found = net_names(sources)
    assert found == names or names == ["", "", ""]
    assert len(set(found)) == len(found)


def test_lines_that_threads_have_written_out_of_order():
    text = head(10, "Iteration 1, loss = 2") + head(12, "x") + head(11, "y") + head(13, "Iteration 2, loss = 2")
    assert only(text).clock.seconds == 3


def test_a_new_year_and_an_appended_run():
    log = only(
        MIXED.replace(
            "I0306 02:20:44.612457 30821 data_transformer.cpp:608] Using online data augmentation Phase=1 crop_size=0\n",
            "",
        )
    )
    assert log.clock.seconds == pytest.approx(23.1)
    twice = only(RC2.replace("90000", "500") + RC2.replace("90000", "100").replace("Optimization Done", "x"))
    assert (twice.runs, twice.end, twice.iterations) == (2, "", 500)


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
        assert log.end == "done"
    done = command("report", ".", cwd=EXAMPLE)
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines()}
    assert list(rows) == ["net", "fashion_vgg", "control", "derived1", "derived1_old"]
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
    assert (group.rows[1].told.best, group.rows[1].told.best_iteration) == (0.7, 100)


def test_parents_that_split_yaml_tells_of(tmp_path):
    """Names tell nothing here."""
    net, weights = tmp_path / "first" / "a.prototxt", tmp_path / "first" / "a.caffemodel"
    write(tmp_path / "first", (0.1, 0.65))
    net.write_bytes((EXAMPLE / "train_val.prototxt").read_bytes())
    weights.write_bytes((EXAMPLE / "fashion_vgg.caffemodel").read_bytes())
    residual(net, weights, tmp_path / "second")
    residual(tmp_path / "second", None, tmp_path / "another", layer="conv1_1_split2")
    write(tmp_path / "second", (0.5, 0.7))
    write(tmp_path / "another", (0.68, 0.72))
    found = {row.net: (row.parent, row.drop) for row in report(tmp_path).groups[0].rows}
    assert found == {"first": (None, None), "second": ("first", 0.15), "another": ("second", 0.02)}


def test_a_first_test_after_the_start_tells_no_drop(tmp_path, command):
    write(tmp_path / "baseline", (0.1, 0.65))
    write(tmp_path / "derived1", (0.6, 0.7), (100, 200))
    log = tmp_path / "derived1" / "train.log"
    log.write_text(head(1, "Iteration 0, loss = 3") + log.read_text())
    row = report(tmp_path).groups[0].rows[1]
    assert (row.parent, row.told.start, row.told.start_iteration, row.begin, row.drop) == (
        "baseline",
        0.6,
        100,
        0,
        None,
    )
    cells = re.split("  +", command("report", ".", cwd=tmp_path).stdout.splitlines()[2])
    assert cells[:3] == ["derived1", "0.6 at 100", "0.7"]


def test_the_best_loss_is_the_lowest_and_a_death_is_told(tmp_path, command):
    text = head(1, "Iteration 0, Testing net (#0)") + head(2, "    Test net output #0: loss = 1.5 (* 1 = 1.5 loss)")
    text += head(3, "Iteration 9, Testing net (#0)") + head(4, "    Test net output #0: loss = 2.5 (* 1 = 2.5 loss)")
    (tmp_path / "train.log").write_text(text + head(5, "Check failed: x", level="F"))
    row = report(tmp_path).groups[0].rows[0]
    assert (row.told.best, row.told.best_iteration, row.told.final, row.end) == (1.5, 0, 2.5, "died: Check failed: x")
    assert "died: Check failed: x" in command("report", ".", cwd=tmp_path).stdout


def test_a_drop_is_one_of_the_same_output(tmp_path, command):
    for net, output in (("base", "top-1"), ("derived1", "top-5"), ("derived2", "top-5")):
        write(tmp_path / net, (0.5, 0.6))
        log = tmp_path / net / "train.log"
        log.write_text(log.read_text().replace("accuracy", output))
    assert [row.drop for row in report(tmp_path).groups[0].rows] == [None, None, pytest.approx(0.1)]
    assert command("report", ".", cwd=tmp_path).stdout.splitlines()[2].split()[:2] == ["derived1", "top-5"]


def test_two_logs_in_one_directory_went_on_from_the_same_net(tmp_path):
    write(tmp_path / "my baseline", (0.1, 0.65))
    write(tmp_path / "derived1", (0.5, 0.7))
    shutil.copy(tmp_path / "derived1" / "train.log", tmp_path / "derived1" / "train_lr2.log")
    write(tmp_path / "derived2", (0.6, 0.72))
    found = {row.net: (row.parent, row.drop) for row in report(tmp_path).groups[0].rows}
    assert found == {
        "my baseline": (None, None), "derived1/train": ("my baseline", 0.15), "derived1/train_lr2": ("my baseline", 0.15),
        "derived2": ("derived1/train", 0.1),
    }  # fmt: skip


def parents_of(sources):
    """By source, of logs that are only names."""
    text = head(1, "    Test net output #0: accuracy = 0.5") + head(2, "Iteration 9, loss = 1")
    return {row.source: row.parent for row in rows(arranged([only(text, source) for source in sources]), None)}


@pytest.mark.parametrize(
    ("sources", "parents"),
    [
        (
            "exp1/baseline.log exp1/derived1.log exp1/derived2.log exp1/derived3.log",
            [None, "baseline", "derived1", "derived2"],
        ),
        (
            "exp1/base.log exp1/derived1.log exp2/base.log exp2/derived1.log exp2/derived2.log",
            [None, "exp1/base", None, "exp2/base", "exp2/derived1"],
        ),
        ("d/base/train.log d/derived01/train.log d/derived02/train.log", [None, "base", "derived01"]),
        ("d/derived9/a.log d/derived10/a.log", [None, "derived9"]),
        (
            "base/train.log derived4/train.log derived5/train_lr1.log derived5/train.log",
            [None, None, "derived4", "derived4"],
        ),
        ("database_a1/x.log database_a2/x.log", [None, "database_a1"]),
        ("x/derived1.log", [None]),
    ],
)
def test_parents_by_name(sources, parents):
    assert parents_of(sources.split()) == dict(zip(sources.split(), parents))


def test_a_start_that_failed_is_a_run_of_its_own():
    died = head(0, "Initializing solver from parameters:", hour=1) + head(
        1, "Check failed: mdb_status", level="F", hour=1
    )
    log = only(died + run_of(0, 500, 9))
    assert (log.end, log.runs, log.clock.seconds) == ("done", 2, 14)
    log = only(run_of(0, 500, 1, "x") + died.replace(" 01:", " 05:") + run_of(0, 500, 9))
    assert (log.end, log.runs, log.clock.seconds) == ("done", 3, 13 + 14)


@pytest.mark.parametrize("text", ["nan", "-nan", "-nan(ind)", "-1.#IND", "1.#QNAN", "inf", "-1.#INF", "1e39"])
def test_numbers_that_are_none_on_every_system(text):
    log = only(head(1, f"Iteration 5, loss = {text}"))
    assert log.odd == ("loss", 5)
    assert math.isnan(log.train["loss"].last) == ("inf" not in text.lower() and "39" not in text)


@pytest.mark.parametrize("name", ["a\0b", "a/" + "b" * 300 + "/x.log", "\0"])
def test_names_in_grepped_lines_that_no_file_can_have(name, tmp_path):
    (tmp_path / "lines.txt").write_text(f"{name}:{head(1, 'Iteration 5, loss = 1')}")
    assert len(report(tmp_path / "lines.txt").groups[0].rows) == 1


def test_each_file_is_read_once(tmp_path):
    """Glog's caffe.INFO is a link to the newest log, or to one that is gone."""
    write(tmp_path, (0.1, 0.65))
    (tmp_path / "train.log").rename(tmp_path / "caffe.host.me.log.INFO.20200213-230227.26554")
    (tmp_path / "caffe.INFO").symlink_to("caffe.host.me.log.INFO.20200213-230227.26554")
    (tmp_path / "other.INFO").symlink_to("gone")
    found = report([tmp_path, tmp_path / "caffe.INFO"])
    assert [row.net for row in found.groups[0].rows] == [tmp_path.name]


def test_what_powershell_writes(tmp_path):
    write(tmp_path, (0.1, 0.65))
    log = tmp_path / "train.log"
    log.write_bytes(log.read_text().encode("utf-16"))
    assert report(log).groups[0].rows[0].told.final == 0.65


def test_values_that_are_no_numbers_are_told(tmp_path, command):
    (tmp_path / "train.log").write_text(head(1, "Iteration 5, loss = 1e400") + head(2, "Iteration 6, loss = -nan"))
    row = report(tmp_path).groups[0].rows[0]
    assert (row.odd, row.told) == ("loss is no number at 5", None)
    done = command("report", ".", cwd=tmp_path)
    assert "not finished, loss is no number at 5" in done.stdout
    assert "tells no test output" in done.stderr


def test_a_test_output_that_is_nowhere(tmp_path, command):
    write(tmp_path, (0.1, 0.65))
    done = command("report", ".", "--test-output", "acuracy", cwd=tmp_path)
    assert (done.returncode, "nearest: accuracy" in done.stderr) == (2, True), done.stderr


def test_what_is_in_no_flow_belongs_to_each(tmp_path):
    write(tmp_path / "baseline", (0.1, 0.65))
    write(tmp_path / "a" / "derived1", (0.5, 0.7))
    write(tmp_path / "b" / "derived1", (0.6, 0.8))
    write(tmp_path / "c" / "derived2", (0.6, 0.9))
    paths = [f"{name}={tmp_path / name}" for name in "ab"]
    found = report(tmp_path / "baseline", group=[*paths, f"b={tmp_path / 'c'}"])
    assert [(group.name, [(row.net, row.drop) for row in group.rows]) for group in found.groups] == [
        ("a", [("baseline", None), ("derived1", 0.15)]),
        ("b", [("baseline", None), ("derived1", 0.05), ("derived2", 0.2)]),
    ]
    assert found == report(tmp_path, group=[*paths, f"b={tmp_path / 'c'}"])


def test_every_form_of_the_table(tmp_path, command):
    write(tmp_path / "baseline", (0.1, 0.6, 0.65))
    write(tmp_path / "derived1", (0.57, 0.7, 0.66))
    printed = command("report", "baseline", "derived1", cwd=tmp_path).stdout.splitlines()
    assert printed[0].split() == ["net", "start", "drop", "final", "best", "iterations", "time"]
    assert printed[2].split() == ["derived1", "0.57", "0.08", "0.66", "0.7", "at", "100", "200", "0:00:20"]
    markdown = command("report", ".", "--markdown", cwd=tmp_path).stdout.splitlines()
    assert markdown[0] == "| net | start | drop | final | best | iterations | time |"
    assert markdown[3] == "| derived1 | 0.57 | 0.08 | 0.66 | 0.7 at 100 | 200 | 0:00:20 |"
    assert (
        command("report", ".", "--csv", cwd=tmp_path)
        .stdout.splitlines()[2]
        .startswith(",derived1,0.57,0,0.08,0.66,0.7,100,200,")
    )
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
    assert report(tmp_path / "zipped").groups[0].rows[0].told.final == 0.6
    (tmp_path / "zipped" / "derived1" / "train.log.gz").write_bytes(packed[: len(packed) // 2])
    assert len(report(tmp_path / "zipped").groups[0].rows) == 1
    done = subprocess.run([PROGRAM, "report", "-"], input=text, capture_output=True, check=False)
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
        (["report", "a.txt"], 3, "a.txt: no line of it is one that Caffe writes of a training"),
    ],
)
def test_errors(tmp_path, command, arguments, code, message):
    (tmp_path / "a.txt").write_bytes(b"\0\1garbage\n" * 3)
    done = command(*arguments, cwd=tmp_path)
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("output", ["{}.html", "{}.md", "a\0b.html"])
def test_names_that_no_file_can_have(output, tmp_path):
    pytest.importorskip("matplotlib")
    log = EXAMPLE / "derived1" / "train.log"
    with pytest.raises(SurgeryError):
        report(log, tmp_path / output.format("a" * 300))
    with pytest.raises(SurgeryError):
        plot.loss(log, tmp_path / output.format("a" * 300).replace("html", "png").replace("md", "svg"))
    with pytest.raises(SurgeryError):
        report(log, group={"x": "a" * 300})
    with pytest.raises(SurgeryError):
        report("a\0b")
    assert list(tmp_path.iterdir()) == []


def test_groups_as_a_notebook_gives_them():
    folders = {"residual": EXAMPLE / "derived1", "extension": EXAMPLE / "derived1_old"}
    found = report(EXAMPLE / "train.log", group=folders)
    assert [[row.net for row in group.rows] for group in found.groups] == [
        ["fashion_vgg", "derived1"],
        ["fashion_vgg", "derived1_old"],
    ]
    assert report(EXAMPLE / "train.log", group=f"a={EXAMPLE / 'derived1'}").groups[0].rows == found.groups[0].rows


def test_standard_input_zipped_closed_and_odd():
    data = (EXAMPLE / "derived1" / "train.log").read_bytes()
    done = subprocess.run(
        [PROGRAM, "report", "-"], input=gzip.compress(data) + b"garbage", capture_output=True, check=False
    )
    assert b"0.8965" in done.stdout
    done = subprocess.run(
        [PROGRAM, "report", "-"], input=b".:" + head(1, "Iteration 5, loss = 1").encode(), check=False
    )
    assert done.returncode == 0
    done = subprocess.run(["sh", "-c", f"{PROGRAM} report - <&-"], capture_output=True, check=False)
    assert (done.returncode, b"Traceback" in done.stderr) == (3, False)


def test_a_terminal_is_not_told_what_to_do(tmp_path, command):
    write(tmp_path / "\x1b[31mred", (0.1, 0.6))
    done = command("report", ".", cwd=tmp_path)
    assert "\x1b" not in done.stdout
    assert "[31mred" in done.stdout


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
        assert log.clock.seconds >= 0
        for curve in (*log.tests.values(), *log.train.values()):
            assert len(curve.values) == len(curve.iterations) <= curve.count


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.integers(2, 8))
def test_curves_stay_bounded(values, limit):
    import split_surgery.reporting.logs.caffe_log as logs

    curve = Curve()
    kept, logs.LIMIT = logs.LIMIT, 2 * limit
    try:
        for at, value in enumerate(values):
            curve.add(at, value)
    finally:
        logs.LIMIT = kept
    assert len(curve.values) < max(2 * limit, 2)
    assert (curve.first, curve.last, curve.count) == (values[0], values[-1], len(values))
    assert curve.highest[0] == max(values)
    whole = len(values) - len(values) % curve.every
    means = [sum(values[at : at + curve.every]) / curve.every for at in range(0, whole, curve.every)]
    assert list(curve.values) == pytest.approx(means, abs=1e-6)
    assert kept == LIMIT


def test_natural_order():
    names = ["derived10", "derived2", "control", "derived1"]
    assert sorted(names, key=natural) == ["control", "derived1", "derived2", "derived10"]
