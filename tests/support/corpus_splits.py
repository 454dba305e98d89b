"""Both splits on real nets: the first convolution of each file that can be split, with random weights of the right shape.

`python -m tests.support.corpus_splits` prints how many were done, and how many refused for which reason.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from split_surgery import extension, fold, residual, verify
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.parameters import sharing
from split_surgery.documents.net.shapes import infer
from split_surgery.documents.net.splittable import check_splittable
from split_surgery.documents.prototxt import Document
from split_surgery.errors import SurgeryError
from tests.support.nets import conv_arrays, read_weights, weights
from tests.support.paths import CORPUS

VERBS = (residual, extension)


def reason(error: SurgeryError) -> str:
    """An error's message without names and numbers, so that equal reasons count together."""
    assert error.exit_code in (2, 3), error
    text = re.sub(r'"[^"]*"|\S*\.prototxt\S*|\d+', "_", error.message)
    return text[:90]


def first_splittable(net: Net):
    """The names of the first convolution that can be split and of those that share its parameters, or why there is none."""
    why = "no Convolution in it"
    for layer in net.convolutions():
        try:
            names = sharing(net, layer.name)
            for name in names:
                for twin in net.twins(name):
                    check_splittable(twin)
        except SurgeryError as error:
            why = reason(error)
            continue
        return names
    return why


def channels_to_a_group(net: Net, layer) -> int:
    """How many channels each group of a convolution reads, as the prototxt says; 3 where it does not."""
    for state in net.states():
        for shaped in infer(net, state):
            bottom = shaped.bottoms[0] if shaped.layer is layer else None
            if bottom is not None and len(bottom) == 4 and bottom[1]:
                return bottom[1] // layer.geometry().group
    return 3


def random_model(net: Net, names: list[str]) -> bytes:
    """A weights file of these layers alone: random, equal where parameters are shared; 3 channels to a group where the file does not
    say how many there are."""
    drawn, records = {}, []
    for name in names:
        layer = net.named(name)[0]
        geometry = layer.geometry()
        width = channels_to_a_group(net, layer)
        arrays = conv_arrays(geometry.num_output, width, *geometry.kernel, bias=geometry.bias_term, seed=1 + len(drawn))
        texts = {index: text for index, text, _ in layer.param_names()}
        arrays = [drawn.setdefault(texts.get(index, (name, index)), array) for index, array in enumerate(arrays)]
        param = {"num_output": geometry.num_output}
        records.append((name, "Convolution", list(layer.bottoms), list(layer.tops), arrays, param))
    return weights(records, v1=net.layers[0].v1)


def split_file(path: Path, folder: Path, *verbs: Callable[..., Any], folds: bool = True) -> list[str]:
    """What became of one file: done, refused with the reason. Anything else is an assertion.

    Args:
        verbs: how it is split.
        folds: whether each split is folded again.
    """
    data = path.read_bytes()
    try:
        net = Net(Document(data, path.name))
    except SurgeryError as error:
        return [f"not a net that is read: {reason(error)}"]
    found = first_splittable(net)
    if isinstance(found, str):
        return [f"nothing to split: {found}"]
    model, counts = folder / "w.caffemodel", []
    model.write_bytes(random_model(net, found))
    # What a run without --layer takes is what most users see; it is named only where the net's first convolution cannot be split.
    first = "conv1_1" if net.named("conv1_1") else net.convolutions()[0].name
    named = {} if first == found[0] else {"layer": found[0]}
    for verb in verbs:
        out = folder / verb.__name__
        try:
            done = verb(path, model, out, **named, noise=0, as_path="derived")
        except SurgeryError as error:
            counts.append(f"{verb.__name__} refused: {reason(error)}")
            continue
        assert done.layer.layer == found[0], path.name
        if not net.inside_solver:
            text = (out / "net.prototxt").read_bytes()
            split = [layer.span for name in found for layer in net.named(name)]
            assert text.startswith(data[: min(span.start for span in split)])
            assert text.endswith(data[max(span.stop for span in split) :].partition(b"\n")[2])
        report = verify(path, model, out)
        # All other layers are unfilled: the weights hold the split layers only.
        wrong = [p for p in report.problems if ": unfilled:" not in p and ": unknown:" not in p]
        if wrong:  # what Caffe would stop at in the file itself: some are broken, or a fork's
            own = [one.replace(path.name, "net.prototxt") for one in verify(path, model).problems]
            wrong = [problem for problem in wrong if problem not in own]
        assert not wrong, f"{path.name}: {wrong}"
        assert all(block.exact for block in report.blocks) or verb is residual, path.name
        assert {block.layer for block in report.blocks} == set(found)
        if folds:
            folded_again(net, data, model, out, verb is extension, found)
        counts.append(f"{verb.__name__} done")
    return counts


def folded_again(net: Net, data: bytes, model: bytes, out: Path, exact: bool, names: list[str]) -> None:
    """The split undone: the prototxt byte for byte, and after a noise-free extension the weights bit for bit."""
    given = out / ("solver.prototxt" if net.inside_solver else "net.prototxt")
    report = fold(given, out / "net.caffemodel", out / "folded")
    assert sorted(region.layer for region in report.regions) == sorted(names), report.left
    assert not report.left
    if not net.inside_solver:
        assert (out / "folded" / "net.prototxt").read_bytes() == data
    back, was = (read_weights(path.read_bytes()) for path in (out / "folded" / "net.caffemodel", model))
    assert list(back) == list(was)
    for name in was:
        same = all(a.tobytes() == b.tobytes() for a, b in zip(back[name][1], was[name][1]))
        assert same or not exact
    assert fold(out / "folded" / given.name, out / "folded" / "net.caffemodel", out / "twice").regions == ()
    for file in (given.name, "net.caffemodel"):
        assert file == "solver.prototxt" or (out / "twice" / file).read_bytes() == (out / "folded" / file).read_bytes()


def main(root: Path) -> None:
    counts: Counter[str] = Counter()
    for path in sorted(path for path in root.rglob("*") if path.is_file() and path.suffix != ".md"):
        with tempfile.TemporaryDirectory() as folder:
            try:
                counts.update(split_file(path, Path(folder), *VERBS))
            except Exception as error:
                counts["FAILED"] += 1
                print(f"FAILED {path}: {type(error).__name__}: {error}")
    for what, count in counts.most_common():
        print(f"{count:5} {what}")
    print(f"{counts['FAILED']:5} failed")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else CORPUS)
