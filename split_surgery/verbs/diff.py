"""The verb `diff`: what differs between two files of one kind, by their meaning and not by their bytes."""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, Union

import numpy as np

from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.meaning import Fields, names_text
from split_surgery.documents.net.net import Net, Prototxt
from split_surgery.documents.net.one_form import in_one_form
from split_surgery.documents.source import PathLike, Progress, no_progress
from split_surgery.documents.weights.blobs import Blob, Record, Weights
from split_surgery.documents.weights.records import (
    BlobDifference,
    differences,
    differing_blobs,
    left_out,
    meant,
    same_bytes,
    same_said,
)
from split_surgery.documents.weights.solverstate import Solverstate
from split_surgery.documents.weights.values import Difference
from split_surgery.errors import UsageError
from split_surgery.reporting.tables import Notebook, Printed, Table
from split_surgery.verbs.library_words import in_library_words
from split_surgery.verbs.printed import files
from split_surgery.workspace.any_file import (
    DIRECTORY,
    NET,
    SOLVER,
    STATE,
    WEIGHTS,
    FileKind,
    Opened,
    open_any,
    own_fields,
    state_fields,
)
from split_surgery.workspace.names import NET_FILE, SOLVER_FILE, STATE_FILE, WEIGHTS_FILE
from split_surgery.workspace.open_files import OpenFiles


@dataclass(frozen=True)
class FieldChange:
    """A field that differs, None where there is none. `type`, `bottom`, `top`, `include` and `exclude` are fields, too."""

    path: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class BlobChange:
    """A blob that differs.

    Attributes:
        shapes, dtypes: old and new, None on the side that has no such blob.
        numbers: how they differ; None where they do not, or where the shapes do.
    """

    index: int
    shapes: tuple[tuple[int, ...] | None, tuple[int, ...] | None]
    dtypes: tuple[str | None, str | None]
    numbers: Difference | None = None


@dataclass(frozen=True)
class LayerDiff:
    """A layer that differs.

    Attributes:
        twin: which of the layers of that name it is, counted from 1 (TRAIN and TEST may have one each).
        change: added, removed, or changed.
        type: of the layer, the new one where that has changed.
        moved: whether it stands elsewhere among the layers that both have. (Records of weights have no order.)
    """

    name: str
    twin: int
    type: str
    change: str
    moved: bool = False
    fields: tuple[FieldChange, ...] = ()
    blobs: tuple[BlobChange, ...] = ()


@dataclass(frozen=True)
class DiffPart:
    """What differs in one net, weights file or solver state; `title` tells those of a directory or a solver apart."""

    title: str
    fields: tuple[FieldChange, ...] = ()
    layers: tuple[LayerDiff, ...] = ()
    history: tuple[BlobChange, ...] = ()


@dataclass(frozen=True)
class DiffReport(Printed, Notebook):
    """What differs between two files.

    Attributes:
        kind: net, solver, weights, solver state or directory.
        parts: those in which something differs.
        added, removed: parts (files of a directory, nets inside a solver) that only one has.
    """

    kind: FileKind
    parts: tuple[DiffPart, ...]
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        return not (self.parts or self.added or self.removed)

    @property
    def exit_code(self) -> int:
        return 0 if self.equal else 1

    def lines(self, quiet: bool = False, verbose: bool = False) -> Iterator[str]:
        return files.diff(self, quiet, verbose)

    def to_dict(self) -> dict[str, Any]:
        return {"equal": self.equal} | dataclasses.asdict(self)

    def tables(self) -> tuple[Table, ...]:
        """A row for each layer, field or blob that differs; the numbers are in `parts`."""
        rows = [("file", title, "removed") for title in self.removed] + [
            ("file", title, "added") for title in self.added
        ]
        for part in self.parts:
            rows += [(part.title, change.path, f"{change.old} -> {change.new}") for change in part.fields]
            for layer in part.layers:
                what = [change.path for change in layer.fields] + [f"blob {blob.index}" for blob in layer.blobs]
                words = ["moved"] * layer.moved + [layer.change, *(what if layer.change == "changed" else ())]
                rows.append((part.title, f"layer {layer.name}", ", ".join(words)))
            rows += [(part.title, f"history {blob.index}", "changed") for blob in part.history]
        return (Table("equal" if self.equal else "different", ("in", "what", "change"), tuple(rows)),)


@in_library_words
def diff(a: PathLike, b: PathLike, *, progress: Progress = no_progress) -> DiffReport:
    """What differs between two nets, solvers, weights files, solver states or directories of splits, from `a` to `b`.

    A directory beside a file stands for its file of that kind. In two directories their prototxts, the weights that were written,
    the newest snapshots, solver states and split.yaml (or fold.yaml) are compared. Of the records of weights, their blobs, types
    and connections are.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    with OpenFiles() as files:
        opened = open_any(files, a), open_any(files, b)
        kinds = [one.kind for one in opened]
        kind = next((one for one in kinds if one != DIRECTORY), DIRECTORY)
        old, new = (_parts(one, kind) for one in opened)
        if set(kinds) - {kind, DIRECTORY} or not old.titles() or not new.titles():
            raise UsageError(
                " and ".join(f"{one.name} {_KINDS[one.kind]}" for one in opened) + ": these cannot be compared",
                hint="give two files of one kind, or a file and the directory of a split that holds its like",
            )
        parts = list(_compare(old, new, progress))
    return DiffReport(
        kind,
        tuple(part for part in parts if part.fields or part.layers or part.history),
        tuple(title for title in new.titles() if title not in old.titles()),
        tuple(title for title in old.titles() if title not in new.titles()),
    )


_KINDS = {
    NET: "is a net", SOLVER: "is a solver", WEIGHTS: "holds weights", STATE: "is a solver state",
    DIRECTORY: "is the directory of a split",
}  # fmt: skip


@dataclass(frozen=True)
class _Parts:
    """What there is to compare, by title."""

    nets: dict[str, Net]
    solvers: dict[str, Prototxt]
    weights: dict[str, Weights]
    plans: dict[str, Fields]
    states: dict[str, Solverstate]

    def titles(self) -> list[str]:
        return [*self.nets, *self.solvers, *self.weights, *self.states, *self.plans]


def _parts(opened: Opened, kind: FileKind) -> _Parts:
    """All of a directory beside a directory, else only what is of the kind that is compared."""
    found = _Parts({}, {}, {}, {}, {})
    whole = kind == DIRECTORY
    files: list[tuple[str, Prototxt | None]] = []
    if whole or kind == NET:
        files.append((NET_FILE, opened.text))
    if whole or kind == SOLVER:
        files.append((SOLVER_FILE, opened.solver if opened.kind == DIRECTORY else opened.text))
    for name, text in [*files, *(opened.others if whole else ())]:
        file = name if whole else ""
        if text is not None and text.is_solver:
            found.solvers[f"{file} solver".strip()] = text
        for title, net in zip(text.titles(), text.nets) if text is not None else ():
            found.nets[f"{file} {title or 'net'}".strip()] = net
    if opened.weights is not None and (whole or kind == WEIGHTS):
        name = "weights" if not whole else WEIGHTS_FILE if opened.written is None else "newest snapshot"
        found.weights[name] = opened.weights
    if opened.written is not None and whole:
        found.weights[WEIGHTS_FILE] = opened.written
    if opened.plan and whole:
        found.plans["split.yaml or fold.yaml"] = opened.plan
    if opened.state is not None and (whole or kind == STATE):
        found.states[STATE_FILE if whole else "solver state"] = opened.state
    return found


def _compare(old: _Parts, new: _Parts, progress: Progress) -> Iterator[DiffPart]:
    """The parts that both have."""
    for title in _common(old.nets, new.nets):
        yield _compare_nets(title, old.nets[title], new.nets[title])
    for title in _common(old.solvers, new.solvers):
        own = (_without_directory(own_fields(parts[title])) for parts in (old.solvers, new.solvers))
        yield DiffPart(title, _fields(*own))
    for title in _common(old.weights, new.weights):
        yield DiffPart(title, (), tuple(_records(old.weights[title], new.weights[title], progress)))
    for title in _common(old.plans, new.plans):
        yield DiffPart(title, _fields(old.plans[title], new.plans[title]))
    for title in _common(old.states, new.states):
        before, after = old.states[title], new.states[title]
        history = _blobs(differences(before.history, after.history, progress))
        yield DiffPart(title, _fields(state_fields(before), state_fields(after)), (), history)


def _without_directory(fields: Fields) -> Fields:
    """A solver's fields with DIR for its own directory, to which the paths in it lead; a solver of no split as it is."""
    prefix = fields.get("snapshot_prefix", "").rpartition("/")[0]
    if not prefix or not any(text == f'{prefix}/{NET_FILE}"' for text in fields.values()):
        return fields
    return {
        path: text.replace(f"{prefix}/", '"DIR/') if text.startswith(f"{prefix}/") else text
        for path, text in fields.items()
    }


def _common(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    return [title for title in old if title in new]


def _fields(old: Fields, new: Fields) -> tuple[FieldChange, ...]:
    paths = dict.fromkeys([*old, *new])
    return tuple(FieldChange(path, old.get(path), new.get(path)) for path in paths if old.get(path) != new.get(path))


_Item = TypeVar("_Item", bound=Union[Layer, Record])
LayerKey = tuple[str, int]
"""A layer's name, and which of those of its name it is, counted from 1."""


def _keyed(items: Sequence[_Item]) -> dict[LayerKey, _Item]:
    met: dict[str, int] = {}
    found: dict[LayerKey, _Item] = {}
    for item in items:
        met[item.name] = met.get(item.name, 0) + 1
        found[item.name, met[item.name]] = item
    return found


def _matched(old: Sequence[_Item], new: Sequence[_Item]) -> list[tuple[LayerKey, _Item | None, _Item | None]]:
    """What is on both sides or on one, in the order of the new side; what has gone stands before what followed it."""
    before, after = _keyed(old), _keyed(new)
    gone: list[LayerKey] = []
    gone_before: dict[LayerKey, list[LayerKey]] = {}
    for key in before:
        if key in after:
            gone_before[key], gone = gone, []
        else:
            gone.append(key)
    order: list[LayerKey] = []
    for key in after:
        order += [*gone_before.get(key, ()), key]
    order += gone
    return [(one, before.get(one), after.get(one)) for one in order]


def _compare_nets(title: str, old: Net, new: Net) -> DiffPart:
    was_said, now_said = in_one_form(old, new)
    rows = _matched(was_said.layers, now_said.layers)
    places = {layer: at for at, layer in enumerate(was_said.layers)}
    kept = _rising([places[was] for _, was, now in rows if was is not None and now is not None])
    found = []
    for (name, twin), was, now in rows:
        fields = _fields(was_said.meaning(was), now_said.meaning(now))
        moved = was is not None and now is not None and places[was] not in kept
        if fields or moved:
            found.append(LayerDiff(name, twin, _type(was, now), _change(was, now), moved, fields))
    return DiffPart(title, _fields(was_said.fields, now_said.fields), tuple(found))


def _type(was: Layer | Record | None, now: Layer | Record | None) -> str:
    return (now.type if now is not None else "") or (was.type if was is not None else "")


def _change(was: object, now: object) -> str:
    return "added" if was is None else "removed" if now is None else "changed"


def _rising(places: Sequence[int]) -> set[int]:
    """The most of these numbers that rise from left to right: a longest increasing subsequence (Fredman 1975)."""
    ends: list[int] = []  # the smallest last number of a rising row of each length
    before: dict[int, int | None] = {}
    for place in places:
        at = bisect_left(ends, place)
        before[place] = ends[at - 1] if at else None
        ends[at : at + 1] = [place]
    found: set[int] = set()
    last = ends[-1] if ends else None
    while last is not None:
        found.add(last)
        last = before[last]
    return found


def _records(old: Weights, new: Weights, progress: Progress) -> Iterator[LayerDiff]:
    rows = _matched(meant(old), meant(new))
    for done, ((name, twin), was, now) in enumerate(rows):
        progress("comparing", done, len(rows))
        if was is None or now is None:
            alone, own, other = (now, new, old) if was is None else (was, old, new)
            if alone is not None and left_out(alone, own, other):
                continue
            blobs = _blobs(differences(was.blobs if was is not None else (), now.blobs if now is not None else ()))
            yield LayerDiff(name, twin, _type(was, now), _change(was, now), blobs=blobs)
        elif not same_bytes(was, now):
            fields = () if same_said(was, now) else _fields(_said(was), _said(now))
            blobs = _blobs(differing_blobs(old, new, was, now))
            if fields or blobs:
                yield LayerDiff(name, twin, _type(was, now), "changed", False, fields, blobs)


def _said(record: Record) -> Fields:
    return {"type": record.type, "bottom": names_text(record.bottoms), "top": names_text(record.tops)}


def _blobs(found: Iterable[BlobDifference]) -> tuple[BlobChange, ...]:
    return tuple(
        BlobChange(
            row.index,
            (row.was.shape if row.was is not None else None, row.now.shape if row.now is not None else None),
            (_dtype(row.was), _dtype(row.now)),
            row.numbers,
        )
        for row in found
    )


def _dtype(blob: Blob | None) -> str | None:
    return None if blob is None else np.dtype(blob.dtype).name
