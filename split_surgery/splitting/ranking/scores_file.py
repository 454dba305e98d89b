"""Scores that somebody else made, or that `rank` printed, read from a file."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from split_surgery.documents.npy import npy_array
from split_surgery.documents.source import PathLike, read_file
from split_surgery.errors import FileError, FilePlace, OptionError, SurgeryError, TextPlace, shown
from split_surgery.workspace.yaml_file import YamlFile

_LIMIT = 64 * 1024 * 1024
"""Bytes of the largest file that is read: a score is a line of some twenty, and no layer has a million kernels."""


def read_scores(path: PathLike, layer: str) -> list[float]:
    """Scores by channel from a file: npy (one axis), csv, json or yaml.

    csv: a score a line, or columns with a header holding `score` (and `channel`, which then gives the order, and `layer`,
    which then chooses the lines). json, yaml: a list, `{layer: list}`, or the JSON that `rank` prints.

    Raises:
        FileError: malformed, with line and column where the format has them.
    """
    name, data = str(path), read_file(path, _LIMIT)
    suffix = Path(path).suffix.lower()
    if suffix not in _PARSERS:
        raise OptionError("scores", "must end in .csv, .json, .yaml, .yml or .npy", name)
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


def _csv_scores(data: bytes, name: str, layer: str) -> list[float]:
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
        if "layer" in header:
            at_layer = header.index("layer")
            # `rank --csv` puts an apostrophe before a name that a spreadsheet would take for a formula.
            rows = [row for row in rows if row[1][at_layer : at_layer + 1] in ([layer], ["'" + layer])]
    elif rows and len(rows[0][1]) > 1:
        raise FileError("several columns need a header that names one of them score", FilePlace(name))
    pairs: list[tuple[int, float]] = []
    for line, row in rows:
        cells = [row[index] if index < len(row) else "" for index in (column, channel_column) if index is not None]
        if not all(_is_number(cell) for cell in cells):
            raise FileError(f"no number in {shown(','.join(row))}", TextPlace(name, data, _line_start(data, line)))
        if len(cells) > 1 and not cells[1].strip().isdecimal():
            raise FileError(f"{shown(cells[1].strip())} is no channel", TextPlace(name, data, _line_start(data, line)))
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
    return _from_tree(YamlFile(data, name).tree(), name, layer)


def _from_tree(tree: Any, name: str, layer: str) -> list[float]:
    if isinstance(tree, dict) and isinstance(tree.get("layers"), list):  # what `rank --json` prints of a whole net
        rows = [row for row in tree["layers"] if isinstance(row, dict) and row.get("layer") == layer]
        tree = rows[0].get("scores") if rows else None
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
    array = npy_array(data, FilePlace(name))
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise FileError("must hold one array of real numbers with one axis", FilePlace(name))
    return [float(value) for value in array]


_PARSERS = {
    ".csv": _csv_scores,
    ".json": _json_scores,
    ".yaml": _yaml_scores,
    ".yml": _yaml_scores,
    ".npy": _npy_scores,
}
