"""Pairs of a net and its weights for verdicts beside real Caffe's: derived nets, folds, new heads, V1, HDF5, saved or printed again.

They are collected first; then pycaffe makes the files that it is to make and judges all pairs, in one process.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from split_surgery import diff, extension, fold, residual, skip, verify
from tests.support.caffe_proto import message_class
from tests.support.linear_nets import EVERYTHING, layer, model_of
from tests.support.nets import read_weights
from tests.support.run_caffe import asked
from tests.support.verdict_nets import SPLIT_NETS

Files = tuple[Path, Path]
"""A prototxt and weights."""

DAMAGES = (
    "drop empty short extra_number both doubles extra_blob lost_blob one_axis_more turned legacy twice renamed"
).split()
"""Those of tests/support/caffe_oracle.py."""

TEXTS = (
    ("larger images", r"dim: 8(\s+\w*dim: )8", r"dim: 8\g<1>9"), ("one channel", r"dim: 4(\s+\w*dim: 8)", r"dim: 1\1"),
    ("another number of outputs", r"num_output: 3", "num_output: 4"), ("another kernel", "kernel_size: 3\n", "kernel_size: 5\n"),
    ("a bottom that is not there", r'bottom: "data"', 'bottom: "daat"'), ("groups", "pad: 1\n", "pad: 1 group: 4\n"),
    ("a group that does not divide", "pad: 1\n", "pad: 1 group: 3\n"),
    ("no bias", "kernel_size: 1\n", "kernel_size: 1 bias_term: false\n"),
    ("another stride", "pad: 1\n", "pad: 1 stride: 2\n"), ("another name", r'name: "conv1_1_split2"', 'name: "other"'),
    ("another number of classes", r"num_output: 5", "num_output: 7"), ("another padding", "pad: 1\n", "pad: 2\n"),
    ("a param too many", r"(param \{ lr_mult: \d \})", r"\1 \1 \1"), ("a field twice", "num_output: 6", "num_output: 6 num_output: 6"),
    ("a message twice", r"eltwise_param \{", "eltwise_param { } eltwise_param {"),
)  # fmt: skip
"""Edits of a net's text: what, a pattern, and what its first match becomes."""

COMPUTING = (
    ("another padding of a layer that was not split", r'(top: "conv2"[^}]*)pad: 1', r"\1pad: 0"),
    ("another coefficient", "coeff: -0.5", "coeff: 0.5"),
    ("another non-linearity", r'type: ("ReLU"|"Sigmoid")', 'type: "TanH"'),
    ("a ReLU in place in the block", r'(?s)(layer \{\s*name: "conv1_1_concat")',
     r'layer { name: "more" type: "ReLU" bottom: "conv1_1_split2" top: "conv1_1_split2" }\n\1'),
    ("the bottoms of concat exchanged", r'bottom: "conv1_1_split1"(\s+)bottom: "(\w+)"(\s+top: "conv1_1_concat")',
     r'bottom: "\2"\1bottom: "conv1_1_split1"\3'),
    ("a dilation in the block", "pad: 1\n", "pad: 2 dilation: 2\n"),
    ("a layer that reads another blob", r'bottom: "sum"', 'bottom: "conv2"'),
)  # fmt: skip
"""Edits with which a net computes something else, or nothing."""

EXACT, OTHER = 1e-5, 1e-3
"""Outputs differ by rounding only, or for another reason: no pair may lie between."""


@dataclass(frozen=True)
class Pair:
    """A pair of files.

    Attributes:
        ours: whether verify passes it. like: another pair.
        equal: whether passing means that it computes what `like` does.
        inherited: whether it may leave unfilled what `like` does.
    """

    family: str
    what: str
    files: Files
    ours: Callable[[], bool]
    like: Files | None = None
    equal: bool = False
    inherited: bool = False

    def theirs(self, answer: dict[str, Any] | None) -> bool:
        """What Caffe's answer says."""
        if answer is None or set(answer["unfilled"]) - (set(answer["of_like"]) if self.inherited else set()):
            return False
        if not self.equal:
            return True
        difference = answer["difference"]
        assert difference is None or difference <= EXACT or difference >= OTHER, (self, difference)
        return difference is not None and difference <= EXACT


@dataclass
class Table:
    """Pairs, and the tasks for pycaffe that make their files. `turn` goes round, so that each pair is damaged otherwise."""

    caffe: tuple[Path, Path]
    folder: Path
    tasks: list[dict[str, object]] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    turn: Iterator[int] = field(default_factory=itertools.count)

    def path(self, name: str) -> Path:
        return self.folder / name

    def task(self, do: str, **arguments: object) -> None:
        self.tasks.append({"do": do, **arguments})

    def done(self) -> list[Any]:
        """The answers to the tasks so far."""
        answers = asked(self.caffe, "caffe_pairs.py", self.tasks)
        failed = [task for answer, task in zip(answers, self.tasks) if answer is None and task["do"] != "judge"]
        assert not failed, failed
        self.tasks = []
        return answers

    def judged(self) -> list[bool]:
        """Whether Caffe takes each pair."""
        for pair in self.pairs:
            net, model = pair.files
            self.task("judge", net=net, model=model, like=pair.like)
        return [pair.theirs(answer) for pair, answer in zip(self.pairs, self.done()[-len(self.pairs) :])]

    def add(
        self, family: str, what: str, files: Files, ours: Callable[[], bool], like: Files | None = None, **more: bool
    ) -> None:
        self.pairs.append(Pair(family, what, files, ours, like, **more))

    def base(self, name: str, text: str, model: bytes | None = None) -> Files:
        """A net in a file; its weights are given, or pycaffe's to make."""
        found = self.path(f"{name}.prototxt"), self.path(f"{name}.caffemodel")
        found[0].write_text(text)
        if model is None:
            self.task("fill", net=found[0], model=found[1], seed=0)
        else:
            found[1].write_bytes(model)
        return found

    def fits(self, family: str, what: str, net: Path, model: Path) -> None:
        """A pair of which is asked: does this weights file fit this prototxt?"""
        self.add(family, what, (net, model), lambda: passes(net, model))

    def trained(self, family: str, what: str, base: Files, files: Files) -> None:
        self.add(family, what, files, lambda: passes(*base, files, trained=True))

    def same(self, family: str, what: str, base: Files, files: Files, max_drift: float | None = None) -> None:
        """A pair of which verify says that it computes what its baseline does."""
        self.add(family, what, files, lambda: equals(base, files, max_drift), base, equal=True)

    def damaged(self, family: str, base: Files | None, files: Files, names: Sequence[str], count: int) -> None:
        """The weights damaged, of one layer each."""
        net, model = files
        for at in itertools.islice(self.turn, count):
            how, layer = DAMAGES[at % len(DAMAGES)], names[at // 2 % len(names)]
            to = model.with_name(f"{model.stem}_{how}_{layer}.caffemodel")
            self.task("damage", model=model, how=how, layer=layer, to=to)
            what = f"{model.stem}: {how} of {layer}"
            if base is None:
                self.fits(family, what, net, to)
            else:
                self.trained(family, what, base, (net, to))

    def retexted(self, family: str, files: Files, count: int) -> None:
        """The text edited otherwise than the weights."""
        text = files[0].read_text()
        for at in itertools.islice(self.turn, count):
            what, old, new = TEXTS[at % len(TEXTS)]
            if re.search(old, text):
                path = files[0].with_name(f"{files[1].stem}_text_{at}.prototxt")
                path.write_text(re.sub(old, new, text, count=1))
                self.fits(family, f"{files[1].stem}: {what}", path, files[1])

    def again(self, family: str, what: str, base: Files, files: Files, ours: Callable[[], bool]) -> None:
        """Files written again by another program: as before in every respect."""
        self.add(family, what, files, lambda: passes(*base, files) and ours(), base, equal=True)


def passes(*arguments: Any, **options: Any) -> bool:
    from split_surgery.errors import SurgeryError

    try:
        return verify(*arguments, **options).exit_code == 0
    except SurgeryError:
        return False


def equals(base: Files, files: Files, max_drift: float | None) -> bool:
    """Whether verify passes, and says that every block equals what it stands for."""
    from split_surgery.errors import SurgeryError

    try:
        report = verify(*base, files, max_drift=max_drift)
    except SurgeryError:
        return False
    return report.exit_code == 0 and all(block.sound for block in report.blocks)


def with_blobs(model: Path) -> list[str]:
    return [name for name, (_, arrays) in read_weights(model.read_bytes()).items() if arrays]


def negated(model: Path, name: str, to: Path) -> Path:
    """A weights file with the numbers of one record's first blob negated."""
    net = message_class("NetParameter")()
    net.ParseFromString(model.read_bytes())
    record = next(one for one in [*net.layer, *net.layers] if one.name == name)
    record.blobs[0].data[:] = [-number for number in record.blobs[0].data]
    to.write_bytes(net.SerializeToString())
    return to


def splits(table: Table) -> None:
    """Splits of every recipe: as written, trained, saved and printed again, damaged, folded."""
    bases = {name: table.base(name.replace(" ", "_"), text) for name, text in SPLIT_NETS.items()}
    table.done()
    for (name, base), verb in itertools.product(bases.items(), (residual, extension, skip)):
        family, out = f"{verb.__name__} of {name}", table.path(f"{name}_{verb.__name__}".replace(" ", "_"))
        verb(*base, out)
        files, names = (out / "net.prototxt", out / "net.caffemodel"), with_blobs(out / "net.caffemodel")
        table.add(family, "as written", files, lambda base=base, out=out: passes(*base, out))
        trained, saved, as_hdf5 = (
            out.with_name(f"{out.name}_{word}") for word in ("t.caffemodel", "s.caffemodel", "h.caffemodel.h5")
        )
        printed = out.with_name(f"{out.name}_p.prototxt")
        table.task("fill", net=files[0], model=trained, seed=9)
        table.trained(family, "trained", base, (files[0], trained))
        table.task("save", net=files[0], model=files[1], to=saved)
        table.task("save", net=files[0], model=files[1], to=as_hdf5)
        table.task("print", net=files[0], to=printed)
        for what, other in (("saved again", saved), ("saved as HDF5", as_hdf5)):
            same = lambda a=files[1], b=other: diff(a, b).equal  # noqa: E731
            table.again(family, what, files, (files[0], other), same)
            table.add(
                family,
                f"{what}, beside the baseline",
                (files[0], other),
                lambda b=base, f=(files[0], other): passes(*b, f),
            )
        table.again(family, "printed again", files, (printed, files[1]), lambda a=files[0], b=printed: diff(a, b).equal)
        table.damaged(family, base, (files[0], trained), names, 5)
        table.retexted(family, (files[0], trained), 3)


def exact_splits(table: Table) -> None:
    """Extensions without noise, whole and with other numbers or another text, and folds of trained splits."""
    bases = {name: table.base(f"exact_{name}", text) for name, text in SPLIT_NETS.items()}
    table.done()
    trained = {}
    for name, base in bases.items():
        verb, out = (residual, skip)[len(trained) % 2], table.path(f"exact_{name}_trained")
        verb(*base, out)
        trained[name] = out / "net.prototxt", out / "run_iter_7.caffemodel"
        table.task("fill", net=out / "net.prototxt", model=trained[name][1], seed=3)
    table.done()
    for name, base in bases.items():
        out = table.path(f"exact_{name}_out")
        extension(*base, out, noise=0)
        files, family = (out / "net.prototxt", out / "net.caffemodel"), f"exact {name}"
        table.same(family, "as written", base, files, max_drift=0)
        for record in with_blobs(files[1]):
            other = negated(files[1], record, out.with_name(f"{out.name}_{record}.caffemodel"))
            table.same(family, f"{record} negated", base, (files[0], other), max_drift=0)
        _edited(table, family, base, files, 0)
    for name, files in trained.items():
        _folded(table, f"fold of {name}", files, f"exact_{name}_folded")


def _edited(table: Table, family: str, base: Files, files: Files, max_drift: float | None) -> None:
    text = files[0].read_text()
    for at, (what, old, new) in enumerate(COMPUTING):
        if re.search(old, text):
            other = table.path(f"{files[0].parent.name}_{at}.prototxt")
            other.write_text(re.sub(old, new, text, count=1))
            table.same(family, what, base, (other, files[1]), max_drift)


def _folded(table: Table, family: str, given: Files, name: str, **options: Any) -> None:
    """A fold, whole and with other numbers or another text."""
    out = table.path(name)
    fold(*given, out, **options)
    files = out / "net.prototxt", out / "net.caffemodel"
    table.same(family, f"{name} as written", given, files)
    for record in with_blobs(files[1]):
        other = negated(files[1], record, table.path(f"{name}_{record}.caffemodel"))
        table.same(family, f"{name}: {record} negated", given, (files[0], other))
    _edited(table, family, given, files, None)


def folds(table: Table) -> None:
    """Every linear region folded, of nets with batch statistics."""
    text = EVERYTHING.replace(
        layer("soft", "Softmax", "ip6", "soft"), ""
    )  # a saturated output would hide what is before it
    assert text != EVERYTHING
    everything = table.base("everything", text, model_of(text))
    normalised = table.base("bn", SPLIT_NETS["normalised"])
    table.done()
    for name, base in (("everything", everything), ("bn", normalised)):
        table.fits("batch statistics", f"{name} as it is", *base)
        table.damaged("batch statistics", None, base, with_blobs(base[1]), 8)
        _folded(table, "fold --all", base, f"{name}_folded", all=True, phase="test")


HEADS = (
    ("renamed", '"ip"', '"head"'), ("renamed, of another size", '"ip"([^}]*num_output: )5', r'"head"\g<1>9'),
    ("of another size", "num_output: 5", "num_output: 9"),
    ("like a detector's", r"\Z", """
layer { name: "loc" type: "Convolution" bottom: "sum" top: "loc" convolution_param { num_output: 8 kernel_size: 3 pad: 1 } }
layer { name: "conf" type: "Convolution" bottom: "sum" top: "conf" convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
layer { name: "loc_flat" type: "Flatten" bottom: "loc" top: "loc_flat" }
layer { name: "conf_flat" type: "Flatten" bottom: "conf" top: "conf_flat" }
layer { name: "mbox" type: "Concat" bottom: "loc_flat" bottom: "conf_flat" top: "mbox" concat_param { axis: 1 } }
"""),
    ("for training only", r"\Z", """
layer { name: "aux" type: "InnerProduct" bottom: "sum" top: "aux" inner_product_param { num_output: 3 } include { phase: TRAIN } }
"""),
)  # fmt: skip


def heads(table: Table) -> None:
    """Nets with new last layers, for which the weights have nothing: alone, split, and split before the head was new."""
    bases = {name: table.base(f"heads_{name}", SPLIT_NETS[name]) for name in ("plain", "grouped", "normalised")}
    table.done()
    for name, base in bases.items():
        text, whole_dir = SPLIT_NETS[name], table.path(f"heads_{name}_split")
        residual(*base, whole_dir)
        for at, (what, old, new) in enumerate(HEADS):
            edited, family = re.sub(old, new, text), "new heads"
            assert edited != text
            net = table.path(f"heads_{name}_{at}.prototxt")
            net.write_text(edited)
            what = f"{name}, {what}"
            table.fits(family, what, net, base[1])
            if what.endswith(", of another size") and "head" not in edited:
                continue  # Caffe stops at the baseline, too
            verb, out = (residual, extension, skip)[at % 3], table.path(f"heads_{name}_{at}")
            verb(net, base[1], out)
            files, given = (out / "net.prototxt", out / "net.caffemodel"), (net, base[1])
            ours = lambda given=given, out=out: passes(*given, out)  # noqa: E731
            table.add(family, f"{what}, split by {verb.__name__}", files, ours, given, inherited=True)
            lost = out.with_name(f"{out.name}_lost.caffemodel")
            table.task("damage", model=files[1], how="drop", layer="conv1_1_split2", to=lost)
            ours = lambda given=given, files=(files[0], lost): passes(*given, files, trained=True)  # noqa: E731
            table.add(family, f"{what}, and split2 lost", (files[0], lost), ours, given, inherited=True)
            whole = out.with_name(f"{out.name}_whole.caffemodel")
            table.task("fill", net=files[0], model=whole, seed=2)
            ours = lambda given=given, files=(files[0], whole): passes(*given, files, trained=True)  # noqa: E731
            table.add(family, f"{what}, split and trained", (files[0], whole), ours, given, inherited=True)
            headless = table.path(f"heads_{name}_{at}_derived.prototxt")
            headless.write_text(re.sub(old, new, (whole_dir / "net.prototxt").read_text()))
            table.trained(family, f"{what}, in the derived net only", base, (headless, whole_dir / "net.caffemodel"))
