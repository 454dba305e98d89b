"""The files that a run reads: each opened and indexed once, however often it is asked for."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import PurePosixPath

from split_surgery.documents.net.net import Prototxt
from split_surgery.documents.prototxt import Document
from split_surgery.documents.source import PathLike, Source, read_file
from split_surgery.documents.weights import hdf5
from split_surgery.documents.weights.blobs import Weights
from split_surgery.documents.weights.opening import solverstate_in, weights_in
from split_surgery.documents.weights.solverstate import BinarySolverstate, Hdf5Solverstate
from split_surgery.errors import FileError, FilePlace, SurgeryError

AWAKE = 64
"""Descriptors held at once: far below the 256 that some systems allow a process, far above what one step reads by turns."""


class OpenFiles:
    """Sources, indices and parsed texts by path; closes what it opened when the run ends."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._sources: dict[str, Source] = {}
        self._weights: dict[str, Weights] = {}
        self._states: dict[str, BinarySolverstate | Hdf5Solverstate] = {}
        self._prototxts: dict[str, Prototxt] = {}
        self._kept: set[str] = set()

    def __enter__(self) -> OpenFiles:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def source(self, path: PathLike) -> Source:
        """The file, open for reading.

        Raises:
            FileError: it cannot be read.
        """
        key = os.path.realpath(path)
        if key not in self._sources:
            self._let_others_rest()
            self._sources[key] = self._stack.enter_context(Source(path))
        return self._sources[key]

    def _let_others_rest(self) -> None:
        awake = [source for source in self._sources.values() if source.awake]
        for source in awake[: len(awake) - AWAKE + 1] if len(awake) >= AWAKE else []:
            source.rest()

    def keep_open(self, path: PathLike) -> None:
        """Keep an HDF5 file open for a run that reads it blob by blob; other files are."""
        source = self.source(path)
        if source.begins_with(hdf5.MAGIC) and source.name not in self._kept:
            self._stack.enter_context(hdf5.kept_open(source.name))
            self._kept.add(source.name)

    def weights(self, path: PathLike) -> Weights:
        """The index of a `.caffemodel` or `.caffemodel.h5`.

        Raises:
            FileError: it cannot be read, or is neither.
        """
        key = os.path.realpath(path)
        if key not in self._weights:
            try:
                self._weights[key] = weights_in(self.source(path))
            except FileError as error:
                raise self._as_state(path) or error from None
        return self._weights[key]

    def _as_state(self, path: PathLike) -> FileError | None:
        """What to say of a file that could not be read as weights, where it is a solver state."""
        try:
            learned_net = self.solverstate(path).learned_net
        except SurgeryError:
            return None
        weights = f"WEIGHTS is {PurePosixPath(learned_net).name}, which it names; " if learned_net else ""
        message = "is a solver state, not weights"
        return FileError(message, FilePlace(os.fspath(path)), f"{weights}the state goes behind --solverstate")

    def solverstate(self, path: PathLike) -> BinarySolverstate | Hdf5Solverstate:
        """The index of a `.solverstate` or `.solverstate.h5`, likewise."""
        key = os.path.realpath(path)
        if key not in self._states:
            self._states[key] = solverstate_in(self.source(path))
        return self._states[key]

    def prototxt(self, path: PathLike) -> Prototxt:
        """A net or a solver, with the nets in it; in messages it is called as it was named first.

        Raises:
            FileError, Unsupported: it cannot be read.
        """
        key = os.fspath(path)
        if key not in self._prototxts:
            self._prototxts[key] = Prototxt(Document(read_file(path), key))
        return self._prototxts[key]
