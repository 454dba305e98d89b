"""Layers that share parameters by name (siamese nets): split by one plan, and still sharing afterwards."""

from __future__ import annotations

import pytest
import yaml

from split_surgery import extension, residual, verify
from split_surgery.documents.net.parameters import sharing
from split_surgery.errors import SurgeryError, Unsupported, UsageError
from tests.support.fixture_nets import siamese
from tests.support.nets import (
    CONV,
    DATA,
    TAIL,
    conv_arrays,
    net_of,
    random_weights,
    read_weights,
    tiny_weights,
    write_tiny,
)
from tests.support.nets import weights as weights_of


@pytest.mark.parametrize("layer", ["conv1", "conv1_p"])
def test_both_are_split_alike_whichever_is_named(tmp_path, layer):
    net, weights = siamese(tmp_path)
    report = residual(net, weights, tmp_path / "out", layer=layer)
    assert any("conv1, conv1_p share parameters by name" in warning for warning in report.warnings)
    derived = net_of(tmp_path / "out" / "net.prototxt")
    arrays = read_weights((tmp_path / "out" / "net.caffemodel").read_bytes())
    for role in report.layer.names:
        one, two = derived.named(f"conv1_{role}")[0], derived.named(f"conv1_p_{role}")[0]
        assert [name for _, name, _ in one.param_names()] == [name for _, name, _ in two.param_names()]
        assert sharing(derived, one.name) == ([one.name, two.name] if one.type == "Convolution" else [one.name])
        for a, b in zip(arrays[one.name][1], arrays[two.name][1]):
            assert a.tobytes() == b.tobytes(), role
    plan = yaml.safe_load((tmp_path / "out" / "split.yaml").read_text())["layers"][0]
    assert (plan["layer"], [shared["layer"] for shared in plan["shared_with"]]) == ("conv1", ["conv1_p"])
    proof = verify(net, weights, tmp_path / "out")
    assert proof.problems == ()
    assert [block.layer for block in proof.blocks] == ["conv1", "conv1_p"]


def test_layers_that_share_the_weight_only_keep_their_own_bias_and_dilation(tmp_path):
    net, weights = siamese(tmp_path, "shared_weight_own_bias")
    extension(net, weights, tmp_path / "out", layer="near", noise=0)
    proof = verify(net, weights, tmp_path / "out", max_drift=0)
    assert proof.problems == ()
    assert all(block.exact for block in proof.blocks)
    arrays = read_weights((tmp_path / "out" / "net.caffemodel").read_bytes())
    assert arrays["near_split1"][1][1].tobytes() != arrays["far_split1"][1][1].tobytes()


def named(text, name="w"):
    return text.replace("  convolution_param", f'  param {{ name: "{name}" }}\n  convolution_param')


def test_sharing_with_what_is_no_convolution_is_refused(tmp_path):
    tied = TAIL.replace("  inner_product_param", '  param { name: "w" }\n  inner_product_param')
    net, weights = write_tiny(tmp_path, DATA + named(CONV) + tied)
    with pytest.raises(Unsupported, match=r'layer "ip": shares parameters with "conv1_1", but is no convolution'):
        residual(net, weights, tmp_path / "out")


def test_sharing_between_layers_of_other_shapes_is_refused(tmp_path):
    other = named(CONV.replace("conv1_1", "other").replace("num_output: 6", "num_output: 6 group: 3"))
    net, weights = write_tiny(tmp_path, DATA + named(CONV) + other)
    weights.write_bytes(random_weights(net_of(net)))
    with pytest.raises(Unsupported, match="differs from it in kernels, kernel size or group"):
        residual(net, weights, tmp_path / "out", layer="conv1_1")


def test_a_weight_shared_with_a_bias_is_refused(tmp_path):
    one = named(CONV)
    other = CONV.replace("conv1_1", "other").replace(
        "  convolution_param", '  param { }\n  param { name: "w" }\n  convolution_param'
    )
    records = [(name, "Convolution", ["data"], [name], conv_arrays(), None) for name in ("conv1_1", "other")]
    net, weights = write_tiny(tmp_path, DATA + one + other, weights_of(records))
    with pytest.raises(SurgeryError, match="not its counterpart"):
        residual(net, weights, tmp_path / "out", layer="conv1_1")


def test_a_deploy_net_with_one_of_the_pair_is_edited(tmp_path):
    net, weights = siamese(tmp_path)
    text = net.read_text()
    (tmp_path / "deploy.prototxt").write_text(text[: text.index('layer {\n  name: "conv1_p"')])
    (tmp_path / "third.prototxt").write_text(text.replace("conv1_p", "conv1_third"))
    residual(net, weights, tmp_path / "out", also=(tmp_path / "deploy.prototxt",))
    deploy = net_of(tmp_path / "out" / "deploy.prototxt")
    assert deploy.convolutions()[0].name == "conv1_split1"
    assert not deploy.named("conv1_p_split1")
    with pytest.raises(Unsupported, match='shares parameters with "conv1_third"'):
        residual(net, weights, tmp_path / "out2", also=(tmp_path / "third.prototxt",))
    (tmp_path / "none.prototxt").write_text(DATA + TAIL)
    with pytest.raises(UsageError, match='no layer "conv1"'):
        residual(net, weights, tmp_path / "out3", also=(tmp_path / "none.prototxt",))


def test_verify_sees_parameters_tied_by_mistake(tmp_path):
    net, weights = siamese(tmp_path)
    extension(net, weights, tmp_path / "out")
    path = tmp_path / "out" / "net.prototxt"
    good = path.read_text()
    at = good.index('name: "conv1_p_split2"')
    path.write_text(good[:at] + good[at:].replace("conv1_w_split2", "conv1_w_split1", 1))
    problems = verify(net, weights, tmp_path / "out").problems
    assert any("conv1_w_split1" in problem and "holds other numbers" in problem for problem in problems)
    path.write_text(good.replace("conv1_w_split2", "conv1_w_split1"))
    assert any("is tied to that of" in problem for problem in verify(net, weights, tmp_path / "out").problems)


def test_a_record_without_its_blobs_is_named(tmp_path):
    net, weights = write_tiny(tmp_path, DATA + CONV + TAIL, tiny_weights(conv_arrays()[:1]))
    with pytest.raises(SurgeryError, match="has 1 blobs, but with bias it has 2"):
        residual(net, weights, tmp_path / "out")
