"""What one training came to, as its log says: a row of the accuracy tables."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TestOutput:
    """What an output of a test net came to.

    Attributes:
        net: the number of the test net. start, final, best: None where the log does not say, or says no finite number; the best of
            a loss or an error is the lowest.
        start_iteration, best_iteration: where they were met, None if unknown.
        images: on how many the last test was, None if unknown.
        standard_error: of the final accuracy, sqrt(p (1 - p) / images); None of what is no accuracy.
    """

    net: int
    output: str
    start: float | None
    start_iteration: int | None
    final: float | None
    best: float | None
    best_iteration: int | None
    images: int | None = None
    standard_error: float | None = None


def error_and_images(output: TestOutput) -> tuple[str, str]:
    """The cells of a standard error and of the images that it rests on, empty where they are not known."""
    error, images = output.standard_error, output.images
    return "" if error is None else f"{error:#.2g}", "" if images is None else f"{images:,}"


@dataclass(frozen=True)
class LogRow:
    """What one training came to.

    Attributes:
        net: its directory's name, or its own. source: the log. told: the test output that tells how good it is.
        outputs: all of them.
        parent: the net it was split from, as split.yaml beside the log says, or as the names tell.
        drop: the parent's final value less the start; None where there is no such, and where the first test came after the
            training had begun.
        begin: the first iteration that was named, or None. iterations: the largest.
        seconds: wall time, without what passed between two runs. runs: how often it began.
        end: "done", "stopped early", "died: " and of what, or "" where the log ends before.
        odd: the first value that is no finite number, "" for none. skipped: lines that are none of glog's.
        rank: of the process that is told, where mpirun says it, or None. processes: how many wrote to the log at the same time.
        in_order: whether the lines are in order of time; otherwise nothing is known of start, final and seconds.
    """

    net: str
    source: str
    told: TestOutput | None
    outputs: tuple[TestOutput, ...]
    parent: str | None
    drop: float | None
    begin: int | None
    iterations: int | None
    seconds: float
    runs: int
    end: str
    odd: str
    skipped: int
    rank: int | None = None
    processes: int = 1
    in_order: bool = True

    @property
    def late(self) -> bool:
        """Whether the first test came after the training had begun, so that it does not tell how it started."""
        first = self.told.start_iteration if self.told is not None else None
        return first is not None and self.begin is not None and first > self.begin

    def to_dict(self) -> dict[str, Any]:
        """With the values of the output that is told as its own."""
        own = dataclasses.asdict(self)
        told = own.pop("told") or dict.fromkeys((one.name for one in dataclasses.fields(TestOutput)), None)
        told.pop("net")
        return {"net": own.pop("net"), "source": own.pop("source"), **told, **own}
