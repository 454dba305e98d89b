"""The files of a split or a fold, open and indexed, and what they become in the output directory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from split_surgery.documents.net.net import Net, Prototxt
from split_surgery.documents.prototxt import Document
from split_surgery.documents.source import PathLike, Source, same_file
from split_surgery.documents.weights.blobs import Record, Weights
from split_surgery.documents.weights.hdf5 import Hdf5Weights
from split_surgery.documents.weights.records import same_record
from split_surgery.documents.weights.solverstate import Hdf5Solverstate, Solverstate
from split_surgery.errors import FileError, FilePlace, OptionError, UsageError
from split_surgery.workspace.names import HDF5_SUFFIX, NET_FILE, OWN_FILES, STATE_FILE, WEIGHTS_FILE
from split_surgery.workspace.open_files import OpenFiles
from split_surgery.workspace.snapshots import snapshot_of, snapshots_in


class NoWeights:
    """In the place of weights where the prototxts alone are looked at. `hdf5`: whether they would be HDF5."""

    layers: tuple[Record, ...] = ()

    def __init__(self, hdf5: bool) -> None:
        self.name = "WEIGHTS"
        self.hdf5 = hdf5

    def named(self, name: str) -> Sequence[Record]:
        return ()


@dataclass(frozen=True)
class StateFile:
    """A solver state (`--solverstate`), open and indexed."""

    path: PathLike
    index: Solverstate
    source: Source

    @property
    def name(self) -> str:
        """What it is called in the output directory."""
        return STATE_FILE + (HDF5_SUFFIX if isinstance(self.index, Hdf5Solverstate) else "")


@dataclass(frozen=True)
class Inputs:
    """The files of a run.

    Attributes:
        main: NET. also: further prototxts, which keep their names. solver: that of `--solver`.
        source: of the weights. files: what else is opened on their account.
        convolutions: names of those that NET had before any split of this run.
    """

    main: Prototxt
    also: tuple[Prototxt, ...]
    solver: Prototxt | None
    weights_path: PathLike
    weights: Weights
    source: Source | None
    state: StateFile | None
    files: OpenFiles
    lineage: tuple[str, ...] = ()
    convolutions: tuple[str, ...] = ()

    @property
    def net(self) -> Net:
        return self.main.nets[0]

    @property
    def texts(self) -> tuple[Prototxt, ...]:
        """All that is edited: NET, the further prototxts, the solver."""
        return (self.main, *self.also, *([self.solver] if self.solver is not None else []))

    @property
    def nets(self) -> tuple[Net, ...]:
        """The nets in all of them."""
        return tuple(net for text in self.texts for net in text.nets)

    @property
    def named(self) -> tuple[tuple[str, Prototxt], ...]:
        """The prototxts that are nets of their own in the output directory, by their names there."""
        return ((NET_FILE, self.main), *((Path(text.document.name).name, text) for text in self.also))

    @property
    def hdf5(self) -> bool:
        return self.weights.hdf5 if isinstance(self.weights, NoWeights) else isinstance(self.weights, Hdf5Weights)

    @property
    def weights_name(self) -> str:
        """What the weights file is called in the output directory: of the kind that it was."""
        return WEIGHTS_FILE + (HDF5_SUFFIX if self.hdf5 else "")

    @property
    def solver_document(self) -> Document | None:
        """The solver: that of `--solver`, or NET where it is one."""
        if self.main.is_solver:
            return self.main.document
        return self.solver.document if self.solver is not None else None

    def trained(self) -> int:
        """Which of `nets` is the one that is trained: the net inside the solver, or the one it names; else NET."""
        if self.solver is None:
            return 0
        if self.solver.holds_net:
            return len(self.nets) - len(self.solver.nets)
        root = self.solver.document.root
        paths = [value.text for name in ("train_net", "net") for value in root.scalars(name)]
        called = [self.new_name(path) for path in paths]
        found = next((text for name, text in self.named if name in called), self.main)
        return self.nets.index(found.nets[0])

    def edited(self, texts: Sequence[Prototxt], weights: Weights) -> Inputs:
        """The same files after a split or a fold.

        Args:
            texts: what has become of each of `texts`, in their order.
        """
        main, *others = texts
        solver = others.pop() if self.solver is not None else None
        return replace(self, main=main, also=tuple(others), solver=solver, weights=weights)

    def paths(self) -> list[PathLike]:
        state = [self.state.path] if self.state is not None else []
        weights = [self.weights_path] if self.source is not None else []
        return [*(text.document.name for text in self.texts), *weights, *state]

    def new_name(self, path: str) -> str | None:
        """What a net that the solver names is called in the output directory; None for a net that is not being split.

        Caffe resolves the path from its working directory, which is not known here: it is looked for from this one, from the
        solver's folder and from the folders above it. Where it is nowhere (the solver was written for another machine), its
        name decides.
        """
        solver = self.solver_document if self.solver_document is not None else self.main.document
        folder = Path(solver.name).resolve().parent
        places = [base / path for base in (Path("."), folder, *folder.parents)]
        there = [place for place in places if os.path.isfile(place)]
        for name, text in self.named:
            own = text.document.name
            if text.is_solver:
                continue
            if any(same_file(place, own) for place in there) or (not there and Path(path).name == Path(own).name):
                return name
        return None


def open_inputs(
    files: OpenFiles, net: PathLike, weights: PathLike | None, solver: PathLike | None = None, also: Sequence[PathLike] = (),
    state: PathLike | None = None, lineage: tuple[str, ...] = (), hdf5: bool = False,
) -> Inputs:  # fmt: skip
    """Open the files of a run; `files` closes them.

    Raises:
        SurgeryError: one of them cannot be read or used.
    """
    if os.path.isdir(net):
        raise FileError("is a directory; name the prototxt and the caffemodel in it", FilePlace(str(net)))
    if weights is not None and os.path.isdir(weights):
        inside = snapshots_in(weights, kind="caffemodel")
        hint = f"the newest in it is {inside[-1].path}" if inside else ""
        raise FileError("is a directory, and WEIGHTS is one caffemodel", FilePlace(str(weights)), hint)
    main = files.prototxt(net)
    convolutions = tuple(layer.name for layer in main.net.convolutions())  # says what else it is than a net
    others: list[Prototxt] = []
    names = [*OWN_FILES]
    for path in also:
        text = files.prototxt(path)
        if text.net.inside_solver:
            raise OptionError("also", "is a solver, not a net", path)
        if Path(path).name in names:
            raise OptionError("also", f"{Path(path).name} is the name of another file in the output directory", path)
        names.append(Path(path).name)
        others.append(text)
    given_solver = None
    if solver is not None:
        if main.is_solver:
            raise OptionError("solver", f"{net} is a solver itself, and is written as one", solver)
        given_solver = files.prototxt(solver)
        if not given_solver.is_solver:
            raise UsageError(f"{solver} names no net, so it is not the solver that trains NET")
    source: Source | None = None
    indexed: Weights = NoWeights(hdf5)
    if weights is not None:
        indexed, source = files.weights(weights), files.source(weights)
    state_file = None
    if state is not None and weights is not None:
        state_file = StateFile(state, files.solverstate(state), files.source(state))
        _check_same_snapshot(files, weights, state_file)
        if isinstance(indexed, Hdf5Weights) and not isinstance(state_file.index, Hdf5Solverstate):
            raise UsageError(
                f"--solverstate {state}: a binary state cannot go with HDF5 weights: Caffe would read them as protobuf, and go on "
                "with random ones",
                hint="give the .solverstate.h5 of the snapshot, or its .caffemodel",
            )
    return Inputs(
        main=main,
        also=tuple(others),
        solver=given_solver,
        weights_path=weights if weights is not None else "WEIGHTS",
        weights=indexed,
        source=source,
        state=state_file,
        files=files,
        lineage=lineage,
        convolutions=convolutions,
    )


def _check_same_snapshot(files: OpenFiles, weights: PathLike, state: StateFile) -> None:
    """Raises: UsageError, where the state is of another iteration than the weights.

    The name of a snapshot says its iteration; weights of another name are held against those that the
    state names, if they lie beside it.
    """
    own, there = snapshot_of(weights), Path(state.path).parent / Path(state.index.learned_net).name
    if own is not None and own.iteration != state.index.iteration:
        other = f"{weights} of {own.iteration}"
    elif own is None and os.path.isfile(there) and not _same_numbers(files, weights, there):
        other = f"{weights} holds other numbers than {there}, to which it belongs"
    else:
        return
    raise UsageError(
        f"--solverstate {state.path} is of iteration {state.index.iteration}, and {other}",
        hint="give the weights and the state of one snapshot",
    )


def _same_numbers(files: OpenFiles, weights: PathLike, other: PathLike) -> bool:
    """Whether the layers that two weights files both have hold the same numbers."""
    if same_file(weights, other):
        return True
    one, two = files.weights(weights), files.weights(other)
    both = [(record, two.named(record.name)[-1:]) for record in one.layers if record.blobs]
    return all(same_record(one, two, record, twin) for record, twins in both for twin in twins)
