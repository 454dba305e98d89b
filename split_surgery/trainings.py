"""The logs that a user names, and what each training in them is called."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import PurePath

from split_surgery.errors import FileError, FilePlace
from split_surgery.files import PathLike, Progress
from split_surgery.logfiles import log_files, log_lines
from split_surgery.logs import Log, read_logs

STDIN = "-"


def read_all(given: Sequence[PathLike], progress: Progress, bare: bool = False) -> list[Log]:
    """The logs of files, of directories and below them, and of standard input (`-`).

    Args:
        bare: whether a directory may hold none.

    Raises:
        FileError: a file cannot be read, or a directory holds no log.
    """
    found: list[Log] = []
    for path in given:
        name = os.fspath(path)
        files = [name] if name == STDIN else log_files(name)
        if not files and not bare:
            raise FileError("holds no log (*.log, *.log.gz, *.INFO)", FilePlace(name))
        for file in files:
            with ExitStack() as stack:
                found += read_logs(log_lines(stack, file, progress), "standard input" if file == STDIN else file)
    return found


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """A key by which numbers in names count as numbers."""
    parts = re.findall(r"\d+|\D+", name)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)


def net_names(sources: Sequence[str]) -> list[str]:
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


def in_order(names: Sequence[str], sources: Sequence[str]) -> tuple[list[int], set[int]]:
    """Where each training comes: baselines first, then in natural order; and which are baselines.

    A baseline is so called, or its log is above all the others.
    """
    folders = [PurePath(source).parent for source in sources]
    first = {
        at for at, name in enumerate(names)
        if PurePath(name).name.startswith("base")
        or (len(names) > 1 and all(folders[at] in other.parents for there, other in enumerate(folders) if there != at))
    }  # fmt: skip
    return sorted(range(len(names)), key=lambda at: (at not in first, natural(names[at]))), first


def told(log: Log, output: str | None) -> tuple[int, str] | None:
    """Which test net and output tell how good a training is: the one of that name, by default the accuracy, else the first."""
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


def falls(output: str) -> bool:
    """Whether an output is the better the lower it is."""
    return "loss" in output.lower() or "error" in output.lower()
