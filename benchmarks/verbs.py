"""Every verb once in a row on one net, as commands: what both tables measure."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from measure import Run, program

Step = tuple[str, Callable[[], Run]]


def steps(
    folder: Path, net: Path, weights: Path, layer: str, *, page: bool = True, check: bool = False
) -> Iterator[Step]:
    """Verbs by name, in an order in which each finds what it needs; `folder` is emptied before.

    Args:
        page: whether to write a page of the split, too. check: whether to measure --diff and --check, too, and what changes all layers.
    """
    shutil.rmtree(folder, ignore_errors=True)
    out, folded = folder / "split", folder / "folded"
    split = ("residual", net, weights, "--layer", layer, "-o", out)
    yield "split", lambda: program(*split)
    if check:
        yield "split --check", lambda: program(*split, "--check")
        yield "split --diff", lambda: program("extension", *split[1:-1], folder / "other", "--diff")
    yield "fold", lambda: program("fold", out, "-o", folded)
    yield "verify", lambda: program("verify", net, weights, out)
    yield "show", lambda: program("show", weights)
    yield "diff", lambda: program("diff", weights, out / "net.caffemodel", codes=(1,))
    yield "convert", lambda: program("convert", weights, "-o", folder / "half.caffemodel", "--to", "half")
    yield "rename", lambda: program("rename", net, weights, f"{layer}=other", "-o", folder / "renamed")
    yield "extract", lambda: program("extract", weights, "-o", folder / "net.prototxt")
    yield "extract --blob", lambda: program("extract", weights, "--blob", f"{layer}/0", "-o", folder / "blob.npy")
    if check:
        v1, stripped = folder / "v1", folder / "stripped"
        yield (
            "rename --strip-prefix",
            lambda: program("rename", net, weights, "--strip-prefix", layer[0], "-o", stripped),
        )
        yield "convert --to v1", lambda: program("convert", net, weights, "-o", v1, "--to", "v1")
        old = (v1 / "net.prototxt", v1 / "net.caffemodel")
        yield "convert --to new", lambda: program("convert", *old, "-o", folder / "new", "--to", "new")
    yield "rank", lambda: program("rank", net, weights)
    if page:
        yield "report", lambda: program("report", out, "-o", folder / "page.html")


def reshape(folder: Path, net: Path, weights: Path, flag: str, layer: str) -> Step:
    """A layer in another shape; its directory is emptied before."""

    def call() -> Run:
        shutil.rmtree(folder, ignore_errors=True)
        return program("reshape", net, weights, f"--{flag}", layer, "-o", folder)

    return f"reshape --{flag} {layer}", call
