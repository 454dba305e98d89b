"""Writing: outputs as chunks, complete before anything is renamed, put into the directory that the user named.

Chunks are literal bytes, or ranges of a source that the kernel copies. Outputs can be made again, so they are not fsynced, as
`cp` does not.
"""

from __future__ import annotations

import difflib
import errno
import io
import os
import secrets
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from split_surgery.documents.source import PathLike, Progress, Source, no_progress, read_file, reading, same_file
from split_surgery.documents.spans import Chunk, Span, chunk_size, pieces_of
from split_surgery.errors import Defect, FileError, FilePlace, UsageError
from split_surgery.workspace.names import BINARY_FILES

_BLOCK = 8 * 1024 * 1024
"""Bytes copied at a time where the kernel cannot: large enough for the disk, small enough for memory."""


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
                if isinstance(chunk, bytes):
                    write_all(out, chunk)
                    done += len(chunk)
                    continue
                for start in range(chunk.start, chunk.stop, 16 * _BLOCK):
                    span = Span(start, min(chunk.stop, start + 16 * _BLOCK))
                    copy_range(self._source(), span, out)
                    done += span.stop - span.start
                    progress(f"writing {self.name}", done, total)


def write_all(out: io.FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[out.write(view) :]


def copy_range(source: Source, span: Span, out: io.FileIO) -> None:
    """Append a range of a source to `out`: in the kernel where it can (copy_file_range, sendfile), else by reading."""
    start, stop = span
    for call in (_copy_file_range, _sendfile):
        while start < stop:
            try:
                moved = call(source.fileno(), out.fileno(), start, stop - start)
            except (AttributeError, OSError) as error:
                # Not on this system, or not between these two file systems: the next way. A full disk is a full disk.
                if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                    raise
                break
            if moved == 0:
                break
            start += moved
    while start < stop:
        block = source.read(start, min(stop, start + _BLOCK))
        write_all(out, block)
        start += len(block)


def _copy_file_range(src: int, dst: int, offset: int, count: int) -> int:
    return os.copy_file_range(src, dst, count, offset_src=offset)


def _sendfile(src: int, dst: int, offset: int, count: int) -> int:
    if sys.platform != "linux":
        raise AttributeError("sendfile between files is Linux's")
    return os.sendfile(dst, src, offset, count)


class OutputDir:
    """A directory of outputs that appears complete or not at all."""

    def __init__(self, path: PathLike) -> None:
        self.given = os.fspath(path)
        self.path = Path(os.path.realpath(path))

    def entries(self) -> list[str]:
        """What is in the directory now; empty where there is none.

        Raises:
            FileError: it is not a directory, or cannot be listed.
        """
        try:
            return sorted(os.listdir(self.path))
        except FileNotFoundError:
            return []
        except NotADirectoryError as error:
            raise FileError("is not a directory", FilePlace(self.given)) from error
        except OSError as error:
            raise FileError(error.strerror or str(error), FilePlace(self.given)) from error

    def differing(self, outputs: Sequence[Output]) -> list[str]:
        """Names of the outputs that are missing from the directory or hold something else."""
        return [output.name for output in outputs if not output.same_as(self.path / output.name)]

    def changes(self, outputs: Sequence[Output], names: Collection[str]) -> str:
        """What would become of these files of the directory, as a unified diff of texts; of others that they differ."""
        made, parts = {output.name: output for output in outputs}, []
        for name in names:
            if name in BINARY_FILES:
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

    def create(self, outputs: Sequence[Output], progress: Progress = no_progress) -> None:
        """Build a new directory beside its place, then rename it there. One that exists is filled where it is."""
        if os.path.exists(self.path):
            self.replace(outputs, progress)
            return
        made: list[Path] = []
        try:
            for parent in reversed([p for p in self.path.parents if not os.path.exists(p)]):
                parent.mkdir()
                made.append(parent)
            with self._workplace(self.path.parent) as folder:
                for output in outputs:
                    output.write(folder / output.name, progress)
                try:
                    os.rename(folder, self.path)
                except OSError:
                    # Another run may have been faster; where it wrote the same, both are done.
                    if not self.path.is_dir() or self.differing(outputs):
                        raise
        except OSError as error:
            raise FileError(f"cannot write: {error.strerror or error}", FilePlace(self.given)) from error
        finally:
            if not os.path.exists(self.path):
                for parent in reversed(made):
                    with suppress(OSError):  # the error that matters is already on its way
                        parent.rmdir()

    def replace(self, outputs: Sequence[Output], progress: Progress = no_progress) -> None:
        """Put files into an existing directory, each by rename, in the order given, all complete beforehand."""
        for output in outputs:
            if os.path.isdir(self.path / output.name):
                raise FileError("is a directory where a file must go", FilePlace(f"{self.given}/{output.name}"))
        try:
            # Inside the directory: it may be a mount point, or the only place that may be written to.
            with self._workplace(self.path) as folder:
                for output in outputs:
                    output.write(folder / output.name, progress)
                for output in outputs:
                    os.replace(folder / output.name, self.path / output.name)
        except OSError as error:
            raise FileError(f"cannot write: {error.strerror or error}", FilePlace(self.given)) from error

    @contextmanager
    def _workplace(self, where: Path) -> Iterator[Path]:
        folder = where / f".{secrets.token_hex(8)}.partial"
        folder.mkdir()
        try:
            yield folder
        finally:
            if os.path.exists(folder):
                shutil.rmtree(folder, ignore_errors=True)


def remove(path: PathLike) -> None:
    """Remove a file of our own that may be gone already."""
    with reading(os.fspath(path)), suppress(FileNotFoundError):
        os.remove(path)
