"""Caffe's logs of every version, and the tables made of them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from split_surgery.reporting.logs.accuracy import rows
from split_surgery.reporting.logs.caffe_log import MOST_LOGS, MOST_OUTPUTS, read_logs
from split_surgery.reporting.logs.curve import LIMIT, Curve
from split_surgery.reporting.logs.test_output import told
from split_surgery.reporting.logs.trainings import arranged, natural, net_names
from tests.support.log_lines import log_line, only_log

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


def test_lines_of_rc2():
    log = only_log(RC2)
    assert log.tests[0, "accuracy"].last == 0.653201
    assert log.tests[0, "accuracy"].highest == (0.653201, 90000)
    assert (log.iterations, log.end, log.skipped) == (90000, "done", 0)
    assert log.clock.seconds == pytest.approx(101.481176, abs=1e-3)


def test_lines_of_caffe_1_and_of_nvidias_fork():
    log = only_log(MIXED)
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
    log = only_log(NVIDIA)
    assert {key: (curve.first, curve.last) for key, curve in log.tests.items()} == {
        (0, "accuracy"): (0.11, 0.81), (0, "loss"): (2.3, 2.3), (0, "mbox"): (0.7, 0.7),
    }  # fmt: skip
    assert log.tests[0, "accuracy"].highest == (0.81, 100)
    assert list(zip(log.train["loss"].iterations, log.train["loss"].values)) == [(0, 2.31), (100, 0.5)]
    assert list(log.train["lr"].values) == [0.01, 0.001]
    assert log.train["output loss"].last == 2.31
    # The rate of iteration 99 comes after the loss of 100: that is no second run.
    assert (log.runs, log.end, log.iterations, log.clock.seconds) == (1, "done", 100, 11.0)


def test_outputs_of_several_values_and_the_sum_of_the_losses():
    text = "".join(
        log_line(10 + at, line)
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
    assert {key[1]: list(curve.values) for key, curve in only_log(text).tests.items()} == {
        "test loss": [1.25, 1.5], "accuracy": [0.5, 0.6], "by_class": [0.1, 0.4], "by_class[1]": [0.2, 0.5],
        "by_class[2]": [0.3, 0.6],
    }  # fmt: skip


def run_of(first, last, hour, end="Optimization Done."):
    return (
        log_line(0, "Use CPU.", "caffe.cpp:197", hour=hour)
        + log_line(1, "Initializing solver from parameters: ", hour=hour)
        + log_line(3, f"Iteration {first}, loss = 2", hour=hour)
        + log_line(13, f"Iteration {last}, loss = 1", hour=hour)
        + log_line(14, "Snapshotting to binary proto file x", hour=hour)
        + log_line(15, end, level="F" if end.startswith("Check") else "I", hour=hour)
    )


def test_what_passes_between_two_runs_is_not_counted():
    died = "Check failed: error == cudaSuccess (2 vs. 0)  out of memory"
    resumed = only_log(run_of(0, 500, 1, died) + run_of(500, 900, 9))  # no iteration runs back
    assert (resumed.runs, resumed.end, resumed.clock.seconds) == (2, "done", 13 + 14)
    crashed = only_log(run_of(0, 500, 1) + run_of(300, 400, 23, died))
    assert (crashed.runs, crashed.end) == (2, f"died: {died}")
    assert crashed.iterations == 500


def test_stopped_by_ctrl_c():
    """Caffe says Optimization Done all the same."""
    text = (
        log_line(1, "Iteration 26, loss = 1")
        + log_line(2, "Optimization stopped early.")
        + log_line(3, "Optimization Done.")
    )
    assert only_log(text).end == "stopped early"


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
    (log,) = read_logs([line % log_line(1, "Iteration 5, loss = 1.5").strip().encode()], "x")
    assert (log.name, log.train["loss"].last) == (name, 1.5)


def test_no_number_of_names_fills_the_memory():
    lines = [log_line(1, f"    Test net output #0: a{at} = 1").encode() for at in range(MOST_OUTPUTS + 9)]
    assert len(read_logs(lines, "x")[0].tests) == MOST_OUTPUTS
    lines = [b"a%d.log:" % at + log_line(1, "Iteration 5, loss = 1.5").encode() for at in range(MOST_LOGS + 9)]
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
    lines = [log_line(1, f"    Test net output #{at}: {name} = 1") for at, name in enumerate(names.split())]
    lines += [log_line(2, "Iteration 0, Testing net (#1)"), log_line(3, "    Test net output #0: accuracy = 1")]
    assert told(only_log("".join(lines)), None) == (0, told_one)


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
    text = (
        log_line(10, "Iteration 1, loss = 2")
        + log_line(12, "x")
        + log_line(11, "y")
        + log_line(13, "Iteration 2, loss = 2")
    )
    assert only_log(text).clock.seconds == 3


def test_a_new_year_and_an_appended_run():
    log = only_log(
        MIXED.replace(
            "I0306 02:20:44.612457 30821 data_transformer.cpp:608] Using online data augmentation Phase=1 crop_size=0\n",
            "",
        )
    )
    assert log.clock.seconds == pytest.approx(23.1)
    twice = only_log(RC2.replace("90000", "500") + RC2.replace("90000", "100").replace("Optimization Done", "x"))
    assert (twice.runs, twice.end, twice.iterations) == (2, "", 500)


def parents_of(sources):
    """By source, of logs that are only names."""
    text = log_line(1, "    Test net output #0: accuracy = 0.5") + log_line(2, "Iteration 9, loss = 1")
    return {row.source: row.parent for row in rows(arranged([only_log(text, source) for source in sources]), None)}


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
    died = log_line(0, "Initializing solver from parameters:", hour=1) + log_line(
        1, "Check failed: mdb_status", level="F", hour=1
    )
    log = only_log(died + run_of(0, 500, 9))
    assert (log.end, log.runs, log.clock.seconds) == ("done", 2, 14)
    log = only_log(run_of(0, 500, 1, "x") + died.replace(" 01:", " 05:") + run_of(0, 500, 9))
    assert (log.end, log.runs, log.clock.seconds) == ("done", 3, 13 + 14)


@pytest.mark.parametrize("text", ["nan", "-nan", "-nan(ind)", "-1.#IND", "1.#QNAN", "inf", "-1.#INF", "1e39"])
def test_numbers_that_are_none_on_every_system(text):
    log = only_log(log_line(1, f"Iteration 5, loss = {text}"))
    assert log.odd == ("loss", 5)
    assert math.isnan(log.train["loss"].last) == ("inf" not in text.lower() and "39" not in text)


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
    import split_surgery.reporting.logs.curve as logs

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
