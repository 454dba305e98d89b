"""The values of one output over the iterations of a training, in bounded memory."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field

LIMIT = 20_000
"""Points kept of one curve; beyond them neighbours are averaged two by two."""


@dataclass(slots=True)
class Curve:
    """Values over iterations; an iteration is -1 where the log does not say it, as after grep.

    Attributes:
        every: how many values each point is the mean of.
        count: values in all. first, last: of those. highest, lowest: the largest and the smallest, each with its iteration.
        begin: the iteration of the first.
    """

    iterations: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))
    every: int = 1
    count: int = 0
    first: float = math.nan
    last: float = math.nan
    begin: int = -1
    highest: tuple[float, int] = (-math.inf, -1)
    lowest: tuple[float, int] = (math.inf, -1)
    _sum: float = 0.0

    def add(self, iteration: int, value: float) -> None:
        """One more value."""
        if not self.count:
            self.first, self.begin = value, iteration
        self.last = value
        self.count += 1
        if value > self.highest[0]:
            self.highest = (value, iteration)
        if value < self.lowest[0]:
            self.lowest = (value, iteration)
        if self.every > 1:
            self._sum += value
            if self.count % self.every:
                return
            value, self._sum = self._sum / self.every, 0.0
        self.iterations.append(iteration)
        self.values.append(value)
        if len(self.values) >= LIMIT:
            self.iterations = self.iterations[1::2]
            self.values = array("d", ((a + b) / 2 for a, b in zip(self.values[::2], self.values[1::2])))
            self.every *= 2

    def forget_iterations(self) -> None:
        """Keep the values, and say of none of them at which iteration it was met."""
        self.iterations = array("q", [-1]) * len(self.iterations)
        self.begin, self.highest, self.lowest = -1, (self.highest[0], -1), (self.lowest[0], -1)
