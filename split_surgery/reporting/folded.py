"""Directories of folds among what a user names: what each was folded from, what it came to, and what its log says of it."""

from __future__ import annotations

import filecmp
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from split_surgery.documents.source import folders_in, read_file, sha256
from split_surgery.errors import FileError, SurgeryError, UsageError, for_shell
from split_surgery.reporting.lineage import files_called
from split_surgery.reporting.logs.folded_row import FoldedRow
from split_surgery.reporting.logs.log_row import LogRow
from split_surgery.workspace.manifest import InputFile
from split_surgery.workspace.names import FOLD_FILE
from split_surgery.workspace.open_files import OpenFiles
from split_surgery.workspace.run_dir import run_dir
from split_surgery.workspace.yaml_file import YamlFile


def folded_rows(
    folds: Sequence[tuple[str, Path]], named: Sequence[Path], beside: Sequence[Path], rows: Sequence[LogRow]
) -> tuple[FoldedRow, ...]:
    """A row for each directory of a fold.

    Args:
        folds: each with its name. named: where what they were folded from is looked for, and beside: where, if it is in none of those.
        rows: of all logs.

    Raises:
        FileError: a fold.yaml is damaged.
    """
    with OpenFiles() as files:
        return tuple(_folded(files, name, folder, (named, beside), rows) for name, folder in folds)


def folded_from(folder: Path, near: Sequence[Path]) -> list[tuple[Path, Path]]:
    """The prototxt and the weights that the directory of a fold was made from, looked for in directories and what is in them.

    Raises:
        FileError: its fold.yaml is damaged.
    """
    net, weights, _ = _record(folder / FOLD_FILE)
    folders = [one for place in near for one in (place, *map(Path, folders_in(place))) if one != folder]
    return _pairs(net, weights, folders)


def only_source(
    pairs: Sequence[tuple[Path, Path]], fold: str, proves: Callable[[Path, Path], bool]
) -> tuple[Path, Path]:
    """The prototxt and the weights that a fold was made from, out of those that they may be: fold.yaml has no digest of weights.

    Args:
        fold: its directory, as a shell has it. proves: whether a fold is the one of such a pair.

    Raises:
        UsageError: several weights may be meant, as where runs of one split lie side by side, and none of them alone is proven.
    """
    different: list[tuple[Path, Path]] = []
    for pair in pairs:
        if not any(filecmp.cmp(other[1], pair[1], shallow=False) for other in different):
            different.append(pair)
    if len(different) == 1:
        return pairs[0]
    proven = [pair for pair in different if proves(*pair)]
    if len(proven) == 1:
        return proven[0]
    folders = dict.fromkeys(os.fspath(model.parent) for _, model in pairs)
    net, weights = (for_shell(os.fspath(path)) for path in pairs[0])
    raise UsageError(
        f"{fold} may have been folded from {' or '.join(list(folders)[:8])}, whose weights have the same name and size",
        hint=f"say which: split-surgery verify {net} {weights} {fold}",
    )


def _folded(
    files: OpenFiles, name: str, folder: Path, near: Sequence[Sequence[Path]], rows: Sequence[LogRow]
) -> FoldedRow:
    net, weights, regions = _record(folder / FOLD_FILE)
    near = [[one for one in folders if one != folder] for folders in near]
    pairs = next(filter(None, (_pairs(net, weights, folders) for folders in near)), [])
    there = run_dir(folder)
    logs = [row for row in rows if os.path.realpath(Path(row.source).parent) == os.path.realpath(folder)]
    return FoldedRow(
        net=name, folder=str(folder), source=tuple(dict.fromkeys(model.absolute().parent.name for _, model in pairs)),
        net_file=net.name, weights_file=weights.name, layers=tuple(layer for layer, _ in regions),
        was=sum(count for _, count in regions),
        net_layers=(_layers(files, pairs[0][0] if pairs else None), _layers(files, there.net)),
        parameters=(_parameters(files, pairs[0][1] if pairs else None), _parameters(files, there.written)),
        bytes=(weights.size, os.path.getsize(there.written) if there.written is not None else None),
        accuracy=next((row for row in logs if row.told is not None), None),
    )  # fmt: skip


def _pairs(net: InputFile, weights: InputFile, folders: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Prototxts and weights that may be those that were folded: where both lie together, else the first of each."""
    nets = [path for path in files_called(net, folders) if sha256(read_file(path)) == net.sha256]
    models = files_called(weights, folders)
    together = [(text, model) for model in models for text in nets if text.parent == model.parent]
    return together or [(text, model) for text in nets[:1] for model in models[:1]]


def _record(path: Path) -> tuple[InputFile, InputFile, list[tuple[str, int]]]:
    """What fold.yaml names: the prototxt, the weights, and each layer with the number of those that it stands for.

    Raises:
        FileError: it is none.
    """
    document = YamlFile.read(path)
    document.refuse_empty("a fold writes there what it did; was the file cut, or the disk full?")
    tree = document.tree()
    try:
        net, weights = (
            InputFile(str(tree[key]["file"]), int(tree[key]["bytes"]), tree[key].get("sha256"))
            for key in ("net", "weights")
        )
        return net, weights, [(str(one["layer"]), len(one["was"])) for one in tree["folded"]]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise FileError("lacks what a fold writes: is it an unchanged fold.yaml?", document.place_in(tree)) from error


def _layers(files: OpenFiles, path: Path | None) -> int | None:
    """Layers of a prototxt."""
    try:
        return len(files.prototxt(path).net.layers) if path is not None else None
    except SurgeryError:  # the report tells what can be read
        return None


def _parameters(files: OpenFiles, path: Path | None) -> int | None:
    """Numbers in a weights file."""
    try:
        return (
            sum(blob.count for record in files.weights(path).layers for blob in record.blobs)
            if path is not None
            else None
        )
    except SurgeryError:  # the report tells what can be read
        return None
