"""Caffe's logs: what a training said of itself, whichever version wrote it, whole, cut off, appended to or grepped.

Understood are the lines of Caffe from 2014 (`Test score #0: `) to 1.0, of Intel's and of NVIDIA's fork, with glog's head
(`I0213 23:02:27.650948 26554 solver.cpp:408] `), whatever log_line finds around them. From 0.17 on NVIDIA's fork says the device, too,
in brackets for the trained net and in parentheses for the tested one. Lines that say nothing of the training are skipped, and counted
where they have not even that head. Memory is bounded by LIMIT points a curve, MOST_OUTPUTS curves a log and MOST_LOGS logs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from split_surgery.reporting.logs.clock import Clock, runs_back
from split_surgery.reporting.logs.curve import Curve
from split_surgery.reporting.logs.log_line import GLOG_HEAD, LONGEST, PLAIN_LINE, plain_lines, source_of, unwrapped
from split_surgery.reporting.logs.tested_images import RUNNING, TestedImages
from split_surgery.reporting.logs.writers import LogLine, Task, Verdict, Writers

_Key = TypeVar("_Key", str, tuple[int, str])

LONGEST_REASON = 200
"""Bytes kept of what a training died of."""

MOST_LOGS, MOST_OUTPUTS = 10_000, 1_000
"""Logs in one stream and outputs of one log that are kept: a damaged file may name any number."""

_LARGEST = 3.5e38
"""Caffe's numbers are single precision: what is beyond is infinite."""

_NUMBER = rb"([+-]?(?:1\.#[A-Za-z]+\d*|\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+|(?i:nan|inf)(?:\(\w+\))?)(?![\w.]))"
"""A value and no more than that: text may follow it, but neither a letter nor a digit, which would make it another value."""

_NO_NUMBER = re.compile(rb"([+-]?)(?:1\.#)?([a-z]+)", re.IGNORECASE)
"""Numbers that are none; C's library on Windows prints -nan(ind), 1.#QNAN, 1.#INF."""

_BEGIN, _END, _STOPPED = b"Initializing solver from parameters", b"Optimization Done", b"Optimization stopped early"
_TOLD = re.compile(
    rb"\s*(?:[\[(][\d.]+[\])]\s*)?(?:Iteration (\d+)\b(?:(, Testing net)(?: \(#(\d+)\))?|((?s:.*)))"
    rb"|(Test|Train) net output (?:mAP )?#(\d+): (.+?) = %(number)b|(Test score #\d+|Test loss): %(number)b)"
    % {b"number": _NUMBER}
)
"""What the solver says of the training. Groups: iteration, whether it is tested, in which test net, and else what follows; net, number,
name and value of an output; name and value of what is tested without naming an output."""

_SUM = re.compile(rb"([^\s,]+) = %b" % _NUMBER)
"""What `caffe test` says after its batches: of each value the mean ("accuracy = 0.9", not "Batch 0, accuracy = 0.9")."""

_RESUMING = b"Resuming from "

_VALUE = re.compile(_NUMBER)

FEW_LINES = 10
"""Up to so many lines that tell of the training, one time that runs back means that they are not in order. A longer log may have one:
a clock that was set."""


@dataclass(slots=True)
class Log:
    """What one log says.

    Attributes:
        name: its file's, or the one that grep put before its lines.
        tests: by test net and output, the curve of what was tested. Of outputs with several values the first bears the name alone,
            the others are name[1] and so on; "test loss" is the sum of the losses, where the solver asks for it; "test score #0" is an
            output of 2014, when outputs were told without names.
        train: by output; `loss` and `lr` are the solver's own.
        begin, iterations: the first and the largest iteration that was named, -1 for none. runs: how often it began (it may have
            been appended to). end: of the last run: "done", "stopped early", "died: " and of what, or "" for none that is told.
        odd: the first value that is no finite number, and its iteration. clock: what the runs took.
        told: whether there is anything of a training in it. skipped: lines without a head.
        rank: of the process that is told, where mpirun says it, else None. processes: how many wrote at the same time; one is told.
        in_order: whether its lines are in the order in which they were written; False where somebody sorted them by value.
        images: on how many its nets were tested. resumed: whether it went on from a solver state at its beginning.
        headed: whether any line has glog's head. announced: whether Caffe said that it makes a solver, or that it tests a net.
        unread: why the rest of its file was not read, as a sentence, or "".
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
    rank: int | None = None
    processes: int = 1
    in_order: bool = True
    images: TestedImages = field(default_factory=TestedImages)
    resumed: bool = False
    headed: bool = False
    announced: Literal["", "training", "test"] = ""
    unread: str = ""
    _iteration: int = -1
    _testing: tuple[int, int] = (-1, 0)
    _at: int = -1
    _seen: dict[bytes, int] = field(default_factory=dict)
    _began: bool = False
    _writers: Writers = field(default_factory=Writers)
    _told_at: float = -1.0
    _steps: int = 0
    _steps_back: int = 0
    _sums: int = -1

    @property
    def silence(self) -> str:
        """Why it tells nothing, where `told` is False."""
        if self.announced == "test":
            why = "is a log of `caffe test` that ends before its results"
        elif self.announced or self.end:
            why = "is a log of Caffe that ends before the first iteration: the training did not start"
        else:
            return "no line of it is one that Caffe writes of a training" if self.headed or self.skipped else "is empty"
        return f"{why}; {self.end}" if self.end else why

    @property
    def remedy(self) -> str:
        """What to do about its silence."""
        if self.end:
            return "it starts when what it died of is mended"
        if self.announced:
            return "if it still runs, look again later"
        train = "give the log of a training: what `caffe train` printed, kept by `2>&1 | tee train.log`"
        return f"{train}; nets are for show, diff and plot net"

    def read(self, line: LogLine) -> None:
        """One line, as GLOG_HEAD has parted it."""
        if self._writers.waiting:
            self._read_all([line])
        else:
            self._take(line)

    def finish(self) -> None:
        """No line follows."""
        while self._writers.waiting:
            self._read_all(self._settled(Verdict.ANOTHER_RUN))
        self.processes = self._writers.most
        self.in_order = self._steps_back < (1 if self._steps <= FEW_LINES else 2)
        if not self.in_order:  # nor does an output follow the iteration that it was tested at, nor a run the one before
            self.runs = 1
            for curve in self.tests.values():
                curve.forget_iterations()

    def _read_all(self, lines: list[LogLine]) -> None:
        """Read lines, and again those that were kept back until one of these showed who writes them."""
        rest = lines[::-1]
        while rest:
            line = rest.pop()
            if not self._writers.waiting:
                self._take(line)
            elif _BEGIN in line[4]:
                rest.append(line)
                rest += self._settled(Verdict.ANOTHER_RUN)[::-1]
            else:
                rest += self._settled(self._writers.told_meanwhile(line, _task(line[4])))[::-1]

    def _settled(self, verdict: Verdict) -> list[LogLine]:
        """The lines that were kept back, if it is known now who writes them."""
        if verdict is Verdict.UNKNOWN:
            return []
        lines = self._writers.take_waiting()
        if verdict is Verdict.ANOTHER_RUN:
            self.clock.tick(*lines[0][1:3])
            self._start_run()
        return lines

    def _take(self, line: LogLine) -> None:
        level, stamp, fraction, thread, said = line
        match = _TOLD.match(said)
        if match is None:
            self.clock.tick(stamp, fraction)
            self._say(level, thread, said)
            return
        iteration, testing, test_net, rest, net, number, output, value, score, score_value = match.groups()
        task: Task = "train" if rest is not None or net == b"Train" else "test"
        writers = self._writers
        if writers.owners.get(task) != thread and writers.told_by_another(line, task) is not Verdict.SAME_RUN:
            return
        clock = self.clock
        clock.tick(stamp, fraction)
        if self.end and not self.end.startswith("died"):
            self._start_run()
            writers.owners[task] = thread
        back = clock.now < self._told_at and runs_back(self._told_at, clock.now)
        if iteration is not None:
            back = self._meet(int(iteration[:18])) or back
            if testing is not None:
                self._testing = (self._iteration, int(test_net[:9]) if test_net is not None else 0)
            else:
                self._say_rest(rest)
        elif output is not None:
            self._say_output(net, int(number[:9]), output, value)
        else:
            self._add(self.tests, (self._testing[1], score.decode().lower()), self._testing[0], score_value)
        self.told = self._began = True
        self._steps += 1
        self._steps_back += back
        self._told_at = clock.now
        clock.until_told = clock.seconds

    def _start_run(self) -> None:
        self.clock.another_run()
        self._writers.forget()
        self.runs += 1
        self.end, self._began, self._iteration, self._told_at, self._sums = "", False, -1, -1.0, -1

    def _say(self, level: bytes, thread: bytes, said: bytes) -> None:
        """What the solver says of its beginning and of its end, and `caffe test` of all."""
        self.images.heard(said)
        if _BEGIN in said:
            self.announced = "training"
            if self._began or self.end:
                self._start_run()
        elif said.startswith(_RESUMING) and self.runs == 1 and not self._began:
            self.resumed = True
        elif RUNNING.match(said):
            if self.end:
                self._start_run()
            self.announced = "test"
            self._testing, self._sums = (-1, 0), 0
        elif self._sums >= 0 and (mean := _SUM.match(said)):
            self._say_output(b"Test", self._sums, mean[1], mean[2])
            self._sums += 1
            self.told, self.end, self.clock.until_told = True, "done", self.clock.seconds
        elif b"Optimization " in said and thread not in self._writers.others and (_STOPPED in said or _END in said):
            # Caffe's last words are "Optimization Done", also after it was stopped.
            self.end = "stopped early" if _STOPPED in said else self.end or "done"
            self.told = self._began = True
            self.clock.until_told = self.clock.seconds
        elif level == b"F":
            self.end = "died: " + said[:LONGEST_REASON].decode("utf-8", "replace").strip()

    def _meet(self, iteration: int) -> bool:
        """Go on to an iteration; whether it is one that only a sorted log has after a later one."""
        back = False
        if iteration < self._iteration - 1:  # by one: NVIDIA's fork says the last rate after the final loss
            back = runs_back(self._told_at, self.clock.now, 0.0)
            if not back:
                owners = dict(self._writers.owners)
                self._start_run()
                self._writers.owners.update(owners)
        self._iteration = iteration
        if self.begin < 0:
            self.begin = iteration
        if iteration > self.iterations:
            self.iterations = iteration
        return back

    def _say_rest(self, rest: bytes) -> None:
        """What is said after the iteration: the loss or the learning rate."""
        for name, text in (("loss", b" loss = "), ("lr", b", lr = ")):
            place = rest.find(text)
            value = _VALUE.match(rest, place + len(text)) if place >= 0 else None
            if value is not None:
                self._add(self.train, name, self._iteration, value[1])

    def _say_output(self, net: bytes, at: int, output: bytes, value: bytes) -> None:
        """A value of one of the nets' outputs."""
        if at <= self._at or len(self._seen) > MOST_OUTPUTS:
            self._seen.clear()
        self._at = at
        number = self._seen[output] = self._seen.get(output, -1) + 1
        name = output.decode("utf-8", "replace")
        if number:
            name += f"[{number}]"
        if net == b"Test":
            self._add(self.tests, (self._testing[1], name), self._testing[0], value)
        else:
            self._add(self.train, "output " + name, self._iteration, value)

    def _add(self, curves: dict[_Key, Curve], key: _Key, iteration: int, text: bytes) -> None:
        """One more value of a curve."""
        try:
            number = float(text)
        except ValueError:
            odd = _NO_NUMBER.match(text)
            number = float(odd[1] + (b"inf" if odd[2].lower() == b"inf" else b"nan")) if odd is not None else math.nan
        if not -_LARGEST <= number <= _LARGEST:
            if not math.isnan(number):
                number = math.copysign(math.inf, number)
            if self.odd is None:
                self.odd = (key if isinstance(key, str) else key[1], iteration)
        curve = curves.get(key)
        if curve is None:
            if len(curves) == MOST_OUTPUTS:
                return
            curve = curves[key] = Curve()
        curve.add(iteration, number)


def _task(said: bytes) -> Task | None:
    """What the thread that says this works at, if it tells of the training."""
    match = _TOLD.match(said)
    if match is None:
        return None
    return "train" if match[4] is not None or match[5] == b"Train" else "test"


def read_logs(lines: Iterable[bytes], name: str) -> list[Log]:
    """The logs in some lines: one, or where grep has put names of files before them one for each, in the order they are met.

    Args:
        lines: with or without line endings, of any length. name: of the log whose lines have none of their own.
    """
    found: dict[tuple[str, int | None], Log] = {}
    skipped = 0
    own: Log | None = None
    for line in unwrapped(lines):
        if b"]" not in line:  # most others: prototxts, and what scripts print
            if own is not None and own.images.listening:
                own.images.text_line(line)
            skipped += bool(line.strip())
            continue
        head = PLAIN_LINE.match(line, 0, LONGEST)
        if head is not None and own is not None:  # by far the most lines
            own.read(head.groups())  # type: ignore[arg-type]
            continue
        for part in plain_lines(line):
            head = GLOG_HEAD.search(part) if b"] " in part else None
            if head is None:
                skipped += bool(part.strip())
                continue
            file, rank = source_of(part[: head.start()]) if head.start() else (None, None)
            key = (file.decode("utf-8", "surrogateescape") if file is not None else name, rank)
            log = found.get(key)
            if log is None:
                if len(found) == MOST_LOGS:
                    skipped += 1
                    continue
                log = found[key] = Log(key[0], rank=rank, headed=True)
                own = log if key == (name, None) else own
            log.read(head.groups())  # type: ignore[arg-type]
    for log in found.values():
        log.finish()
    logs = _of_one_rank(list(found.values())) or [Log(name)]
    logs[0].skipped = skipped
    return logs


def _of_one_rank(logs: list[Log]) -> list[Log]:
    """Of the processes that mpirun ran, which all tell of the same training, the one of the lowest rank that tells of it."""
    by_name: dict[str, list[Log]] = {}
    for log in logs:
        by_name.setdefault(log.name, []).append(log)
    found = []
    for same in by_name.values():
        telling = [log for log in same if log.told] or same
        one = min(telling, key=lambda log: -1 if log.rank is None else log.rank)
        one.processes = max(one.processes, len([log for log in telling if log.rank is not None]))
        found.append(one)
    return found
