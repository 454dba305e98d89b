"""What a directory stands for: the files that a split or a fold wrote into it, and the snapshots that training has left there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from split_surgery.documents.source import PathLike, files_in, not_there
from split_surgery.errors import FileError, FilePlace, UsageError
from split_surgery.workspace.names import (
    FOLD_FILE,
    HDF5_SUFFIX,
    NET_FILE,
    PLAN_FILE,
    SOLVER_FILE,
    STATE_FILE,
    WEIGHTS_FILE,
    WEIGHTS_FILES,
)
from split_surgery.workspace.snapshots import Snapshot, snapshots_in


@dataclass(frozen=True)
class RunDir:
    """The files of a directory by what they are; None for those that are not there.

    Attributes:
        given: the directory as it was named.
        net: the prototxt. solver: the solver that trains it. state: the solver state that was carried over.
        written: the weights that the split or the fold wrote. snapshots: caffemodels of the training since, oldest first.
        plan: split.yaml. fold: fold.yaml. others: further prototxts, by name.
    """

    given: str
    net: Path | None
    solver: Path | None
    written: Path | None
    state: Path | None
    snapshots: tuple[Snapshot, ...]
    plan: Path | None
    fold: Path | None
    others: tuple[Path, ...]

    @property
    def made_by(self) -> Path | None:
        """The file that says how the directory was made."""
        return self.plan or self.fold

    @property
    def stands_for_a_net(self) -> bool:
        """Whether the directory can be given in the place of NET: a verb wrote a net into it, by splitting, folding or editing."""
        return self.made_by is not None or (self.net is not None and self.written is not None)

    def start(self, hdf5: bool) -> Path | None:
        """What was written in one of the two formats."""
        path = Path(self.given) / WEIGHTS_FILES[hdf5]
        return path if os.path.exists(path) else None

    def newest(self) -> Path | None:
        """The newest snapshot.

        Raises:
            UsageError: there are snapshots of several runs.
        """
        prefixes = sorted({snapshot.prefix for snapshot in self.snapshots})
        if len(prefixes) > 1:
            raise UsageError(f"{self.given} holds snapshots of several runs ({', '.join(prefixes)}): name the weights")
        return self.snapshots[-1].path if self.snapshots else None

    def weights(self) -> Path:
        """The newest snapshot, or what the split wrote.

        Raises:
            UsageError: there are snapshots of several runs.
            FileError: there is neither.
        """
        found = self.newest() or self.written
        if found is None:
            raise FileError(f"holds neither a snapshot nor {WEIGHTS_FILE}", FilePlace(self.given))
        return found

    def need_net(self, hint: str = "") -> Path:
        """The prototxt.

        Raises:
            FileError: there is none, so the directory is none of a split or a fold.
        """
        if self.net is None:
            if not os.path.lexists(self.given):
                raise not_there(self.given)
            if os.path.isfile(self.given) and os.path.exists(Path(self.given).parent / NET_FILE):
                hint = f"give its directory, {os.path.dirname(self.given) or '.'}; {hint}" if hint else hint
            raise FileError(
                f"is not the directory of a split or a fold (it has no {NET_FILE})", FilePlace(self.given), hint
            )
        return self.net


def run_dir(path: PathLike) -> RunDir:
    """The files of a directory."""
    folder = Path(path)

    def there(*names: str) -> Path | None:
        return next((folder / name for name in names if os.path.exists(folder / name)), None)

    others = (name for name in files_in(folder, ".prototxt") if name not in (NET_FILE, SOLVER_FILE))
    return RunDir(
        given=os.fspath(path),
        net=there(NET_FILE),
        solver=there(SOLVER_FILE),
        written=there(*WEIGHTS_FILES),
        state=there(STATE_FILE, STATE_FILE + HDF5_SUFFIX),
        snapshots=tuple(snapshots_in(folder, kind="caffemodel")),
        plan=there(PLAN_FILE),
        fold=there(FOLD_FILE),
        others=tuple(folder / name for name in others),
    )
