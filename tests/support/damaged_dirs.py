"""A net, the directories that splits make of it, and the means to damage them: what tests/support/damages.py is written in."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from split_surgery import apply, diff, extension, residual, skip, verify
from split_surgery.documents.net.net import Net
from split_surgery.documents.prototxt import Document
from split_surgery.errors import SurgeryError
from tests.support.caffe_proto import message_class
from tests.support.nets import weights

NET = """\
name: "whole"
# images
layer {
  name: "data"
  type: "Input"
  top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } }
}
# to be split
layer {
  name: "conv1_1"
  type: "Convolution"
  bottom: "data"
  top: "conv1_1"
  param { lr_mult: 1 decay_mult: 1 }
  param { lr_mult: 2 decay_mult: 0 }
  convolution_param {
    num_output: 6
    kernel_size: 3
    pad: 1
    weight_filler { type: "xavier" }
    bias_filler { type: "constant" value: 0.1 }
  }
}
layer {
  name: "relu1_1"
  type: "ReLU"
  bottom: "conv1_1"
  top: "conv1_1"
}
layer {
  name: "conv1_2"  # left as it is
  type: "Convolution"
  bottom: "conv1_1"
  top: "conv1_2"
  param { lr_mult: 1 decay_mult: 1 }
  param { lr_mult: 2 decay_mult: 0 }
  convolution_param {
    num_output: 6
    kernel_size: 3
    pad: 1
    weight_filler { type: "xavier" }
  }
}
layer {
  name: "relu1_2"
  type: "ReLU"
  bottom: "conv1_2"
  top: "conv1_2"
}
layer {
  name: "join"
  type: "Eltwise"
  bottom: "conv1_1"
  bottom: "conv1_2"
  top: "join"
  eltwise_param { operation: SUM coeff: 1 coeff: -1 }
}
layer {
  name: "drop"
  type: "Dropout"
  bottom: "join"
  top: "join"
}
layer {
  name: "ip"
  type: "InnerProduct"
  bottom: "join"
  top: "ip"
  inner_product_param { num_output: 4 }
}
layer {
  name: "prob"
  type: "Softmax"
  bottom: "ip"
  top: "prob"
  include { phase: TEST }
}
"""

SOLVER = 'net: "base.prototxt"\nbase_lr: 0.01\nlr_policy: "fixed"\nmax_iter: 10\nsnapshot_prefix: "base"\n'

RECIPES = {"residual": residual, "extension": extension, "skip": skip}


def trained_weights() -> bytes:
    """Numbers for every blob of NET."""
    draw = np.random.RandomState(4)

    def row(name: str, kind: str, bottoms: Sequence[str], *shapes: tuple[int, ...]):
        return (name, kind, list(bottoms), [name], [draw.standard_normal(s).astype(np.float32) for s in shapes], None)

    return weights([
        row("conv1_1", "Convolution", ["data"], (6, 3, 3, 3), (6,)),
        row("conv1_2", "Convolution", ["conv1_1"], (6, 6, 3, 3), (6,)),
        row("ip", "InnerProduct", ["join"], (4, 384), (4,)),
    ])  # fmt: skip


@dataclass(frozen=True)
class Files:
    """A baseline in a folder: its net, weights, deploy net and solver."""

    net: Path
    model: Path
    deploy: Path
    solver: Path

    def split(self, recipe: str, folder: Path) -> Path:
        """The directory that the split of a recipe writes."""
        RECIPES[recipe](self.net, self.model, folder, solver=self.solver, also=(self.deploy,))
        return folder


def baseline(folder: Path) -> Files:
    """NET and its like in files."""
    found = Files(*(folder / name for name in ("base.prototxt", "base.caffemodel", "deploy.prototxt", "base_solver")))
    found.net.write_text(NET)
    found.model.write_bytes(trained_weights())
    found.deploy.write_text(NET.replace('name: "whole"', 'name: "deployed"'))
    found.solver.write_text(SOLVER)
    return found


@dataclass(frozen=True)
class Dir:
    """The directory of a split, to be damaged. Each edit must change something, or the damage is none."""

    path: Path
    files: Files

    def text(self, old: str, new: str, file: str = "net.prototxt", count: int = 1) -> None:
        """A piece of a file replaced by another."""
        path = self.path / file
        before = path.read_text()
        path.write_text(before.replace(old, new, count))
        assert path.read_text() != before, f"{file} has no {old!r}"

    def layer(self, name: str, edit: Callable[[str], str]) -> None:
        """The text of one layer edited."""
        path = self.path / "net.prototxt"
        data = path.read_bytes()
        span = Net(Document(data, path.name)).named(name)[0].span
        edited = edit(data[slice(*span)].decode()).encode()
        assert edited != data[slice(*span)], name
        path.write_bytes(data[: span.start] + edited + data[span.stop :])

    def move(self, name: str, before: str) -> None:
        """A layer set before another."""
        taken = []
        self.layer(name, lambda text: taken.append(text) or "")  # type: ignore[func-returns-value]
        self.layer(before, lambda text: f"{taken[0]}\n{text}")

    def weights(self, edit: Callable[[dict[str, Any], Any], object]) -> None:
        """The weights changed through protobuf: `edit` is given the records by name, and the whole."""
        path = self.path / "net.caffemodel"
        before = path.read_bytes()
        net = message_class("NetParameter")()
        net.ParseFromString(before)
        edit({record.name: record for record in net.layer}, net)
        path.write_bytes(net.SerializeToString())
        assert path.read_bytes() != before

    def numbers(self, name: str, blob: int, change: Callable[[Any], object]) -> None:
        """The numbers of a blob changed in place, as a float32 array of its shape."""

        def edit(records: dict[str, Any], _net: Any) -> None:
            stored = records[name].blobs[blob]
            array = np.array(stored.data, "<f4").reshape(tuple(stored.shape.dim))
            change(array)
            stored.data[:] = array.ravel().tolist()

        self.weights(edit)


def codes_of(files: Files, clean: Path, damaged: Path) -> tuple[int, int, int, int, int]:
    """Exit codes on a damaged directory: of verify; of verify --trained, its weights being a snapshot too; of diff from the clean one;
    of apply --check with WEIGHTS, and without."""
    plan, out, written = damaged / "split.yaml", damaged, damaged / "net.caffemodel"
    options: dict[str, Any] = {"solver": files.solver, "also": (files.deploy,), "as_path": str(clean), "check": True}
    found = (
        _code(lambda: verify(files.net, files.model, out)),
        _code(lambda: diff(clean, out)),
        _code(lambda: apply(plan, files.net, files.model, out, **options)),
        _code(lambda: apply(plan, files.net, None, out, **options)),
    )
    snapshot = damaged / "base_iter_10.caffemodel"
    if written.exists():
        shutil.copy(written, snapshot)
    trained = _code(lambda: verify(files.net, files.model, out, trained=True))
    snapshot.unlink(missing_ok=True)
    return (found[0], trained, *found[1:])


def _code(work: Callable[[], Any]) -> int:
    try:
        found = work().exit_code
    except SurgeryError as error:
        return error.exit_code
    assert isinstance(found, int)
    return found
