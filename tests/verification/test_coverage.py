"""Coverage in odd nets: parameters that are shared in part or in one phase only, and layers whose blobs depend on their bottoms."""

from __future__ import annotations

import numpy as np
import pytest

from split_surgery import extension, verify
from tests.support.fixture_nets import INSIDE, siamese, solver_case
from tests.support.hdf5_files import write_h5
from tests.support.nets import CONV, DATA, conv_arrays, net_of, weights, write_tiny

IP = [np.ones((3, 384), np.float32), np.zeros(3, np.float32)]


def named(text, *names):
    params = "".join(f'  param {{ name: "{name}" }}\n' for name in names)
    return text.replace("  convolution_param", params + "  convolution_param")


def ip(name, bottom, extra=""):
    return (
        f'layer {{ name: "{name}" type: "InnerProduct" bottom: "{bottom}" top: "{name}" param {{ name: "w" }} '
        f"inner_product_param {{ num_output: 3 {extra} }} }}\n"
    )


def record(name, kind, bottom, arrays):
    return (name, kind, [bottom], [name], arrays, {"num_output": 6} if kind == "Convolution" else None)


def statuses(report):
    return {row.layer: row.status for row in report.coverage}


def test_a_source_of_sharing_that_is_in_another_phase_fills_nothing(tmp_path):
    """Caffe leaves conv1_t random in its TEST net, where conv1 is not: seen there."""
    train = named(CONV.replace("conv1_1", "conv1"), "cw", "cb").replace(
        "  type:", "  include { phase: TRAIN }\n  type:"
    )
    test = train.replace('name: "conv1"', 'name: "conv1_t"').replace("TRAIN", "TEST")
    net, model = write_tiny(tmp_path, DATA + train + test)
    model.write_bytes(weights([record("conv1", "Convolution", "data", conv_arrays())]))
    extension(net, model, tmp_path / "out", layer="conv1", noise=0)
    report = verify(net, model, tmp_path / "out")
    assert statuses(report)["conv1_t_split1"] == "unfilled"
    assert any("stays random in phase TEST" in problem for problem in report.problems)


@pytest.mark.parametrize("form", ["protobuf", "hdf5"])
def test_a_layer_that_shares_its_weight_and_owns_its_bias(tmp_path, form):
    net, model = write_tiny(tmp_path, DATA + CONV + ip("ip", "conv1_1") + ip("ip_p", "conv1_1"))
    rows = {"conv1_1": conv_arrays(), "ip": IP}
    if form == "hdf5":
        model = write_h5(
            tmp_path / "w.h5", {name: dict(enumerate(found)) for name, found in rows.items()} | {"ip_p": {1: IP[1]}}
        )
        extension(net, model, tmp_path / "out", noise=0)
        report = verify(net, model, tmp_path / "out")
        assert report.problems == ()
        assert statuses(report)["ip_p"] == "copied"
        return
    kinds = {"conv1_1": ("Convolution", "data"), "ip": ("InnerProduct", "conv1_1")}
    model.write_bytes(weights([record(name, *kinds[name], found) for name, found in rows.items()]))
    extension(net, model, tmp_path / "out", noise=0)
    assert statuses(verify(net, model, tmp_path / "out"))["ip_p"] == "unfilled", "its bias is nobody else's"


@pytest.mark.parametrize(
    ("layer", "status"),
    [
        ('type: "Scale" bottom: "conv1_1" bottom: "conv1_1"', "none"),
        ('type: "Scale" bottom: "conv1_1" bottom: "conv1_1" scale_param { bias_term: true }', "unfilled"),
        ('type: "Scale" bottom: "conv1_1"', "unfilled"),
        ('type: "Bias" bottom: "conv1_1" bottom: "conv1_1"', "none"),
        ('type: "Bias" bottom: "conv1_1"', "unfilled"),
    ],
)
def test_layers_whose_second_bottom_stands_for_a_blob(tmp_path, layer, status):
    net, model = write_tiny(tmp_path, DATA + CONV + f'layer {{ name: "s" {layer} top: "s" }}\n')
    model.write_bytes(weights([record("conv1_1", "Convolution", "data", conv_arrays())]))
    extension(net, model, tmp_path / "out")
    assert statuses(verify(net, model, tmp_path / "out"))["s"] == status


def test_a_weight_shared_in_hdf5_gives_its_shape(tmp_path):
    net, _ = siamese(tmp_path, "shared_weight_own_bias")
    weight, bias = conv_arrays()
    model = write_h5(tmp_path / "w.h5", {"near": {0: weight, 1: bias}, "far": {1: bias}})
    extension(net, model, tmp_path / "out", layer="far", noise=0)
    assert verify(net, model, tmp_path / "out", max_drift=0).problems == ()


def test_a_lost_tie_is_a_problem(tmp_path):
    net, model = siamese(tmp_path)
    extension(net, model, tmp_path / "out", noise=0)
    path = tmp_path / "out" / "net.prototxt"
    text = path.read_text()
    at = text.index('name: "conv1_p_split2"')
    path.write_text(text[:at] + text[at:].replace('name: "conv1_w_split2" ', "", 1))
    problems = verify(net, model, tmp_path / "out").problems
    assert any('parameter 0 is not tied to the block of "conv1"' in problem for problem in problems)


def test_of_two_sets_of_numbers_for_one_parameter_the_last_is_taken(tmp_path):
    """Caffe copies records in their order into the shared blob, so the last one stays."""
    net, model = siamese(tmp_path)
    first, last = conv_arrays(seed=1), conv_arrays(seed=2)
    rows = [record("conv1", "Convolution", "data", first), record("conv1_p", "Convolution", "data_p", last)]
    model.write_bytes(weights(rows))
    report = extension(net, model, tmp_path / "out", noise=0)
    assert any("the last in the file is taken" in warning for warning in report.warnings)
    proof = verify(net, model, tmp_path / "out", max_drift=0)
    assert proof.problems == ()


def test_test_nets_inside_a_solver_are_verified(tmp_path):
    from tests.support.nets import random_weights

    solver, model = solver_case(tmp_path, INSIDE)
    model.write_bytes(random_weights(net_of(solver)))
    extension(solver, model, tmp_path / "out", noise=0)
    assert verify(solver, model, tmp_path / "out").problems == ()
    path = tmp_path / "out" / "solver.prototxt"
    text = path.read_text()
    at = text.index("test_net_param")
    path.write_text(text[:at] + text[at:].replace("num_output: 6 kernel_size: 1", "num_output: 5 kernel_size: 1", 1))
    assert any(problem.startswith("test net #0: ") for problem in verify(solver, model, tmp_path / "out").problems)


def test_the_one_unused_record_of_the_same_shapes_is_named(tmp_path):
    """And of a net without phases none is named."""
    net, model = write_tiny(tmp_path, DATA + CONV)
    drawn = conv_arrays()
    alone = "the weights file has nothing for it: it stays random"
    for others, detail in (
        (["old"], f'{alone}; "old" in the file has the same shapes: renamed?'),
        (["old", "older"], alone),
        ([], alone),
    ):
        other_shape = record("small", "Convolution", "data", conv_arrays(kh=1, kw=1))
        model.write_bytes(weights([other_shape, *(record(name, "Convolution", "data", drawn) for name in others)]))
        assert [row.detail for row in verify(net, model).coverage if row.status == "unfilled"] == [detail], others
