"""The verb `report`: accuracy tables out of Caffe's logs."""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from split_surgery.errors import FileError, FilePlace, UsageError
from split_surgery.files import PathLike, Progress, no_progress
from split_surgery.logfiles import log_files, log_lines
from split_surgery.logs import Curve, Log, read_logs

STDIN = "-"


@dataclass(frozen=True)
class LogRow:
    """What one training came to.

    Attributes:
        net: its directory's name, or its own. source: the log. output: the test output that is told.
        start, final, best: of that output, None where the log does not say; best_iteration: where the best was met, None if unknown.
        parent: the net it was split from, as far as the names tell. drop: the parent's final less the start.
        iterations: the last that was named, or None. seconds: wall time. done: whether it came to its end. runs: how often it began.
    """

    net: str
    source: str
    output: str
    start: float | None
    final: float | None
    best: float | None
    best_iteration: int | None
    parent: str | None
    drop: float | None
    iterations: int | None
    seconds: float
    done: bool
    runs: int
    skipped: int


@dataclass(frozen=True)
class Group:
    """The nets of one flow, in their natural order (derived2 before derived10)."""

    name: str
    rows: tuple[LogRow, ...]


@dataclass(frozen=True)
class LogReport:
    """What some logs say; one group without a name, unless groups were asked for."""

    groups: tuple[Group, ...]
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        return 0

    def to_dict(self) -> dict[str, Any]:
        return {"groups": [{"name": g.name, "nets": [dataclasses.asdict(row) for row in g.rows]} for g in self.groups]}


def report(
    logs: PathLike | Sequence[PathLike] = (), *, group: Sequence[str] = (), output: str | None = None,
    progress: Progress = no_progress,
) -> LogReport:  # fmt: skip
    """Accuracy by net from Caffe's logs.

    Args:
        logs: files, directories (searched for logs, also below) or `-` for standard input; lines that grep has put names of files
            before belong to those.
        group: NAME=PATH, a flow of its own: logs of its own or, where there is no such path, those of `logs` with PATH in their
            names.
        output: which test output to tell; by default the accuracy, else the first.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    given = [logs] if isinstance(logs, (str, os.PathLike)) else list(logs)
    parted = [_parted(text) for text in group]
    found = _read(given, progress)
    groups: list[tuple[str, list[Log]]] = []
    for name, path in parted:
        if os.path.exists(path):
            groups.append((name, _read([path], progress)))
        else:
            groups.append((name, [log for log in found if path in log.name]))
        if not groups[-1][1]:
            raise UsageError(f"--group {name}={path}: is no path, and no log has it in its name")
    if not groups:
        groups = [("", found)]
    if not any(logs for _, logs in groups):
        raise UsageError("no log was given", hint="name logs, directories that hold them, or - for standard input")
    made = tuple(Group(name, _rows(members, output)) for name, members in groups)
    silent = [row.source for one in made for row in one.rows if row.final is None]
    return LogReport(made, tuple(f"{source}: tells no test output" for source in silent))


def _parted(text: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    if not name or not equals or not path:
        raise UsageError(f"--group {text}: must be NAME=PATH")
    return name, path


def _read(given: Sequence[PathLike], progress: Progress) -> list[Log]:
    found: list[Log] = []
    for path in given:
        name = os.fspath(path)
        files = [name] if name == STDIN else log_files(name)
        if not files:
            raise FileError("holds no log (*.log, *.log.gz, *.INFO)", FilePlace(name))
        for file in files:
            with ExitStack() as stack:
                found += read_logs(log_lines(stack, file, progress), "standard input" if file == STDIN else file)
    return found


def _rows(logs: Sequence[Log], output: str | None) -> tuple[LogRow, ...]:
    names = _names([log.name for log in logs])
    folders = [PurePath(log.name).parent for log in logs]
    # The baseline: so called, or above all the others.
    first = {
        at for at, name in enumerate(names)
        if PurePath(name).name.startswith("base")
        or (len(logs) > 1 and all(folders[at] in other.parents for there, other in enumerate(folders) if there != at))
    }  # fmt: skip
    rows: list[LogRow] = []
    for at in sorted(range(len(logs)), key=lambda at: (at not in first, natural(names[at]))):
        log, net = logs[at], names[at]
        key = _told(log, output)
        curve = log.tests[key] if key is not None else Curve()
        parent = _parent(net, rows, {names[one] for one in first})
        # A single value without an iteration is the end of a log that was grepped: it had another start.
        start = _value(curve.first) if curve.count > 1 or log.iterations >= 0 else None
        final = _value(curve.last)
        drop = parent.final - start if parent is not None and parent.final is not None and start is not None else None
        best = _value(curve.best[0])
        rows.append(
            LogRow(
                net, log.name, key[1] if key is not None else "", start, final, best,
                curve.best[1] if curve.best[1] >= 0 else None, parent.net if parent is not None else None, drop,
                log.iterations if log.iterations >= 0 else None, log.seconds, log.done, log.runs, log.skipped,
            )
        )  # fmt: skip
    return tuple(rows)


def _value(number: float) -> float | None:
    return number if math.isfinite(number) else None


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """A key by which numbers in names count as numbers."""
    parts = re.findall(r"\d+|\D+", name)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)


def _names(sources: Sequence[str]) -> list[str]:
    """Short names of logs that tell them apart: their directories', else with as much of the path as that needs."""
    stems = [PurePath(source.removesuffix(".gz")).with_suffix("").parts for source in sources]
    depth = 1
    while True:
        found = []
        for parts in stems:
            folders = [part for part in parts[:-1] if part not in ("/", ".", "..")]
            found.append("/".join(folders[-depth:]) or parts[-1])
        alone = [name for name in found if found.count(name) == 1]
        if len(alone) == len(found):
            return found
        if depth > max(map(len, stems)):
            return ["/".join((name, parts[-1])) if found.count(name) > 1 else name for name, parts in zip(found, stems)]
        depth += 1


def _told(log: Log, output: str | None) -> tuple[int, str] | None:
    """Which test net and output a row tells."""
    if output is not None:
        return next((key for key in log.tests if key[1] == output), None)
    ranks: list[Callable[[str], bool]] = [
        lambda name: name == "accuracy",
        lambda name: "acc" in name and "5" not in name,
        lambda name: "acc" in name,
        lambda name: "loss" not in name,
        lambda name: True,
    ]
    for fits in ranks:
        for key in log.tests:
            if fits(key[1].lower()):
                return key
    return None


def _parent(net: str, before: Sequence[LogRow], baselines: set[str]) -> LogRow | None:
    """The net that one was split from: derived3 from derived2, and derived1 from the baseline."""
    match = re.fullmatch(r"(.*?)(\d+)(\D*)", net)
    if match is None:
        return None
    parent = f"{match[1]}{int(match[2]) - 1}{match[3]}"
    named = next((row for row in before if row.net == parent), None)
    if named is None and int(match[2]) == 1:
        named = next((row for row in before if row.net in baselines), None)
    return named
