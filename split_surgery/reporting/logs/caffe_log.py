"""Caffe's logs: what a training said of itself, whichever version wrote it, whole, cut off, appended to or grepped.

Understood are the lines of BVLC Caffe rc2 to 1.0 and of NVIDIA's fork, with glog's head (`I0213 23:02:27.650948 26554
solver.cpp:408] `) and before it, where grep put one, the name of a file; other things before it (a terminal's colours, the time
that Docker adds) are passed over. From 0.17 on NVIDIA's fork says the device, too, in brackets for the trained net and in
parentheses for the tested one. Lines that say nothing of the training are skipped, and counted where they have not even that head.
Memory is bounded by LIMIT points a curve, MOST_OUTPUTS curves a log and MOST_LOGS logs.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

_Key = TypeVar("_Key", str, tuple[int, str])

LIMIT = 20_000
"""Points kept of one curve; beyond them neighbours are averaged two by two."""

_LONGEST = 4096
"""Bytes of a line that are looked at: a log may hold anything, also a line without an end."""

LONGEST_REASON = 200
"""Bytes kept of what a training died of."""

MOST_LOGS, MOST_OUTPUTS = 10_000, 1_000
"""Logs in one stream and outputs of one log that are kept: a damaged file may name any number."""

_LARGEST = 3.5e38
"""Caffe's numbers are single precision: what is beyond is infinite."""

_HEAD = re.compile(
    rb"(?P<level>[IWEF])(?:\d{4})?(?P<month>\d\d)(?P<day>\d\d) "
    rb"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d(?:\.\d+)?)\s+\d+ [^\s:\]]+:\d+\] (?P<said>.*)"
)
_GREPPED = re.compile(rb"(?P<file>(?=.*[A-Za-z/])[^\s\0][^\0]*?)(?P<mark>[:-])(?:\d+(?P=mark))?")
"""What grep puts before a line: a name and, with -n, the line's number; a time has no letter."""

_WINDOWS = re.compile(rb"([+-]?)(?:(?:1\.#)?(inf|nan|ind|qnan|snan)\b.*)", re.IGNORECASE)
"""Numbers that are none, as C's library on Windows prints them: -nan(ind), 1.#QNAN, 1.#INF."""

_BEGIN, _END, _STOPPED = b"Initializing solver from parameters", b"Optimization Done", b"Optimization stopped early"
_DEVICE = rb"\s*(?:[\[(][\d.]+[\])]\s*)?"
_ITERATION = re.compile(_DEVICE + rb"Iteration (\d+)\b(.*)")
_TESTING = re.compile(rb", Testing net \(#(\d+)\)")
_LOSS = re.compile(rb"[, ]loss = ([^\s,\x1b]+)")
_RATE = re.compile(rb", lr = ([^\s,\x1b]+)")
_OUTPUT = re.compile(_DEVICE + rb"(Test|Train) net output (?:mAP )?#(\d+): (.+?) = ([^\s,\x1b]+)")
_TEST_LOSS = re.compile(rb"Test loss: ([^\s,\x1b]+)")
_DAYS_BEFORE = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
DAY, YEAR = 86400.0, 365 * 86400.0

OUT_OF_ORDER = 60.0
"""Seconds that one line may be before the line above it: threads write as they please. More is another run, or another clock."""


@dataclass
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
        self.highest = max(self.highest, (value, iteration), key=lambda pair: pair[0])
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
class Clock:
    """The time that the runs of a log took. Glog says no year: time that runs back by months is a new one."""

    seconds: float = 0.0
    _now: float = -1.0
    _told: float = 0.0

    def tick(self, match: re.Match[bytes]) -> None:
        """Go on to the time of a line."""
        month, day = min(max(int(match["month"]), 1), 12), int(match["day"])
        now = (_DAYS_BEFORE[month - 1] + day) * DAY
        now += int(match["hour"]) * 3600 + int(match["minute"]) * 60 + float(match["second"])
        passed = now - self._now if self._now >= 0 else 0.0
        passed += YEAR if passed < -YEAR / 2 else 0.0
        if not -OUT_OF_ORDER < passed < 0:
            self.seconds += max(passed, 0.0)
            self._now = now

    def told(self) -> None:
        """The line tells of the training."""
        self._told = self.seconds

    def another_run(self) -> None:
        """A run begins: what has passed since the other one told something was nobody's."""
        self.seconds = self._told


@dataclass
class Log:
    """What one log says.

    Attributes:
        name: its file's, or the one that grep put before its lines.
        tests: by test net and output, the curve of what was tested. Of outputs with several values the first bears the name alone,
            the others are name[1] and so on; "test loss" is the sum of the losses, where the solver asks for it.
        train: by output; `loss` and `lr` are the solver's own.
        begin, iterations: the first and the largest iteration that was named, -1 for none. runs: how often it began (it may have
            been appended to). end: of the last run: "done", "stopped early", "died: " and of what, or "" for none that is told.
        odd: the first value that is no finite number, and its iteration. clock: what the runs took.
        told: whether there is anything of a training in it. skipped: lines without a head.
    """

    name: str
    tests: dict[tuple[int, str], Curve] = field(default_factory=dict)
    train: dict[str, Curve] = field(default_factory=dict)
    begin: int = -1
    iterations: int = -1
    runs: int = 1
    end: str = ""
    odd: tuple[str, int] | None = None
    clock: Clock = field(default_factory=Clock)
    told: bool = False
    skipped: int = 0
    _iteration: int = -1
    _testing: tuple[int, int] = (-1, 0)
    _at: int = -1
    _seen: dict[bytes, int] = field(default_factory=dict)
    _began: bool = False

    def read(self, match: re.Match[bytes]) -> None:
        """One line, as _HEAD has parted it."""
        self.clock.tick(match)
        said = match["said"]
        if _BEGIN in said:
            if self._began or self.end:
                self._again()
        elif self._output(said) or self._solver(said):
            self.told = self._began = True
            self.clock.told()
        elif match["level"] == b"F":
            self.end = "died: " + said[:LONGEST_REASON].decode("utf-8", "replace").strip()

    def _again(self) -> None:
        self.clock.another_run()
        self.runs += 1
        self.end, self._began, self._iteration = "", False, -1

    def _solver(self, said: bytes) -> bool:
        """What the solver says of itself; whether it is understood."""
        if _STOPPED in said:
            self.end = "stopped early"
            return True
        if _END in said:
            self.end = self.end or "done"  # caffe's last words, also after it was stopped
            return True
        loss = _TEST_LOSS.match(said)
        if loss is not None:
            return self._add(self.tests, (self._testing[1], "test loss"), self._testing[0], loss[1])
        found = _ITERATION.match(said)
        if found is None:
            return False
        iteration, rest = int(found[1][:18]), found[2]
        if iteration < self._iteration - 1:  # by one: NVIDIA's fork says the last rate after the loss of the end
            self._again()
        self._iteration = iteration
        self.begin = iteration if self.begin < 0 else self.begin
        self.iterations = max(self.iterations, iteration)
        testing = _TESTING.match(rest)
        if testing is not None:
            self._testing = (iteration, int(testing[1][:9]))
            return True
        for name, pattern in (("loss", _LOSS), ("lr", _RATE)):
            value = pattern.search(rest)
            if value is not None:
                self._add(self.train, name, iteration, value[1])
        return True

    def _output(self, said: bytes) -> bool:
        """A value of one of the nets' outputs; whether it is one."""
        output = _OUTPUT.match(said)
        if output is None:
            return False
        at = int(output[2][:9])
        if at <= self._at or len(self._seen) > MOST_OUTPUTS:
            self._seen.clear()
        self._at = at
        number = self._seen[output[3]] = self._seen.get(output[3], -1) + 1
        name = output[3].decode("utf-8", "replace") + (f"[{number}]" if number else "")
        if output[1] == b"Test":
            return self._add(self.tests, (self._testing[1], name), self._testing[0], output[4])
        return self._add(self.train, f"output {name}", self._iteration, output[4])

    def _add(self, curves: dict[_Key, Curve], key: _Key, iteration: int, text: bytes) -> bool:
        """One more value of a curve; whether the text is a number."""
        odd = _WINDOWS.fullmatch(text)
        try:
            number = float(text if odd is None else odd[1] + (b"inf" if odd[2].lower() == b"inf" else b"nan"))
        except ValueError:
            return False
        if abs(number) > _LARGEST:
            number = math.copysign(math.inf, number)
        if not math.isfinite(number) and self.odd is None:
            self.odd = (key if isinstance(key, str) else key[1], iteration)
        if key in curves or len(curves) < MOST_OUTPUTS:
            curves.setdefault(key, Curve()).add(iteration, number)
        return True


def read_logs(lines: Iterable[bytes], name: str) -> list[Log]:
    """The logs in some lines: one, or where grep has put names of files before them one for each, in the order they are met.

    Args:
        lines: with or without line endings, of any length. name: of the log whose lines have none of their own.
    """
    found: dict[str, Log] = {}
    skipped = 0
    for line in lines:
        for part in line[:_LONGEST].split(b"\r"):
            match = _HEAD.search(part.rstrip(b"\n"))
            if match is None:
                skipped += bool(part.strip())
                continue
            grepped = _GREPPED.fullmatch(part, 0, match.start())
            own = grepped["file"].decode("utf-8", "surrogateescape") if grepped is not None else name
            if own not in found:
                if len(found) == MOST_LOGS:
                    skipped += 1
                    continue
                found[own] = Log(own)
            found[own].read(match)
    if not found:
        found[name] = Log(name)
    next(iter(found.values())).skipped = skipped
    return list(found.values())
