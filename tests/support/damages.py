"""Ways to damage the directory of a split, and which verb finds each.

docs/verdicts.md shows this list; tests/verification/test_damages.py holds both the verbs and the page to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.support.damaged_dirs import NET, Dir
from tests.support.nets import tiny_state


@dataclass(frozen=True)
class Damage:
    """One way.

    Attributes:
        name: as the page says it.
        act: what does it.
        codes: exit codes of verify, verify --trained, diff, apply --check and apply --check without WEIGHTS.
        only: the recipes that it applies to; all where there are none.
    """

    name: str
    act: Callable[[Dir], object]
    codes: tuple[int, int, int, int, int]
    only: tuple[str, ...] = ()


def block(role: str) -> str:
    return f"conv1_1_{role}"


def bit(name: str, blob: int = 0, at: int = 0) -> Callable[[Dir], object]:
    """The lowest bit of one number."""

    def change(array: np.ndarray) -> None:
        array.reshape(-1).view("<u4")[at] ^= 1

    return lambda d: d.numbers(name, blob, change)


def value(name: str, number: float) -> Callable[[Dir], object]:
    return lambda d: d.numbers(name, 0, lambda array: array.reshape(-1).__setitem__(5, number))


def reorder_permuted(array: np.ndarray) -> None:
    array[[0, 1]] = array[[1, 0]]


def zero_sign(array: np.ndarray) -> None:
    array.reshape(-1)[np.flatnonzero(array == 0)[0]] = -0.0


def text(name: str, old: str, new: str) -> Callable[[Dir], object]:
    return lambda d: d.layer(name, lambda whole: whole.replace(old, new, 1))


def after(name: str, more: str) -> Callable[[Dir], object]:
    return lambda d: d.layer(name, lambda whole: f"{whole}\n{more}")


def exchanged(first: str, second: str) -> Callable[[str], str]:
    return lambda whole: whole.replace(first, "\0").replace(second, first).replace("\0", second)


def records(edit: Callable[..., object]) -> Callable[[Dir], object]:
    return lambda d: d.weights(edit)


def exchange_names(layers, _net) -> None:
    one, other = layers[block("split1")], layers[block("split2")]
    one.name, other.name = other.name, one.name


def exchange_numbers(layers, _net) -> None:
    one, other = layers[block("split1")], layers[block("split2")]
    for a, b in zip(one.blobs, other.blobs):
        first, second = list(a.data), list(b.data)
        a.data[:], b.data[:] = second, first


def as_doubles(layers, _net) -> None:
    blob = layers["ip"].blobs[0]
    blob.double_data.extend(list(blob.data))
    del blob.data[:]


def shape(name: str, *dims: int) -> Callable[[Dir], object]:
    return records(lambda layers, _net: layers[name].blobs[0].shape.dim.__setitem__(slice(None), dims))


def plan(old: str, new: str) -> Callable[[Dir], object]:
    return lambda d: d.text(old, new, "split.yaml")


def channels_exchanged(d: Dir) -> None:
    path = d.path / "split.yaml"
    path.write_text(exchanged("fast_channels", "slow_channels")(path.read_text()))
    lines = path.read_text().splitlines(keepends=True)
    at = [index for index, line in enumerate(lines) if "_channels" in line]
    lines[at[0]], lines[at[1]] = lines[at[1]], lines[at[0]]
    path.write_text("".join(lines))


def channel_twice(d: Dir) -> None:
    path = d.path / "split.yaml"
    path.write_text(
        re.sub(
            r"fast_channels: (.*)(\n\s*)slow_channels: .*", r"fast_channels: \1\2slow_channels: \1", path.read_text()
        )
    )


def recipe_changed(d: Dir) -> None:
    """A recipe of which the names of the new layers do not say that it is another: none has the same."""
    path = d.path / "split.yaml"
    head, word, tail = path.read_text().partition("recipe: ")
    recipe, _, tail = tail.partition("\n")
    path.write_text(f"{head}{word}{'skip' if recipe != 'skip' else 'residual'}\n{tail}")


def score_changed(d: Dir) -> None:
    path = d.path / "split.yaml"
    head, scores, tail = path.read_text().partition("scores: [")
    path.write_text(head + scores + "9" + tail)


def digest_changed(which: str) -> Callable[[Dir], object]:
    def act(d: Dir) -> None:
        path = d.path / "split.yaml"
        head, word, tail = path.read_text().partition(f"{which}: ")
        assert word
        path.write_text(head + word + ("0" if tail[0] != "0" else "1") + tail[1:])

    return act


def cut(size: int | None = None) -> Callable[[Dir], object]:
    """The weights file cut: one byte, or all but so many."""

    def act(d: Dir) -> None:
        path = d.path / "net.caffemodel"
        path.write_bytes(path.read_bytes()[: -1 if size is None else size])

    return act


def without(file: str) -> Callable[[Dir], object]:
    return lambda d: (d.path / file).unlink()


def instead(file: str, data: Callable[[Dir], bytes]) -> Callable[[Dir], object]:
    return lambda d: (d.path / file).write_bytes(data(d))


PAGE = b"<!DOCTYPE html><html><title>404</title></html>\n"


def relu(top: str) -> str:
    return f'layer {{ name: "extra" type: "ReLU" bottom: "{top}" top: "{top}" }}'


POWER = 'layer { name: "extra" type: "Power" bottom: "ip" top: "extra" }'
OTHER = NET.replace("conv1_1", "conv_a").replace("num_output: 6", "num_output: 8")


def bottoms(name: str) -> Callable[[Dir], object]:
    """The two bottoms of a layer exchanged."""
    return lambda d: d.layer(name, lambda whole: re.sub(r'(bottom: ".*?")(\s+)(bottom: ".*?")', r"\3\2\1", whole))


def after_top(name: str, more: str) -> Callable[[Dir], object]:
    return lambda d: d.layer(name, lambda whole: re.sub(r'top: ".*?"', lambda top: f"{top[0]} {more}", whole, count=1))


def blob_renamed(d: Dir) -> None:
    path = d.path / "net.prototxt"
    path.write_text(re.sub('(bottom|top): "conv1_2"', r'\1: "b"', path.read_text()))


def reorder_dropped(d: Dir) -> None:
    d.layer(block("reorder"), lambda whole: "")
    d.layer(block("concat"), lambda whole: whole.replace(f'top: "{block("concat")}"', 'top: "conv1_1"'))


WEIGHTS = (
    Damage("one bit of a weight of split1", bit(block("split1")), (1, 0, 1, 1, 0)),
    Damage("one bit of the bias of split1", bit(block("split1"), 1), (1, 0, 1, 1, 0)),
    Damage("one bit of a weight of split2", bit(block("split2")), (1, 0, 1, 1, 0)),
    Damage("one bit of residual_pre", bit(block("split2_residual_pre")), (1, 0, 1, 1, 0), ("residual",)),
    Damage("one bit of residual_post", bit(block("split2_residual_post")), (1, 0, 1, 1, 0), ("residual",)),
    Damage("one bit of the extension", bit(block("split2_extension")), (1, 0, 1, 1, 0), ("extension",)),
    Damage("one bit of the skip path", bit(block("split2_skip")), (1, 0, 1, 1, 0), ("skip",)),
    Damage("one bit of reorder", bit(block("reorder")), (1, 0, 1, 1, 0)),
    Damage("one bit of a layer that was not split", bit("conv1_2", at=7), (1, 0, 1, 1, 0)),
    Damage("one bit of a bias of a layer that was not split", bit("ip", 1), (1, 0, 1, 1, 0)),
    Damage("the sign of a zero", lambda d: d.numbers(block("reorder"), 1, zero_sign), (1, 0, 1, 1, 0)),
    Damage("two rows of reorder exchanged", lambda d: d.numbers(block("reorder"), 0, reorder_permuted), (1, 0, 1, 1, 0)),
    Damage("NaN in split2", value(block("split2"), np.nan), (1, 1, 1, 1, 0)),
    Damage("infinity in reorder", value(block("reorder"), np.inf), (1, 1, 1, 1, 0)),
    Damage("NaN in a layer that was not split", value("ip", np.nan), (1, 1, 1, 1, 0)),
    Damage("the numbers of split1 and split2 exchanged", records(exchange_numbers), (1, 0, 1, 1, 0)),
    Damage("the names of the records of split1 and split2 exchanged", records(exchange_names), (1, 0, 1, 1, 0)),
    Damage("numbers stored as doubles", records(as_doubles), (1, 0, 1, 1, 0)),
    Damage("a bias left out of a record", records(lambda layers, _: layers[block("split1")].blobs.pop()), (1, 1, 1, 1, 0)),
    Damage("a blob too many in a record",
           records(lambda layers, _: layers["ip"].blobs.add().CopyFrom(layers["ip"].blobs[1])), (1, 1, 1, 1, 0)),
    Damage("a number too few in a blob", records(lambda layers, _: layers["ip"].blobs[0].data.pop()), (1, 1, 3, 1, 0)),
    Damage("the axes of a blob exchanged", shape("ip", 384, 4), (1, 1, 1, 1, 0)),
    Damage("the same numbers in another shape in split1", shape(block("split1"), 3, 27), (1, 1, 1, 1, 0)),
    Damage("a record of split2 dropped", records(lambda layers, net: net.layer.remove(layers[block("split2")])), (1, 1, 1, 1, 0)),
    Damage("a record of another layer dropped", records(lambda layers, net: net.layer.remove(layers["conv1_2"])), (1, 1, 1, 1, 0)),
    Damage("a record twice", records(lambda layers, net: net.layer.add().CopyFrom(layers["ip"])), (0, 0, 1, 1, 0)),
    Damage("a record renamed", records(lambda layers, _: setattr(layers["ip"], "name", "ip_")), (1, 1, 1, 1, 0)),
    Damage("another type in a record", records(lambda layers, _: setattr(layers["ip"], "type", "Scale")), (1, 0, 1, 1, 0)),
    Damage("another bottom in a record",
           records(lambda layers, _: layers["ip"].bottom.__setitem__(0, "conv1_1")), (1, 0, 1, 1, 0)),
    Damage("a record that no layer takes",
           records(lambda layers, net: net.layer.add(name="stale").blobs.add().CopyFrom(layers["ip"].blobs[1])), (0, 0, 1, 1, 0)),
    Damage("the weights file one byte short", cut(), (3, 3, 3, 1, 0)),
    Damage("the weights file cut in half", cut(3000), (3, 3, 3, 1, 0)),
    Damage("the weights file empty", cut(0), (3, 3, 3, 1, 0)),
    Damage("the weights file missing", without("net.caffemodel"), (3, 3, 1, 1, 0)),
    Damage("a web page in place of the weights", instead("net.caffemodel", lambda d: PAGE), (3, 3, 3, 1, 0)),
    Damage("the baseline's weights in place of the derived ones",
           instead("net.caffemodel", lambda d: d.files.model.read_bytes()), (1, 1, 1, 1, 0)),
)  # fmt: skip

TEXT = (
    Damage("another pad in split1", text(block("split1"), "pad: 1", "pad: 0"), (1, 1, 1, 1, 1)),
    Damage("another stride in split2", text(block("split2"), "pad: 1", "pad: 1 stride: 2"), (1, 1, 1, 1, 1)),
    Damage("another dilation in split1, and the pad for it", text(block("split1"), "pad: 1", "pad: 2 dilation: 2"), (1, 1, 1, 1, 1)),
    Damage("another kernel_size in split2, and the pad for it",
           text(block("split2"), "kernel_size: 3\n    pad: 1", "kernel_size: 5\n    pad: 2"), (1, 1, 1, 1, 1)),
    Damage("groups in split1", text(block("split1"), "pad: 1", "pad: 1 group: 3"), (1, 1, 1, 1, 1)),
    Damage("another num_output in split2", text(block("split2"), "num_output: 3", "num_output: 4"), (1, 1, 1, 1, 1)),
    Damage("no bias in reorder", text(block("reorder"), "kernel_size", "bias_term: false kernel_size"), (1, 1, 1, 1, 1)),
    Damage("another pad in a layer that was not split", text("conv1_2", "pad: 1", "pad: 2"), (1, 1, 1, 1, 1)),
    Damage("another stride in a layer that was not split", text("conv1_2", "pad: 1", "pad: 1 stride: 2"), (1, 1, 1, 1, 1)),
    Damage("groups in a layer that was not split", text("conv1_2", "pad: 1", "pad: 1 group: 2"), (1, 1, 1, 1, 1)),
    Damage("another num_output in a layer that was not split", text("ip", "num_output: 4", "num_output: 5"), (1, 1, 1, 1, 1)),
    Damage("another coefficient of a sum", text("join", "coeff: -1", "coeff: 1"), (1, 1, 1, 1, 1)),
    Damage("another dropout", text("drop", 'top: "join"', 'top: "join" dropout_param { dropout_ratio: 0.4 }'), (1, 1, 1, 1, 1)),
    Damage("the bottoms of concat exchanged", bottoms(block("concat")), (1, 1, 1, 1, 1)),
    Damage("the bottoms of the sum in the block exchanged", bottoms(block("split2_residual_sum")), (1, 1, 1, 1, 1), ("residual",)),
    Damage("the bottoms of a layer that was not split exchanged", bottoms("join"), (1, 1, 1, 1, 1)),
    Damage("concat along another axis", text(block("concat"), "axis: 1", "axis: 2"), (1, 1, 1, 1, 1)),
    Damage("a bottom that nothing makes", text("ip", '"join"', '"joint"'), (1, 1, 1, 1, 1)),
    Damage("a bottom that is another blob", text("ip", '"join"', '"conv1_2"'), (1, 1, 1, 1, 1)),
    Damage("a bottom in the block that is another blob", text(block("reorder"), block("concat"), block("split1")), (1, 1, 1, 1, 1)),
    Damage("a blob renamed in all layers that make or read it", blob_renamed, (1, 1, 1, 1, 1)),
    Damage("a layer renamed", text("relu1_2", '"relu1_2"', '"other"'), (1, 1, 1, 1, 1)),
    Damage("a layer with weights renamed", text("ip", '"ip"', '"other"'), (1, 1, 1, 1, 1)),
    Damage("a layer of the block renamed", text(block("split1"), f'name: "{block("split1")}"', 'name: "other"'), (1, 1, 1, 1, 1)),
    Damage("a layer of another type", text("relu1_2", "ReLU", "Sigmoid"), (1, 1, 1, 1, 1)),
    Damage("a ReLU dropped", lambda d: d.layer("relu1_2", lambda whole: ""), (1, 1, 1, 1, 1)),
    Damage("reorder dropped, its top made by concat", reorder_dropped, (1, 1, 1, 1, 1)),
    Damage("a layer twice", lambda d: d.layer("relu1_2", lambda whole: f"{whole}\n{whole}"), (1, 1, 1, 1, 1)),
    Damage("split1 twice", lambda d: d.layer(block("split1"), lambda whole: f"{whole}\n{whole}"), (1, 1, 1, 1, 1)),
    Damage("a layer added that nothing reads", after("prob", POWER), (1, 1, 1, 1, 1)),
    Damage("a layer moved to where it computes something else", lambda d: d.move("relu1_1", "prob"), (1, 1, 1, 1, 1)),
    Damage("a layer moved to where it reads what is not made yet", lambda d: d.move("join", "conv1_2"), (1, 1, 1, 1, 1)),
    Damage("split2 set before split1", lambda d: d.move(block("split2"), block("split1")), (1, 1, 1, 1, 1)),
    Damage("a ReLU in place between split2 and its readers", after(block("split2"), relu(block("split2"))), (1, 1, 1, 1, 1)),
    Damage("a ReLU in place between concat and reorder", after(block("concat"), relu(block("concat"))), (1, 1, 1, 1, 1)),
    Damage("a ReLU in place on the input", after("data", relu("data")), (1, 1, 1, 1, 1)),
    Damage("a Dropout in place after reorder", after(block("reorder"), relu("conv1_1").replace("ReLU", "Dropout")), (1, 1, 1, 1, 1)),
    Damage("another lr_mult of a layer that was not split", text("conv1_2", "lr_mult: 1", "lr_mult: 0"), (1, 1, 1, 1, 1)),
    Damage("another lr_mult of split1", text(block("split1"), "lr_mult: 1", "lr_mult: 0"), (1, 1, 1, 1, 1)),
    Damage("another decay_mult of a layer that was not split", text("conv1_2", "decay_mult: 0", "decay_mult: 1"), (1, 1, 1, 1, 1)),
    Damage("another decay_mult of split2", text(block("split2"), "decay_mult: 1", "decay_mult: 0"), (1, 1, 1, 1, 1)),
    Damage("the name of a parameter, which ties two layers",
           lambda d: [text(block(one), "param {", 'param { name: "tie"')(d) for one in ("split1", "split2")], (1, 1, 1, 1, 1)),
    Damage("another weight_filler in split1", text(block("split1"), "xavier", "msra"), (1, 1, 1, 1, 1)),
    Damage("another weight_filler in a layer that was not split", text("conv1_2", "xavier", "msra"), (1, 1, 1, 1, 1)),
    Damage("another engine in split2", text(block("split2"), "pad: 1", "pad: 1 engine: CAFFE"), (1, 1, 1, 1, 1)),
    Damage("a loss_weight", text("ip", 'top: "ip"', 'top: "ip" loss_weight: 1'), (1, 1, 1, 1, 1)),
    Damage("a phase: split1 when training only", after_top(block("split1"), "include { phase: TRAIN }"), (1, 1, 1, 1, 1)),
    Damage("another phase", text("prob", "TEST", "TRAIN"), (1, 1, 1, 1, 1)),
    Damage("another size of the input", text("data", "dim: 8 dim: 8", "dim: 8 dim: 9"), (1, 1, 1, 1, 1)),
    Damage("another number of images", text("data", "dim: 1", "dim: 2"), (1, 1, 1, 1, 1)),
    Damage("another name of the net", lambda d: d.text('"whole"', '"hole"'), (1, 1, 1, 1, 1)),
    Damage("force_backward", lambda d: d.text('name: "whole"', 'name: "whole" force_backward: true'), (1, 1, 1, 1, 1)),
    Damage("a comment removed", lambda d: d.text("# images\n", ""), (0, 0, 0, 1, 1)),
    Damage("other line endings", instead("net.prototxt", lambda d: (d.path / "net.prototxt").read_bytes().replace(b"\n", b"\r\n")),
           (0, 0, 0, 1, 1)),
    Damage("a number spelled otherwise", text("conv1_2", "pad: 1", "pad: 0x1"), (0, 0, 0, 1, 1)),
    Damage("the baseline's net in place of the derived one",
           instead("net.prototxt", lambda d: d.files.net.read_bytes()), (1, 1, 1, 1, 1)),
    Damage("another net in place of the derived one", instead("net.prototxt", lambda d: OTHER.encode()), (1, 1, 1, 1, 1)),
    Damage("net.prototxt without its last brace", lambda d: d.layer("prob", lambda whole: whole[:-1]), (3, 3, 3, 1, 1)),
    Damage("net.prototxt empty", instead("net.prototxt", lambda d: b""), (3, 3, 1, 1, 1)),
    Damage("net.prototxt missing", without("net.prototxt"), (3, 3, 3, 1, 1)),
)  # fmt: skip

PLAN = (
    Damage("fast and slow channels exchanged", channels_exchanged, (1, 0, 1, 1, 0)),
    Damage("a channel both fast and slow", channel_twice, (3, 3, 1, 3, 3)),
    Damage("a score changed", score_changed, (0, 0, 1, 0, 0)),
    Damage("the measure changed", plan("measure: norm", "measure: ratio"), (0, 0, 1, 0, 0)),
    Damage("the noise changed", plan("noise: 0.01", "noise: 0.02"), (1, 0, 1, 1, 0)),
    Damage("the seed of the noise changed", plan("seed: 0", "seed: 1"), (1, 0, 1, 1, 0)),
    Damage("the name of a new layer changed", plan("split1: split1", "split1: fast"), (1, 1, 1, 1, 1)),
    Damage("another recipe", recipe_changed, (3, 3, 1, 3, 3)),
    Damage("another layer", plan("layer: conv1_1", "layer: conv1_2"), (0, 0, 1, 3, 1)),
    Damage("the SHA-256 of the prototxt changed", digest_changed("sha256"), (0, 0, 1, 3, 3)),
    Damage("the SHA-256 of the record changed", digest_changed("record_sha256"), (0, 0, 1, 3, 0)),
    Damage("the size of the prototxt changed", plan("bytes: 1", "bytes: 2"), (0, 0, 1, 0, 0)),
    Damage("the size of the weights changed", plan("bytes: 8", "bytes: 9"), (0, 0, 1, 3, 0)),
    Damage("a comment in split.yaml changed", plan("# How", "# Why"), (0, 0, 0, 1, 1)),
    Damage("split.yaml that is no YAML", plan("layers:", "layers: ["), (3, 3, 3, 3, 3)),
    Damage("split.yaml of a later format", plan("format: 1", "format: 2"), (3, 3, 1, 3, 3)),
    Damage("split.yaml empty", instead("split.yaml", lambda d: b""), (3, 3, 1, 2, 2)),
    Damage("split.yaml missing", without("split.yaml"), (0, 0, 1, 3, 3)),
)  # fmt: skip

OTHERS = (
    Damage("the deploy net edited", lambda d: d.text("pad: 1", "pad: 0", "deploy.prototxt"), (0, 0, 1, 1, 1)),
    Damage("the deploy net missing", without("deploy.prototxt"), (0, 0, 1, 1, 1)),
    Damage("the solver's rate changed", lambda d: d.text("0.01", "0.02", "solver.prototxt"), (0, 0, 1, 1, 1)),
    Damage("the solver names another net", lambda d: d.text("/net.prototxt", "/../base.prototxt", "solver.prototxt"), (0, 0, 1, 1, 1)),
    Damage("the solver's snapshots go elsewhere", lambda d: d.text("/base", "/other", "solver.prototxt"), (0, 0, 1, 1, 1)),
    Damage("the solver missing", without("solver.prototxt"), (0, 0, 1, 1, 1)),
    Damage("a solver state of another run", instead("net.solverstate", lambda d: tiny_state()), (0, 0, 1, 1, 0)),
)  # fmt: skip

DAMAGES = {"net.caffemodel": WEIGHTS, "net.prototxt": TEXT, "split.yaml": PLAN, "Other files": OTHERS}
"""By the file that is damaged."""


def page_tables() -> str:
    """The list as docs/verdicts.md shows it."""
    lines = []
    for file, damages in DAMAGES.items():
        heading = file if " " in file else f"`{file}`"
        lines += [
            f"### {heading}",
            "",
            "| damage | `verify` | `verify --trained` | `diff` | `apply --check` | without WEIGHTS |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        for damage in damages:
            only = f" ({', '.join(damage.only)} only)" if damage.only else ""
            cells = " | ".join(f"**{code}**" if code else "passes" for code in damage.codes)
            lines.append(f"| {damage.name}{only} | {cells} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    print(page_tables())
