"""The time that the trainings of a log took, by the times before its lines."""

from __future__ import annotations

from dataclasses import dataclass

DAY, YEAR = 86400.0, 365 * 86400.0
_DAYS_BEFORE = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)

OUT_OF_ORDER = 60.0
"""Seconds that one line may be before the line above it: threads write as they please. More is another run, or another clock."""


@dataclass(slots=True)
class Clock:
    """The time that the runs of a log took. Glog says no year: time that runs back by months is a new one.

    Attributes:
        seconds: what the runs took. until_told: the same, until the last line that told of the training.
        now: the time of the last line, in seconds of its year; -1 before the first.
    """

    seconds: float = 0.0
    until_told: float = 0.0
    now: float = -1.0
    _stamp: bytes = b""
    _whole: float = 0.0
    _previous: float = -1.0

    def tick(self, stamp: bytes, fraction: bytes | None) -> None:
        """Go on to the time of a line.

        Args:
            stamp: month, day and time of day, as in `0213 23:02:27`. fraction: of the second, as in `.650948`, or None.
        """
        if stamp != self._stamp:
            month = min(max(int(stamp[:2]), 1), 12)
            self._whole = (_DAYS_BEFORE[month - 1] + int(stamp[2:4])) * DAY
            self._whole += int(stamp[5:7]) * 3600 + int(stamp[8:10]) * 60 + int(stamp[11:13])
            self._stamp = stamp
        self.now = now = self._whole + float(fraction) if fraction is not None else self._whole
        passed = now - self._previous
        if self._previous < 0:
            passed = 0.0
        elif passed < 0:
            if passed > -OUT_OF_ORDER:
                return
            passed = max(passed + YEAR, 0.0) if passed < -YEAR / 2 else 0.0
        self.seconds += passed
        self._previous = now

    def another_run(self) -> None:
        """A new run starts: discard the time since the last line that told of the run before it."""
        self.seconds = self.until_told


def runs_back(before: float, now: float, seconds: float = OUT_OF_ORDER) -> bool:
    """Whether a time is before another one, by more than some seconds and by less than a new year explains.

    The default is what threads that write at once explain.
    """
    return seconds < before - now < YEAR / 2
