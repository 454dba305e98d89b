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
from split_surgery.trainings import STDIN, in_order, net_names, read_all, told

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
            names.
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
    """The logs by flow; one flow without a name, unless some were asked for."""
    found = read_all(given, progress, bare)
    groups: list[tuple[str, list[Log]]] = []
    for name, path in parted:
        there = Path(path).exists()
        groups.append((name, read_all([path], progress, bare) if there else [log for log in found if path in log.name]))
        if not groups[-1][1] and not there:
            raise UsageError(f"--group {name}={path}: is no path, and no log has it in its name")
    return groups or [("", found)]


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
    names = net_names([log.name for log in logs])
    order, first = in_order(names, [log.name for log in logs])
    rows: list[LogRow] = []
    for at in order:
        log, net = logs[at], names[at]
        key = told(log, output)
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
