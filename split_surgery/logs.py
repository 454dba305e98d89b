"""Caffe's logs: what a training said of itself, whichever version wrote it, whole, cut off, appended to or grepped.

Understood are the lines of BVLC Caffe rc2 to 1.0 and of NVIDIA's fork, with glog's head (`I0213 23:02:27.650948 26554
solver.cpp:408] `) and before it, where grep put one, the name of a file. Lines that say nothing of the training are skipped, and
counted where they have not even that head; memory is bounded by LIMIT points a curve.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

LIMIT = 20_000
"""Points kept of one curve; beyond them neighbours are averaged two by two."""

LONGEST = 4096
"""Bytes of a line that are looked at: a log may hold anything, also a line without an end."""

_HEAD = re.compile(
    rb"(?:(?P<file>\S.*?)(?P<mark>[:-])(?:\d+(?P=mark))?)?[IWEF](?:\d{4})?(?P<month>\d\d)(?P<day>\d\d) "
    rb"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d(?:\.\d+)?)\s+\d+ [^\s:\]]+:\d+\] (?P<said>.*)"
)
_ITERATION = re.compile(rb"\s*(?:\[[\d.]+\]\s*)?Iteration (\d+)\b(.*)")
_TESTING = re.compile(rb", Testing net \(#(\d+)\)")
_LOSS = re.compile(rb"[, ]loss = ([^\s,]+)")
_RATE = re.compile(rb", lr = ([^\s,]+)")
_OUTPUT = re.compile(rb"\s*(Test|Train) net output #\d+: (.+?) = ([^\s,]+)")
_DAYS_BEFORE = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
DAY, YEAR = 86400.0, 365 * 86400.0


@dataclass
class Curve:
    """Values over iterations; an iteration is -1 where the log does not say it, as after grep.

    Attributes:
        every: how many values each point is the mean of.
        count: values in all. first, last: of those. best, lowest: the largest and the smallest, each with its iteration.
    """

    iterations: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))
    every: int = 1
    count: int = 0
    first: float = math.nan
    last: float = math.nan
    best: tuple[float, int] = (-math.inf, -1)
    lowest: tuple[float, int] = (math.inf, -1)
    _sum: float = 0.0

    def add(self, iteration: int, value: float) -> None:
        """One more value."""
        self.first = self.first if self.count else value
        self.last = value
        self.count += 1
        self.best = max(self.best, (value, iteration), key=lambda pair: pair[0])
        self.lowest = min(self.lowest, (value, iteration), key=lambda pair: pair[0])
        self._sum += value
        if self.count % self.every:
            return
        self.iterations.append(iteration)
        self.values.append(self._sum / self.every)
        self._sum = 0.0
        if len(self.values) == LIMIT:
            self.iterations = self.iterations[1::2]
            self.values = array("d", ((a + b) / 2 for a, b in zip(self.values[::2], self.values[1::2])))
            self.every *= 2


@dataclass
class Log:
    """What one log says.

    Attributes:
        name: its file's, or the one that grep put before its lines.
        tests: by test net and output, the curve of what was tested. train: by output; `loss` and `lr` are the solver's own.
        iterations: the last that was named, -1 for none. runs: how often it began (it may have been appended to).
        done: whether the training came to its end. seconds: from the first line to the last. skipped: lines without a head.
    """

    name: str
    tests: dict[tuple[int, str], Curve] = field(default_factory=dict)
    train: dict[str, Curve] = field(default_factory=dict)
    iterations: int = -1
    runs: int = 1
    done: bool = False
    seconds: float = 0.0
    skipped: int = 0
    _iteration: int = -1
    _testing: tuple[int, int] = (-1, 0)
    _clock: float = -1.0

    def read(self, match: re.Match[bytes]) -> None:
        """One line, as _HEAD has parted it."""
        self._tick(match)
        said = match["said"]
        if b"Optimization Done" in said:
            self.done = True
        output = _OUTPUT.match(said)
        number = _number(output[3]) if output is not None else None
        if output is not None and number is not None:
            name = output[2].decode("utf-8", "replace")
            if output[1] == b"Test":
                self.tests.setdefault((self._testing[1], name), Curve()).add(self._testing[0], number)
            else:
                self.train.setdefault(f"output {name}", Curve()).add(self._iteration, number)
            return
        found = _ITERATION.match(said)
        if found is not None:
            self._at(int(found[1][:18]), found[2])

    def _at(self, iteration: int, rest: bytes) -> None:
        if iteration < self._iteration:
            self.runs += 1
            self.done = False
        self._iteration = iteration
        self.iterations = max(self.iterations, iteration)
        testing = _TESTING.match(rest)
        if testing is not None:
            self._testing = (iteration, int(testing[1][:9]))
            return
        for name, pattern in (("loss", _LOSS), ("lr", _RATE)):
            value = pattern.search(rest)
            number = _number(value[1]) if value is not None else None
            if number is not None:
                self.train.setdefault(name, Curve()).add(iteration, number)

    def _tick(self, match: re.Match[bytes]) -> None:
        """Add the time since the line before; glog says no year, and time that runs back is a new year or another run."""
        month, day = min(max(int(match["month"]), 1), 12), int(match["day"])
        clock = (_DAYS_BEFORE[month - 1] + day) * DAY
        clock += int(match["hour"]) * 3600 + int(match["minute"]) * 60 + float(match["second"])
        if self._clock >= 0:
            passed = clock - self._clock
            self.seconds += passed if passed >= 0 else passed + YEAR if passed < -YEAR / 2 else 0.0
        self._clock = clock


def read_logs(lines: Iterable[bytes], name: str) -> list[Log]:
    """The logs in some lines: one, or where grep has put names of files before them one for each, in the order they are met.

    Args:
        lines: with or without line endings, of any length. name: of the log whose lines have none of their own.
    """
    found: dict[str, Log] = {}
    skipped = 0
    for line in lines:
        match = _HEAD.match(line[:LONGEST].rstrip(b"\r\n"))
        if match is None:
            skipped += bool(line.strip())
            continue
        own = match["file"].decode("utf-8", "replace") if match["file"] is not None else name
        if own not in found:
            found[own] = Log(own)
        found[own].read(match)
    if not found:
        found[name] = Log(name)
    next(iter(found.values())).skipped = skipped
    return list(found.values())


def _number(text: bytes) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
