"""The verb plot: every kind in every format, its errors, and nothing of matplotlib where nothing is drawn."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from split_surgery import plot
from split_surgery.errors import FileError, UsageError
from tests.support.paths import EXAMPLE
from tests.support.report_pages import MAGIC

pytest.importorskip("matplotlib")

KINDS = {
    "loss": ["."],
    "tpm": ["derived1/split.yaml"],
    "kernels": ["derived1", "conv1_1_split1"],
    "net": ["derived1"],
}


DRAW = """
import sys
from split_surgery.cli.main import main
*words, folder = sys.argv[1:]
for suffix in ("png", "svg", "pdf"):
    sys.argv[1:] = [*words, "-o", f"{folder}/0.{suffix}"]
    try:
        main()
    except SystemExit as done:
        assert not done.code, done.code
"""


@pytest.fixture(scope="module", params=KINDS)
def drawn_elsewhere(request, tmp_path_factory):
    """A kind, and the folder in which another process, whose hashes are seeded otherwise, has drawn it in every format."""
    folder = tmp_path_factory.mktemp(request.param)
    words = ["plot", request.param, *KINDS[request.param]]
    subprocess.run([sys.executable, "-c", DRAW, *words, folder], cwd=EXAMPLE, check=True)
    return request.param, folder


@pytest.mark.parametrize("suffix", MAGIC)
def test_every_kind_in_every_format_twice_the_same(drawn_elsewhere, suffix, tmp_path, command):
    kind, folder = drawn_elsewhere
    file = tmp_path / f"1.{suffix}"
    done = command("plot", kind, *KINDS[kind], "-o", file, cwd=EXAMPLE)
    assert done.returncode == 0, done.stderr
    assert str(file) in done.stdout
    assert file.read_bytes().startswith(MAGIC[suffix])
    assert file.read_bytes() == (folder / f"0.{suffix}").read_bytes()


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
