"""What `convert` makes, in real Caffe: its own upgrade of V1 agrees, and it loads every form and computes the same, bit for bit."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from split_surgery import convert, diff
from split_surgery.documents.net.net import Net, Prototxt
from split_surgery.documents.prototxt import Document
from split_surgery.errors import SurgeryError, Unsupported
from tests.support.architectures import ARCHITECTURES, shrunk
from tests.support.converted import V1_TEXT, through, v1_weights
from tests.support.corpus import corpus_shares
from tests.support.paths import CORPUS, EXAMPLE, SHARED
from tests.support.run_caffe import asked, in_caffe
from tests.support.training import caffe_train, train_baseline

pytestmark = pytest.mark.caffe

UPGRADED = re.compile(r"\n *param \{\s*\}|\n *(?:decay_mult|lr_mult): 1(?=\n)|\n *share_mode: STRICT|\n *name: \"\"")
"""What says of a parameter that it has the defaults, in a text that Caffe has written."""


def upgraded(caffe, path: Path) -> str | None:
    """A net as Caffe's upgrade_net_proto_text writes it; None where it refuses the file."""
    target = path.with_suffix(".upgraded")
    tool = Path(caffe[0]).with_name("upgrade_net_proto_text")
    done = subprocess.run([tool, path, target], capture_output=True, text=True, check=False)
    return target.read_text() if done.returncode == 0 else None


def check_text(caffe, folder: Path, data: bytes, to: str) -> str:
    """Hold a net and what it is converted to against Caffe's upgrade; says what became of it."""
    was, now = folder / "was.prototxt", folder / "now.prototxt"
    was.write_bytes(data)
    try:
        convert(was, output=now, to=to, force=True)
    except Unsupported:
        return "refused"
    before = upgraded(caffe, was)
    if before is None:
        return "refused by Caffe"
    after = upgraded(caffe, now)
    assert after is not None
    if to == "v1":
        before, after = UPGRADED.sub("", before), UPGRADED.sub("", after)
    assert after == before
    if to == "new":  # `diff` and `verify` take the three for one net
        assert diff(was, now).equal
        assert diff(was, was.with_suffix(".upgraded")).equal
    return "equal"


def has_layers(path: Path, v1: bool) -> bool:
    try:
        text = Prototxt(Document(path.read_bytes(), path.name))
        return not text.is_solver and any(layer.v1 == v1 for net in text.nets for layer in net.layers)
    except SurgeryError:
        return False


@pytest.mark.corpus
@pytest.mark.parametrize("files", corpus_shares(every=4))
def test_texts_mean_what_caffe_upgrades_them_to(files, tmp_path, caffe):
    """V1 nets made new, and new nets made V1 where V1 has words for them."""
    for v1, to in ((True, "new"), (False, "v1")):
        for path in files:
            if has_layers(path, v1):
                check_text(caffe, tmp_path, path.read_bytes(), to)


def test_a_text_with_everything(tmp_path, caffe):
    text = V1_TEXT.replace("fork_field: 7", "").encode()
    assert check_text(caffe, tmp_path, text, "new") == "equal"
    old = tmp_path / "old.prototxt"
    convert(tmp_path / "now.prototxt", output=old, to="v1")
    assert upgraded(caffe, old) == upgraded(caffe, tmp_path / "was.prototxt")


def test_weights_are_caffes_upgrade_byte_for_byte(tmp_path, caffe):
    path = tmp_path / "a.caffemodel"
    path.write_bytes(v1_weights())
    tool = Path(caffe[0]).with_name("upgrade_net_proto_binary")
    subprocess.run([tool, path, tmp_path / "theirs.caffemodel"], check=True, capture_output=True)
    assert through(tmp_path, path, "new").read_bytes() == (tmp_path / "theirs.caffemodel").read_bytes()


ROWS = (
    ("double",), ("raw-float", "float"), ("raw-double", "double"), ("h5",), ("h5", "double"), ("h5", "caffemodel"),
    ("shapes=legacy",), ("shapes=legacy", "h5"), ("v1",), ("v1", "new"), ("v1,double", "h5"),
)  # fmt: skip
"""Conversions that keep every number; raw_data itself only NVIDIA's fork reads."""

ROUNDED = (("half", "float"), ("half", "h5"), ("h5", "half"))
"""Conversions that round all numbers alike."""


def products(folder: Path, net: Path, weights: Path, rows) -> list[Path]:
    """What each row of conversions makes of the weights; those left out that are refused, since V1 has not the types."""
    found = []
    for at, row in enumerate(rows):
        place = folder / f"{rows[0][0]}{at}"
        place.mkdir()
        try:
            found.append(through(place, weights, *row, net=net))
        except Unsupported as error:
            assert row[0].startswith("v1") or "/" in str(error), error
    return found


def hold_against_caffe(caffe, folder: Path, cases: list[tuple[Path, Path]]) -> int:
    """Every product of each net's weights has Caffe's parameters and computes what the weights do; gives how many there were."""
    pairs, groups = [], []
    for at, (net, weights) in enumerate(cases):
        place = folder / f"made{at}"
        place.mkdir()
        exact, rounded = [weights, *products(place, net, weights, ROWS)], products(place, net, weights, ROUNDED)
        for group in (exact, rounded):
            groups.append((net, len(pairs), len(pairs) + len(group)))
            pairs += [(net, path) for path in group]
    found = asked(caffe, "caffe_params.py", pairs)
    for net, start, stop in groups:
        for (_, path), one in zip(pairs[start:stop], found[start:stop]):
            assert one == found[start], (net, path)
    return len(pairs)


SMALL = ARCHITECTURES[:12]
"""Those whose weights are small; the others are larger nets of the same layers."""


@pytest.mark.corpus
@pytest.mark.parametrize(
    "names",
    [
        pytest.param(SMALL, id="small"),
        pytest.param(ARCHITECTURES[12::6], id="large", marks=pytest.mark.whole_corpus),
    ],
)
def test_real_architectures(names, tmp_path, caffe):
    cases = []
    for at, name in enumerate(names):
        folder = tmp_path / str(at)
        folder.mkdir()
        net = CORPUS / f"{name}.prototxt"
        cases.append((folder / "net.prototxt", folder / "net.caffemodel"))
        cases[-1][0].write_bytes(shrunk(Net(Document(net.read_bytes(), net.name))).text)
    in_caffe(caffe, [{"net": net, "save": weights} for net, weights in cases])
    assert hold_against_caffe(caffe, tmp_path, cases) > 8 * len(cases)


def test_the_example_that_was_trained(tmp_path, caffe):
    assert (
        hold_against_caffe(caffe, tmp_path, [(EXAMPLE / "deploy.prototxt", EXAMPLE / "fashion_vgg.caffemodel")]) == 15
    )


@pytest.mark.corpus
def test_real_trained_nets(tmp_path, caffe):
    models = SHARED / "models"
    cases = [
        (models / "lenet" / "mnist_deploy.prototxt", models / "lenet" / "lenet_iter_10000.caffemodel"),
        (models / "mtcnn_det3" / "det3.prototxt", models / "mtcnn_det3" / "det3.caffemodel"),
    ]
    assert hold_against_caffe(caffe, tmp_path, cases) > 20


V1_NET = """\
name: "old"
input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8
layers { name: "conv" type: CONVOLUTION bottom: "data" top: "conv" blobs_lr: 1 blobs_lr: 2
  convolution_param { num_output: 6 kernel_size: 3 } }
layers { name: "relu" type: RELU bottom: "conv" top: "conv" }
"""


def test_text_and_weights_together(tmp_path, caffe):
    """A V1 net and its V1 weights, and both converted: Caffe builds the same net with the same numbers."""
    net, weights = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    net.write_text(V1_NET)
    weights.write_bytes(v1_weights())
    report = convert(net, weights, tmp_path / "new", to="new", shapes="new")
    assert (report.text_layers, report.weights.records) == (2, 3)
    convert(tmp_path / "new" / "net.prototxt", tmp_path / "new" / "net.caffemodel", tmp_path / "old", to="v1")
    places = [tmp_path, tmp_path / "new", tmp_path / "old"]
    found = asked(caffe, "caffe_params.py", [[place / "net.prototxt", place / "net.caffemodel"] for place in places])
    assert found[1] == found[0]
    assert found[2] == found[0]


@pytest.mark.parametrize(("form", "to"), [("BINARYPROTO", "h5"), ("HDF5", "caffemodel")])
def test_training_goes_on_from_a_converted_snapshot(tmp_path, caffe, monkeypatch, form, to):
    """Weights and state in the other container: every loss of the rest of the training is the same."""
    monkeypatch.chdir(tmp_path)
    train_baseline(caffe, tmp_path, "Adam", form)
    ends = ("", ".h5") if to == "h5" else (".h5", "")
    before = caffe_train(
        caffe, tmp_path, "--solver", "solver.prototxt", "--snapshot", f"base_iter_10.solverstate{ends[0]}"
    )
    for kind in ("caffemodel", "solverstate"):
        target = f"base_iter_10.{kind}{ends[1]}"
        convert(f"base_iter_10.{kind}{ends[0]}", output=target, to=to)
    after = caffe_train(
        caffe, tmp_path, "--solver", "solver.prototxt", "--snapshot", f"base_iter_10.solverstate{ends[1]}"
    )
    losses = [re.findall(r"Iteration (\d+) .*?, loss = ([\d.e+-]+)", log) for log in (before, after)]
    assert len(losses[0]) == 10
    assert losses[1] == losses[0]
