"""Surgery by chance on a small random net: split, split again, trained (random numbers), folded; each step asserts what must hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from split_surgery import extension, fold, residual, skip, verify
from split_surgery.errors import Unsupported, UsageError
from tests.support.caffe_proto import message_class
from tests.support.linear_nets import conv, inner_product, model_of, relu, write_net
from tests.support.nets import net_of

RECIPES = {"residual": residual, "extension": extension, "skip": skip}

IMAGE = (1, 4, 9, 9)


@dataclass(frozen=True)
class Split:
    """How one layer is split."""

    recipe: str
    fast: str
    noise: float
    seed: int

    @classmethod
    def drawn(cls, random: Random) -> Split:
        noise = random.choice((0.0, 0.01, 0.2))
        return cls(random.choice(list(RECIPES)), random.choice(("1", "25%", "50%")), noise, random.randrange(100))


def random_net(folder: Path, random: Random) -> tuple[Path, Path]:
    """A net of two convolutions and an inner product, of random geometry and numbers."""
    text, shapes, bottom, channels, size = "", {}, "data", IMAGE[1], IMAGE[2]
    text = f'name: "random"\ninput: "data"\ninput_shape {{ {" ".join(f"dim: {n}" for n in IMAGE)} }}\n'
    for name in ("c1", "c2"):
        count, kernel, stride = random.choice((2, 4, 6)), random.choice((1, 2, 3)), random.choice((1, 1, 2))
        group = random.choice((1, 1, 2)) if count > 2 else 1
        dilation, bias = random.choice((1, 1, 2)), random.random() < 0.7
        pad = dilation * (kernel // 2)
        text += conv(
            name, bottom, num_output=count, kernel_size=kernel, stride=stride, pad=pad, group=group, dilation=dilation,
            bias_term=str(bias).lower(),
        ) + relu(name)  # fmt: skip
        shapes[name] = [(count, channels // group, kernel, kernel)] + [(count,)] * bias
        bottom, channels, size = name, count, (size + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
    text += inner_product("ip", bottom, 3)
    shapes["ip"] = [(3, channels * size * size), (3,)]
    return write_net(folder, text, model_of(text, shapes, random.randrange(1000)))


class Surgery:
    """A net, what has been made of it, and the laws that hold at each step.

    Attributes:
        net, weights: the newest. splits: how many it has. trained: whether its numbers have changed since it was split.
    """

    def __init__(self, folder: Path, random: Random) -> None:
        self.folder = folder
        self.base = self.net, self.weights = random_net(folder, random)
        self.splits = self.steps = self.folds = 0
        self.trained = False

    def layers(self) -> list[str]:
        """The convolutions with kernels enough for two groups."""
        found = [(layer.name, layer.geometry()) for layer in net_of(self.net).convolutions()]
        return [name for name, geometry in found if geometry.num_output >= 2 * geometry.group]

    def split(self, layer: str, how: Split) -> bool:
        """Split a layer of those there are, whoever made it; False where its geometry has no such split."""
        out = self._place()
        more = {} if how.recipe == "extension" else {"even_center": "low"}
        try:
            RECIPES[how.recipe](
                self.net, self.weights, out, layer=layer, fast=how.fast, noise=how.noise, seed=how.seed, **more
            )
        except (Unsupported, UsageError) as error:
            # The one thing that is wrong with these options now and then: as many fast kernels as the layer has groups.
            assert isinstance(error, Unsupported) or "groups, which must have equally many" in error.message, error
            assert not out.exists()
            return False
        proof = verify(self.net, self.weights, out)
        assert proof.exit_code == 0, str(proof)
        self.net, self.weights = out / "net.prototxt", out / "net.caffemodel"
        self.splits += 1
        return True

    def train(self, seed: int) -> None:
        """Other numbers in every blob, in a snapshot beside the net."""
        draw, model = np.random.RandomState(seed), message_class("NetParameter")()
        model.ParseFromString(self.weights.read_bytes())
        for layer in model.layer:
            for blob in layer.blobs:
                numbers = np.asarray(blob.data, np.float32)
                blob.data[:] = (numbers + 0.1 * draw.standard_normal(numbers.shape)).astype(np.float32).tolist()
        self.steps += 1
        self.weights = self.net.with_name(f"random_iter_{self.steps}.caffemodel")
        self.weights.write_bytes(model.SerializeToString())
        self.trained = self.splits > 0

    def fold(self) -> tuple[Path, Path]:
        """The newest net with its splits put back: the baseline's layers and sizes. fold itself sends an image through both."""
        out = self._place()
        report = fold(
            self.net, self.weights, out, allow_larger=True
        )  # of a grouped layer that training mixed, by some numbers
        assert report.left == ()
        folded = out / "net.prototxt", out / "net.caffemodel"
        base, there = (net_of(net).layers for net in (self.base[0], folded[0]))
        assert [(layer.name, layer.type, layer.bottoms, layer.tops) for layer in there] == [
            (layer.name, layer.type, layer.bottoms, layer.tops) for layer in base
        ]
        groups = {one.name: one.geometry().group for one in net_of(self.base[0]).convolutions()}
        for name, (weight, *others) in sizes(self.base[1]).items():
            # A reorder layer that was trained or split again mixes groups: then one layer of all channels stands for the grouped one.
            allowed = [weight, (weight[0], weight[1] * groups.get(name, 1), *weight[2:])]
            there_weight, *there_others = sizes(folded[1])[name]
            assert there_weight in allowed
            assert there_others == others
        proof = verify(self.net, self.weights, folded)
        assert proof.exit_code == 0, str(proof)
        self.folds += 1
        return folded

    def _place(self) -> Path:
        self.steps += 1
        return self.folder / f"step{self.steps}"


def sizes(weights: Path) -> dict[str, list[tuple[int, ...]]]:
    """The shapes of the blobs of each layer that has some."""
    model = message_class("NetParameter")()
    model.ParseFromString(weights.read_bytes())
    return {layer.name: [tuple(blob.shape.dim) for blob in layer.blobs] for layer in model.layer if layer.blobs}
