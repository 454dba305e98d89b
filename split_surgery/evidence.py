"""From files to scores: finds the snapshots that show how kernels moved, or reads scores somebody else made."""

from __future__ import annotations

import csv
import glob
import io
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from split_surgery.documents.weights import Array, Blob, finite
from split_surgery.errors import FileError, FilePlace, SurgeryError, TextPlace, UsageError
from split_surgery.files import PathLike, Progress, Snapshot, no_progress, read_file, snapshot_of, snapshots_in
from split_surgery.kernels.tpm import MEASURES, Measure, rounded
from split_surgery.opening import open_weights

BEST_REAL = "tpm"
"""The `--measure` that takes the best real measure the evidence allows, or fails."""


@dataclass(frozen=True)
class Evidence:
    """Scores of one layer's kernels and what they rest on.

    Attributes:
        scores: one per kernel, rounded as they are ranked.
        measure: a name in MEASURES, or `scores` for a user's file. tpm: whether it measures training (None: not known).
        files: names of the snapshots (oldest first), or of the file of scores, or of the weights.
    """

    scores: tuple[float, ...]
    measure: str
    tpm: bool | None
    files: tuple[str, ...]

    def sentence(self) -> str:
        """The evidence as a person reads it; a stand-in says that it is one."""
        if self.measure == "scores":
            return f"scores of {self.files[0]}"
        if not self.tpm:
            return "weight norm, NOT TPM"
        return f"TPM ({self.measure} over {len(self.files)} snapshots, {self.files[0]} to {self.files[-1]})"


@dataclass(frozen=True)
class Request:
    """What the user said of evidence: `--snapshots`, `--window`, `--measure`, `--scores`."""

    snapshots: str | None = None
    window: str | None = None
    measure: str | None = None
    scores: PathLike | None = None


def find_snapshots(
    request: Request, weights: PathLike, solver_prefix: str | None, solver: PathLike | None
) -> list[Snapshot]:
    """The snapshots to measure over, oldest first; explicit ones, else those of WEIGHTS' own run, else the solver's.

    Raises:
        UsageError: a glob that matches nothing, a window that has no such ends, two snapshots of one iteration.
    """
    if request.snapshots is not None:
        found = _explicit(request.snapshots)
    else:
        found = _of_same_run(weights)
        if len(found) < 2 and solver_prefix and solver is not None:
            # Caffe resolves the prefix from its working directory; the solver's own folder is the other usual place.
            for base in (Path("."), Path(solver).parent):
                path = base / solver_prefix
                found = found if len(found) > 1 else _one_format(snapshots_in(path.parent, path.name, "caffemodel"))
            own = snapshot_of(weights)
            if own is not None:  # what came after WEIGHTS says nothing about how they came to be
                found = [snapshot for snapshot in found if snapshot.iteration <= own.iteration]
    for first, second in pairwise(found):
        if first.iteration == second.iteration:
            raise UsageError(f"{first.path} and {second.path} are both of iteration {first.iteration}")
    if request.window is None:
        return found
    return _windowed(found, request.window)


def no_tpm_hint(evidence: Evidence, measure: str | None) -> list[str]:
    """What to do where kernels were ranked by a stand-in that nobody asked for."""
    if evidence.tpm is not False or measure is not None:
        return []
    return [
        "no snapshots were found, so kernels are ranked by weight norm; for TPM: --snapshots 'GLOB', or --solver FILE"
    ]


def _explicit(pattern: str) -> list[Snapshot]:
    paths = sorted(glob.glob(pattern))
    if not paths:
        raise UsageError(f"--snapshots {pattern} matches no file")
    found = []
    for path in paths:
        snapshot = snapshot_of(path)
        if Path(path).is_dir():
            raise UsageError(
                f"--snapshots: {path} is a directory; name the files in it: '{path.rstrip('/')}/*.caffemodel'"
            )
        if snapshot is None:
            numbers = re.findall(r"\d+", Path(path).stem)
            if not numbers:
                raise UsageError(f"--snapshots: {path} has no iteration in its name, so its place in time is unknown")
            snapshot = Snapshot(Path(path), "", int(numbers[-1]), "caffemodel")
        if snapshot.kind != "caffemodel":
            raise UsageError(f"--snapshots: {path} is a {snapshot.kind}, not a caffemodel")
        found.append(snapshot)
    return sorted(found, key=lambda snapshot: snapshot.iteration)


def _of_same_run(weights: PathLike) -> list[Snapshot]:
    own = snapshot_of(weights)
    if own is None:
        return []
    beside = _one_format(snapshots_in(Path(weights).parent, own.prefix, "caffemodel"), own.hdf5)
    return [snapshot for snapshot in beside if snapshot.iteration <= own.iteration]


def _one_format(found: list[Snapshot], hdf5: bool = False) -> list[Snapshot]:
    """Of an iteration that was saved both as protobuf and as HDF5, the one of this format."""
    wanted = {snapshot.iteration for snapshot in found if snapshot.hdf5 == hdf5}
    return [snapshot for snapshot in found if snapshot.hdf5 == hdf5 or snapshot.iteration not in wanted]


def _windowed(found: list[Snapshot], window: str) -> list[Snapshot]:
    match = re.fullmatch(r"(\d{1,18}):(\d{1,18})", window)
    if match is None or int(match[1]) >= int(match[2]):
        raise UsageError(f"--window {window}: must be FIRST:LAST, two iterations, the first the smaller")
    first, last = int(match[1]), int(match[2])
    there = [snapshot.iteration for snapshot in found]
    for end in (first, last):
        if end not in there:
            known = ", ".join(map(str, there)) or "none"
            raise UsageError(
                f"--window {window}: there is no snapshot of iteration {end}", hint=f"snapshots found: {known}"
            )
    return [snapshot for snapshot in found if first <= snapshot.iteration <= last]


def choose_measure(request: Request, snapshots: Sequence[Snapshot]) -> Measure:
    """The measure asked for, or the best that so many snapshots allow.

    Raises:
        UsageError: an unknown measure, or snapshots named that no measure can use.
        FileError: the measure asked for needs more snapshots than there are.
    """
    count = max(1, len(snapshots))
    asked = request.measure
    best = next(measure for measure in MEASURES.values() if measure.snapshots <= count)
    if asked in (None, BEST_REAL):
        if not best.tpm and (asked == BEST_REAL or request.snapshots is not None):
            message = (
                f"no measure of training fits the number of snapshots, {len(snapshots)}: coherence needs 3, ratio 2"
            )
            raise UsageError(message) if request.snapshots else FileError(message, hint="name them with --snapshots")
        return best
    if asked not in MEASURES:
        raise UsageError(f"--measure {asked}: must be one of {BEST_REAL}, {', '.join(MEASURES)}")
    if MEASURES[asked].snapshots > count:
        needed = MEASURES[asked].snapshots
        raise FileError(
            f"--measure {asked} needs {needed} snapshots, and {len(snapshots)} were found",
            hint="name them with --snapshots",
        )
    return MEASURES[asked]


def score_layer(
    layer: str, weight: Blob, weights: PathLike, request: Request, snapshots: Sequence[Snapshot],
    progress: Progress = no_progress,
) -> Evidence:  # fmt: skip
    """Scores of the layer's kernels, one snapshot in memory at a time."""
    count = weight.shape[0]
    if request.scores is not None:
        scores = read_scores(request.scores, layer)
        if len(scores) != count:
            raise FileError(
                f'{len(scores)} scores, but layer "{layer}" has {count} kernels', FilePlace(str(request.scores))
            )
        return Evidence(rounded(scores), "scores", None, (Path(request.scores).name,))
    measure = choose_measure(request, snapshots)
    if measure.snapshots == 1:
        window: Iterator[Array] = iter([finite(weight, layer)])
        files: tuple[str, ...] = (Path(weights).name,)
    else:
        window = _loaded(layer, weight, snapshots, progress)
        files = tuple(snapshot.path.name for snapshot in snapshots)
    with np.errstate(over="ignore", invalid="ignore"):  # asked about just below
        found = measure.score(window)
    if not np.isfinite(found).all():
        raise FileError(
            f'the {measure.name} of layer "{layer}" is not a finite number: its weights are too large',
            FilePlace(str(weights)),
        )
    return Evidence(rounded(found), measure.name, measure.tpm, files)


def _loaded(layer: str, weight: Blob, snapshots: Sequence[Snapshot], progress: Progress) -> Iterator[Array]:
    for done, snapshot in enumerate(snapshots, 1):
        with ExitStack() as stack:
            opened = open_weights(stack, snapshot.path)
            found = [record.blob(0) for record in opened.named(layer)]
            if len(found) != 1 or found[0] is None:
                raise FileError(f'has {len(found)} layers "{layer}" with weights, not one', FilePlace(opened.name))
            loaded = finite(found[0], layer)
            if loaded.shape != weight.shape:
                shapes = f"{loaded.shape} here, {weight.shape} in the weights to be split"
                raise FileError(f'layer "{layer}" has another shape: {shapes}', FilePlace(opened.name))
            yield loaded
        progress(f"measuring {layer}", done, len(snapshots))


def read_scores(path: PathLike, layer: str) -> list[float]:
    """Scores by channel from a file: npy (one axis), csv, json or yaml.

    csv: a score a line, or columns with a header holding `score` (and `channel`, which then gives the order).
    json, yaml: a list, `{layer: list}`, or the JSON that `rank --layer` prints.

    Raises:
        FileError: malformed, with line and column where the format has them.
    """
    name, data = str(path), read_file(path)
    suffix = Path(path).suffix.lower()
    if suffix not in _PARSERS:
        raise UsageError(f"--scores {name}: must end in .csv, .json, .yaml, .yml or .npy")
    try:
        found = _PARSERS[suffix](data, name, layer)
    except SurgeryError:
        raise
    except Exception as error:
        # The parsers raise a dozen kinds for a malformed file (SyntaxError, RecursionError, MemoryError ...); whatever it
        # is, it is about this file.
        raise FileError(f"not a list of scores: {str(error) or type(error).__name__}", FilePlace(name)) from error
    if not all(np.isfinite(found)):
        raise FileError("holds a score that is NaN or infinite", FilePlace(name))
    return found


def _csv_scores(data: bytes, name: str, _layer: str) -> list[float]:
    text = data.decode("utf-8-sig")
    rows = [
        (at, row)
        for at, row in enumerate(csv.reader(io.StringIO(text, newline=None)), 1)
        if row and any(cell.strip() for cell in row)
    ]
    column, channel_column = 0, None
    if rows and not _is_number(rows[0][1][0]):
        header = [cell.strip().lower() for cell in rows.pop(0)[1]]
        if "score" not in header:
            raise FileError('the header has no column "score"', FilePlace(name))
        column = header.index("score")
        channel_column = header.index("channel") if "channel" in header else None
    elif rows and len(rows[0][1]) > 1:
        raise FileError("several columns need a header that names one of them score", FilePlace(name))
    pairs: list[tuple[int, float]] = []
    for line, row in rows:
        cells = [row[index] if index < len(row) else "" for index in (column, channel_column) if index is not None]
        if not all(_is_number(cell) for cell in cells):
            raise FileError(f"no number in {','.join(row)!r}", TextPlace(name, data, _line_start(data, line)))
        if len(cells) > 1 and not cells[1].strip().isdecimal():
            raise FileError(f"{cells[1].strip()!r} is no channel", TextPlace(name, data, _line_start(data, line)))
        pairs.append((int(cells[1]) if len(cells) > 1 else len(pairs), float(cells[0])))
    return _by_channel(pairs, name)


def _by_channel(pairs: list[tuple[int, float]], name: str) -> list[float]:
    """Scores in the order of their channels, each of which must be there once."""
    if sorted(channel for channel, _ in pairs) != list(range(len(pairs))):
        raise FileError("the channels are not 0, 1, 2 ..., each once", FilePlace(name))
    return [score for _, score in sorted(pairs)]


def _line_start(data: bytes, line: int) -> int:
    at = 0
    for _ in range(line - 1):
        at = data.find(b"\n", at) + 1
    return at


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _json_scores(data: bytes, name: str, layer: str) -> list[float]:
    try:
        return _from_tree(json.loads(data), name, layer)
    except json.JSONDecodeError as error:
        raise FileError(
            f"not JSON: {error.msg}", TextPlace(name, data, len(error.doc[: error.pos].encode()))
        ) from error


def _yaml_scores(data: bytes, name: str, layer: str) -> list[float]:
    import yaml

    try:
        return _from_tree(yaml.safe_load(data), name, layer)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise FileError(f"not YAML: {error.problem}", TextPlace(name, data, _line_start(data, line))) from error
    except yaml.YAMLError as error:
        raise FileError("not YAML", FilePlace(name)) from error


def _from_tree(tree: Any, name: str, layer: str) -> list[float]:
    if isinstance(tree, dict) and layer in tree:
        tree = tree[layer]
    if isinstance(tree, dict) and tree.get("layer", layer) == layer and "kernels" in tree:
        tree = tree["kernels"]
    if (
        isinstance(tree, list)
        and tree
        and all(isinstance(item, dict) and "score" in item and "channel" in item for item in tree)
    ):
        return _by_channel([(item["channel"], float(item["score"])) for item in tree], name)
    if not isinstance(tree, list) or not all(
        isinstance(item, (int, float)) and not isinstance(item, bool) for item in tree
    ):
        raise FileError(f'holds no list of numbers for layer "{layer}"', FilePlace(name))
    return [float(item) for item in tree]


def _npy_scores(data: bytes, name: str, _layer: str) -> list[float]:
    array = np.load(io.BytesIO(data), allow_pickle=False)
    if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype.kind not in "iuf":
        raise FileError("must hold one array of real numbers with one axis", FilePlace(name))
    return [float(value) for value in array]


_PARSERS = {
    ".csv": _csv_scores,
    ".json": _json_scores,
    ".yaml": _yaml_scores,
    ".yml": _yaml_scores,
    ".npy": _npy_scores,
}
