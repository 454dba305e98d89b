"""The demo: a small real net that comes with the package is split, proven, folded, run on real images by OpenCV, and shown."""

from __future__ import annotations

import dataclasses
import gzip
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from split_surgery.documents.source import PathLike, Progress, no_progress, read_file
from split_surgery.errors import Missing, UsageError
from split_surgery.reporting.tables import Notebook, Printed, Table
from split_surgery.verbs.fold import FoldReport, fold
from split_surgery.verbs.library_words import in_library_words
from split_surgery.verbs.printed import runs
from split_surgery.verbs.report import report
from split_surgery.verbs.split import SplitReport, extension, residual
from split_surgery.verbs.verify import VerifyReport, verify
from split_surgery.verification.engines.opencv import run
from split_surgery.verification.engines.prepare import prepare
from split_surgery.workspace.open_files import OpenFiles
from split_surgery.workspace.output_dir import Output, OutputDir

DATA = Path(__file__).with_name("demo_data")
NET, WEIGHTS, TRAINED, IMAGES = (
    "deploy.prototxt",
    "fashion_vgg_iter_3000.caffemodel",
    "residual_trained.caffemodel",
    "images.npz",
)
LOG, SNAPSHOT, PAGE, INPUT = "train.log", "grow_iter_1000.caffemodel", "report.html", "images.npy"
COMPARED = 64
"""Test images on which the outputs of two nets are compared."""

LOGS = {"baseline": "baseline.log.gz", "residual": "residual.log.gz"}
"""What Caffe said when it trained the two."""

SCALE = 1 / 256
"""Grey values to the net's input, as in the transform_param it was trained with."""


@dataclass(frozen=True)
class DemoRow:
    """A net of the demo and its accuracy on the test images, run by OpenCV."""

    net: str
    accuracy: float
    correct: int
    images: int
    remark: str


@dataclass(frozen=True)
class DemoReport(Printed, Notebook):
    """What the demo made and measured; `rows` is empty where there is no OpenCV, `page` where there is no matplotlib."""

    directory: str
    splits: tuple[SplitReport, ...]
    fold: FoldReport
    proofs: tuple[VerifyReport, ...]
    rows: tuple[DemoRow, ...]
    page: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        return max((proof.exit_code for proof in self.proofs), default=0)

    def lines(self, quiet: bool = False, verbose: bool = False) -> Iterator[str]:
        return runs.demo(self, quiet, verbose)

    def to_dict(self) -> dict[str, Any]:
        return {
            "directory": self.directory,
            "splits": [report.to_dict() for report in self.splits],
            "fold": self.fold.to_dict(),
            "verify": [report.to_dict() for report in self.proofs],
            "accuracy": [dataclasses.asdict(row) for row in self.rows],
            "page": self.page,
            "warnings": list(self.warnings),
        }

    def tables(self) -> tuple[Table, ...]:
        rows = tuple((row.net, f"{row.accuracy:.4f}", f"{row.correct}/{row.images}", row.remark) for row in self.rows)
        return (Table("", ("net", "accuracy", "correct", ""), rows),)


@in_library_words
def demo(output: PathLike = "split-surgery-demo", *, progress: Progress = no_progress) -> DemoReport:
    """Split the demo's net both ways under `output`, verify, fold it after training, measure accuracy on 500 test images, and write a
    report on all that.

    The directory gets the baseline's files too, so that the commands can be tried by hand. Running it again changes nothing. What is
    not installed is left out, with a remark: without OpenCV no net is run, without matplotlib there is no report.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    folder = Path(output)
    if folder.is_file():
        raise UsageError(
            f"{folder} is a file; demo makes a directory of its own, and takes no net: `split-surgery demo [DIR]`"
        )
    baseline = OutputDir(folder / "baseline")
    files = [path for path in sorted(DATA.iterdir()) if path.name not in (IMAGES, TRAINED, *LOGS.values())]
    outputs = [Output(path.name, [read_file(path)]) for path in files]
    with np.load(DATA / IMAGES) as data:
        images, labels = data["images"], data["labels"]
    outputs += [Output(LOG, [_log("baseline")]), Output(INPUT, [_saved(_scaled(images[:COMPARED]))])]
    baseline.tidy()
    if not baseline.entries():
        if folder.is_dir() and OutputDir(folder).entries():
            raise UsageError(f"{folder} holds something else than the demo; choose another directory")
        baseline.create(outputs)
    elif baseline.differing(outputs):
        raise UsageError(f"{baseline.given} holds something else than the demo's baseline; choose another directory")
    net, weights = folder / "baseline" / NET, folder / "baseline" / WEIGHTS
    splits = (
        residual(net, weights, folder / "residual", progress=progress),
        extension(net, weights, folder / "extension", noise=0, progress=progress),
    )
    # Training takes minutes, and Caffe: what it came to is handed out where `caffe train` would have put it.
    handed = [Output(LOG, [_log("residual")]), Output(SNAPSHOT, [read_file(DATA / TRAINED)])]
    there = OutputDir(folder / "residual")
    there.replace([output for output in handed if output.name not in there.entries()])
    trained = (folder / "residual" / "net.prototxt", folder / "residual" / SNAPSHOT)
    folded = fold(*trained, folder / "folded", progress=progress)
    cases = (
        ("baseline", net, weights, "trained 3,000 iterations"),
        (
            "extension, noise-free",
            folder / "extension" / "net.prototxt",
            folder / "extension" / "net.caffemodel",
            "before any training",
        ),
        (
            "residual, untrained",
            folder / "residual" / "net.prototxt",
            folder / "residual" / "net.caffemodel",
            "before any training",
        ),
        ("residual, trained", *trained, "1,000 iterations after the split"),
        (
            "the same, folded",
            folder / "folded" / "net.prototxt",
            folder / "folded" / "net.caffemodel",
            "the baseline's size",
        ),
    )
    warnings: list[str] = []
    rows: tuple[DemoRow, ...] = ()
    try:
        rows = _accuracies(cases, images, labels, progress)
    except Missing as error:
        without = "no net was run: no accuracy is measured, and the proofs are from the files alone"
        warnings.append(f"{without}: {error.in_a_line}")
    engine, input_file = ("opencv", folder / "baseline" / INPUT) if rows else (None, None)
    proofs = (
        verify(net, weights, folder / "residual", engine=engine, input=input_file),
        verify(net, weights, folder / "extension", engine=engine, input=input_file, max_drift=0),
        verify(*trained, folder / "folded", engine=engine, input=input_file, max_drift=0),
    )
    page = ""
    own = [folder / name for name in ("baseline", "residual", "extension", "folded")]
    try:
        page = report(own, folder / PAGE, input_shape={"data": (1, 1, 28, 28)}, progress=progress).file
    except Missing as error:
        warnings.append(f"no report was written: {error.in_a_line}")
    return DemoReport(str(folder), splits, folded, proofs, rows, page, tuple(warnings))


def _accuracies(
    cases: Sequence[tuple[str, Path, Path, str]],
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.integer[Any]],
    progress: Progress,
) -> tuple[DemoRow, ...]:
    """How often each net (its name, text, weights and a remark) is right about the images; the last is compared with the one before.

    Raises:
        Missing: there is no OpenCV to run them.
    """
    rows: list[DemoRow] = []
    said: list[npt.NDArray[np.intp]] = []
    for done, (name, text, model, remark) in enumerate(cases):
        progress("running the nets", done, len(cases))
        said.append(predictions(text, model, images))
        correct = int((said[-1] == labels).sum())
        rows.append(DemoRow(name, correct / len(labels), correct, len(labels), remark))
    differing = int((said[-1] != said[-2]).sum())
    rows[-1] = replace(rows[-1], remark=f"{rows[-1].remark}; {differing} predictions differ from the row above")
    return tuple(rows)


def _scaled(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Images (n, 28, 28) as the net reads them, (n, 1, 28, 28)."""
    scaled: npt.NDArray[np.float32] = pixels[:, None].astype(np.float32) * np.float32(SCALE)
    return scaled


def _saved(array: npt.NDArray[np.float32]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _log(name: str) -> bytes:
    return gzip.decompress(read_file(DATA / LOGS[name]))


def predictions(net: PathLike, weights: PathLike, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    """The class that OpenCV gives each image (images, 28, 28) with a net."""
    with OpenFiles() as files:
        inputs = _scaled(pixels)
        runnable = prepare(files.prototxt(net).net, files.weights(weights), {"data": inputs.shape})
        (found,) = run([(runnable, Path(weights))], {"data": inputs}, runnable.outputs)
    (scores,) = found.values()
    classes: npt.NDArray[np.intp] = scores.argmax(axis=1)
    return classes
