"""The files of a split, open and indexed, and what they become in the output directory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from split_surgery.documents.caffemodel import Caffemodel
from split_surgery.documents.net import Net
from split_surgery.documents.prototxt import Document
from split_surgery.errors import FileError, FilePlace, UsageError
from split_surgery.files import PathLike, Source, read_file, same_file

NET_FILE, WEIGHTS_FILE, SOLVER_FILE, PLAN_FILE = "net.prototxt", "net.caffemodel", "solver.prototxt", "split.yaml"
OWN_FILES = (NET_FILE, WEIGHTS_FILE, SOLVER_FILE, PLAN_FILE)


@dataclass(frozen=True)
class NetFile:
    """A prototxt to be edited: NET, or one named by `--also`. `name` is what it is called in the output directory."""

    path: PathLike
    net: Net
    name: str


@dataclass(frozen=True)
class Inputs:
    """The files of a split. The first of `nets` is NET."""

    nets: tuple[NetFile, ...]
    weights_path: PathLike
    weights: Caffemodel
    source: Source
    solver_path: PathLike | None
    solver: Document | None

    @property
    def net(self) -> Net:
        return self.nets[0].net

    def paths(self) -> list[PathLike]:
        solver = [self.solver_path] if self.solver_path is not None else []
        return [*(file.path for file in self.nets), self.weights_path, *solver]

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
            if any(same_file(place, file.path) for place in there) or (
                not there and Path(path).name == Path(file.path).name
            ):
                return file.name
        return None


def open_inputs(
    stack: contextlib.ExitStack, net: PathLike, weights: PathLike, solver: PathLike | None = None, also: Sequence[PathLike] = ()
) -> Inputs:  # fmt: skip
    """Open the files of a split; `stack` closes them.

    Raises:
        SurgeryError: one of them cannot be read or used.
    """
    for given in (net, weights):
        if os.path.isdir(given):
            raise FileError("is a directory; name the prototxt and the caffemodel in it", FilePlace(str(given)))
    nets = [NetFile(net, Net(Document(read_file(net), str(net))), NET_FILE)]
    for path in also:
        file = NetFile(path, Net(Document(read_file(path), str(path))), Path(path).name)
        if file.net.inside_solver:
            raise UsageError(f"--also {path}: is a solver, not a net")
        if file.name in (WEIGHTS_FILE, SOLVER_FILE, PLAN_FILE, *(other.name for other in nets)):
            raise UsageError(f"--also {path}: {file.name} is the name of another file in the output directory")
        nets.append(file)
    source = stack.enter_context(Source(weights))
    parsed_solver = None
    if solver is not None:
        if nets[0].net.inside_solver:
            raise UsageError(f"--solver {solver}: {net} is a solver itself, and is written as one")
        parsed_solver = Document(read_file(solver), str(solver))
    return Inputs(tuple(nets), weights, Caffemodel(source), source, solver, parsed_solver)
