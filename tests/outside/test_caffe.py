"""Derived nets in real Caffe: loaded whole, equal to the baseline where they must be, and trained."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess

import numpy as np
import pytest

from split_surgery import extension, residual, skip, verify
from split_surgery.documents.net.net import Net
from split_surgery.documents.prototxt import Document
from split_surgery.documents.source import Source
from split_surgery.documents.weights.caffemodel import Caffemodel
from split_surgery.errors import FileError
from split_surgery.verbs.demo import DATA as DEMO
from split_surgery.verbs.demo import SCALE
from split_surgery.verification.engines import opencv, pycaffe
from split_surgery.verification.engines.prepare import prepare
from tests.support.caffe_proto import ENUMS, NVIDIA, fields, message_class
from tests.support.fixture_nets import EVERY_FIXTURE, fixture_net, options_for
from tests.support.hdf5_files import h5_case
from tests.support.nets import (
    CONV,
    DATA,
    TAIL,
    TINY,
    conv_arrays,
    net_of,
    random_weights,
    read_weights,
    tiny_weights,
    write_tiny,
)
from tests.support.paths import EXAMPLE, SUPPORT
from tests.support.real_nets import EVERY, NETS, REAL

pytestmark = [pytest.mark.caffe, pytest.mark.usefixtures("caffe")]


def test_the_engine_as_a_user_starts_it(tmp_path, caffe, monkeypatch):
    """By the `caffe-python` beside the `caffe` that is named, in a process that loads pycaffe. All other tests fork one that has it."""
    monkeypatch.delenv("SPLIT_SURGERY_CAFFE_PYTHON")
    monkeypatch.setenv("SPLIT_SURGERY_CAFFE", str(caffe[0]))
    net, weights = write_tiny(tmp_path)
    extension(net, weights, tmp_path / "out", noise=0)
    report = verify(net, weights, tmp_path / "out", engine="caffe", max_drift=0)
    assert (report.problems, report.engine) == ((), "caffe")


def inspect(caffe, files, phase="TEST"):
    """What Caffe holds after loading each net with its weights: see caffe_inspect.py."""
    script = SUPPORT / "caffe_inspect.py"
    given = [path for pair in files for path in pair]
    done = subprocess.run(
        [caffe[1], script, phase, *given], capture_output=True, text=True, errors="replace", check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def all_filled(caffe, folders, phase="TEST"):
    """Caffe's parameters equal those in the files, blob by blob: nothing was left to a filler."""
    found = inspect(caffe, [(folder / "net.prototxt", folder / "net.caffemodel") for folder in folders], phase)
    for folder, held in zip(folders, found):
        arrays = {name: blobs for name, (_, blobs) in read_weights((folder / "net.caffemodel").read_bytes()).items()}
        for name, digests in held["params"].items():
            wanted = [hashlib.sha256(a.astype("<f4").tobytes()).hexdigest() for a in arrays[name]]
            assert digests == wanted, f"{folder}: {name}"
    return found


def test_the_tests_own_messages_are_caffes(caffe):
    """Names, numbers, types and packing, as the caffe_pb2 that comes with Caffe has them."""
    program = (
        "import json, sys\nfrom caffe.proto import caffe_pb2\n"
        "rows = lambda m: {f.name: [f.number, f.label == 3, f.GetOptions().packed, f.type, f.message_type and f.message_type.name] "
        "for f in m.fields}\n"
        "found = {name: rows(getattr(caffe_pb2, name).DESCRIPTOR) for name in sys.argv[1:]}\n"
        "kinds = dict(caffe_pb2.V1LayerParameter.LayerType.items())\nprint(json.dumps([found, kinds, dict(caffe_pb2.Phase.items())]))\n"
    )
    done = subprocess.run([caffe[1], "-c", program, *fields()], capture_output=True, text=True, check=True)
    theirs, kinds, phases = json.loads(done.stdout)
    for message in fields():
        for field in message_class(message).DESCRIPTOR.fields:
            if field.name not in NVIDIA:
                inner = field.message_type.name if field.message_type else None
                packed = field.GetOptions().packed
                many = field.name in repeated(message)
                assert theirs[message][field.name] == [field.number, many, packed, field.type, inner], (
                    message,
                    field.name,
                )
    assert {name: kinds[name] for name in ENUMS["V1Type"]} == ENUMS["V1Type"]
    assert phases == ENUMS["Phase"]


def repeated(message):
    return {name for name, _, often, _ in fields()[message] if often != "one"}


@pytest.mark.corpus
@pytest.mark.parametrize(("name", "layer"), [case for case in EVERY if case[1] != "conv1"])
def test_every_convolution_of_the_real_nets(tmp_path, name, layer):
    net, weights, _ = NETS[name]
    extension(net, weights, tmp_path / "out", layer=layer, noise=0)
    report = verify(net, weights, tmp_path / "out", engine="caffe", max_drift=0)
    assert report.problems == ()
    print(name, layer, max(output.difference for output in report.outputs))


@pytest.mark.parametrize("name", [p for p in REAL if p.values[0] != "res10_ssd_face"])
def test_a_noise_free_extension_is_the_baseline(tmp_path, name):
    net, weights, layer = NETS[name]
    extension(net, weights, tmp_path / "out", layer=layer, noise=0)
    report = verify(net, weights, tmp_path / "out", engine="caffe", max_drift=0)
    assert report.problems == ()
    for output in report.outputs:
        assert output.difference <= min(output.tolerance, 1e-5), output
        print(f"{name} {output.blob}: largest relative difference {output.difference:.2g}")


@pytest.mark.parametrize("name", [p for p in REAL if p.values[0] != "res10_ssd_face"])
def test_a_residual_split_is_filled_whole(tmp_path, caffe, name):
    net, weights, layer = NETS[name]
    residual(net, weights, tmp_path / "out", layer=layer)
    (held,) = all_filled(caffe, [tmp_path / "out"])
    assert f"{layer}_split2_residual_pre" in held["params"]


def in_caffe(tmp_path, caffe, extra, phase="TEST", text=None):
    """TINY with extra lines in its convolution, split and loaded."""
    text = text or DATA + CONV.replace("  convolution_param {", extra + "  convolution_param {", 1) + TAIL
    net, weights = write_tiny(tmp_path, text)
    residual(net, weights, tmp_path / "out")
    return all_filled(caffe, [tmp_path / "out"], phase)[0]


def test_parameter_names_do_not_tie_blobs(tmp_path, caffe):
    in_caffe(tmp_path, caffe, '  param { name: "w" lr_mult: 1 }\n  param { name: "b" }\n')


def test_propagate_down_and_a_single_loss_weight(tmp_path, caffe):
    # Caffe allows no in-place layer on a blob with a loss.
    convolution = CONV.replace(
        "  convolution_param {", "  propagate_down: false\n  loss_weight: 0.25\n  convolution_param {"
    )
    text = (
        DATA
        + convolution
        + TAIL.replace('top: "conv1_1"', 'top: "relu1_1"').replace(
            'bottom: "conv1_1"\n  top: "ip"', 'bottom: "relu1_1"\n  top: "ip"'
        )
    )
    held = in_caffe(tmp_path, caffe, "", "TRAIN", text)
    weighted = {blob for blob, weight in held["losses"].items() if weight}
    assert weighted == {"conv1_1_conv1_1_reorder_0_split_0"}, "Caffe's own copy of the old top"


def test_rules_keep_twins_apart(tmp_path, caffe):
    twin = lambda rule: CONV.replace("  convolution_param {", f"  include {{ phase: {rule} }}\n  convolution_param {{")  # noqa: E731
    for phase in ("TRAIN", "TEST"):
        folder = tmp_path / phase
        folder.mkdir()
        held = in_caffe(folder, caffe, "", phase, DATA + twin("TRAIN") + twin("TEST") + TAIL)
        assert held["layers"].count("conv1_1_reorder") == 1


REFUSED_BY_CAFFE = {
    "unknown_fork_fields": "BVLC Caffe knows no such fields",
    "net_in_solver": "a solver is no net",
    "net_in_solver_one_line": "a solver is no net",
    "train_and_test_net_in_solver": "a solver is no net",
    "bom": "protobuf's C++ text parser stops at a BOM",
}
"""Fixtures that Caffe 1.0 does not load, before the split or after."""


def test_nets_in_odd_layouts_load(tmp_path, caffe):
    """Angle brackets, lists, adjacent strings, separators: the derived text must suit Caffe's own parser too."""

    folders = []
    for path in EVERY_FIXTURE:
        if path.stem in REFUSED_BY_CAFFE:
            continue
        folder = tmp_path / path.stem
        folder.mkdir()
        net, weights = fixture_net(path, folder)
        residual(path, weights, folder / "out", layer=net.convolutions()[0].name, **options_for(path, "residual"))
        folders.append(folder / "out")
    all_filled(caffe, folders)


SOLVER = """\
net: "base.prototxt"
base_lr: 1e-7
lr_policy: "fixed"
max_iter: 3
snapshot: 3
snapshot_prefix: "base"
solver_mode: CPU
random_seed: 1
"""

TRAINABLE = (
    DATA.replace('type: "Input"', 'type: "DummyData"').replace(
        "input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } }",
        'dummy_data_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } data_filler { type: "gaussian" } }',
    )
    + CONV
    + TAIL
    + 'layer { name: "loss" type: "Reduction" bottom: "ip" top: "loss" loss_weight: 1 reduction_param { operation: SUMSQ } }\n'
)


def train(caffe, folder, solver, weights):
    command = [caffe[0], "train", "--solver", solver, "--weights", weights]
    done = subprocess.run(
        list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


@pytest.mark.parametrize("frozen", [True, False])
def test_a_frozen_layer_stays_frozen(tmp_path, caffe, monkeypatch, frozen):
    monkeypatch.chdir(tmp_path)
    param = "  param { lr_mult: 0 }\n  param { lr_mult: 0 }\n" if frozen else ""
    write_tiny(tmp_path, TRAINABLE.replace("  convolution_param {", param + "  convolution_param {", 1))
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    residual("base.prototxt", "base.caffemodel", "derived1", solver="solver.prototxt")
    train(caffe, tmp_path, "derived1/solver.prototxt", "derived1/net.caffemodel")
    assert not list(tmp_path.glob("base_iter_*")), "the baseline's folder is left alone"
    before = read_weights((tmp_path / "derived1" / "net.caffemodel").read_bytes())
    after = read_weights((tmp_path / "derived1" / "base_iter_3.caffemodel").read_bytes())
    for role in ("split1", "split2", "split2_residual_pre", "split2_residual_post", "reorder"):
        assert np.isfinite(after[f"conv1_1_{role}"][1][0]).all()
        same = np.array_equal(before[f"conv1_1_{role}"][1][0], after[f"conv1_1_{role}"][1][0])
        assert same == frozen, role
    report = verify("base.prototxt", "base.caffemodel", "derived1", trained=True)
    assert report.problems == ()


def test_a_net_inside_a_solver_trains(tmp_path, caffe, monkeypatch):
    """The author's own file form: one solver file with net_param; the net written beside it loads too."""
    monkeypatch.chdir(tmp_path)
    inside = "".join(f"  {line}\n" for line in TRAINABLE.splitlines())
    text = SOLVER.replace('net: "base.prototxt"\n', "net_param {\n" + inside + "}\n")
    write_tiny(tmp_path, text)
    report = residual("base.prototxt", "base.caffemodel", "derived1")
    assert report.next_command.startswith("caffe train --solver derived1/solver.prototxt")
    log = train(caffe, tmp_path, "derived1/solver.prototxt", "derived1/net.caffemodel")
    assert "Optimization Done" in log
    assert (tmp_path / "derived1" / "base_iter_3.caffemodel").exists()
    all_filled(caffe, [tmp_path / "derived1"])


def test_training_a_derived_net_brings_the_loss_down(tmp_path, caffe, monkeypatch):
    """The command that the split prints, 60 iterations on Fashion-MNIST, from a net split in mid-training."""
    subprocess.run([EXAMPLE / "prepare_data.sh"], check=True, capture_output=True)
    (tmp_path / "data").symlink_to(EXAMPLE / "data", target_is_directory=True)
    (tmp_path / "train_val.prototxt").write_bytes((EXAMPLE / "train_val.prototxt").read_bytes())
    solver = (EXAMPLE / "solver_grow.prototxt").read_text()
    solver = solver.replace("max_iter: 1000", "max_iter: 60").replace(
        "display: 50", "display: 1\ntest_initialization: false"
    )
    (tmp_path / "solver.prototxt").write_text(solver)
    monkeypatch.chdir(tmp_path)
    report = residual(
        "train_val.prototxt",
        EXAMPLE / "snapshots" / "fashion_vgg_iter_750.caffemodel",
        "derived1",
        solver="solver.prototxt",
    )
    assert report.layer.measure == "coherence"
    assert report.next_command.startswith(
        "caffe train --solver derived1/solver.prototxt --weights derived1/net.caffemodel"
    )
    log = train(caffe, tmp_path, "derived1/solver.prototxt", "derived1/net.caffemodel")
    losses = [float(loss) for loss in re.findall(r"Iteration \d+ .*, loss = ([\d.]+)", log)]
    assert len(losses) >= 60
    first, last = np.mean(losses[:15]), np.mean(losses[-15:])
    print(f"mean loss of the first 15 iterations {first:.4f}, of the last 15 {last:.4f}")
    assert last < first
    assert (tmp_path / "derived1" / "grow_iter_60.caffemodel").exists()


def scores(engine, net, weights, images):
    inputs = (images[:, None].astype(np.float32) * np.float32(SCALE)).astype(np.float32)
    with Source(weights) as source:
        made = prepare(Net(Document(net.read_bytes(), net.name)), Caffemodel(source), {"data": inputs.shape})
        return engine.run([(made, weights)], {"data": inputs}, made.outputs)[0]["prob"]


def test_caffe_and_opencv_give_the_demos_nets_the_same_accuracy(tmp_path):
    net, weights = EXAMPLE / "deploy.prototxt", EXAMPLE / "snapshots" / "fashion_vgg_iter_3000.caffemodel"
    residual(net, weights, tmp_path / "residual")
    with np.load(DEMO / "images.npz") as data:
        images, labels = data["images"], data["labels"]
    for text, model in (
        (net, weights),
        (tmp_path / "residual" / "net.prototxt", tmp_path / "residual" / "net.caffemodel"),
        (tmp_path / "residual" / "net.prototxt", DEMO / "residual_trained.caffemodel"),
    ):
        ours, theirs = (scores(engine, text, model, images) for engine in (pycaffe, opencv))
        assert np.abs(ours - theirs).max() < 1e-4
        assert (ours.argmax(1) == theirs.argmax(1)).mean() > 0.995
        print(f"{model.name}: {(ours.argmax(1) == labels).sum()} of {len(labels)} right in Caffe")


def test_caffes_own_words_reach_the_user(tmp_path):
    net, weights = write_tiny(tmp_path)
    from split_surgery.errors import FileError

    (tmp_path / "odd.prototxt").write_text(TINY.replace('type: "ReLU"', 'type: "ForkSpecial"'))
    extension(net, weights, tmp_path / "out")
    with pytest.raises(FileError, match="Caffe failed on it .*Unknown layer type: ForkSpecial"):
        verify(tmp_path / "odd.prototxt", weights, (tmp_path / "odd.prototxt", weights), engine="caffe")


@pytest.mark.parametrize("verb", [residual, extension])
def test_groups(tmp_path, caffe, verb):

    text = TINY.replace("num_output: 6", "num_output: 12").replace("pad: 1", "pad: 1 group: 3")
    net, weights = write_tiny(tmp_path, text, tiny_weights(conv_arrays(12, 1)))
    verb(net, weights, tmp_path / "out", noise=0)
    all_filled(caffe, [tmp_path / "out"])
    report = verify(net, weights, tmp_path / "out", engine="caffe")
    assert report.problems == ()
    assert verb is residual or max(output.difference for output in report.outputs) < 1e-5


def test_why_a_shape_does_not_fit_and_why_caffe_refuses_a_net(tmp_path):
    from split_surgery.errors import FileError

    net, weights = write_tiny(tmp_path)
    extension(net, weights, tmp_path / "out")
    with pytest.raises(
        FileError, match="(?s)not started.*ip is mismatch: has 4x384, 4, needs 4x486, 4.*check input_shape"
    ):
        verify(net, weights, tmp_path / "out", engine="caffe", input_shape={"data": (1, 3, 9, 9)})
    (tmp_path / "odd.prototxt").write_text(TINY.replace("pad: 1", "pad: 1 nosuch: 1"))
    odd = (tmp_path / "odd.prototxt", weights)
    with pytest.raises(FileError, match='has no field named "nosuch"'):
        verify(*odd, odd, engine="caffe")


@pytest.mark.caffe
def test_hdf5_nets_run_in_caffe_and_are_refused_by_opencv(tmp_path, caffe):
    net, weights = h5_case(tmp_path)
    extension(net, weights, tmp_path / "out", noise=0)
    assert verify(net, weights, tmp_path / "out", engine="caffe", max_drift=0).problems == ()
    with pytest.raises(FileError, match="is HDF5, which OpenCV's importer does not read"):
        verify(net, weights, tmp_path / "out", engine="opencv")


@pytest.mark.caffe
@pytest.mark.parametrize(
    ("geometry", "options"),
    [
        ("kernel_size: 3 pad: 1", {}),
        ("kernel_size: 3 pad: 1 stride: 2", {"skip": "average"}),
        ("kernel_size: 3", {}),
        ("kernel_size: 2 stride: 2", {"even_center": "low"}),
    ],
)
def test_skip_in_real_caffe_is_what_folding_says(tmp_path, caffe, geometry, options):
    """The folded block, put into the baseline, computes in Caffe what the derived net computes there."""
    from split_surgery.documents.weights.caffemodel import Caffemodel
    from split_surgery.documents.weights.wire import Buffer
    from split_surgery.folding.compose import Candidates, fold_block
    from tests.support.nets import weights as weights_of

    net, weights = write_tiny(tmp_path, DATA + CONV.replace("kernel_size: 3\n    pad: 1", geometry))
    weights.write_bytes(random_weights(net_of(net)))
    skip(net, weights, tmp_path / "out", **options)
    derived, model = net_of(tmp_path / "out" / "net.prototxt"), (tmp_path / "out" / "net.caffemodel").read_bytes()
    folded = fold_block(derived, Candidates(derived.layers[1:]), Caffemodel(Buffer(model)), "data", "conv1_1")
    weights.write_bytes(
        weights_of([("conv1_1", "Convolution", ["data"], ["conv1_1"], [folded.map.weight, folded.map.bias], None)])
    )
    (output,) = verify(net, weights, tmp_path / "out", engine="caffe").outputs
    assert output.difference < 1e-5
