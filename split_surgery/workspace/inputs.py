"""The files of a split, open and indexed, and what they become in the output directory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from split_surgery.documents.net.net import TRAIN_NETS, Net, inner_nets
from split_surgery.documents.prototxt import Document
from split_surgery.documents.source import PathLike, Source, read_file, same_file
from split_surgery.documents.weights.blobs import Record, Weights
from split_surgery.documents.weights.hdf5 import Hdf5Weights
from split_surgery.documents.weights.opening import open_solverstate, open_weights
from split_surgery.documents.weights.solverstate import Hdf5Solverstate, Solverstate
from split_surgery.errors import FileError, FilePlace, UsageError
from split_surgery.workspace.names import HDF5_SUFFIX, NET_FILE, OWN_FILES, STATE_FILE, WEIGHTS_FILE
from split_surgery.workspace.snapshots import snapshot_of


class NoWeights:
    """In the place of weights where the prototxts alone are looked at. `hdf5`: whether they would be HDF5."""

    layers: tuple[Record, ...] = ()

    def __init__(self, hdf5: bool) -> None:
        self.name = "WEIGHTS"
        self.hdf5 = hdf5

    def named(self, name: str) -> Sequence[Record]:
        return ()


@dataclass(frozen=True)
class NetFile:
    """A net to be edited: NET, one named by `--also`, or another net inside the solver.

    Attributes:
        name: what it is called in the output directory; "" for a net that is only in the solver there.
        inner: which of the nets inside its solver it is.
    """

    path: PathLike
    net: Net
    name: str
    inner: int = 0


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
    """The files of a split. The first of `nets` is NET; `stack` closes what else is opened on their account.

    Attributes:
        convolutions: names of those that NET had before any split of this run.
    """

    nets: tuple[NetFile, ...]
    weights_path: PathLike
    weights: Weights
    source: Source | None
    solver_path: PathLike | None
    solver: Document | None
    state: StateFile | None
    stack: contextlib.ExitStack
    lineage: tuple[str, ...] = ()
    convolutions: tuple[str, ...] = ()

    @property
    def net(self) -> Net:
        return self.nets[0].net

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
        return self.net.document if self.net.inside_solver else self.solver

    def trained(self) -> int:
        """Which of `nets` is the one that is trained: the net inside the solver, or the one it names; else NET."""
        if self.solver is None:
            return 0
        inside = [at for at, file in enumerate(self.nets) if file.net.document is self.solver and file.inner == 0]
        if inside and any(self.solver.root.messages(name) for name in TRAIN_NETS):
            return inside[0]
        paths = [value.text for name in ("train_net", "net") for value in self.solver.root.scalars(name)]
        names = [self.new_name(path) for path in paths]
        return next((at for at, file in enumerate(self.nets) if file.name and file.name in names), 0)

    def edited(self, documents: Mapping[int, Document], weights: Weights, state: Solverstate | None) -> Inputs:
        """The same files after a split.

        Args:
            documents: by the `id` of a document, what has become of it.
        """

        def again(document: Document) -> Document:
            return documents.get(id(document), document)

        nets = []
        for file in self.nets:
            document = again(file.net.document)
            net = inner_nets(document)[file.inner] if file.net.inside_solver else Net(document)
            nets.append(replace(file, net=net))
        solver = again(self.solver) if self.solver is not None else None
        held = replace(self.state, index=state) if self.state is not None and state is not None else None
        return replace(self, nets=tuple(nets), weights=weights, solver=solver, state=held)

    def paths(self) -> list[PathLike]:
        solver = [self.solver_path] if self.solver_path is not None else []
        state = [self.state.path] if self.state is not None else []
        weights = [self.weights_path] if self.source is not None else []
        return [*(file.path for file in self.nets), *weights, *solver, *state]

    def new_name(self, path: str) -> str | None:
        """What a net that the solver names is called in the output directory; None for a net that is not being split.

        Caffe resolves the path from its working directory, which is not known here: it is looked for from this one, from the
        solver's folder and from the folders above it. Where it is nowhere (the solver was written for another machine), its
        name decides.
        """
        solver = self.solver_path if self.solver_path is not None else self.nets[0].path
        folder = Path(solver).resolve().parent
        places = [base / path for base in (Path("."), folder, *folder.parents)]
        there = [place for place in places if os.path.isfile(place)]
        for file in self.nets:
            if file.net.inside_solver:
                continue
            if any(same_file(place, file.path) for place in there) or (
                not there and Path(path).name == Path(file.path).name
            ):
                return file.name
        return None


def open_inputs(
    stack: contextlib.ExitStack, net: PathLike, weights: PathLike | None, solver: PathLike | None = None, also: Sequence[PathLike] = (),
    state: PathLike | None = None, lineage: tuple[str, ...] = (), hdf5: bool = False,
) -> Inputs:  # fmt: skip
    """Open the files of a split; `stack` closes them.

    Raises:
        SurgeryError: one of them cannot be read or used.
    """
    for given in (net, *([weights] if weights is not None else [])):
        if os.path.isdir(given):
            raise FileError("is a directory; name the prototxt and the caffemodel in it", FilePlace(str(given)))
    nets = [NetFile(net, Net(Document(read_file(net), str(net))), NET_FILE)]
    for path in also:
        file = NetFile(path, Net(Document(read_file(path), str(path))), Path(path).name)
        if file.net.inside_solver:
            raise UsageError(f"--also {path}: is a solver, not a net")
        if file.name in (*OWN_FILES, *(other.name for other in nets)):
            raise UsageError(f"--also {path}: {file.name} is the name of another file in the output directory")
        nets.append(file)
    parsed_solver, first = None, nets[0].net
    if solver is not None:
        if first.inside_solver:
            raise UsageError(f"--solver {solver}: {net} is a solver itself, and is written as one")
        parsed_solver = Document(read_file(solver), str(solver))
        nets += [NetFile(solver, inner, "", at) for at, inner in enumerate(inner_nets(parsed_solver))]
    elif first.inside_solver:
        nets += [NetFile(net, inner, "", at) for at, inner in enumerate(inner_nets(first.document)) if at]
    source: Source | None = None
    indexed: Weights = NoWeights(hdf5)
    if weights is not None:
        indexed, source = open_weights(stack, weights), stack.enter_context(Source(weights))
    state_file = None
    if state is not None and weights is not None:
        state_file = StateFile(state, open_solverstate(stack, state), stack.enter_context(Source(state)))
        _check_same_snapshot(weights, state_file)
        if isinstance(indexed, Hdf5Weights) and not isinstance(state_file.index, Hdf5Solverstate):
            raise UsageError(
                f"--solverstate {state}: a binary state cannot go with HDF5 weights: Caffe would read them as protobuf, and go on "
                "with random ones",
                hint="give the .solverstate.h5 of the snapshot, or its .caffemodel",
            )
    return Inputs(
        tuple(nets),
        weights if weights is not None else "WEIGHTS",
        indexed,
        source,
        solver,
        parsed_solver,
        state_file,
        stack,
        lineage,
        tuple(layer.name for layer in first.convolutions()),
    )


def _check_same_snapshot(weights: PathLike, state: StateFile) -> None:
    """Raises: UsageError, where the state is of another iteration than the weights."""
    own = snapshot_of(weights)
    if own is not None and own.iteration != state.index.iteration:
        raise UsageError(
            f"--solverstate {state.path} is of iteration {state.index.iteration}, and {weights} of {own.iteration}",
            hint="give the weights and the state of one snapshot",
        )
