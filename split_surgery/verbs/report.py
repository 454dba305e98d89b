"""The verb `report`: accuracy tables out of Caffe's logs, and a page on them and on directories of splits."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Union

from split_surgery.documents.source import PathLike, Progress, no_progress
from split_surgery.errors import OptionError, UsageError
from split_surgery.reporting.logs.accuracy import rows, starts
from split_surgery.reporting.logs.caffe_log import Log
from split_surgery.reporting.logs.log_files import STDIN, check_told, read_all, remarks_on
from split_surgery.reporting.logs.log_report import Group, LogReport, images_differ
from split_surgery.reporting.logs.test_output import check_output
from split_surgery.reporting.logs.trainings import Training, arranged
from split_surgery.verbs.library_words import in_library_words
from split_surgery.workspace.names import FOLD_FILE

if TYPE_CHECKING:
    from split_surgery.reporting.lineage import Derived

Groups = Union[str, Sequence[str], Mapping[str, PathLike]]


@in_library_words
def report(
    logs: PathLike | Sequence[PathLike] = (), output: PathLike | None = None, *, group: Groups = (),
    test_output: str | None = None, avg: int = 5, continue_axis: bool = False, engine: str | None = None,
    input_shape: Mapping[str, tuple[int, ...]] | None = None, bgr: bool = False, force: bool = False,
    progress: Progress = no_progress,
) -> LogReport:  # fmt: skip
    """Accuracy by net from Caffe's logs; with `output` also a page with curves, and all on the splits in the directories.

    Args:
        logs: files, directories (searched for logs, also below) or `-` for standard input; lines that grep has put names of files
            before belong to those.
        output: an .html file, which holds everything it shows, or an .md file, with pictures beside it.
        group: NAME=PATH (or a mapping), a flow of its own: the logs in PATH or, where there is no such path, those of `logs` with PATH
            in their names. Of several paths with one name all; logs that are in no flow, such as a baseline's, belong to each.
        test_output: which test output to tell; by default the accuracy, else the first.
        avg: values of the training loss that each point of a curve is the mean of.
        continue_axis: start each curve where that of the net it was split from ends.
        engine: run the splits' nets against what they were made from, too (see verify).
        input_shape: shapes of blobs that prototxts do not say.
        bgr: whether the three channels of images are blue, green and red. force: replace a page that no report has made.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    given = [logs] if isinstance(logs, (str, os.PathLike)) else list(logs)
    parted = _parted(group)
    if avg < 1:
        raise OptionError("avg", "must be at least 1", avg)
    from split_surgery.reporting.folded import folded_rows
    from split_surgery.reporting.lineage import derived_in, made_with

    places = [path for path in (*given, *(path for _, path in parted if os.path.exists(path))) if path != STDIN]
    splits: list[Derived] = []
    if output is not None:
        from split_surgery.reporting.pictures import need_matplotlib

        need_matplotlib()
        from split_surgery.reporting.pages.written import check_name

        check_name(output, force)
        splits = derived_in(places)
    folds, named, beside = made_with(FOLD_FILE, places)
    bare = bool(splits or folds)
    flows = _flows(given, parted, bare, progress)
    every = list({os.path.realpath(log.name): log for logs in flows.values() for log in logs}.values())
    if not every and not bare:
        raise UsageError("no log was given", hint="name logs, directories that hold them, or - for standard input")
    check_told(every, bare)
    check_output(every, test_output)
    trainings = {name: arranged([log for log in logs if log.told]) for name, logs in flows.items()}
    groups = tuple(Group(name, rows(members, test_output)) for name, members in trainings.items())
    warnings = remarks_on(every)
    warnings += dict.fromkeys(
        f"{row.source}: tells no test output" + (f' "{test_output}"' if test_output is not None else "")
        for one in groups for row in one.rows if row.told is None
    )  # fmt: skip
    warnings += images_differ(groups)
    warnings += dict.fromkeys(changed for one in every if (changed := _images_changed(one)))
    folded = folded_rows(folds, named, beside, [row for group in groups for row in group.rows])
    found = LogReport(groups, folded, tuple(warnings))
    if output is None:
        return found
    from split_surgery.reporting.pages.content import Wishes, content
    from split_surgery.reporting.pages.written import write_page
    from split_surgery.verbs.verify import VerifyReport, verify

    def prove(base: tuple[Path, Path], derived: tuple[Path, Path], trained: bool) -> VerifyReport:
        shape = input_shape if engine else None
        return verify(*base, derived, trained=trained, engine=engine, input_shape=shape)

    wishes = Wishes(
        avg, test_output, engine, input_shape, bgr, continue_axis, legend=Path(output).suffix.lower() == ".md"
    )
    page = content(found, _named(trainings, continue_axis), splits, wishes, prove, progress)
    status, pictures = write_page(page, output, [log.name for log in every], progress)
    return replace(found, file=os.fspath(output), pictures=pictures, status=status)


def _images_changed(log: Log) -> str:
    """What there is to say of a log whose runs were not tested on the same images."""
    numbers = log.images.of(min((net for net, _ in log.tests), default=0))
    said = ", then ".join(f"{number:,}" for number in numbers)
    return f"{log.name}: its runs were tested on {said} images" if len(numbers) > 1 else ""


def _named(flows: Mapping[str, Sequence[Training]], continued: bool) -> list[tuple[str, Training, int]]:
    """Each training once, with its net's name, its flow's before it unless it is in several, and where its curves start."""
    found: dict[str, tuple[str, Training, int]] = {}
    for flow, members in flows.items():
        for one, start in zip(members, starts(members) if continued else [0] * len(members)):
            place = os.path.realpath(one.log.name)
            known = place in found
            found[place] = (one.net if known or not flow else f"{flow}/{one.net}", one, start)
    return list(found.values())


def _flows(
    given: Sequence[PathLike], parted: Sequence[tuple[str, PathLike]], bare: bool, progress: Progress
) -> dict[str, list[Log]]:
    """The logs by flow, what is in no flow in each, as a baseline is; one flow without a name, unless some were asked for."""
    found = read_all(given, progress, bare)
    if not parted:
        return {"": found}
    flows: dict[str, list[Log]] = {}
    common = list(found)
    for name, path in parted:
        if os.path.exists(path):
            logs = read_all([path], progress, bare)
        else:
            logs = [log for log in found if os.fspath(path) in log.name]
            common = [log for log in common if os.fspath(path) not in log.name]
            if not logs:
                raise UsageError(f"--group {name}={os.fspath(path)}: is no path, and no log has it in its name")
        flows.setdefault(name, []).extend(logs)
    own = {os.path.realpath(log.name) for logs in flows.values() for log in logs}
    common = [log for log in common if os.path.realpath(log.name) not in own]
    return {name: [*common, *logs] for name, logs in flows.items()}


def _parted(group: Groups) -> list[tuple[str, PathLike]]:
    if isinstance(group, Mapping):
        return list(group.items())
    found: list[tuple[str, PathLike]] = []
    for text in [group] if isinstance(group, str) else group:
        name, equals, path = text.partition("=")
        if not name or not equals or not path:
            raise OptionError("group", "must be NAME=PATH", text)
        found.append((name, path))
    return found
