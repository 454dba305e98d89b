"""Directories that stand for NET and WEIGHTS, and a chain of splits with training in between."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from split_surgery import apply, extension, fold, rank, rename, reshape, residual, verify
from split_surgery.documents.source import sha256
from split_surgery.errors import FileError, UsageError
from tests.support.nets import CONV, DATA, TINY, conv_arrays, net_of, random_weights, write_tiny
from tests.support.paths import FIXTURES


def moved(folder: Path, name: str, seed: int) -> None:
    """A snapshot of the directory's net, as a training would leave it."""
    net = net_of(folder / "net.prototxt")
    records = {layer.name for layer in net.convolutions()}
    assert records
    (folder / name).write_bytes(training_of(net, seed))


def training_of(net, seed):
    from tests.support.nets import weights

    widths = {"conv1_1_split2_extension": 3, "conv1_1_reorder": 6}
    rows = []
    for at, layer in enumerate(net.convolutions()):
        g = layer.geometry()
        arrays = conv_arrays(g.num_output, widths.get(layer.name, 3), *g.kernel, seed=100 * seed + at)
        rows.append(
            (layer.name, "Convolution", list(layer.bottoms), list(layer.tops), arrays, {"num_output": g.num_output})
        )
    return weights(rows)


def test_a_directory_stands_for_its_net_and_newest_snapshot(tmp_path):
    net, weights = write_tiny(tmp_path, DATA + CONV)
    weights.write_bytes(random_weights(net_of(net)))
    (tmp_path / "solver.prototxt").write_text('net: "base.prototxt"\n')
    one, two = tmp_path / "derived1", tmp_path / "derived2"
    extension(net, weights, one, solver=tmp_path / "solver.prototxt")
    report = residual(one, None, tmp_path / "untrained", layer="conv1_1_split1")
    assert any("taking net.caffemodel, which is untrained" in warning for warning in report.warnings)
    for iteration in (9, 10, 100):
        moved(one, f"net_iter_{iteration}.caffemodel", iteration)
    report = residual(one, None, two, layer="conv1_1_split2")
    assert "net.caffemodel to net_iter_100.caffemodel" in report.splits[0].evidence, "what the split wrote is the start"
    assert report.plan.weights.name == "net_iter_100.caffemodel"
    assert (two / "solver.prototxt").exists(), "the directory's solver goes along"
    assert verify(one / "net.prototxt", one / "net_iter_100.caffemodel", two).problems == ()
    plan = yaml.safe_load((two / "split.yaml").read_text())
    assert plan["lineage"] == {"depth": 1, "ancestors": [sha256((one / "split.yaml").read_bytes())]}
    third = tmp_path / "derived3"
    extension(two, None, third, layer="conv1_1_split1")
    lineage = yaml.safe_load((third / "split.yaml").read_text())["lineage"]
    ancestors = [*plan["lineage"]["ancestors"], sha256((two / "split.yaml").read_bytes())]
    assert lineage == {"depth": 2, "ancestors": ancestors}
    apply(third / "split.yaml", two, None, tmp_path / "again", as_path=str(third))
    assert (tmp_path / "again" / "split.yaml").read_bytes() == (third / "split.yaml").read_bytes()
    assert (tmp_path / "again" / "net.caffemodel").read_bytes() == (third / "net.caffemodel").read_bytes()


def test_directories_that_do_not_stand_for_a_net(tmp_path):
    net, weights = write_tiny(tmp_path)
    with pytest.raises(FileError, match="not one that a split, a fold or an edit wrote"):
        residual(tmp_path, None, tmp_path / "out")
    with pytest.raises(UsageError, match="WEIGHTS is missing"):
        residual(net, None, tmp_path / "out")
    extension(net, weights, tmp_path / "one")
    for prefix in ("a", "b"):
        moved_file = tmp_path / "one" / f"{prefix}_iter_5.caffemodel"
        moved_file.write_bytes((tmp_path / "one" / "net.caffemodel").read_bytes())
    with pytest.raises(UsageError, match="snapshots of several runs"):
        residual(tmp_path / "one", None, tmp_path / "out", layer="conv1_1_split1")


def test_what_was_edited_stands_for_its_net(tmp_path):
    net, weights = write_tiny(tmp_path)
    (tmp_path / "deploy.prototxt").write_text(TINY)
    rename(net, weights, {"conv1_1": "first"}, tmp_path / "one", also=(tmp_path / "deploy.prototxt",))
    reshape(tmp_path / "one", None, tmp_path / "two", channels="gray")
    assert "dim: 1 dim: 1 dim: 8" in (tmp_path / "two" / "deploy.prototxt").read_text()
    extension(tmp_path / "two", None, tmp_path / "three", layer="first")
    plan = yaml.safe_load((tmp_path / "three" / "split.yaml").read_text())
    assert [file["file"] for file in plan["also"]] == ["deploy.prototxt"]
    assert "lineage" not in plan
    with pytest.raises(UsageError, match="is the directory that is reshaped"):
        reshape(tmp_path / "two", None, tmp_path / "two", channels="color", force=True)


def test_a_net_inside_a_solver_stands_in_its_directory(tmp_path):
    solver = FIXTURES / "net_in_solver.prototxt"
    weights = tmp_path / "w.caffemodel"
    weights.write_bytes(random_weights(net_of(solver)))
    extension(solver, weights, tmp_path / "one", noise=0)
    report = extension(tmp_path / "one", None, tmp_path / "two", layer="conv1_1_split2", noise=0)
    assert "solver.prototxt" in report.files
    text = (tmp_path / "two" / "solver.prototxt").read_bytes()
    assert b'"conv1_1_split2_reorder"' in text


def test_the_deploy_net_goes_along(tmp_path):
    net, weights = write_tiny(tmp_path)
    (tmp_path / "deploy.prototxt").write_text(TINY)
    residual(net, weights, tmp_path / "one", also=(tmp_path / "deploy.prototxt",))
    residual(tmp_path / "one", None, tmp_path / "two", layer="conv1_1_split1")
    assert "conv1_1_split1_split1" in (tmp_path / "two" / "deploy.prototxt").read_text()


@pytest.mark.parametrize("name", ["../deploy.prototxt", "/etc/passwd", "sub/deploy.prototxt", "..", ".", "", "a\0b"])
@pytest.mark.parametrize("key", ["also", "net", "weights"])
def test_a_plan_names_files_in_its_own_directory_only(tmp_path, name, key):
    net, weights = write_tiny(tmp_path)
    (tmp_path / "deploy.prototxt").write_text(TINY)
    residual(net, weights, tmp_path / "one", also=(tmp_path / "deploy.prototxt",))
    plan = yaml.safe_load((tmp_path / "one" / "split.yaml").read_text())
    (plan["also"][0] if key == "also" else plan[key])["file"] = name
    (tmp_path / "one" / "split.yaml").write_text(yaml.safe_dump(plan, sort_keys=False))
    for call in (
        lambda: residual(tmp_path / "one", None, tmp_path / "two", layer="conv1_1_split1"),
        lambda: fold(tmp_path / "one", None, tmp_path / "two"),
        lambda: apply(
            tmp_path / "one" / "split.yaml", net, weights, tmp_path / "two", also=(tmp_path / "deploy.prototxt",)
        ),
    ):
        with pytest.raises(FileError, match=r"split.yaml:\d+:\d+: .* is no plain file name"):
            call()
    assert not (tmp_path / "two").exists()


def test_a_deploy_net_from_before_the_split_is_noticed(tmp_path):
    net, weights = write_tiny(tmp_path)
    deploy, one = tmp_path / "deploy.prototxt", tmp_path / "one"
    deploy.write_text(TINY + "# the deploy net\n")
    residual(net, weights, one, also=(deploy,))
    written = (one / "deploy.prototxt").read_bytes()
    (one / "deploy.prototxt").write_bytes(deploy.read_bytes())
    with pytest.raises(FileError, match="one.deploy.prototxt: is the deploy.prototxt from before the split"):
        residual(one, None, tmp_path / "two", layer="conv1_1_split1")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "deploy.prototxt").write_bytes(written)
    kept = (tmp_path / "kept" / "deploy.prototxt",)
    assert residual(one, None, tmp_path / "two", layer="conv1_1_split1", also=kept).status == "written"


def test_auto_in_a_net_that_was_split_before(tmp_path):
    net, weights = write_tiny(tmp_path, DATA + CONV)
    weights.write_bytes(random_weights(net_of(net)))
    one = tmp_path / "one"
    extension(net, weights, one)
    with pytest.raises(UsageError, match="was split before"):
        residual(one, None, tmp_path / "two")
    for iteration in (10, 20, 30):
        moved(one, f"net_iter_{iteration}.caffemodel", iteration)
    table = rank(one)
    assert {row.layer for row in table.layers} == {"conv1_1_split1", "conv1_1_split2"}, "no 1x1 that the split made"
    report = residual(one, None, tmp_path / "two")
    assert report.layer.layer == table.layers[0].layer
    assert any("chosen by entropy of coherence" in warning for warning in report.warnings)
    both = residual(one, None, tmp_path / "three", layer=("auto:2",))
    assert [split.plan.layer for split in both.splits] == [row.layer for row in table.layers]
    with pytest.raises(UsageError, match="auto:3: there are 2 convolutions"):
        residual(one, None, tmp_path / "four", layer=("auto:3",))
