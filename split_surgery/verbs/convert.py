"""The verb `convert`: weights and nets in another of Caffe's forms: precision, container, V1 or new layers, shapes."""

from __future__ import annotations

import dataclasses
import difflib
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from split_surgery.documents.edit.v1_proof import prove_layer
from split_surgery.documents.edit.v1_text import to_new, to_v1
from split_surgery.documents.net.net import Prototxt
from split_surgery.documents.other_files import FIRST_BYTES, is_text
from split_surgery.documents.source import PathLike, Progress, no_progress
from split_surgery.documents.weights.casts import Rounding
from split_surgery.errors import Defect, OptionError, UsageError
from split_surgery.operations.convert_file import ConvertedFile, MadeFile, convert_file
from split_surgery.operations.convert_weights import Losses
from split_surgery.operations.forms import Form, form_of
from split_surgery.reporting.tables import MadeReport, Table, counted
from split_surgery.verbs.library_words import in_library_words
from split_surgery.verbs.net_and_weights import net_and_weights, refuse_own_directory
from split_surgery.verbs.printed import conversions
from split_surgery.verbs.split import need_output
from split_surgery.workspace.destination import Destination, FileDestination, Status, plain
from split_surgery.workspace.names import BINARY_SUFFIXES, HDF5_SUFFIX, NET_FILE, OWN_FILES, SOLVER_FILE
from split_surgery.workspace.open_files import OpenFiles
from split_surgery.workspace.output_dir import Output

TEXT_SUFFIXES = (".prototxt", ".pbtxt")


@dataclass(frozen=True)
class ConvertReport(MadeReport):
    """What `convert` did, or would do.

    Attributes:
        status: written, unchanged, differs (`--check`), same (`--check`) or diff. output: the file or directory.
        to: what was asked for. source: the files that were read. files: names of those that were made.
        layers: the form of layers that was asked for, "v1" or "new", or "". text_layers: how many of the prototxts' were made so;
            None where no prototxt is written. weights: None where there are none.
        rounding: what smaller precision rounds, at most of one number, and the blob where; numbers that became 0 or infinite are
            counted. lost: what the new form has no place for. notes: what else is worth saying.
    """

    status: Status
    output: str
    to: str
    source: tuple[str, ...]
    files: tuple[str, ...]
    layers: str
    text_layers: int | None
    weights: ConvertedFile | None
    rounding: Rounding
    worst: str
    lost: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    diff: str = ""

    def lines(self, quiet: bool = False, verbose: bool = False) -> Iterator[str]:
        return conversions.convert(self, quiet)

    def to_dict(self) -> dict[str, Any]:
        tree = dataclasses.asdict(self)
        if self.weights is not None:
            for key in ("containers", "bytes"):
                tree["weights"][key] = dict(zip(("before", "after"), getattr(self.weights, key)))
        tree["rounding"] = tree["rounding"] | {"worst": tree.pop("worst")}
        del tree["diff"]
        return tree | self.diff_entry()

    def tables(self) -> tuple[Table, ...]:
        rows = [("to", self.to)] + ([("layers of the text", counted(self.text_layers))] if self.layers else [])
        if self.weights is not None:
            rows.append(("blobs", f"{conversions.counts(self.weights.was)} -> {conversions.counts(self.weights.now)}"))
        rows += [("rounding", text) for text in conversions.roundings(self)]
        rows += [("lost", text) for text in self.lost] + [("note", text) for text in self.notes]
        return (Table(f"{self.output}: {self.status}", ("", ""), tuple(rows)),)


OTHERS = (".onnx", ".pb", ".pt", ".pth", ".tflite", ".mlmodel", ".keras", ".xml", ".bin", ".param", ".engine")
"""What files of other toolchains end in."""


@in_library_words
def convert(
    net: PathLike, weights: PathLike | None = None, output: PathLike | None = None, *,
    to: str | Iterable[str] = (), shapes: str | None = None, also: tuple[PathLike, ...] = (), allow_overflow: bool = False,
    force: bool = False, check: bool = False, diff: bool = False, progress: Progress = no_progress,
) -> ConvertReport:  # fmt: skip
    """Convert weights and nets between Caffe's forms: half, float and double, protobuf and HDF5, V1 and new layers.

    Args:
        net: a prototxt, a weights file, a solver state, or the directory of a split or a fold. weights: goes behind a prototxt.
        output: a directory, or where one file is made its name (`x.caffemodel`, `x.caffemodel.h5`, `x.prototxt`).
        to: words of `--to`, or a text of several with commas between them. shapes: "new" or "legacy".
        also: further prototxts to convert alike. allow_overflow: let numbers that are too large become infinite.
        force: replace what is there. check, diff: look, and write nothing.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    output = need_output(output)
    if not os.fspath(output):
        raise UsageError("the output has no name (an empty shell variable?)")
    if Path(output).suffix in OTHERS:
        hint = "for other toolchains hand them Caffe's own files, or convert these with theirs: docs/deploy.md"
        raise OptionError("output", "only Caffe's own forms are written", output, hint)
    with OpenFiles() as opened:
        files = _files(opened, net, weights, also)
        form = form_of(to, shapes, _container_in(output))
        one_file = _is_file_name(output)
        if not one_file:
            refuse_own_directory(net, output, "converted")
        _check_output(files, form, output, one_file)
        losses, texts = Losses(), list[tuple[str, Prototxt, Prototxt]]()
        if not one_file or files.weights is None:  # else NET is there to say what the weights do not
            texts = [(name, text, _converted(text, form)) for name, text in files.texts]
        made = None
        if files.weights is not None:
            text = files.texts[0][1].nets[0] if files.texts and files.texts[0][1].nets else None
            made = convert_file(opened, files.weights, text, form, allow_overflow, losses, progress)
        outputs = [] if made is None else [made.output]
        outputs += [Output(name, [now.document.data]) for name, _, now in texts]
        if one_file:
            outputs = [dataclasses.replace(outputs[0], name=Path(output).name)]
            finished = FileDestination(output, force, check, diff).finish(outputs[0], files.paths, progress)
        else:
            finished = Destination(output, force, check, diff).finish(outputs, files.paths, progress)
        return ConvertReport(
            status=finished.status, output=plain(output), to=form.words(), source=tuple(os.fspath(path) for path in files.paths),
            files=tuple(one.name for one in outputs), layers=form.layers,
            text_layers=sum(_changed(was, now) for _, was, now in texts) if texts else None,
            weights=made.summary if made is not None else None, rounding=losses.rounding, worst=losses.worst,
            lost=tuple(losses.lost), notes=tuple(losses.notes), differing=finished.differing, warnings=files.remarks,
            diff=_diff_of(texts, made) if diff and not check else finished.diff,
        )  # fmt: skip


@dataclass(frozen=True)
class _Files:
    """What is converted: prototxts by their names in the output directory, NET first, and the weights."""

    texts: tuple[tuple[str, Prototxt], ...]
    weights: PathLike | None
    paths: tuple[PathLike, ...]
    remarks: tuple[str, ...] = ()


def _files(opened: OpenFiles, net: PathLike, weights: PathLike | None, also: tuple[PathLike, ...]) -> _Files:
    if weights is None and not os.path.isdir(net) and not _is_prototxt(opened, net):
        if also:
            raise OptionError("also", "goes with a NET, and there are weights only", also[0])
        return _Files((), net, (net,))
    found = net_and_weights(opened, net, weights, None, also)
    texts: list[tuple[str, Prototxt]] = []
    for path in (found.net, *found.also):
        text = opened.prototxt(path)
        _ = text.net.layers  # says what else it is than a net
        main = SOLVER_FILE if text.is_solver else NET_FILE
        name = Path(path).name if texts else main
        if texts and name in (*OWN_FILES, *(other for other, _ in texts)):
            raise OptionError("also", f"{name} is the name of another file in the output directory", path)
        texts.append((name, text))
    paths = (found.net, *found.also, *([found.weights] if found.weights is not None else []))
    return _Files(tuple(texts), found.weights, paths, found.remarks)


def _is_prototxt(opened: OpenFiles, path: PathLike) -> bool:
    if os.fspath(path).endswith(BINARY_SUFFIXES):  # even where its first bytes could be text
        return False
    source = opened.source(path)
    return is_text(source.read(0, min(FIRST_BYTES, source.size)))


def _container_in(output: PathLike) -> str:
    """The container that the name of an output says, or ""."""
    name = os.fspath(output)
    return "h5" if name.endswith(HDF5_SUFFIX) else "caffemodel" if name.endswith(BINARY_SUFFIXES) else ""


def _is_file_name(output: PathLike) -> bool:
    """Whether an output is named as a file is, and no directory has the name."""
    named = os.fspath(output).endswith((*TEXT_SUFFIXES, *BINARY_SUFFIXES))
    return named and not os.path.isdir(output)


def _check_output(files: _Files, form: Form, output: PathLike, one_file: bool) -> None:
    """Raises: UsageError, where there is nothing to convert so, or the files that are made cannot be that output."""
    if files.weights is None and not form.layers:
        raise UsageError(
            "WEIGHTS is missing: a prototxt alone can become new or v1 only", hint="NET WEIGHTS, or --to new"
        )
    if not one_file:
        return
    text = os.fspath(output).endswith(TEXT_SUFFIXES)
    if text and (files.weights is not None or len(files.texts) != 1):
        raise UsageError(f"{os.fspath(output)} is the name of a prototxt, and more is made", hint="name a directory")
    if not text and files.weights is None:
        raise UsageError(f"{os.fspath(output)} is the name of a weights file, and there are no weights")


def _converted(text: Prototxt, form: Form) -> Prototxt:
    """A prototxt with the layers of all its nets in the form, proven."""
    if not form.layers:
        return text
    splices = [splice for net in text.nets for splice in (to_new if form.layers == "new" else to_v1)(net)]
    new = text.edited(splices)
    for was, now in zip(text.nets, new.nets):
        if len(was.layers) != len(now.layers):
            raise Defect(f"the new prototxt has {len(now.layers)} layers instead of {len(was.layers)}")
        for old, layer in zip(was.layers, now.layers):
            if (old.name, old.type, old.bottoms, old.tops) != (layer.name, layer.type, layer.bottoms, layer.tops):
                raise Defect(f'layer "{old.name}" reads as "{layer.name}" in the new prototxt')
            if old.v1 != layer.v1:
                prove_layer(old, layer)
    return new


def _changed(was: Prototxt, now: Prototxt) -> int:
    return sum(
        old.v1 != layer.v1
        for before, after in zip(was.nets, now.nets)
        for old, layer in zip(before.layers, after.layers)
    )


def _diff_of(texts: Sequence[tuple[str, Prototxt, Prototxt]], made: MadeFile | None) -> str:
    """A unified diff of the texts, and the blobs that change."""
    parts: list[str] = []
    for name, was, now in texts:
        lines = difflib.unified_diff(_lines(was), _lines(now), was.document.name, name)
        parts += [line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in lines]
    if made is not None:
        parts.append(f"--- {made.source}\n+++ {made.output.name}\n")
        for cast in made.casts:
            old, new = cast.old, cast.new
            sides = [f"{blob.dtype[1:]} {blob.shape}{' legacy' if blob.legacy else ''}" for blob in (old, new)]
            if sides[0] != sides[1]:
                parts += [f"{sign}{cast.layer}[{old.index}]  {side}\n" for sign, side in zip("-+", sides)]
    return "".join(parts)


def _lines(text: Prototxt) -> list[str]:
    return list(io.StringIO(text.document.data.decode("utf-8", "replace"), newline="\n"))
