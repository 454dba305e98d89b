"""The fixtures, and cases made of them with random weights."""

from __future__ import annotations

from pathlib import Path

from split_surgery.documents.net.net import Net
from split_surgery.documents.prototxt import Document
from tests.support.nets import (
    TINY,
    net_of,
    random_weights,
    write_tiny,
)
from tests.support.paths import FIXTURES

EVERY_FIXTURE = sorted(FIXTURES.glob("*.prototxt"))


def siamese(tmp_path, fixture="shared_parameters"):
    """Two layers that share parameters by name, in files."""
    text = (FIXTURES / f"{fixture}.prototxt").read_text()
    net, weights = write_tiny(tmp_path, text)
    weights.write_bytes(random_weights(Net(Document(text.encode(), "net"))))
    return net, weights


def fixture_net(path: Path, folder: Path) -> tuple[Net, Path]:
    """A fixture, and random weights for its convolutions in a file."""
    net = net_of(path)
    weights = folder / "w.caffemodel"
    weights.write_bytes(random_weights(net, v1=any(layer.v1 for layer in net.layers)))
    return net, weights


def options_for(path: Path, recipe: str) -> dict[str, str]:
    """The options without which a fixture's split is refused."""
    return {"even_center": "both"} if path.stem == "even_kernel" and recipe == "residual" else {}


INSIDE = (FIXTURES / "train_and_test_net_in_solver.prototxt").read_text()
"""A solver that holds its train net and its test net."""


def solver_case(tmp_path, text):
    """A solver of this text with nets in it, and weights for them, in files."""
    solver = tmp_path / "solver.prototxt"
    solver.write_text(text)
    weights = tmp_path / "base.caffemodel"
    weights.write_bytes(random_weights(Net(Document(TINY.encode(), "net"))))
    return solver, weights


def fixture(name: str) -> bytes:
    """A fixture's text."""
    return (FIXTURES / f"{name}.prototxt").read_bytes()
