"""The verb plot: every kind in every format, its errors, and nothing of matplotlib where nothing is drawn."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from split_surgery import plot
from split_surgery.errors import FileError, UsageError
from tests.support.log_lines import log_line, write_log
from tests.support.paths import EXAMPLE
from tests.support.report_pages import MAGIC

pytest.importorskip("matplotlib")

KINDS = {
    "loss": ["."],
    "tpm": ["derived1/split.yaml"],
    "kernels": ["derived1", "conv1_1_split1"],
    "net": ["derived1"],
}


DRAWINGS = [
    pytest.param(kind, suffix, marks=[pytest.mark.whole_corpus] if row or column else [])
    for row, kind in enumerate(KINDS)
    for column, suffix in enumerate(MAGIC)
]
"""One of them in every run, since it takes a process of its own."""


@pytest.mark.parametrize(("kind", "suffix"), DRAWINGS)
def test_another_process_draws_the_same_bytes(kind, suffix, tmp_path, program, command):
    """Its hashes are seeded otherwise."""
    files = [tmp_path / f"{at}.{suffix}" for at in range(2)]
    for run, file in zip((program, command), files):
        done = run("plot", kind, *KINDS[kind], "-o", file, cwd=EXAMPLE)
        assert done.returncode == 0, done.stderr
        assert str(file) in done.stdout
    assert files[0].read_bytes().startswith(MAGIC[suffix])
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["loss", ".", "-o", "x.gif"], 2, "must end in .png, .svg or .pdf"),
        (["loss", "-o", "x.png"], 2, "no log was given"),
        (["loss", ".", "--avg", "0", "-o", "x.png"], 2, "--avg 0: must be at least 1"),
        (["loss", "nosuch", "-o", "x.png"], 3, "nosuch: No such file or directory"),
        (["loss", "README.md", "-o", "x.png"], 3, "no line of it is one that Caffe writes"),
        (["tpm", "train_val.prototxt", "-o", "x.png"], 2, "WEIGHTS is missing"),
        (["tpm", "derived1/split.yaml", "--layer", "nosuch", "-o", "x.png"], 2, 'does not split "nosuch"'),
        (["tpm", "derived1/split.yaml", "--fast", "3", "-o", "x.png"], 2, "its scores are frozen"),
        (["kernels", "fashion_vgg.caffemodel", "conv1_9", "-o", "x.png"], 2, "nearest: conv1_"),
        (["kernels", "fashion_vgg.caffemodel", "ip1", "-o", "x.png"], 2, "it has no kernels"),
        (["kernels", "fashion_vgg.caffemodel", "conv1_1", "--compare", "-o", "x.png"], 2, "it is for residual splits"),
        (["kernels", "train.log", "conv1_1", "-o", "x.png"], 3, "train.log"),
        (["net", "train_val.prototxt", "--around", "conv9", "-o", "x.png"], 2, 'no layer "conv9"'),
        (["net", "snapshots", "-o", "x.png"], 3, "is a directory without a net.prototxt"),
        (["net", "README.md", "-o", "x.png"], 3, "README.md:"),
        (
            ["net", "fashion_vgg.caffemodel", "-o", "x.png"],
            3,
            "not a prototxt: verbs that read weights take them right behind NET",
        ),
        (
            ["kernels", "train_val.prototxt", "conv1_1", "-o", "x.png"],
            3,
            "not weights or a solver state\n  give the binary file here\n",
        ),
        (["net", "train_val.prototxt", "-o", "train.log/x.png"], 3, "train.log"),
    ],
)
def test_errors(arguments, code, message, tmp_path, command):
    (tmp_path / "x").mkdir()
    done = command("plot", *arguments, cwd=EXAMPLE)
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr
    assert not list(EXAMPLE.glob("x.*"))


def test_the_report_of_a_picture(tmp_path, command):
    done = command("plot", "net", EXAMPLE / "derived1", "-o", tmp_path / "new" / "n.svg", "--json")
    tree = json.loads(done.stdout)
    assert tree["file"] == str(tmp_path / "new" / "n.svg")
    assert tree["kind"] == "net"
    with pytest.raises(UsageError):
        plot.net(EXAMPLE / "derived1", phase="neither")
    with pytest.raises(FileError):
        plot.net(tmp_path / "nosuch")
    assert "<svg" in plot.net(EXAMPLE / "derived1")._repr_html_()


def test_an_input_is_not_replaced(tmp_path):
    log = tmp_path / "train.svg"
    log.write_bytes((EXAMPLE / "train.log").read_bytes())
    with pytest.raises(UsageError, match="would replace the input"):
        plot.loss(log, log)
    assert log.read_bytes() == (EXAMPLE / "train.log").read_bytes()


def test_shapes_of_blobs_that_are_not_there(tmp_path):
    with pytest.raises(UsageError, match='has no blob "dta"(?s:.*)nearest: data'):
        plot.net(EXAMPLE / "derived1", input_shape={"dta": (1, 1, 28, 28)})


VERBS = [
    "report . -q",
    "show deploy.prototxt",
    "rank train_val.prototxt fashion_vgg.caffemodel -q",
    "fold derived1 -o OUT -q",
]


@pytest.mark.parametrize("line", [*VERBS, "plot --help", "--help"])
def test_nothing_else_loads_matplotlib(line, tmp_path):
    code = (
        "import sys\nfrom split_surgery.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as done:\n    assert not done.code, done.code\n"
        "assert 'matplotlib' not in sys.modules and 'PIL' not in sys.modules"
    )
    words = [str(tmp_path / "out") if word == "OUT" else word for word in line.split()]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=EXAMPLE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def without_matplotlib(tmp_path):
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "matplotlib.py").write_text("raise ImportError('hidden')\n")
    return {"PYTHONPATH": str(tmp_path / "hidden")}


def test_without_matplotlib(tmp_path, program):
    hidden = without_matplotlib(tmp_path)
    for arguments in (
        ["plot", "net", "derived1", "-o", tmp_path / "x.png"],
        ["report", ".", "-o", tmp_path / "x.html"],
    ):
        done = program(*arguments, cwd=EXAMPLE, **hidden)
        assert done.returncode == 3
        assert "pip install matplotlib" in done.stderr
    assert program("report", ".", cwd=EXAMPLE, **hidden).returncode == 0


def first_and_last(picture):
    """Of each line of a picture's last panel its first and last iteration."""
    return [tuple(line.get_xdata()[[0, -1]]) for line in picture.figure.axes[-1].lines]


def test_curves_may_go_on_where_their_parents_ended(tmp_path):
    for name, values in (
        ("baseline", (0.1, 0.6, 0.65)),
        ("derived1", (0.6, 0.7, 0.66)),
        ("derived2", (0.6, 0.68, 0.67)),
    ):
        write_log(tmp_path / name, values)
    assert first_and_last(plot.loss(tmp_path).picture) == [(0, 200)] * 3
    found = plot.loss(tmp_path, continue_axis=True).picture
    assert first_and_last(found) == [(0, 200), (200, 400), (400, 600)]
    assert found.figure.axes[-1].get_xlabel() == "iteration, counted on from the end of the net it was split from"


def test_a_training_that_was_resumed_counts_on_by_itself(tmp_path):
    write_log(tmp_path / "baseline", (0.1, 0.6, 0.65))
    write_log(tmp_path / "derived1", (0.6, 0.7), (200, 300))
    write_log(tmp_path / "derived2", (0.6, 0.7), (100, 200))
    assert first_and_last(plot.loss(tmp_path, continue_axis=True).picture) == [(0, 200), (200, 300), (400, 500)]
    log = tmp_path / "derived2" / "train.log"
    log.write_text(
        log_line(1, "Resuming from derived1/net_iter_100.solverstate", "caffe.cpp:245", hour=0) + log.read_text()
    )
    assert first_and_last(plot.loss(tmp_path, continue_axis=True).picture) == [(0, 200), (200, 300), (100, 200)]


def test_the_page_continues_the_axis_in_each_flow(tmp_path, command):
    for name in ("baseline", "a/derived1", "b/derived1"):
        write_log(tmp_path / name, (0.5, 0.6))
    flags = ["--group", "one=a", "--group", "two=b", "-o", "page.html"]
    for more, there in (((), False), (("--continue-axis",), True)):
        assert command("report", "baseline", *flags, *more, cwd=tmp_path).returncode == 0
        text = (tmp_path / "page.html").read_text()
        assert ("<title>one/derived1, iteration 200: 0.6</title>" in text) == there
        assert ("<title>two/derived1, iteration 200: 0.6</title>" in text) == there
        assert "<title>baseline, iteration 100: 0.6</title>" in text
