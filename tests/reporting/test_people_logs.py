"""Logs as people keep and post them: inside JSON or HTML, several processes in one file, ranks, sorted, wrapped, and of 2014."""

from __future__ import annotations

import gzip
import html
import json
from contextlib import ExitStack

import numpy as np
import pytest

from split_surgery.documents.source import no_progress
from split_surgery.reporting.logs import log_files
from split_surgery.reporting.logs.accuracy import rows
from split_surgery.reporting.logs.caffe_log import read_logs
from split_surgery.reporting.logs.log_report import Group, LogReport
from split_surgery.reporting.logs.test_output import told
from split_surgery.reporting.logs.trainings import arranged
from split_surgery.reporting.logs.writers import MOST_DECISIONS, MOST_WAITING
from tests.support.log_lines import only_log


def said(minute, text, thread=7, place="solver.cpp:1", hour=1, day=1):
    """A line that a thread writes."""
    return f"I01{day:02} {hour:02}:{minute:02}:00.250000 {thread:5} {place}] {text}"


def a_test(minute, iteration, value, thread=7, **at):
    """What is said of one test."""
    return [
        said(minute, f"Iteration {iteration}, Testing net (#0)", thread, **at),
        said(minute, f"    Test net output #0: accuracy = {value}", thread, **at),
    ]


def a_display(minute, iteration, loss, thread=7, **at):
    """What is said of one displayed iteration."""
    return [
        said(minute, f"Iteration {iteration} (8.1 iter/s, 12.3s/100 iters), loss = {loss}", thread, **at),
        said(minute, f"    Train net output #0: loss = {loss} (* 1 = {loss} loss)", thread, **at),
        said(minute, f"Iteration {iteration}, lr = 0.01", thread, place="sgd_solver.cpp:105", **at),
    ]


LINES = [*a_test(0, 0, 0.1215), *a_display(1, 0, 2.5), *a_display(2, 100, "1e-05"), *a_test(3, 100, 0.8)]
LINES += [said(4, "Optimization Done.")]


def lines_log(lines, name="train.log"):
    return only_log("\n".join(lines), name)


def docker(line, end="\n"):
    return json.dumps({"log": line + end, "stream": "stderr", "time": "2017-06-13T10:21:25Z"})


@pytest.mark.parametrize(
    "written",
    [
        docker,
        lambda line: docker(line, "\r\n"),
        lambda line: docker(line.replace("    Te", "\tTe"), "\t"),
        lambda line: docker(f"\x1b[32m{line}\x1b[0m"),
        lambda line: json.dumps({"log": line}, separators=(",", ":")).replace("Testing", "Test\\u0069ng"),
        lambda line: json.dumps({"level": "info", "message": line}, indent=None),
        lambda line: f"  {json.dumps(line)},",
        lambda line: repr((line + "\n").encode()),
        lambda line: f"{line}<br>",
        lambda line: f"{line}<br/&gt;",
        lambda line: f'<div class="line"><b>{html.escape(line)}</b></div>',
        lambda line: line.replace(" ", "&nbsp;") + "&lt;br&gt;",
        lambda line: f"{line}</pre>",
        lambda line: f"{line}|",
        lambda line: f"<p>text</p><p>{line}</p>",
    ],
)  # fmt: skip
def test_text_around_the_values(written):
    log = only_log("\n".join(map(written, LINES)))
    assert {key: list(curve.values) for key, curve in log.tests.items()} == {(0, "accuracy"): [0.1215, 0.8]}
    assert list(log.train["loss"].values) == [2.5, 1e-05]
    assert list(log.train["lr"].values) == [0.01, 0.01]
    assert (log.end, log.iterations, log.runs, log.clock.seconds) == ("done", 100, 1, 240)


def test_a_page_without_line_breaks():
    text = "<html><body><pre>" + "<br>".join(LINES) + "</pre></body></html>"
    log = only_log(text)
    assert (log.tests[0, "accuracy"].last, log.end) == (0.8, "done")
    log = only_log(json.dumps({"output": "\n".join(LINES)}))
    assert (log.tests[0, "accuracy"].last, log.end) == (0.8, "done")


def test_grepped_json_belongs_to_its_file():
    (log,) = read_logs([b"runs/a-json.log:" + docker(line).encode() for line in LINES], "standard input")
    assert (log.name, log.tests[0, "accuracy"].last) == ("runs/a-json.log", 0.8)


@pytest.mark.parametrize("value", ["0.12I0613", "0.1.5", "0.5e", "12abc", "x", "--1"])
def test_a_value_that_goes_on_is_none(value):
    assert not lines_log([said(0, f"    Test net output #0: accuracy = {value}")]).tests


def test_another_process_is_another_run():
    """It was resumed from a snapshot: nothing but the thread's number tells, and the night between is nobody's."""
    first = [*a_test(0, 0, 0.1, 8738), *a_display(1, 0, 2.3, 8738), *a_display(30, 1000, 1.9, 8738)]
    second = [*a_display(0, 1100, 1.8, 5217, day=2), *a_test(40, 2000, 0.5, 5217, day=2)]
    log = lines_log(first + second)
    assert (log.runs, log.clock.seconds, log.end) == (2, (30 + 40) * 60, "")
    assert (log.tests[0, "accuracy"].first, log.tests[0, "accuracy"].last, log.processes) == (0.1, 0.5, 1)
    third = [*a_display(5, 2100, 1.7, 99, day=3), said(6, "Optimization Done.", 99, day=3)]
    log = lines_log(first + second + third)
    assert (log.runs, log.clock.seconds, log.end) == (3, (30 + 40 + 1) * 60, "done")


@pytest.mark.parametrize("thread", [7, 12])
@pytest.mark.parametrize("end", ["Optimization stopped early.", "Optimization Done."])
def test_what_goes_on_after_the_end_is_another_run(thread, end):
    """Also in a container, where each process has the same number."""
    stopped = [
        *a_test(0, 0, 0.1),
        *a_display(1, 1000, 2),
        said(2, end),
        said(2, "Optimization Done.", place="caffe.cpp:1"),
    ]
    resumed = [*a_display(0, 1020, 1, thread, day=2), *a_test(9, 2000, 0.5, thread, day=2)]
    log = lines_log(stopped + resumed)
    assert (log.runs, log.clock.seconds, log.end) == (2, (2 + 9) * 60, "")


def test_only_test_outputs_of_two_processes():
    lines = [said(0, "    Test net output #0: accuracy = 0.1", 1), said(9, "    Test net output #0: accuracy = 0.2", 2)]
    assert (lines_log(lines).runs, lines_log(lines).clock.seconds) == (2, 0)


def test_a_long_run_follows():
    lines = [*a_display(0, 0, 2, 1)]
    for at in range(MOST_WAITING):
        lines += a_display(at % 60, 100 + at, 1, 2, hour=5 + at // 60)
    log = lines_log([*lines, *a_test(59, 9999, 0.5, 2, hour=22)])
    assert (log.runs, log.train["loss"].count, log.tests[0, "accuracy"].last) == (2, MOST_WAITING + 1, 0.5)


def test_threads_of_one_process():
    """NVIDIA's fork tests in one thread and trains in another; here the one that tests changes once, too."""
    lines = [*a_test(0, 0, 0.1, 11), *a_display(1, 0, 2, 21), *a_test(2, 100, 0.2, 31), *a_display(3, 100, 2, 21)]
    lines += [*a_test(4, 200, 0.3, 31), *a_display(5, 200, 2, 21)]
    log = lines_log(lines)
    assert (log.runs, log.processes, log.clock.seconds) == (1, 1, 300)
    assert list(log.tests[0, "accuracy"].values) == [0.1, 0.2, 0.3]


RANKS = [
    [
        *a_test(0, 0, f"0.1{rank}", 100 + rank), *a_display(1, 0, 2, 100 + rank), *a_test(2, 100, f"0.5{rank}", 100 + rank),
        said(3, "Optimization Done.", 100 + rank), said(3, "Optimization Done.", 100 + rank, "caffe.cpp:2"),
    ]
    for rank in range(3)
]  # fmt: skip


def mixed(ranks, size):
    """The lines of some processes, so many of each at a time."""
    return [line for at in range(0, len(ranks[0]), size) for rank in ranks for line in rank[at : at + size]]


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_processes_that_write_at_once(size):
    """Without ranks the first one is told."""
    log = lines_log(mixed(RANKS, size))
    assert (log.processes, log.rank, log.runs, log.end) == (3, None, 1, "done")
    assert list(log.tests[0, "accuracy"].values) == [0.1, 0.5]
    assert (log.train["loss"].count, log.clock.seconds) == (1, 180)
    (table,) = LogReport((Group("", rows(arranged([log]), None)),)).tables()
    assert table.rows[0][-1] == "3 processes wrote at once, of which the first is told"


@pytest.mark.parametrize("form", ["[{}] {}", "[1,{}]<stderr>:{}", "[1,{}]<stdout>: {}", "[{}]{}"])
@pytest.mark.parametrize("same_number", [False, True])
def test_ranks_of_mpirun(form, same_number):
    """Rank 0 is told, whichever wrote first; on other machines the threads may have the same number."""
    ranks = [[form.format(rank, line) for line in lines] for rank, lines in enumerate(RANKS)]
    if same_number:
        ranks = [[line.replace("  10", "   9", 1) for line in lines] for lines in ranks]
    (log,) = read_logs("\n".join(mixed(ranks[::-1], 2)).encode().splitlines(), "train.log")
    assert (log.processes, log.rank, log.runs, log.end) == (3, 0, 1, "done")
    assert list(log.tests[0, "accuracy"].values) == [0.1, 0.5]
    (row,) = rows(arranged([log]), None)
    (table,) = LogReport((Group("", (row,)),)).tables()
    assert (row.processes, row.rank) == (3, 0)
    assert table.rows[0][-1] == "3 processes wrote at once, of which rank 0 is told"


def test_a_new_thread_on_each_line_takes_no_time():
    numbers = range(3 * MOST_WAITING)
    lines = [f"I0101 01:00:00.1 {at} solver.cpp:1] Iteration {at}, loss = 1" for at in numbers]
    log = lines_log(lines)
    assert (log.train["loss"].count, log.runs) == (len(lines), 1 + MOST_DECISIONS)
    lines = [f"I0101 01:00:00.1 {at % 900 and at} solver.cpp:1] Iteration {at}, loss = 1" for at in numbers]
    assert lines_log(lines).processes > MOST_WAITING // 2


def headline(*names):
    return told(lines_log([said(0, f"    Test net output #{at}: {name} = 1") for at, name in enumerate(names)]), None)


@pytest.mark.parametrize(
    ("names", "one"),
    [
        ("loss_bbox loss_coverage mAP precision recall", "mAP"),
        ("mAP@0.5 recall", "mAP@0.5"),
        ("bbox_mAP heat_map", "bbox_mAP"),
        ("map recall", "map"),
        ("map_features heat_map recall", "recall"),
        ("accuracy mAP", "accuracy"),
        ("mAP_loss recall", "recall"),
    ],
)
def test_mean_average_precision_is_the_headline(names, one):
    assert headline(*names.split()) == (0, one)


def test_lines_of_2014():
    lines = [
        said(0, "Iteration 0, Testing net"), said(0, "Test score #0: 0.0931"), said(0, "Test score #1: 2.31"),
        said(2, "Iteration 500, loss = 0.3"), said(2, "Iteration 500, lr = 0.01"),
        said(4, "Iteration 1000, Testing net"), said(4, "Test score #0: 0.9319"), said(4, "Test score #1: 0.17"),
        said(4, "Optimization Done."),
    ]  # fmt: skip
    (row,) = rows(arranged([lines_log(lines)]), None)
    assert (row.told.output, row.told.start, row.told.final, row.told.best_iteration) == (
        "test score #0",
        0.0931,
        0.9319,
        1000,
    )
    assert [one.final for one in row.outputs] == [0.9319, 0.17]


VALUES = [said(at, f"    Test net output #0: accuracy = 0.{at}") for at in (10, 30, 20, 40)]


@pytest.mark.parametrize(
    "lines",
    [
        VALUES[:1] + VALUES[1:3],
        sorted(LINES, key=lambda line: line[-5:]),
        LINES[::-1],
        [line for at in (300, 500, 100, 400, 200) for line in a_display(at // 10, at, 1)],
    ],
)
def test_lines_that_were_sorted(lines):
    """Neither the first nor the last is what it seems; the best is known, but not when it was."""
    log = lines_log(lines)
    assert (log.in_order, log.runs) == (False, 1)
    (row,) = rows(arranged([log]), None)
    assert (row.in_order, row.seconds) == (False, 0)
    for output in row.outputs:
        assert (output.start, output.final, output.start_iteration, output.best_iteration) == (None, None, None, None)
        assert output.best in (0.3, 0.8)
    (table,) = LogReport((Group("", (row,)),)).tables()
    assert "lines are not in order of time" in table.rows[0][-1]


def test_a_clock_that_was_set_back_once_is_in_order():
    lines = [line for at in range(10) for line in a_display(at, at, 1, hour=3)]
    lines += [line for at in range(10, 20) for line in a_display(at, at, 1, hour=2)]
    assert lines_log(lines).in_order
    assert lines_log(LINES).in_order


@pytest.mark.parametrize("width", [64, 72, 80])
@pytest.mark.parametrize("trimmed", [False, True])
def test_lines_that_a_terminal_wrapped(width, trimmed):
    """Also where copying has dropped a space at the right edge."""
    values = [0.1215, 0.25, 0.5001, 0.62512, 0.75, 0.8125]
    lines = [
        line for at, value in enumerate(values) for line in a_test(at, 10**at, value) + a_display(at, 10**at, value / 7)
    ]
    parts = [line[at : at + width] for line in lines for at in range(0, len(line), width)]
    log = lines_log([part.rstrip() if trimmed and part[-2:-1] != " " else part for part in parts])
    assert list(log.tests[0, "accuracy"].values) == values
    assert list(log.train["loss"].values) == [value / 7 for value in values]


def test_what_a_script_prints_between_the_lines_is_not_joined():
    lines = [
        *LINES,
        said(5, "Iteration 500 is a line longer than all the others of the whole log, loss = 0.5"),
        "12 images",
    ]
    assert lines_log(lines).train["loss"].last == 0.5


@pytest.mark.parametrize("block", [1, 7, 100, 4096])
@pytest.mark.parametrize("packed", [False, True])
def test_blocks_of_any_size_give_the_same_lines(tmp_path, monkeypatch, block, packed):
    text = "\n".join([*LINES, "x" * 300, "", "last"]).encode()
    path = tmp_path / ("a.log.gz" if packed else "a.log")
    path.write_bytes(gzip.compress(text) if packed else text)
    monkeypatch.setattr(log_files, "BLOCK", block)
    monkeypatch.setattr(log_files, "STEP", 200)
    with ExitStack() as stack:
        lines = list(log_files.log_lines(stack, str(path), no_progress))
    assert lines[: len(LINES)] == [line.encode() for line in LINES]
    assert b"".join(lines) == text.replace(b"\n", b"")
    assert max(map(len, lines)) <= 200 + block


MEGABYTES = bytes(3 << 20)
WEIGHTS = b"\n\x05net\0\0" + np.random.RandomState(0).bytes(3 << 20) + b"\0"


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("before", "read"),
    [
        (WEIGHTS, False),
        (b"text of a script\n" * 200_000, True),
        (MEGABYTES, True),  # what stays of a log that was cut while it was written
        (LINES[0].encode() + b"\n" + MEGABYTES, True),
    ],
    ids=["weights", "text", "zeros", "a line and zeros"],
)
def test_of_what_is_no_log_only_the_beginning_is_read(tmp_path, before, read, packed):
    text = before + b"\n" + "\n".join(LINES).encode()
    path = tmp_path / ("a.log.gz" if packed else "a.log")
    path.write_bytes(gzip.compress(text, 1) if packed else text)
    with ExitStack() as stack:
        lines = list(log_files.log_lines(stack, str(path), no_progress))
    assert (lines[-1] == LINES[-1].encode()) is read
    assert read or sum(map(len, lines)) < 2 << 20
