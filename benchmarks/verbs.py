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
        page: whether to write a page of the split, too. check: whether to measure --diff and --check, too.
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
    yield "rank", lambda: program("rank", net, weights)
    if page:
        yield "report", lambda: program("report", out, "-o", folder / "page.html")
