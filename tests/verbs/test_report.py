"""The verb report: tables made of logs, in every form."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess

import pytest

from split_surgery import plot, report, residual
from split_surgery.errors import FileError, SurgeryError, UsageError
from tests.support.log_lines import log_line, only_log, write_log
from tests.support.paths import EXAMPLE, PROGRAM
from tests.support.run_command import run_here


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
        log = only_log(text)
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
    *table, formula = done.stdout.splitlines()
    assert formula.startswith("(std. error: of a final accuracy p on n images, sqrt(p (1 - p) / n)")
    rows = {line.split()[0]: line.split() for line in table}
    assert list(rows) == ["net", "fashion_vgg", "control", "derived1", "derived1_old"]
    assert rows["derived1"][1:8] == ["0.8915", "0.0007", "0.8965", "0.0030", "0.8965", "at", "1000"]
    assert rows["derived1"][8] == "10,000"
    assert rows["control"][1:3] == ["0.8922", "0.8946"]


def test_drops_against_parents_in_natural_order(tmp_path):
    write_log(tmp_path / "baseline", (0.1, 0.6, 0.65))
    write_log(tmp_path / "derived1", (0.57, 0.7, 0.66))
    write_log(tmp_path / "derived2", (0.6, 0.68, 0.67))
    write_log(tmp_path / "derived10", (0.5, 0.6, 0.7))
    (group,) = report(tmp_path).groups
    assert [row.net for row in group.rows] == ["baseline", "derived1", "derived2", "derived10"]
    assert [row.parent for row in group.rows] == [None, "baseline", "derived1", None]
    assert [row.drop for row in group.rows] == [None, pytest.approx(0.08), pytest.approx(0.06), None]
    assert (group.rows[1].told.best, group.rows[1].told.best_iteration) == (0.7, 100)


def test_parents_that_split_yaml_tells_of(tmp_path):
    """Names tell nothing here."""
    net, weights = tmp_path / "first" / "a.prototxt", tmp_path / "first" / "a.caffemodel"
    write_log(tmp_path / "first", (0.1, 0.65))
    net.write_bytes((EXAMPLE / "train_val.prototxt").read_bytes())
    weights.write_bytes((EXAMPLE / "fashion_vgg.caffemodel").read_bytes())
    residual(net, weights, tmp_path / "second")
    residual(tmp_path / "second", None, tmp_path / "another", layer="conv1_1_split2")
    write_log(tmp_path / "second", (0.5, 0.7))
    write_log(tmp_path / "another", (0.68, 0.72))
    found = {row.net: (row.parent, row.drop) for row in report(tmp_path).groups[0].rows}
    assert found == {"first": (None, None), "second": ("first", 0.15), "another": ("second", 0.02)}


def test_a_first_test_after_the_start_tells_no_drop(tmp_path, command):
    write_log(tmp_path / "baseline", (0.1, 0.65))
    write_log(tmp_path / "derived1", (0.6, 0.7), (100, 200))
    log = tmp_path / "derived1" / "train.log"
    log.write_text(log_line(1, "Iteration 0, loss = 3", hour=0) + log.read_text())
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
    text = log_line(1, "Iteration 0, Testing net (#0)") + log_line(
        2, "    Test net output #0: loss = 1.5 (* 1 = 1.5 loss)"
    )
    text += log_line(3, "Iteration 9, Testing net (#0)") + log_line(
        4, "    Test net output #0: loss = 2.5 (* 1 = 2.5 loss)"
    )
    (tmp_path / "train.log").write_text(text + log_line(5, "Check failed: x", level="F"))
    row = report(tmp_path).groups[0].rows[0]
    assert (row.told.best, row.told.best_iteration, row.told.final, row.end) == (1.5, 0, 2.5, "died: Check failed: x")
    assert "died: Check failed: x" in command("report", ".", cwd=tmp_path).stdout


SOLVER = log_line(1, "Initializing solver from parameters: ") + "base_lr: 0.1\n" + log_line(2, "Creating layer conv1")
NOT_STARTED = "is a log of Caffe that ends before the first iteration: the training did not start"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SOLVER, f"{NOT_STARTED}\n  if it still runs, look again later"),
        (SOLVER + log_line(3, "Check failed: x \033 out of memory", level="F") + "*** Check failure stack trace: ***\n",
         f"{NOT_STARTED}; died: Check failed: x \ufffd out of memory\n"),
        (log_line(1, "Check failed: a", level="F") + SOLVER, f"{NOT_STARTED}\n"),
        (log_line(1, "File not found: s.prototxt", level="F"), f"{NOT_STARTED}; died: File not found: s.prototxt\n"),
        (log_line(1, "Running for 50 iterations."), "is a log of `caffe test` that ends before its results\n"),
        (log_line(1, "A total of 50 images."), "no line of it is one that Caffe writes of a training\n"),
    ],
)  # fmt: skip
def test_a_log_that_ends_before_its_training_starts(tmp_path, command, text, message):
    (tmp_path / "a.log").write_text(text)
    done = command("report", "a.log", cwd=tmp_path)
    assert (done.returncode, f"a.log: {message}" in done.stderr) == (3, True), done.stderr
    pytest.importorskip("matplotlib")
    drawn = command("plot", "loss", "a.log", "-o", "x.png", cwd=tmp_path)
    assert (drawn.returncode, drawn.stderr) == (3, done.stderr)


def test_a_log_that_ends_before_its_training_starts_beside_a_good_one(tmp_path, command):
    (tmp_path / "a.log").write_text(SOLVER + log_line(3, "out of memory", level="F"))
    write_log(tmp_path / "derived1", (0.5, 0.6))
    remark = f"a.log: {NOT_STARTED}; died: out of memory; it is left out\n"
    done = command("report", "a.log", "derived1", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, f"split-surgery: {remark}")
    pytest.importorskip("matplotlib")
    done = command("plot", "loss", "a.log", EXAMPLE / "train.log", "-o", "x.png", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, f"split-surgery: {remark}")


def test_a_drop_is_one_of_the_same_output(tmp_path, command):
    for net, output in (("base", "top-1"), ("derived1", "top-5"), ("derived2", "top-5")):
        write_log(tmp_path / net, (0.5, 0.6))
        log = tmp_path / net / "train.log"
        log.write_text(log.read_text().replace("accuracy", output))
    assert [row.drop for row in report(tmp_path).groups[0].rows] == [None, None, pytest.approx(0.1)]
    assert command("report", ".", cwd=tmp_path).stdout.splitlines()[2].split()[:2] == ["derived1", "top-5"]


def test_two_logs_in_one_directory_went_on_from_the_same_net(tmp_path):
    write_log(tmp_path / "my baseline", (0.1, 0.65))
    write_log(tmp_path / "derived1", (0.5, 0.7))
    shutil.copy(tmp_path / "derived1" / "train.log", tmp_path / "derived1" / "train_lr2.log")
    write_log(tmp_path / "derived2", (0.6, 0.72))
    found = {row.net: (row.parent, row.drop) for row in report(tmp_path).groups[0].rows}
    assert found == {
        "my baseline": (None, None), "derived1/train": ("my baseline", 0.15), "derived1/train_lr2": ("my baseline", 0.15),
        "derived2": ("derived1/train", 0.1),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["a\0b", "a/" + "b" * 300 + "/x.log", "\0"])
def test_names_in_grepped_lines_that_no_file_can_have(name, tmp_path):
    (tmp_path / "lines.txt").write_text(f"{name}:{log_line(1, 'Iteration 5, loss = 1')}")
    assert len(report(tmp_path / "lines.txt").groups[0].rows) == 1


def test_each_file_is_read_once(tmp_path):
    """Glog's caffe.INFO is a link to the newest log, or to one that is gone."""
    write_log(tmp_path, (0.1, 0.65))
    (tmp_path / "train.log").rename(tmp_path / "caffe.host.me.log.INFO.20200213-230227.26554")
    (tmp_path / "caffe.INFO").symlink_to("caffe.host.me.log.INFO.20200213-230227.26554")
    (tmp_path / "other.INFO").symlink_to("gone")
    found = report([tmp_path, tmp_path / "caffe.INFO"])
    assert [row.net for row in found.groups[0].rows] == [tmp_path.name]


def test_what_powershell_writes(tmp_path):
    write_log(tmp_path, (0.1, 0.65))
    log = tmp_path / "train.log"
    log.write_bytes(log.read_text().encode("utf-16"))
    assert report(log).groups[0].rows[0].told.final == 0.65


def test_values_that_are_no_numbers_are_told(tmp_path, command):
    (tmp_path / "train.log").write_text(
        log_line(1, "Iteration 5, loss = 1e400") + log_line(2, "Iteration 6, loss = -nan")
    )
    row = report(tmp_path).groups[0].rows[0]
    assert (row.odd, row.told) == ("loss is no number at 5", None)
    done = command("report", ".", cwd=tmp_path)
    assert "not finished, loss is no number at 5" in done.stdout
    assert "tells no test output" in done.stderr


def test_a_test_output_that_is_nowhere(tmp_path, command):
    write_log(tmp_path, (0.1, 0.65))
    done = command("report", ".", "--test-output", "acuracy", cwd=tmp_path)
    assert (done.returncode, "nearest: accuracy" in done.stderr) == (2, True), done.stderr


def test_what_is_in_no_flow_belongs_to_each(tmp_path):
    write_log(tmp_path / "baseline", (0.1, 0.65))
    write_log(tmp_path / "a" / "derived1", (0.5, 0.7))
    write_log(tmp_path / "b" / "derived1", (0.6, 0.8))
    write_log(tmp_path / "c" / "derived2", (0.6, 0.9))
    paths = [f"{name}={tmp_path / name}" for name in "ab"]
    found = report(tmp_path / "baseline", group=[*paths, f"b={tmp_path / 'c'}"])
    assert [(group.name, [(row.net, row.drop) for row in group.rows]) for group in found.groups] == [
        ("a", [("baseline", None), ("derived1", 0.15)]),
        ("b", [("baseline", None), ("derived1", 0.05), ("derived2", 0.2)]),
    ]
    assert found == report(tmp_path, group=[*paths, f"b={tmp_path / 'c'}"])


def test_every_form_of_the_table(tmp_path, command):
    write_log(tmp_path / "baseline", (0.1, 0.6, 0.65))
    write_log(tmp_path / "derived1", (0.57, 0.7, 0.66))
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
    write_log(tmp_path / "derived1", (0.5, 0.6))
    text = (tmp_path / "derived1" / "train.log").read_bytes()
    (tmp_path / "zipped" / "derived1").mkdir(parents=True)
    packed = gzip.compress(text)
    (tmp_path / "zipped" / "derived1" / "train.log.gz").write_bytes(packed)
    assert report(tmp_path / "zipped").groups[0].rows[0].told.final == 0.6
    (tmp_path / "zipped" / "derived1" / "train.log.gz").write_bytes(packed[: len(packed) // 2])
    cut = report(tmp_path / "zipped")
    remark = f"{tmp_path / 'zipped' / 'derived1' / 'train.log.gz'}: its gzip was cut; it is read up to there"
    assert (len(cut.groups[0].rows), cut.warnings[0]) == (1, remark)
    (tmp_path / "zipped" / "derived1" / "train.log.gz").write_bytes(packed[:12])
    with pytest.raises(FileError, match="of a training(?s:.*): its gzip was cut"):
        report(tmp_path / "zipped")
    (tmp_path / "zipped" / "derived1" / "train.log.gz").write_bytes(packed + b"more")
    more = report(tmp_path / "zipped")
    assert more.groups[0].rows[0].told.final == 0.6
    assert more.warnings == (remark.replace("was cut", "is damaged, or followed by something else"),)
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
        [PROGRAM, "report", "-"], input=b".:" + log_line(1, "Iteration 5, loss = 1").encode(), check=False
    )
    assert done.returncode == 0
    done = subprocess.run(["sh", "-c", f"{PROGRAM} report - <&-"], capture_output=True, check=False)
    assert (done.returncode, b"Traceback" in done.stderr) == (3, False)


def test_a_terminal_is_not_told_what_to_do(tmp_path, command):
    write_log(tmp_path / "\x1b[31mred", (0.1, 0.6))
    done = command("report", ".", cwd=tmp_path)
    assert "\x1b" not in done.stdout
    assert "[31mred" in done.stdout


def test_only_our_errors_leave(tmp_path):
    with pytest.raises(FileError):
        report(tmp_path / "nosuch")
    with pytest.raises(UsageError):
        report([], group=("a",))


def test_quiet_is_the_line_on_the_page(tmp_path):
    done = run_here("report", EXAMPLE / "train.log", "-o", tmp_path / "page.html", "-q")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'page.html'}: written\n")
