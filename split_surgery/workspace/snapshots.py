"""Snapshots, known by the names that Caffe gives them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from split_surgery.documents.source import PathLike

SNAPSHOT = re.compile(r"(?P<prefix>.*)_iter_(?P<iteration>\d+)\.(?P<kind>caffemodel|solverstate)(?P<h5>\.h5)?")


@dataclass(frozen=True)
class Snapshot:
    """A file named as Caffe names snapshots: `<prefix>_iter_<N>.caffemodel`, or a `.solverstate`; HDF5 ends in `.h5`."""

    path: Path
    prefix: str
    iteration: int
    kind: str
    hdf5: bool = False


def snapshot_of(path: PathLike) -> Snapshot | None:
    """What the name of a file says, if it is a snapshot's."""
    match = SNAPSHOT.fullmatch(Path(path).name)
    if match is None:
        return None
    return Snapshot(Path(path), match["prefix"], int(match["iteration"]), match["kind"], match["h5"] is not None)


def snapshots_in(folder: PathLike, prefix: str | None = None, kind: str | None = None) -> list[Snapshot]:
    """The snapshots in a folder by iteration, of one prefix and kind where given."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    found = [s for s in (snapshot_of(Path(folder, name)) for name in names) if s is not None]
    found = [s for s in found if prefix in (None, s.prefix) and kind in (None, s.kind)]
    return sorted(found, key=lambda s: s.iteration)
