"""Trainings in the order in which people read them, each called by its directory, with the one that it went on from."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from split_surgery.reporting.logs.caffe_log import Log


@dataclass(frozen=True)
class Training:
    """A log and what its net is called: after the directory, and after the file where a directory holds several logs.

    Attributes:
        baseline: whether it is called so, or its log is above all the others.
    """

    net: str
    log: Log
    baseline: bool

    @property
    def folder(self) -> Path:
        return Path(self.log.name).parent

    @property
    def stem(self) -> str:
        return PurePath(self.log.name).stem


def arranged(logs: Sequence[Log]) -> list[Training]:
    """Baselines first, then in natural order: derived2 before derived10."""
    names = net_names([log.name for log in logs])
    folders = [PurePath(log.name).parent for log in logs]
    real = [
        folder for folder, log in zip(folders, logs) if folder.name or os.path.exists(log.name)
    ]  # not standard input
    shortest = min(real, key=lambda folder: len(folder.parts), default=PurePath())
    top = shortest if all(shortest in folder.parents for folder in folders if folder != shortest) else None
    found = []
    for at, (name, log) in enumerate(zip(names, logs)):
        above = len(logs) > 1 and folders[at] == top and folders.count(top) == 1
        found.append(
            Training(name, log, above or re.search(r"(^|[^a-z])base", PurePath(name).name.lower()) is not None)
        )
    return sorted(found, key=lambda one: (not one.baseline, natural(one.net)))


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """A key by which numbers in names count as numbers."""
    parts = re.findall(r"\d+|\D+", name)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)


def net_names(sources: Sequence[str]) -> list[str]:
    """Short names of logs that tell them apart: their directories', else with as much of the path as that needs.

    Of a directory with several logs each has its own name added, or instead where there is no other directory.
    """
    places = [_place(source) for source in sources]
    folders = [folder for folder, _ in places]
    logs = Counter(folders)
    alone = [logs[folder] == 1 for folder in folders]
    if len(set(folders)) == 1 and not all(alone):
        return _numbered([stem for _, stem in places])
    depth = 1
    while True:
        found = [
            "/".join((*folder[-depth:], *(() if single and folder else (stem,))))
            for (folder, stem), single in zip(places, alone)
        ]
        if len(set(found)) == len(found) or depth > max(map(len, folders), default=0):
            return _numbered(found)
        depth += 1


def _place(source: str) -> tuple[tuple[str, ...], str]:
    """The directories that a log is in, from the outermost, and its own name without suffixes."""
    path = PurePath(os.path.abspath(source) if os.path.exists(source) else source)
    folders = tuple(part for part in path.parts[:-1] if part not in (path.anchor, ".", ".."))
    return folders, PurePath(path.name.removesuffix(".gz")).stem


def _numbered(names: list[str]) -> list[str]:
    """The names, those that come again with a number."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def named_parents(trainings: Sequence[Training]) -> list[int | None]:
    """Of each training the one that it went on from by their names: derived3 after derived2, and derived1 after a baseline.

    It goes by the name of the directory; in one with several logs by the log's first.
    """
    by_folder: dict[str, list[int]] = {}
    by_file: dict[tuple[Path, str], list[int]] = {}
    logs = Counter(one.folder for one in trainings)
    for at, one in enumerate(trainings):
        by_folder.setdefault(one.folder.name, []).append(at)
        by_file.setdefault((one.folder, one.stem), []).append(at)
    baselines = [at for at, one in enumerate(trainings) if one.baseline]
    found: list[int | None] = []
    for one in trainings:
        folder = one.folder
        neighbours = [at for name in _before(folder.name) for at in by_folder.get(name, [])]
        beside = [at for name in _before(one.stem) for at in by_file.get((folder, name), [])]
        own = [at for at in baselines if trainings[at].folder == folder] if _is_first(one.stem) else []
        firsts = baselines if _is_first(folder.name) or _is_first(one.stem) else []
        order = [beside, own, neighbours, firsts] if logs[folder] > 1 else [neighbours, firsts]
        parents = next(filter(None, order), []) if not one.baseline else []
        found.append(max(parents, key=lambda at: _alike(trainings[at], one), default=None))
    return found


_NUMBERED = re.compile(r"(.*?)(\d+)(\D*)")


def _before(name: str) -> list[str]:
    """What the one before is called: derived1 before derived2; derived09, or derived9, before derived10."""
    match = _NUMBERED.fullmatch(name)
    if match is None or int(match[2]) == 0:
        return []
    number = str(int(match[2]) - 1)
    return list(dict.fromkeys(f"{match[1]}{text}{match[3]}" for text in (number.zfill(len(match[2])), number)))


def _is_first(name: str) -> bool:
    match = _NUMBERED.fullmatch(name)
    return match is not None and int(match[2]) == 1


def _alike(training: Training, other: Training) -> tuple[bool, bool, bool]:
    """How near two trainings are: in one directory, in neighbours, with logs of one name."""
    own, its = training.folder, other.folder
    return own == its, own.parent == its.parent, training.stem == other.stem
