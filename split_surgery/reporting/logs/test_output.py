"""Which of a net's test outputs tells how good it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from split_surgery.errors import UsageError, nearest
from split_surgery.reporting.logs.caffe_log import Log

FIVE, ONE = re.compile(r"top[-_ @]?5|@5|5$"), re.compile(r"top[-_ @]?1|@1")

MAP = re.compile(r"mAP|(?i:^(m?ap|mean_?average_?precision)(?![a-z_]))")
"""Mean average precision, as DetectNet calls it, but no map of features."""


def is_loss(output: str) -> bool:
    """Whether an output is a loss: `loss1/loss1`, but not `loss3/top-1`."""
    return "loss" in output.rpartition("/")[2].lower()


def falls(output: str) -> bool:
    """Whether an output is a loss or an error, and so the better the lower it is."""
    return is_loss(output) or "error" in output.rpartition("/")[2].lower()


def is_share(output: str) -> bool:
    """Whether an output is the share of images that were recognized, as an accuracy is; a mean average precision is none."""
    name = output.lower()
    return not falls(name) and ("acc" in name or bool(FIVE.search(name) or ONE.search(name)))


RANKS: list[Callable[[str], bool]] = [
    lambda name: name.lower() == "accuracy",
    lambda name: "acc" in name.lower() and not FIVE.search(name.lower()),
    lambda name: bool(ONE.search(name.lower())),
    lambda name: "acc" in name.lower(),
    lambda name: bool(MAP.search(name)) and not falls(name),
    lambda name: name == "test score #0",
    lambda name: not falls(name),
    lambda name: True,
]
"""Preference order for the headline test output: the first of these that a net has. Of several the last: the heads inside a net come
before its own. Where outputs have no names, as in 2014, the accuracy was the first of them."""


def told(log: Log, output: str | None) -> tuple[int, str] | None:
    """The test net and the output that tell how good a training is: the one of that name, by default the accuracy."""
    if output is not None:
        return next((key for key in log.tests if key[1] == output), None)
    if not log.tests:
        return None
    first = min(number for number, _ in log.tests)
    keys = [key for key in log.tests if key[0] == first]
    return next(key for fits in RANKS for key in reversed(keys) if fits(key[1]))


def check_output(logs: Sequence[Log], output: str | None) -> None:
    """Raises: UsageError, if the output that was asked for is in none of the logs."""
    names = list(dict.fromkeys(name for log in logs for _, name in log.tests))
    if output is not None and output not in names:
        raise UsageError(f'no log has a test output "{output}"', hint=nearest(output, names))
