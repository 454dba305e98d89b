"""The verb `report`: accuracy tables out of Caffe's logs, and a page on them and on directories of splits."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from split_surgery.errors import UsageError
from split_surgery.files import PathLike, Progress, no_progress
from split_surgery.log_report import Group, LogReport, LogRow
from split_surgery.logs import Curve, Log
from split_surgery.names import PLAN_FILE
from split_surgery.trainings import STDIN, falls, in_order, net_names, read_all, told

if TYPE_CHECKING:
    from split_surgery.lineage import Derived


def report(
    logs: PathLike | Sequence[PathLike] = (), output: PathLike | None = None, *, group: Sequence[str] = (),
    test_output: str | None = None, avg: int = 5, engine: str | None = None,
    input_shape: Mapping[str, tuple[int, ...]] | None = None, force: bool = False,
    progress: Progress = no_progress,
) -> LogReport:  # fmt: skip
    """Accuracy by net from Caffe's logs; with `output` also a page with curves, and all on the splits in the directories.

    Args:
        logs: files, directories (searched for logs, also below) or `-` for standard input; lines that grep has put names of files
            before belong to those.
        output: an .html file, which holds everything it shows, or an .md file, with pictures beside it.
        group: NAME=PATH, a flow of its own: logs of its own or, where there is no such path, those of `logs` with PATH in their
            names. Of several paths with one name all; logs that are in no flow, such as a baseline's, belong to each.
        test_output: which test output to tell; by default the accuracy, else the first.
        avg: values of the training loss that each point of a curve is the mean of.
        engine: run the splits' nets against what they were made from, too (see verify).
        input_shape: shapes of blobs that prototxts do not say. force: replace a page that no report has made.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    given = [logs] if isinstance(logs, (str, os.PathLike)) else list(logs)
    parted = [_parted(text) for text in group]
    if avg < 1:
        raise UsageError(f"--avg {avg}: must be at least 1")
    splits: list[Derived] = []
    if output is not None:
        from split_surgery.drawing import need_matplotlib
        from split_surgery.lineage import derived_in

        need_matplotlib()
        from split_surgery.pages.written import check_name

        check_name(output, force)
        splits = derived_in([p for p in (*given, *(path for _, path in parted if os.path.exists(path))) if p != STDIN])
    groups = _groups(given, parted, bool(splits), progress)
    if not any(members for _, members in groups) and not splits:
        raise UsageError("no log was given", hint="name logs, directories that hold them, or - for standard input")
    made = tuple(Group(name, _rows(members, test_output)) for name, members in groups)
    silent = [row.source for one in made for row in one.rows if row.final is None]
    found = LogReport(made, tuple(f"{source}: tells no test output" for source in silent))
    if output is None:
        return found
    from split_surgery.pages.content import Wishes, content
    from split_surgery.pages.written import write_page

    wishes = Wishes(avg, test_output, engine, input_shape, legend=Path(output).suffix.lower() == ".md")
    page = content(found, _trainings(groups), splits, wishes, progress)
    status, pictures = write_page(page, output, progress)
    return replace(found, file=os.fspath(output), pictures=pictures, status=status)


def _groups(
    given: Sequence[PathLike], parted: Sequence[tuple[str, str]], bare: bool, progress: Progress
) -> list[tuple[str, list[Log]]]:
    """The logs by flow, what is in no flow in each, as a baseline is; one flow without a name, unless some were asked for."""
    found = read_all(given, progress, bare)
    if not parted:
        return [("", found)]
    flows: dict[str, list[Log]] = {}
    common = list(found)
    for name, path in parted:
        if Path(path).exists():
            logs = read_all([path], progress, bare)
        else:
            logs = [log for log in found if path in log.name]
            common = [log for log in common if path not in log.name]
            if not logs:
                raise UsageError(f"--group {name}={path}: is no path, and no log has it in its name")
        flows.setdefault(name, []).extend(logs)
    own = {os.path.abspath(log.name) for logs in flows.values() for log in logs}
    common = [log for log in common if os.path.abspath(log.name) not in own]
    return [(name, [*common, *logs]) for name, logs in flows.items()]


def _trainings(groups: Sequence[tuple[str, Sequence[Log]]]) -> list[tuple[str, Log]]:
    """The logs in the order of the tables, each with its net's name, and its flow's before it."""
    found = []
    for name, logs in groups:
        names = net_names([log.name for log in logs])
        order, _ = in_order(names, [log.name for log in logs])
        found += [(f"{name}/{names[at]}" if name else names[at], logs[at]) for at in order]
    return found


def _parted(text: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    if not name or not equals or not path:
        raise UsageError(f"--group {text}: must be NAME=PATH")
    return name, path


def _rows(logs: Sequence[Log], output: str | None) -> tuple[LogRow, ...]:
    """The rows of a flow in their order, each with its parent's end."""
    names = net_names([log.name for log in logs])
    order, first = in_order(names, [log.name for log in logs])
    rows = [_row(names[at], logs[at], output) for at in order]
    baselines = {names[at] for at in first}
    found = []
    for row, known in zip(rows, _known_parents(rows)):
        parent = known or _named_parent(row.net, rows, baselines)
        if parent is not None:
            drop = None
            if parent.final is not None and row.start is not None and not row.late:
                drop = float(f"{parent.final - row.start:.9g}")  # Caffe prints six digits
            row = replace(row, parent=parent.net, drop=drop)
        found.append(row)
    return tuple(found)


def _row(net: str, log: Log, output: str | None) -> LogRow:
    key = told(log, output)
    curve = log.tests[key] if key is not None else Curve()
    # A single value without an iteration is the end of a log that was grepped: it had another start.
    start = _value(curve.first) if curve.count > 1 or log.iterations >= 0 else None
    best, best_iteration = curve.lowest if key is not None and falls(key[1]) else curve.highest
    return LogRow(
        net, log.name, key[1] if key is not None else "", start, _known(curve.begin), _value(curve.last), _value(best),
        _known(best_iteration), None, None, _known(log.begin), _known(log.iterations), log.clock.seconds, log.done, log.fatal,
        log.runs, log.skipped,
    )  # fmt: skip


def _value(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _known(iteration: int) -> int | None:
    return iteration if iteration >= 0 else None


def _known_parents(rows: Sequence[LogRow]) -> list[LogRow | None]:
    """Of each row the one that its net was split from, where split.yaml beside the log tells."""
    folders = [Path(row.source).parent for row in rows]
    if not any((folder / PLAN_FILE).is_file() for folder in folders):
        return [None] * len(rows)
    from split_surgery.lineage import parents

    return [rows[folders.index(folder)] if folder is not None else None for folder in parents(folders)]


def _named_parent(net: str, rows: Sequence[LogRow], baselines: set[str]) -> LogRow | None:
    """The net that one was split from by their names: derived3 from derived2, and derived1 from the baseline."""
    match = re.fullmatch(r"(.*?)(\d+)(\D*)", net)
    if match is None or net in baselines:
        return None
    parent = f"{match[1]}{int(match[2]) - 1}{match[3]}"
    named = next((row for row in rows if row.net == parent), None)
    if named is None and int(match[2]) == 1:
        named = next((row for row in rows if row.net in baselines), None)
    return named
