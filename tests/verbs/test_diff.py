"""The verb diff: what differs between two files of one kind, and what does not."""

from __future__ import annotations

import json
import shutil

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from split_surgery import diff, extension, residual
from split_surgery.errors import UsageError
from tests.support.caffe_proto import message_class
from tests.support.fixture_nets import fixture
from tests.support.hdf5_files import tiny_layers, write_h5
from tests.support.nets import TINY, conv_arrays, tiny_state, tiny_weights, weights, write_tiny
from tests.support.paths import examples
from tests.support.respelling import RESPELLED, respelled


def lines(capsys, a, b, verbose=False) -> list[str]:
    print("\n".join(diff(a, b).lines(verbose=verbose)))
    return capsys.readouterr().out.splitlines()


def texts(tmp_path, old: str, new: str):
    (tmp_path / "a").write_text(old)
    (tmp_path / "b").write_text(new)
    return tmp_path / "a", tmp_path / "b"


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(RESPELLED), st.randoms(use_true_random=False))
def test_spelling_is_no_difference(tmp_path, name, draw):
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(fixture(name))
    second.write_bytes(respelled(fixture(name), draw))
    assert diff(first, second).equal


def test_an_edited_net(tmp_path, capsys):
    new = TINY.replace("num_output: 6", "num_output: 8").replace('"ReLU"', '"PReLU"').replace('name: "tiny"', "")
    new = new.replace('bottom: "conv1_1"\n  top: "ip"', 'bottom: "data"\n  top: "ip"')
    new = new.replace(
        'layer {\n  name: "ip"', 'layer { name: "extra" type: "Power" bottom: "data" top: "p" }\nlayer {\n  name: "ip"'
    )
    assert lines(capsys, *texts(tmp_path, TINY, new)) == [
        '~ name: "tiny", which has gone',
        "~ layer conv1_1 (Convolution)",
        "    convolution_param.num_output: 6 -> 8",
        "~ layer relu1_1 (PReLU)",
        "    type: ReLU -> PReLU",
        '+ layer extra (Power) "data" -> "p"',
        "~ layer ip (InnerProduct)",
        '    bottom: "conv1_1" -> "data"',
        "different: 1 layer added, 3 layers changed, 1 other change",
    ]


def test_layers_that_moved(tmp_path, capsys):
    layers = [f'layer {{ name: "{name}" type: "ReLU" bottom: "x" top: "x" }}\n' for name in "abcdef"]
    a, b = texts(tmp_path, "".join(layers), "".join([*layers[1:4], layers[0], *layers[5:]]))
    assert lines(capsys, a, b) == [
        "> layer a (ReLU) moved", '- layer e (ReLU) "x" -> "x"', "different: 1 layer removed, 1 layer moved",
    ]  # fmt: skip


@given(st.permutations(range(7)))
def test_no_more_layers_moved_than_must(order):
    from split_surgery.verbs.diff import _rising

    kept = _rising(order)
    rising = [place for place in order if place in kept]
    assert rising == sorted(rising)
    longest = [1] * len(order)
    for at, place in enumerate(order):
        longest[at] = 1 + max((longest[before] for before in range(at) if order[before] < place), default=0)
    assert len(kept) == max(longest)


def test_a_geometry_written_otherwise_is_no_difference(tmp_path):
    other = TINY.replace("kernel_size: 3", "kernel_h: 3 kernel_w: 3 stride: 1 bias_term: true")
    assert diff(*texts(tmp_path, TINY, other)).equal


def test_twins_are_told_apart(tmp_path, capsys):
    text = fixture("same_name_train_and_test").decode()
    assert "phase: TEST" in text
    found = lines(capsys, *texts(tmp_path, text, text.replace("phase: TEST", 'phase: TEST stage: "s"')))
    assert any("#2" in line for line in found)
    assert '    include: phase TEST -> phase TEST; stage "s"' in found


def test_v1_types_compare_by_their_modern_names(tmp_path, capsys):
    text = fixture("v1_layers").decode()
    assert "CONVOLUTION" in text
    assert diff(*texts(tmp_path, text, text.replace("CONVOLUTION", "4"))).equal


def test_changed_weights(tmp_path, capsys):
    net, model = write_tiny(tmp_path)
    arrays = conv_arrays()
    arrays[0][0, 0, 0, 0] += 3
    other = tmp_path / "other"
    other.write_bytes(tiny_weights(arrays))
    (changed,) = diff(model, other).parts[0].layers
    (blob,) = changed.blobs
    old = conv_arrays()[0].astype(float)
    assert (changed.name, blob.index, blob.numbers.equal) == ("conv1_1", 0, 161 / 162)
    assert blob.numbers.largest == pytest.approx(3)
    assert blob.numbers.drift == pytest.approx(3 / np.linalg.norm(old))
    assert lines(capsys, model, other)[-1] == "different: 1 layer changed"
    assert lines(capsys, model, model) == ["equal"]


@pytest.mark.parametrize("piece", [64, 8 * 1024 * 1024])
def test_shapes_dtypes_and_nan(tmp_path, monkeypatch, piece):
    monkeypatch.setattr("split_surgery.documents.weights.blobs.PIECE", piece)
    first, second = tmp_path / "a", tmp_path / "b"
    arrays = conv_arrays()
    first.write_bytes(tiny_weights())
    second.write_bytes(tiny_weights(legacy=True))
    assert diff(first, second).equal, "a legacy shape is padded with ones"
    second.write_bytes(tiny_weights(dtype="<f8"))
    blobs = [blob for layer in diff(first, second).parts[0].layers for blob in layer.blobs]
    assert {(blob.dtypes, blob.numbers) for blob in blobs} == {(("float32", "float64"), None)}
    second.write_bytes(tiny_weights([arrays[0] * 2, arrays[1]], dtype="<f8"))
    assert diff(first, second).parts[0].layers[0].blobs[0].numbers.drift == pytest.approx(1)
    second.write_bytes(tiny_weights([arrays[0][:, :, :2], arrays[1]]))
    assert diff(first, second).parts[0].layers[0].blobs[0].shapes == ((6, 3, 3, 3), (6, 3, 2, 3))
    arrays[0][0] = np.nan
    first.write_bytes(tiny_weights(arrays))
    assert diff(first, first).equal
    second.write_bytes(tiny_weights())
    assert np.isnan(diff(first, second).parts[0].layers[0].blobs[0].numbers.largest)


def test_records_and_blobs_that_only_one_has(tmp_path, capsys):
    conv = ("conv1_1", "Convolution", ["data"], ["conv1_1"], conv_arrays(), None)
    bare = ("conv1_1", "Convolution", ["x"], ["conv1_1"], conv_arrays()[:1], None)
    extra = ("extra", "InnerProduct", ["x"], ["y"], [np.ones((2, 2))], None)
    split = ("s", "Split", ["x"], ["x_0", "x_1"], [], None)
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(weights([conv]))
    b.write_bytes(weights([extra, split, bare]))
    assert lines(capsys, a, b, verbose=True) == [
        "+ layer extra (InnerProduct)",
        "    blob 0: 2x2 float32, which was not there",
        "~ layer conv1_1 (Convolution)",
        '    bottom: "data" -> "x"',
        "    blob 1: 6 float32, which has gone",
        "different: 1 layer added, 1 layer changed",
    ]


def test_protobuf_and_hdf5_are_compared(tmp_path):
    _, model = write_tiny(tmp_path)
    twin = write_h5(tmp_path / "twin", tiny_layers())
    assert diff(model, twin).equal
    assert diff(twin, model).equal
    assert diff(twin, twin).equal
    with h5py.File(twin, "r+") as file:
        file["data/ip/1"][0] = 5
    assert [layer.name for layer in diff(model, twin).parts[0].layers] == ["ip"]


def test_what_hdf5_leaves_out_as_shared_is_no_difference(tmp_path):
    one, two = conv_arrays(seed=1), conv_arrays(seed=2)
    rows = [("a", one), ("b", [one[0], two[1]])]
    (tmp_path / "model").write_bytes(weights([(name, "Convolution", [], [], arrays, None) for name, arrays in rows]))
    twin = write_h5(tmp_path / "twin", {"a": dict(enumerate(one)), "b": {1: two[1]}})
    assert diff(tmp_path / "model", twin).equal
    assert diff(twin, tmp_path / "model").equal
    other = write_h5(tmp_path / "other", {"a": dict(enumerate(one)), "b": {0: one[0]}})
    assert not diff(tmp_path / "model", other).equal


def test_solver_states(tmp_path, capsys):
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(tiny_state())
    b.write_bytes(tiny_state(iteration=9, seed=2))
    found = lines(capsys, a, b)
    assert found[0] == "~ iter: 7 -> 9"
    assert found[1].startswith("~ history 0: relative change 1.")
    assert found[-1] == "different: 3 other changes"
    with h5py.File(tmp_path / "c", "w") as file:
        file["iter"], file["current_step"], file["learned_net"] = [7], [2], np.bytes_(b"a.caffemodel")
        for at, array in enumerate(conv_arrays()):
            file[f"history/{at}"] = array
    assert diff(a, tmp_path / "c").equal


def test_directories_and_their_files(tmp_path, capsys, command):
    net, model = write_tiny(tmp_path)
    one, two = tmp_path / "one", tmp_path / "two"
    residual(net, model, one, also=[net])
    shutil.copytree(one, two)
    assert lines(capsys, one, two) == ["equal"]
    assert diff(one, one / "net.prototxt").equal
    assert diff(one / "net.caffemodel", two).equal
    (two / "net.caffemodel").unlink()
    text = (two / "net.prototxt").read_text()
    (two / "net.prototxt").write_text(text.replace("num_output: 4", "num_output: 5"))
    (two / "solver.prototxt").write_text('net: "x"\n')
    assert lines(capsys, one, two) == [
        "- net.caffemodel",
        "+ solver.prototxt solver",
        "net.prototxt net:",
        "~ layer ip (InnerProduct)",
        "    inner_product_param.num_output: 4 -> 5",
        "different: 1 part added, 1 part removed, 1 layer changed",
    ]
    assert diff(two, two / "solver.prototxt").equal
    done = command("diff", one, two, "-q")
    assert (done.returncode, done.stdout) == (1, "different: 1 part added, 1 part removed, 1 layer changed\n")
    done = command("diff", two, model)
    assert done.returncode == 2
    assert "these cannot be compared" in done.stderr


def test_nets_inside_solvers(tmp_path, capsys):
    text = fixture("train_and_test_net_in_solver").decode()
    found = lines(
        capsys, *texts(tmp_path, text, text.replace("num_output: 6", "num_output: 7", 1) + "\nmax_iter: 77\n")
    )
    assert "net_param:" in found[1:] or "train_net_param:" in found
    assert any("max_iter: " in line for line in found)


def test_what_cannot_be_compared(tmp_path, command):
    net, model = write_tiny(tmp_path)
    done = command("diff", net, model)
    assert done.returncode == 2
    assert (
        done.stderr.splitlines()[0]
        == f"split-surgery: {net} is a net and {model} holds weights: these cannot be compared"
    )
    (tmp_path / "solver").write_text('net: "x"')
    with pytest.raises(UsageError, match="is a solver"):
        diff(net, tmp_path / "solver")


def test_json(tmp_path, command):
    net, model = write_tiny(tmp_path)
    other = tmp_path / "other"
    other.write_bytes(tiny_weights([conv_arrays()[0] * np.inf, conv_arrays()[1]]))
    done = command("diff", model, other, "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["equal"], found["kind"]) == (1, False, "weights")
    assert found["parts"][0]["layers"][0]["blobs"][0]["numbers"]["largest"] is None
    assert json.loads(command("diff", model, model, "--json").stdout)["equal"] is True


def test_directories_are_compared_with_their_snapshots_and_plans(tmp_path):
    net, weights = write_tiny(tmp_path)
    for name in ("a", "b"):
        extension(net, weights, tmp_path / name, solver=solver_of(tmp_path))
    assert diff(tmp_path / "a", tmp_path / "b").equal, "each solver names its own directory"
    model = message_class("NetParameter")()
    model.ParseFromString((tmp_path / "a" / "net.caffemodel").read_bytes())
    for name in ("a", "b"):
        (tmp_path / name / "run_iter_5.caffemodel").write_bytes(model.SerializeToString())
    assert diff(tmp_path / "a", tmp_path / "b").equal
    model.layer[-1].blobs[0].data[3] = 7.0
    (tmp_path / "b" / "run_iter_7.caffemodel").write_bytes(model.SerializeToString())
    assert [part.title for part in diff(tmp_path / "a", tmp_path / "b").parts] == ["newest snapshot"]
    plan = tmp_path / "a" / "split.yaml"
    plan.write_text(plan.read_text().replace("seed: 0", "seed: 1"))
    found = diff(tmp_path / "a", tmp_path / "b").parts[-1]
    assert [(change.path, change.old, change.new) for change in found.fields] == [
        ("split.yaml: layers[0].seed", "1", "0")
    ]
    for file in (tmp_path / "b").glob("run_*"):
        file.unlink()
    assert diff(tmp_path / "a", tmp_path / "b").removed == ("newest snapshot",)


def solver_of(folder):
    (folder / "solver.prototxt").write_text('net: "base.prototxt"\nsnapshot_prefix: "run"\nmax_iter: 5\n')
    return folder / "solver.prototxt"
