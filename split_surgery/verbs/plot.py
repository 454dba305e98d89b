"""The verb `plot`: one function for each kind of picture."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from split_surgery.documents.net.net import Net
from split_surgery.documents.net.shapes import net_inputs
from split_surgery.documents.source import PathLike, Progress, named, no_progress
from split_surgery.errors import FileError, OptionError, UsageError, nearest
from split_surgery.kernels.tpm import entropy
from split_surgery.reporting.diagram import Diagram
from split_surgery.reporting.drawn_from_files import (
    diagram_at,
    kernels_of,
    net_at,
    new_layers,
    pair_of,
    plan_beside,
    scores_of,
    weights_at,
)
from split_surgery.reporting.logs.accuracy import starts
from split_surgery.reporting.logs.log_files import check_told, read_all, remarks_on
from split_surgery.reporting.logs.test_output import check_output
from split_surgery.reporting.logs.trainings import arranged
from split_surgery.reporting.pictures import need_matplotlib
from split_surgery.reporting.tables import Printed
from split_surgery.splitting.plan_file import is_plan, read_plan
from split_surgery.splitting.targets import DEFAULT_LAYER
from split_surgery.verbs.library_words import in_library_words
from split_surgery.verbs.rank import NetRankReport, RankReport, rank
from split_surgery.workspace.open_files import OpenFiles
from split_surgery.workspace.output_dir import Output, OutputDir

if TYPE_CHECKING:
    from split_surgery.reporting.pictures.bars import RankedScores
    from split_surgery.reporting.pictures.curves import Line
    from split_surgery.reporting.pictures.style import Picture

_SUFFIXES = ("png", "svg", "pdf")


PictureKind = Literal["loss", "tpm", "kernels", "net"]


@dataclass(frozen=True)
class PlotReport(Printed):
    """A picture.

    Attributes:
        file: where it was written, "" for nowhere. about: what it shows.
        picture: the drawing itself, which shows in a notebook; `picture.figure` is matplotlib's.
    """

    kind: PictureKind
    file: str
    about: str
    warnings: tuple[str, ...] = ()
    picture: Picture | None = field(default=None, repr=False, compare=False)

    @property
    def exit_code(self) -> int:
        return 0

    def lines(self, quiet: bool = False, verbose: bool = False) -> Iterator[str]:
        yield self.file if quiet else f"{self.file}: {self.about}"

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "file": self.file, "about": self.about, "warnings": list(self.warnings)}

    def _repr_html_(self) -> str:
        return self.picture._repr_html_() if self.picture is not None else ""


@in_library_words
def loss(
    logs: PathLike | Sequence[PathLike], output: PathLike | None = None, *, avg: int = 5, test_output: str | None = None,
    continue_axis: bool = False, progress: Progress = no_progress,
) -> PlotReport:  # fmt: skip
    """Curves of trainings from Caffe's logs: training loss, test loss, accuracy and learning rate over iterations.

    Args:
        logs: as `report` takes them. output: a png, svg or pdf file; None draws without writing.
        avg: values of the training loss that each point is the mean of. test_output: what to draw instead of the accuracy.
        continue_axis: start each curve where that of the net it was split from ends.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    suffix = _begin(output)
    if avg < 1:
        raise OptionError("avg", "must be at least 1", avg)
    given = [logs] if isinstance(logs, (str, os.PathLike)) else list(logs)
    if not given:
        raise UsageError("no log was given", hint="name logs, directories that hold them, or - for standard input")
    found = read_all(given, progress)
    check_told(found)
    check_output(found, test_output)
    from split_surgery.reporting.pictures.curves import axis_name, curves, lines_of

    warnings = remarks_on(found)
    drawn: list[Line] = []
    shown: list[str] = []
    members = arranged([log for log in found if log.told])
    for one, start in zip(members, starts(members) if continue_axis else [0] * len(members)):
        lines = lines_of(one.log, len(shown), avg, test_output, start)
        if lines:
            drawn += lines
            shown.append(one.net)
        else:
            warnings.append(f"{one.log.name}: says no values with their iterations, so there is no curve to draw")
    if not drawn:
        raise FileError("there is no curve to draw: no value has an iteration (lines out of grep have none)")
    return _written(
        "loss",
        curves(shown, drawn, axis=axis_name(continue_axis)),
        output,
        suffix,
        [log.name for log in found],
        warnings,
    )


@in_library_words
def tpm(
    net: PathLike, weights: PathLike | None = None, output: PathLike | None = None, *, layer: str | Sequence[str] = (),
    progress: Progress = no_progress, **evidence: Any,
) -> PlotReport:  # fmt: skip
    """The kernels' scores, fast and slow, and the entropy of each layer.

    Args:
        net: a prototxt with its weights; or a split.yaml, whose frozen scores are drawn.
        layer: whose kernels; by default conv1_1, else the layer of highest entropy. evidence: options of `rank`.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    suffix = _begin(output)
    wanted = [layer] if isinstance(layer, str) else list(layer)
    warnings: list[str] = []
    if weights is None and os.path.isfile(net) and os.fspath(net).endswith((".yaml", ".yml")) and is_plan(net):
        if evidence:
            raise UsageError(
                f"{net} is a plan: its scores are frozen", hint="name the net and the weights to rank anew"
            )
        plans = [one for one in read_plan(net).layers if not wanted or one.layer in wanted]
        missing = [name for name in wanted if name not in [one.layer for one in plans]]
        if missing:
            raise UsageError(f'{net} does not split "{missing[0]}"')
        shown = [scores_of(one) for one in plans]
        unit = [one for one in plans if one.measure == "coherence"]
        entropies = [(one.layer, entropy(one.scores)) for one in unit] if len(unit) == len(plans) else []
    else:
        with OpenFiles() as files:
            whole = rank(net, weights, progress=progress, files=files, **evidence)
            assert isinstance(whole, NetRankReport)
            entropies = [(row.layer, row.entropy) for row in whole.layers]
            names = [name for name, _ in entropies]
            shown = []
            for name in wanted or [DEFAULT_LAYER if DEFAULT_LAYER in names else names[0]]:
                one = rank(net, weights, layer=name, progress=progress, files=files, **evidence)
                assert isinstance(one, RankReport)
                shown.append(_scores(one))
        warnings = list(whole.warnings)
    from split_surgery.reporting.pictures.bars import score_bars

    return _written("tpm", score_bars(shown, entropies), output, suffix, [net, weights], warnings)


def _scores(report: RankReport) -> RankedScores:
    from split_surgery.reporting.pictures.bars import RankedScores

    words = report.measure if report.tpm else f"{report.measure}, no TPM"
    words = "chance" if report.order == "random" else words if report.order == "tpm" else f"{words}, reverse order"
    return RankedScores(report.layer, words, tuple((k.channel, k.score, k.group == "fast") for k in report.kernels))


@in_library_words
def kernels(
    weights: PathLike, layer: str, output: PathLike | None = None, *, compare: bool = False, bgr: bool = False,
    progress: Progress = no_progress,
) -> PlotReport:  # fmt: skip
    """The kernels of a layer as images: in colour where they have three channels, else channel by channel.

    Args:
        weights: a weights file, or the directory of a split. compare: split2 beside residual_pre of the split layer `layer`.
        bgr: whether the three channels are blue, green and red.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    suffix = _begin(output)
    from split_surgery.reporting.pictures.grids import kernel_grid
    from split_surgery.reporting.pictures.pairs import compared

    plan = plan_beside(weights)
    with OpenFiles() as files:
        opened = weights_at(files, weights)
        if compare:
            first, second = pair_of(opened, layer, plan)
            picture = compared(kernels_of(opened, first, plan), kernels_of(opened, second, plan), bgr)
        else:
            picture = kernel_grid(kernels_of(opened, layer, plan), bgr)
    return _written("kernels", picture, output, suffix, [weights])


@in_library_words
def net(
    net: PathLike, output: PathLike | None = None, *, around: str | Sequence[str] = (), phase: str = "test",
    base: PathLike | None = None, weights: PathLike | None = None, input_shape: Mapping[str, tuple[int, ...]] | None = None,
    progress: Progress = no_progress,
) -> PlotReport:  # fmt: skip
    """The block diagram of a net.

    Args:
        net: a prototxt, or the directory of a split. around: layers; what is far from them is folded away.
        phase: train or test. base: a net whose layers are not new; by default split.yaml beside the net says which are.
        weights: say how many channels a data layer gives. input_shape: shapes of blobs that the prototxt does not say.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    suffix = _begin(output)
    if isinstance(input_shape, str):
        raise UsageError(f"input_shape {input_shape}: must be a mapping of blobs to shapes")
    if phase not in ("train", "test"):
        raise OptionError("phase", "must be train or test", phase)
    from split_surgery.reporting.pictures.blocks import block_diagram

    with OpenFiles() as files:
        opened = net_at(files, net)
        diagram = _diagram(files, opened, net, around, phase, base, weights, input_shape)
    title = f"{opened.message.text('name') or Path(net).name}, {phase.upper()}"
    return _written("net", block_diagram(diagram, title), output, suffix, [net, base, weights])


def _diagram(
    files: OpenFiles, opened: Net, path: PathLike, around: str | Sequence[str], phase: str, base: PathLike | None,
    weights: PathLike | None, input_shape: Mapping[str, tuple[int, ...]] | None,
) -> Diagram:  # fmt: skip
    blobs = list(dict.fromkeys([*net_inputs(opened), *(top for layer in opened.layers for top in layer.tops)]))
    for blob in input_shape or ():
        if blob not in blobs:
            raise UsageError(
                f'--input-shape {blob}: {opened.document.name} has no blob "{blob}"', hint=nearest(blob, blobs)
            )
    if base is not None:
        before = net_at(files, base)
        new = {layer.name for layer in opened.layers if not before.named(layer.name)}
    else:
        new = new_layers(opened, plan_beside(path))
    names = [around] if isinstance(around, str) else list(around)
    model = weights_at(files, weights) if weights is not None else None
    return diagram_at(opened, phase=phase, around=names, new=new, weights=model, input_shape=input_shape)


def _begin(output: PathLike | None) -> str:
    """The suffix of the file to write.

    Raises:
        UsageError: it is none that can be drawn. FileError: matplotlib is missing.
    """
    suffix = Path(named(output)).suffix.lower().removeprefix(".") if output is not None else ""
    if output is not None and suffix not in _SUFFIXES:
        raise UsageError(f"-o {os.fspath(output)}: must end in .png, .svg or .pdf")
    need_matplotlib()
    return suffix


def _written(
    kind: PictureKind, picture: Picture, output: PathLike | None, suffix: str, inputs: Iterable[PathLike | None],
    warnings: Sequence[str] = (),
) -> PlotReport:  # fmt: skip
    if output is not None:
        path = Path(output)
        files = [Output(path.name, [picture.saved(suffix)])]
        OutputDir(path.parent).refuse_inputs(files, [one for one in inputs if one is not None])
        OutputDir(path.parent).replace(files)
    return PlotReport(kind, os.fspath(output) if output is not None else "", picture.about, tuple(warnings), picture)
