"""Places for the boxes of a diagram, in rows from the top: Sugiyama's method, with medians in the rows and the least squares
between them."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from split_surgery.errors import UsageError

SWEEPS = 12
"""How often rows are reordered, and then how often boxes are moved; diagrams of nets settle in fewer."""

BESIDE, LANE = 18.0, 10.0
"""Points between two boxes of a row, and the width of an arrow that passes a row."""

_STRAIGHT = 6.0
"""How much more a passing arrow's wish to stay straight weighs than a box's to be in the middle."""


MOST_BOXES, MOST_PASSED = 1500, 6000
"""Boxes, and passings of rows, of a diagram: the largest of the public nets that we know have a third of that."""


@dataclass(frozen=True)
class Places:
    """Where everything is, in points, y downwards.

    Attributes:
        boxes: the middle of each. routes: of each arrow the points that it passes, the boxes' own among them.
        rows: the middle of each row, with its height.
    """

    boxes: tuple[tuple[float, float], ...]
    routes: tuple[tuple[tuple[float, float], ...], ...]
    rows: tuple[tuple[float, float], ...]
    width: float
    height: float


def place(sizes: Sequence[tuple[float, float]], arrows: Sequence[tuple[int, int]], gap: float) -> Places:
    """Boxes of those sizes (width, height), each arrow from a box to a later one, in rows `gap` apart.

    Raises:
        UsageError: there are too many.
    """
    ranks = _ranks(len(sizes), arrows)
    passed = sum(ranks[end] - ranks[start] - 1 for start, end in arrows)
    if passed > MOST_PASSED or len(sizes) > MOST_BOXES:
        raise UsageError(
            f"the diagram has {len(sizes):,} boxes, and {passed:,} arrows to be led past others: it could not be read",
            hint="name the layers to look at with --around",
        )
    widths = [width for width, _ in sizes]
    # An arrow that passes rows has a place of its own in each of them.
    chains: list[list[int]] = []
    level = list(ranks)
    for start, end in arrows:
        chain = [start]
        for rank in range(ranks[start] + 1, ranks[end]):
            chain.append(len(level))
            level.append(rank)
            widths.append(LANE)
        chains.append([*chain, end])
    rows: list[list[int]] = [[] for _ in range(max(level, default=-1) + 1)]
    above: list[list[int]] = [[] for _ in level]
    below: list[list[int]] = [[] for _ in level]
    for at, rank in enumerate(level):
        rows[rank].append(at)
    for a, b in {pair: None for chain in chains for pair in pairwise(chain)}:
        below[a].append(b)
        above[b].append(a)
    rows = _uncrossed(rows, above, below)
    x = _across(rows, above, below, widths)
    heights = [max((sizes[at][1] for at in row if at < len(sizes)), default=0.0) for row in rows]
    middles, y = [], 0.0
    for height in heights:
        middles.append(y + height / 2)
        y += height + gap
    left = min((x[at] - widths[at] / 2 for at in range(len(level))), default=0.0)
    right = max((x[at] + widths[at] / 2 for at in range(len(level))), default=0.0)
    points = [(x[at] - left, middles[level[at]]) for at in range(len(level))]
    return Places(
        tuple(points[: len(sizes)]), tuple(tuple(points[at] for at in chain) for chain in chains),
        tuple(zip(middles, heights)), right - left, max(y - gap, 0.0),
    )  # fmt: skip


def _ranks(count: int, arrows: Sequence[tuple[int, int]]) -> list[int]:
    """The row of each box: below all that it reads; what reads nothing stands just above its first reader."""
    ranks = [0] * count
    for start, end in sorted(arrows):
        ranks[end] = max(ranks[end], ranks[start] + 1)
    sources = set(range(count)) - {end for _, end in arrows}
    for at in sources:
        ranks[at] = min((ranks[end] - 1 for start, end in arrows if start == at), default=0)
    return ranks


def _uncrossed(rows: list[list[int]], above: list[list[int]], below: list[list[int]]) -> list[list[int]]:
    """The rows in an order in which few arrows cross."""
    best, fewest = rows, _crossings(rows, below)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        rows = [list(row) for row in rows]
        for at in range(1, len(rows)) if down else range(len(rows) - 2, -1, -1):
            fixed = {one: place for place, one in enumerate(rows[at - 1 if down else at + 1])}
            own = {one: place for place, one in enumerate(rows[at])}
            rows[at].sort(
                key=lambda one: (_mean([fixed[n] for n in (above if down else below)[one]], own[one]), own[one])
            )
        crossings = _crossings(rows, below)
        if crossings < fewest:
            best, fewest = rows, crossings
    return best


def _mean(numbers: Sequence[float], otherwise: float) -> float:
    return sum(numbers) / len(numbers) if numbers else otherwise


def _crossings(rows: list[list[int]], below: list[list[int]]) -> int:
    found = 0
    for upper, lower in pairwise(rows):
        at = {one: place for place, one in enumerate(lower)}
        ends: list[int] = []  # of all arrows further left, sorted
        for one in upper:
            new = [at[other] for other in below[one]]
            found += sum(len(ends) - bisect_right(ends, end) for end in new)
            for end in new:
                insort(ends, end)
    return found


def _across(rows: list[list[int]], above: list[list[int]], below: list[list[int]], widths: list[float]) -> list[float]:
    """The x of everything: each near the mean of what it is joined to, none on top of another."""
    x = [0.0] * len(widths)
    for row in rows:
        _settle(row, [0.0] * len(row), widths, x)
    for sweep in range(SWEEPS):
        order = rows if sweep % 2 == 0 else rows[::-1]
        for row in order:
            wished = []
            for at in row:
                near = above[at] if sweep % 2 == 0 else below[at]
                near = near or above[at] or below[at]
                wished.append(_mean([x[one] for one in near], x[at]))
            _settle(row, wished, widths, x)
    return x


def _settle(row: list[int], wished: list[float], widths: list[float], x: list[float]) -> None:
    """Put a row where its members wish to be, as near as their widths allow, by least squares (pool adjacent violators)."""
    offsets = [0.0]
    for a, b in pairwise(row):
        offsets.append(offsets[-1] + (widths[a] + widths[b]) / 2 + BESIDE)
    pools: list[
        tuple[float, float, int]
    ] = []  # the sum of the weighted wishes, of their weights, and how many they are
    for at, wish, offset in zip(row, wished, offsets):
        weight = _STRAIGHT if widths[at] == LANE else 1.0
        total, count = weight * (wish - offset), 1
        while pools and pools[-1][0] / pools[-1][1] >= total / weight:
            before, heavy, many = pools.pop()
            total, weight, count = total + before, weight + heavy, count + many
        pools.append((total, weight, count))
    at = 0
    for total, weight, count in pools:
        for _ in range(count):
            x[row[at]] = total / weight + offsets[at]
            at += 1
