"""Writing: outputs as chunks, complete before anything is renamed, put into the directory that the user named.

Chunks are literal bytes, or ranges of a source that the kernel copies. Outputs can be made again, so they are not fsynced, as
`cp` does not.
"""

from __future__ import annotations

import difflib
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from split_surgery.documents.source import (
    LEFTOVER,
    PathLike,
    Progress,
    Source,
    no_progress,
    read_file,
    reading,
    same_file,
)
from split_surgery.documents.spans import Chunk, Made, Span, chunk_size, pieces_of
from split_surgery.errors import Defect, FileError, FilePlace, UsageError
from split_surgery.workspace.copying import TOLD_AFTER, copy_range, write_all
from split_surgery.workspace.names import BINARY_SUFFIXES, OWN_FILES
from split_surgery.workspace.swap import swap
from split_surgery.workspace.workplace import held, tidy, workplace


@dataclass(frozen=True)
class Output:
    """One file to be written: its name in the directory, its chunks, and the source that their spans refer to."""

    name: str
    chunks: Sequence[Chunk]
    source: Source | None = None

    @property
    def size(self) -> int:
        return sum(map(chunk_size, self.chunks))

    def pieces(self) -> Iterator[bytes]:
        """The content, a piece at a time."""
        for chunk in self.chunks:
            if isinstance(chunk, bytes):
                yield chunk
            elif isinstance(chunk, Made):
                yield from chunk.pieces()
            else:
                yield from pieces_of(self._source(), chunk)

    def _source(self) -> Source:
        if self.source is None:
            raise Defect(f"{self.name} has a range to copy, but no source")
        return self.source

    def same_as(self, path: PathLike) -> bool:
        """Whether the file at `path` holds exactly this content."""
        if not os.path.isfile(path):
            return False
        with Source(path) as there:
            if there.size != self.size:
                return False
            at = 0
            for piece in self.pieces():
                if there.read(at, at + len(piece)) != piece:
                    return False
                at += len(piece)
        return True

    def write(self, path: PathLike, progress: Progress = no_progress) -> None:
        """Write the content to a new file at `path`."""
        done, total = 0, self.size
        with open(path, "xb", buffering=0) as out:
            for chunk in self.chunks:
                if not isinstance(chunk, Span):
                    for piece in chunk.pieces() if isinstance(chunk, Made) else (chunk,):
                        write_all(out, piece)
                        done += len(piece)
                    continue
                for start in range(chunk.start, chunk.stop, TOLD_AFTER):
                    span = Span(start, min(chunk.stop, start + TOLD_AFTER))
                    copy_range(self._source(), span, out)
                    done += span.stop - span.start
                    progress(f"writing {self.name}", done, total)


class OutputDir:
    """A directory of outputs that appears complete or not at all, and is renewed likewise where the system can do that."""

    def __init__(self, path: PathLike) -> None:
        self.given = os.fspath(path)
        self.path = Path(os.path.realpath(path))

    def entries(self) -> list[str]:
        """What is in the directory now; empty where there is none.

        Raises:
            FileError: it is not a directory, or cannot be listed.
        """
        try:
            return sorted(_names_in(self.path))
        except FileNotFoundError:
            return []
        except NotADirectoryError as error:
            file = next((one for one in (Path(self.given), *Path(self.given).parents) if one.is_file()), self.given)
            what = "is a file, and the output is a directory"
            raise FileError(
                what if os.fspath(file) == self.given else f"{what} in it",
                FilePlace(os.fspath(file)), "name one that is new, or empty",
            ) from error  # fmt: skip
        except OSError as error:
            raise FileError(error.strerror or str(error), FilePlace(self.given)) from error

    def differing(self, outputs: Sequence[Output]) -> list[str]:
        """Names of the outputs that are missing from the directory or hold something else."""
        return [output.name for output in outputs if not output.same_as(self.path / output.name)]

    def missing(self, outputs: Sequence[Output]) -> list[Output]:
        """The outputs in whose place nothing is."""
        return [output for output in outputs if not os.path.lexists(self.path / output.name)]

    def changes(self, outputs: Sequence[Output], names: Collection[str]) -> str:
        """What would become of these files of the directory, as a unified diff of texts; of others that they differ."""
        made, parts = {output.name: output for output in outputs}, []
        for name in names:
            if name.endswith(BINARY_SUFFIXES):
                parts.append(f"{name} differs (split-surgery diff tells in what)\n")
                continue
            old, new = self.path / name, made.get(name)
            sides = (read_file(old) if os.path.isfile(old) else b"", b"".join(new.pieces()) if new is not None else b"")
            there, would_be = (side.decode("utf-8", "replace").splitlines(keepends=True) for side in sides)
            lines = difflib.unified_diff(there, would_be, str(old), f"{name} as it would be generated")
            parts += [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines]
        return "".join(parts)

    def refuse_inputs(self, outputs: Sequence[Output], inputs: Iterable[PathLike]) -> None:
        """Raises: UsageError, where writing would replace a file that is being read."""
        for given in inputs:
            for output in outputs:
                if same_file(self.path / output.name, given):
                    raise UsageError(
                        f"writing {output.name} into {self.given} would replace the input {os.fspath(given)}"
                    )

    def tidy(self) -> None:
        """Remove what runs into this place that were killed have left, in it and above it."""
        tidy(self.path)
        tidy(self._above())

    def create(self, outputs: Sequence[Output], progress: Progress = no_progress) -> None:
        """Make the directory, with those above it that are missing, in one step.

        One that is there already is filled where it is: it must hold nothing but what these outputs are too, which is what a run leaves
        that was killed while it filled it.

        Raises:
            FileError: it cannot be written; an input changed meanwhile; or another run was faster, and wrote something else.
        """
        with self._writing():
            if not os.path.exists(self.path):
                self._appear(outputs, progress)
                return
            with held(self.path):
                missing = self.missing(outputs)
                if self.differing(outputs) != [output.name for output in missing]:
                    raise BlockingIOError  # it was empty when it was looked at
                self._put(missing, progress)

    def renew(self, outputs: Sequence[Output], progress: Progress = no_progress) -> None:
        """Make all these files of an existing directory anew, in one step where the system can exchange directories.

        Raises:
            FileError: it cannot be written; an input changed meanwhile; or another run is writing there.
        """
        self._refuse_directories(outputs)
        with self._writing(), held(self.path):
            self._exchange(outputs, progress)

    def replace(self, outputs: Sequence[Output], progress: Progress = no_progress) -> None:
        """Put files into the directory, each by rename, in the order given, all complete beforehand."""
        self._refuse_directories(outputs)
        with self._writing():
            if os.path.exists(self.path):
                self._put(outputs, progress)
            else:
                self._appear(outputs, progress)

    def _refuse_directories(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            if os.path.isdir(self.path / output.name):
                raise FileError("is a directory where a file must go", FilePlace(f"{self.given}/{output.name}"))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self.tidy()
        try:
            yield
        except BlockingIOError as error:
            message, hint = "another run is writing there, or has just done so", "run it again when that one has ended"
            raise FileError(message, FilePlace(self.given), hint) from error
        except OSError as error:
            raise FileError(f"cannot write: {error.strerror or error}", FilePlace(self.given)) from error

    def _above(self) -> Path:
        """The nearest directory above it that exists."""
        return next(path for path in self.path.parents if os.path.exists(path))

    def _appear(self, outputs: Sequence[Output], progress: Progress) -> None:
        """Build the topmost directory that is missing beside its place, then rename it there."""
        above = self._above()
        top, *below = self.path.relative_to(above).parts
        with workplace(above) as built:
            inner = built.joinpath(*below)
            inner.mkdir(parents=True, exist_ok=True)
            _fill(inner, outputs, progress)
            place = above / top
            for part in (*below, ""):
                try:
                    os.rename(built, place)
                    return
                except OSError as error:
                    # Another run may have been faster. Where it made only what lies above, the rest goes into that.
                    if not place.is_dir():
                        raise
                    if place == self.path and self.differing(outputs):
                        raise BlockingIOError from error
                built, place = built / part, place / part

    def _exchange(self, outputs: Sequence[Output], progress: Progress) -> None:
        """Build the directory anew beside itself, with all that others have put there, and exchange the two.

        Where that cannot be (no such call, no hard links, a mount point, another's directory, or the one that somebody stands in), the
        files are put into it one after the other: whoever kills that in between leaves files of both runs.
        """
        if not self._stands_alone() or not self._exchanged(outputs, progress):
            self._put([output for output in outputs if not output.same_as(self.path / output.name)], progress)

    def _stands_alone(self) -> bool:
        """Whether nobody would miss the directory if another one had its name."""
        inside = self.path in (Path.cwd(), *Path.cwd().parents)
        return not inside and not os.path.ismount(self.path) and os.access(self.path.parent, os.W_OK | os.X_OK)

    def _exchanged(self, outputs: Sequence[Output], progress: Progress) -> bool:
        names = {output.name for output in outputs}
        not_ours = set(OWN_FILES) - names  # of a run that was faster

        def left_out(folder: str, inside: list[str]) -> list[str]:
            at_top = Path(folder) == self.path
            return [name for name in inside if at_top and (name in not_ours or LEFTOVER.fullmatch(name))]

        with workplace(self.path.parent) as built:
            if _owner(built) != _owner(self.path):
                return False
            try:
                shutil.copytree(
                    self.path, built, symlinks=True, ignore=left_out, copy_function=os.link, dirs_exist_ok=True
                )
            except OSError:  # what it raises for several files is one too
                return False
            _fill(built, outputs, progress)
            try:
                swap(built, self.path)
            except OSError:
                return False
            # A training may go on meanwhile: what it has put there since goes along.
            for name in set(_names_in(built)) - not_ours:
                if not os.path.lexists(self.path / name):
                    os.rename(built / name, self.path / name)
            return True

    def _put(self, outputs: Sequence[Output], progress: Progress) -> None:
        # Inside the directory: it may be a mount point, or the only place that may be written to.
        with workplace(self.path) as folder:
            _fill(folder, outputs, progress)
            for output in outputs:
                os.replace(folder / output.name, self.path / output.name)


def _names_in(folder: Path) -> list[str]:
    """What is in a directory, without what runs of ours that were killed have left there."""
    return [name for name in os.listdir(folder) if not LEFTOVER.fullmatch(name)]


def _owner(folder: Path) -> tuple[int, int]:
    found = os.stat(folder)
    return found.st_uid, found.st_gid


def _fill(folder: Path, outputs: Sequence[Output], progress: Progress) -> None:
    """Write the outputs into a directory of our own, but for those that it has already.

    Raises:
        FileError: an input has changed since it was opened.
    """
    for output in outputs:
        if not output.same_as(folder / output.name):
            with suppress(FileNotFoundError):
                os.remove(folder / output.name)  # a link to the old file, which must stay as it is
            output.write(folder / output.name, progress)
    for output in outputs:
        if output.source is not None:
            output.source.check_unchanged()


def remove(path: PathLike) -> None:
    """Remove a file of our own that may be gone already."""
    with reading(os.fspath(path)), suppress(FileNotFoundError):
        os.remove(path)
