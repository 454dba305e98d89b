"""On how many images accuracies rest, and their standard errors."""

from __future__ import annotations

import json
import math
import shutil

import pytest

from split_surgery import report
from split_surgery.reporting.logs.tested_images import images_by_files, standard_error
from tests.support.log_lines import caffe_test_log, log_line, only_log, write_log
from tests.support.paths import EXAMPLE


def begun(test_iter, batch_size, data="batch_size: SIZE\n"):
    """What Caffe says of a solver and of its nets before it trains."""
    text = log_line(1, "Initializing solver from parameters: ", hour=0) + f"test_iter: {test_iter}\nbase_lr: 0.1\n"
    text += log_line(1, "Creating training net from net file: a.prototxt", hour=0)
    text += log_line(1, "Initializing net from parameters: ", hour=0) + "layer {\n  data_param {\n    batch_size: 7\n"
    text += log_line(1, "Creating layer data", hour=0)
    text += log_line(2, "Creating test net (#0) specified by net file: a.prototxt", hour=0)
    text += log_line(2, "The NetState phase (1) differed from the phase (0) specified by a rule in layer data", hour=0)
    text += (
        log_line(2, "Initializing net from parameters: ", hour=0)
        + "layer {\n  data_param {\n    "
        + data.replace("SIZE", str(batch_size))
    )
    return text + "  }\n}\n" + log_line(2, "Creating layer data", hour=0)


def prefixed(folder, text):
    (folder / "train.log").write_text(text + (folder / "train.log").read_text())


def test_test_iter_times_batch_size(tmp_path):
    write_log(tmp_path, (0.1, 0.9, 0.8))
    prefixed(tmp_path, begun(20, 50))
    found = report(tmp_path)
    told = found.groups[0].rows[0].told
    assert told.images == 1000
    assert told.standard_error == pytest.approx(math.sqrt(0.8 * 0.2 / 1000), rel=1e-3)
    assert "0.013" in found.tables()[0].rows[0]
    assert found.to_dict()["groups"][0]["nets"][0]["images"] == 1000


def test_several_test_nets_have_each_their_own():
    text = log_line(1, "Initializing solver from parameters: ") + "test_iter: 3\ntest_iter: 5\n"
    for net, size in ((0, 10), (1, 100)):
        text += log_line(2, f"Creating test net (#{net}) specified by net file: a") + log_line(
            2, "Initializing net from parameters: "
        )
        text += f"batch_size: {size}\n"
    log = only_log(text + log_line(3, "Iteration 0, Testing net (#0)"))
    assert (log.images.of(0), log.images.of(1), log.images.of(2)) == ((30,), (500,), ())


def test_what_is_no_text_of_a_test_net_is_not_taken_for_one():
    echoed = "batch_size: 3\ntest_iter: 4\n"
    log = only_log(echoed + begun(20, 50) + echoed + log_line(3, "Iteration 0, Testing net (#0)"))
    assert log.images.of(0) == (1000,)


def test_two_sizes_of_batches_in_one_net_are_no_number_of_images():
    both = "batch_size: 10\n  }\n}\nlayer {\n  data_param {\n    batch_size: SIZE\n"
    assert only_log(begun(20, 50, both)).images.of(0) == ()
    assert only_log(begun(20, 10, both)).images.of(0) == (200,)


def test_runs_on_other_images_are_told(tmp_path):
    write_log(tmp_path, (0.1, 0.9))
    run = (tmp_path / "train.log").read_text()
    (tmp_path / "train.log").write_text(begun(20, 50) + run + begun(10, 50) + run)
    found = report(tmp_path)
    assert found.groups[0].rows[0].told.images == 500
    assert found.warnings == (f"{tmp_path / 'train.log'}: its runs were tested on 1,000, then 500 images",)


def test_rows_on_other_images_are_told(tmp_path, command):
    for name, count in (("baseline", 20), ("derived1", 10), ("derived2", 10)):
        write_log(tmp_path / name, (0.1, 0.9))
        prefixed(tmp_path / name, begun(count, 50))
    remark = "not all were tested on the same number of images: baseline on 1,000; derived1, derived2 on 500"
    assert report(tmp_path).warnings == (remark,)
    done = command("report", ".", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["warnings"] == [remark]
    assert remark in done.stderr
    pytest.importorskip("matplotlib")
    report(tmp_path, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert f"<p>{remark}</p>" in page
    assert "sqrt(p (1 - p) / n)" in page


def test_only_of_an_accuracy_there_is_a_standard_error(tmp_path):
    text = begun(20, 50) + log_line(3, "Iteration 0, Testing net (#0)")
    for at, name in enumerate(("loss", "loss3/top-1", "mAP", "accuracy")):
        text += log_line(4, f"    Test net output #{at}: {name} = 0.5")
    (tmp_path / "train.log").write_text(text)
    outputs = report(tmp_path).groups[0].rows[0].outputs
    assert [one.standard_error is not None for one in outputs] == [False, True, False, True]
    assert [one.images for one in outputs] == [1000] * 4


def test_a_standard_error_is_of_a_share():
    assert standard_error(0.5, 100) == 0.05
    assert standard_error(1.0, 100) == 0.0
    assert standard_error(66.1, 100) is None
    assert standard_error(0.5, None) is None
    assert standard_error(None, 100) is None


def test_the_solver_beside_a_log_says_what_the_log_does_not(tmp_path):
    write_log(tmp_path / "derived1", (0.1, 0.9))
    for name in ("solver.prototxt", "net.prototxt"):
        shutil.copy(EXAMPLE / "derived1" / name, tmp_path / "derived1")
    assert report(tmp_path).groups[0].rows[0].told.images == 10_000
    solver = tmp_path / "derived1" / "solver.prototxt"
    for broken in (
        "test_iter: 3\n",
        "}",
        'test_net: "other.prototxt"\n',
    ):  # a second count, no prototxt, a net that is not there
        shutil.copy(EXAMPLE / "derived1" / "solver.prototxt", solver)
        solver.write_text(solver.read_text() + broken)
        assert images_by_files(tmp_path / "derived1") is None
    solver.write_text(
        'test_iter: 4\nnet_param { layer { name: "d" type: "HDF5Data" hdf5_data_param { batch_size: 25 } } }\n'
    )
    assert images_by_files(tmp_path / "derived1") == 100


def test_processes_may_each_test_on_a_part(tmp_path):
    lines = begun(20, 50)
    for second, thread in ((3, 1), (3, 2), (4, 1), (4, 2)):
        where = f"I0101 01:00:{second:02}.{second:06} {thread} s.cpp:1]"
        lines += f"{where} Iteration {second}, Testing net (#0)\n{where}     Test net output #0: accuracy = 0.5\n"
    (tmp_path / "train.log").write_text(lines)
    row = report(tmp_path).groups[0].rows[0]
    assert (row.processes, row.told.images) == (2, None)


def test_the_log_of_caffe_test_has_a_final_value(tmp_path):
    (tmp_path / "test.log").write_text(caffe_test_log(0.96, 50, 2))
    row = report(tmp_path).groups[0].rows[0]
    assert [(one.output, one.start, one.final) for one in row.outputs] == [
        ("accuracy", None, 0.96),
        ("loss", None, 0.1),
    ]
    assert (row.told.images, row.told.standard_error, row.end) == (100, 0.0196, "done")
    (tmp_path / "test.log").write_text(caffe_test_log(0.96, 50, 2) + caffe_test_log(0.97, 50, 2))
    row = report(tmp_path).groups[0].rows[0]
    assert (row.runs, row.told.final) == (2, 0.97)


def test_printing_a_report_shows_what_the_terminal_shows(tmp_path, command):
    write_log(tmp_path / "baseline", (0.1, 0.9))
    write_log(tmp_path / "derived\x1b[31m1", (0.8, 0.9))
    assert f"{report(tmp_path)}\n" == command("report", ".", cwd=tmp_path).stdout
    assert "derived\ufffd[31m1" in str(report(tmp_path))
