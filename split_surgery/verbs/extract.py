"""The verb `extract`: the net inside a caffemodel as a prototxt, or one of its blobs as npy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from split_surgery.documents.source import PathLike, Progress, no_progress, read_file
from split_surgery.errors import UsageError
from split_surgery.operations.extracted import extracted_net, npy_output, stored_blob
from split_surgery.reporting.tables import MadeReport, Table
from split_surgery.verbs.library_words import in_library_words
from split_surgery.verbs.printed import operations
from split_surgery.workspace.destination import FileDestination, Status
from split_surgery.workspace.open_files import OpenFiles
from split_surgery.workspace.output_dir import Output
from split_surgery.workspace.outputs import text_diff


@dataclass(frozen=True)
class ExtractReport(MadeReport):
    """What was taken out of a weights file.

    Attributes:
        status: written, unchanged, differs (`--check`), same (`--check`) or diff; shown, where no file was named.
        file: where it went. source: what it was taken from.
        layers: of the net. text: the net, where it is shown. unknown: fields that have no name in BVLC Caffe 1.0, which stand in the
            text as comments: their paths, with numbers.
        blob: the layer and index of a blob, its shape and type of numbers; None for a net.
    """

    status: Status | str
    source: str
    file: str | None
    layers: int
    unknown: tuple[str, ...]
    blob: tuple[str, int] | None
    shape: tuple[int, ...]
    dtype: str
    text: str = ""
    differing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    diff: str = ""

    def lines(self, quiet: bool = False, verbose: bool = False) -> Iterator[str]:
        return operations.extract(self, quiet, verbose)

    def to_dict(self) -> dict[str, Any]:
        blob = None
        if self.blob is not None:
            blob = {"layer": self.blob[0], "index": self.blob[1], "shape": list(self.shape), "dtype": self.dtype}
        return {
            "status": self.status,
            "source": self.source,
            "file": self.file,
            "layers": self.layers,
            "unknown": list(self.unknown),
            "blob": blob,
            "text": self.text,
            "differing": list(self.differing),
            "warnings": list(self.warnings),
        } | self.diff_entry()

    def tables(self) -> tuple[Table, ...]:
        what = (
            f"{self.layers} layers" if self.blob is None else f"{self.blob[0]}/{self.blob[1]} {self.shape} {self.dtype}"
        )
        rows = [("from", self.source), ("what", what), ("file", self.file or ""), ("status", self.status)]
        return (Table("", ("", ""), (*rows, *(("unknown field", path) for path in self.unknown))),)


@in_library_words
def extract(
    weights: PathLike, output: PathLike | None = None, *, blob: str | None = None,
    force: bool = False, check: bool = False, diff: bool = False, progress: Progress = no_progress,
) -> ExtractReport:  # fmt: skip
    """Take the net out of a caffemodel as a prototxt, or one blob out of any weights file as npy.

    Args:
        weights: a caffemodel, new or V1; for a blob HDF5 weights, too.
        output: the file to write. Without it a net is in the report's `text`.
        blob: LAYER/INDEX, such as conv1/0.
        force: replace a file that holds something else. check, diff: look, and write nothing.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    if output is None and (blob is not None or check or diff):
        raise UsageError("--output is missing: the file to write, such as conv1_0.npy or net.prototxt")
    if blob is not None and output is not None and Path(output).suffix not in ("", ".npy"):
        raise UsageError(
            f"--output {os.fspath(output)}: a blob is written as npy", hint=f"name it {Path(output).stem}.npy"
        )
    with OpenFiles() as opened:
        index, source = opened.weights(weights), opened.source(weights)
        name = Path(output).name if output is not None else ""
        found: dict[str, Any] = {"layers": 0, "unknown": (), "blob": None, "shape": (), "dtype": ""}
        if blob is None:
            net = extracted_net(index)
            made = Output(name, [net.data])
            found |= {
                "layers": net.layers,
                "unknown": tuple(net.unknown),
                "warnings": tuple(_warnings(source.name, net.unknown)),
            }
            if output is None:
                text = net.data.decode("utf-8", "surrogateescape")
                return ExtractReport(status="shown", source=source.name, file=None, text=text, **found)
        else:
            layer, taken = stored_blob(index, blob)
            made = npy_output(name, taken, source)
            found |= {"blob": (layer, taken.index), "shape": taken.shape, "dtype": taken.dtype}
        assert output is not None
        done = FileDestination(output, force, check, diff).finish(made, [weights], progress)
        shown = done.diff
        if diff and not check and blob is None:
            was = read_file(output) if os.path.exists(output) else b""
            shown = text_diff(was, b"".join(made.pieces()), os.fspath(output), f"{source.name}: its net")
        elif diff and not check:
            shown = f"{os.fspath(output)}: {taken.shape} {taken.dtype} of {blob}\n"
        return ExtractReport(
            status=done.status,
            source=source.name,
            file=os.fspath(output),
            differing=tuple(done.differing),
            diff=shown,
            **found,
        )


def _warnings(source: str, unknown: list[str]) -> Iterator[str]:
    if unknown:
        some = ", ".join(unknown[:5]) + (", ..." if len(unknown) > 5 else "")
        what = f"{len(unknown)} fields that BVLC Caffe 1.0 does not name ({some})"
        yield f"{source} has {what}: a fork's; they stand in the text as comments"
