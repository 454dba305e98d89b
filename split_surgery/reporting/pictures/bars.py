"""Scores: a bar for each kernel of a layer, fast and slow, and one for the entropy of each layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from split_surgery.reporting.pictures.style import FAINT, FAST, PAPER, SLOW, Hint, Picture, short, style

_MOST_NAMED = 72
"""Kernels whose channels are written below their bars."""


@dataclass(frozen=True)
class RankedScores:
    """The kernels of a layer as they are ranked: channel, score, and whether it is fast.

    Attributes:
        measure: in words, also whether it is a TPM.
    """

    layer: str
    measure: str
    kernels: tuple[tuple[int, float, bool], ...]


def score_bars(layers: Sequence[RankedScores], entropies: Sequence[tuple[str, float]] = ()) -> Picture:
    """A panel for each layer's kernels, and one for the entropies by layer, if there are any."""
    rows = 0.24 * max(len(entropies), 2) + 0.7 if entropies else 0.0
    heights = [2.3] * len(layers) + [rows] * bool(entropies)
    with style():
        figure = Figure(figsize=(8.0, sum(heights) + 0.1), layout="constrained")
        grid = figure.subplots(len(heights), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
        hints = [hint for at, scores in enumerate(layers) for hint in _kernels(grid[at], scores, at)]
        if entropies:
            hints += _entropies(grid[-1], entropies)
    parts = [f"the scores of the kernels of {scores.layer}, {_sizes(scores)}" for scores in layers]
    parts += ["the entropy of each layer's scores"] * bool(entropies)
    return Picture("tpm", "; ".join(parts), figure, hints=tuple(hints))


def _sizes(scores: RankedScores) -> str:
    fast = sum(fast for _, _, fast in scores.kernels)
    return f"{fast} fast and {len(scores.kernels) - fast} slow"


def _kernels(axes: Axes, scores: RankedScores, panel: int) -> list[Hint]:
    """The bars of a layer, and what each says under the pointer."""
    hints: list[Hint] = []
    axes.set_title(f"{short(scores.layer)}: {_sizes(scores)}, by {short(scores.measure)}")
    named = len(scores.kernels) <= _MOST_NAMED  # gaps between narrower bars would make stripes of their own
    for fast in (True, False):
        places = [(at, score) for at, (_, score, is_fast) in enumerate(scores.kernels) if is_fast == fast]
        bars = axes.bar(
            [at for at, _ in places], [score for _, score in places], width=0.84 if named else 1.0,
            color=FAST if fast else SLOW, hatch=None if fast else "////", edgecolor=PAPER, linewidth=0,
        )  # fmt: skip
        for (at, score), bar in zip(places, bars):
            bar.set_gid(f"bar-{panel}-{at}")
            word = "fast" if fast else "slow"
            hints.append(Hint(bar.get_gid(), f"channel {scores.kernels[at][0]}, {word}: {score:.6g}"))
    patches = [Patch(facecolor=FAST, label="fast"), Patch(facecolor=SLOW, hatch="////", edgecolor=PAPER, label="slow")]
    axes.legend(handles=patches, loc="lower left", bbox_to_anchor=(0.86, 1.0), ncols=2, frameon=False, borderaxespad=0.1,
                columnspacing=1.0, handlelength=1.2)  # fmt: skip
    axes.set_xlim(-0.7, len(scores.kernels) - 0.3)
    axes.grid(False, axis="x")
    axes.set_ylabel("score")
    if named:
        turned = 90 if len(scores.kernels) > 40 else 0
        texts = [str(channel) for channel, _, _ in scores.kernels]
        axes.set_xticks(range(len(texts)), texts, fontsize=7 if turned else 8, rotation=turned)
        axes.tick_params(axis="x", length=0)
        axes.set_xlabel("channel, in the order of the ranking")
    else:
        axes.set_xlabel("kernels, in the order of the ranking")
    return hints


def _entropies(axes: Axes, entropies: Sequence[tuple[str, float]]) -> list[Hint]:
    axes.set_title("entropy of the scores over ten bins")
    names, values = [short(name, 32) for name, _ in entropies], [value for _, value in entropies]
    bars = axes.barh(range(len(values)), values, height=0.7, color=FAINT)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    axes.set_xlim(0, math.log(10))
    axes.set_xlabel("entropy, of at most ln 10 = 2.303")
    for at, value in enumerate(values):
        axes.annotate(f"{value:.2f}", (value, at), (3, 0), textcoords="offset points", va="center", fontsize=8)
    for at, bar in enumerate(bars):
        bar.set_gid(f"entropy-{at}")
    return [Hint(f"entropy-{at}", f"{name}: {value:.4f}") for at, (name, value) in enumerate(entropies)]
