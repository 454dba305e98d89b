"""One function per verb: opens files, hands them to the rest, writes, and returns a frozen report."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from split_surgery.config import Settings
from split_surgery.coverage import FINE, coverage, ignored
from split_surgery.documents.net import Net
from split_surgery.documents.prototxt import Document
from split_surgery.engines import ENGINES
from split_surgery.engines.prepare import Runnable, prepare, random_inputs
from split_surgery.equivalence import changes, split_blocks
from split_surgery.errors import FileError, FilePlace, UsageError
from split_surgery.evidence import Request, no_tpm_hint
from split_surgery.files import OutputDir, PathLike, Progress, no_progress, read_file, snapshots_in
from split_surgery.inputs import (
    HDF5_SUFFIX,
    NET_FILE,
    OWN_FILES,
    PLAN_FILE,
    SOLVER_FILE,
    STATE_FILE,
    WEIGHTS_FILE,
    open_inputs,
)
from split_surgery.job import Job, work_out
from split_surgery.kernels.partition import ORDERS, fast_and_slow, ranking
from split_surgery.kernels.tpm import MEASURES, entropy
from split_surgery.opening import open_weights
from split_surgery.reports import EngineOutput, RankedKernel, RankReport, SplitReport, VerifyReport
from split_surgery.splitting import Step, rank_target, sentence
from split_surgery.targets import find_target

if TYPE_CHECKING:
    from typing_extensions import Unpack


class SplitOptions(TypedDict, total=False):
    """Options of the splitting verbs; the words and the defaults of the command line (see config.Settings).

    config: a YAML file of options, which those given here override.
    as_path: the directory's name on the machine that trains. check, diff: look, and write nothing.
    """

    layer: str | None
    order: str
    fast: str
    noise: float
    seed: int
    snapshots: str | None
    window: str | None
    measure: str | None
    scores: PathLike | None
    solver: PathLike | None
    solverstate: PathLike | None
    also: tuple[PathLike, ...]
    trust_field: tuple[str, ...]
    config: PathLike | None
    as_path: str | None
    force: bool
    check: bool
    diff: bool
    progress: Progress


class ResidualOptions(SplitOptions, total=False):
    """residual_pre starts as surround * W, plus center * W at the spatial centre; even_center says which tap that is."""

    surround: float
    center: float
    even_center: str | None


def residual(net: PathLike, weights: PathLike, output: PathLike, **options: Unpack[ResidualOptions]) -> SplitReport:
    """The residual split of one convolution into the directory `output`.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    return _split("residual", net, weights, output, **options)


def extension(net: PathLike, weights: PathLike, output: PathLike, **options: Unpack[SplitOptions]) -> SplitReport:
    """The old extension/reorder split of one convolution into the directory `output`.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    return _split("extension", net, weights, output, **options)


def _split(
    recipe: str, net: PathLike, weights: PathLike, output: PathLike, *, config: PathLike | None = None,
    as_path: str | None = None, force: bool = False, check: bool = False, diff: bool = False,
    progress: Progress = no_progress, **given: Any,
) -> SplitReport:  # fmt: skip
    if check and diff:
        raise UsageError("--check and --diff exclude each other")
    if not os.fspath(output):
        raise UsageError("the output directory has no name (an empty shell variable?)")
    settings = Settings.of(recipe, config, given)
    return _run([Step(recipe, settings, settings.layer)], settings, net, weights, output, config=config,
                as_path=as_path, force=force, check=check, diff=diff, progress=progress)  # fmt: skip


def _run(
    steps: Sequence[Step], settings: Settings, net: PathLike, weights: PathLike, output: PathLike, *, config: PathLike | None,
    as_path: str | None, force: bool, check: bool, diff: bool, progress: Progress,
) -> SplitReport:  # fmt: skip
    directory = OutputDir(_plain(output))
    caffe_dir = _plain(as_path) if as_path else directory.given
    with ExitStack() as stack:
        inputs = open_inputs(stack, net, weights, settings.solver, settings.also, settings.solverstate)
        job = work_out(inputs, steps, directory=caffe_dir, diff=diff, progress=progress)
        differing: list[str] = []
        if diff:
            status = "diff"
        elif check:
            differing = directory.differing(job.outputs) + stale_files(directory, job)
            status = "differs" if differing else "same"
        else:
            read = [path for path in (config, settings.scores) if path is not None]
            directory.refuse_inputs(job.outputs, [*inputs.paths(), *read])
            status = write(directory, job, force, progress)
    return SplitReport(
        status=status,
        directory=directory.given,
        plan=job.plan,
        splits=job.splits,
        parameters=job.parameters,
        files=tuple(output.name for output in job.outputs),
        next_command=next_command(job, caffe_dir),
        differing=tuple(differing),
        warnings=job.warnings,
        diff=job.diff,
    )


def _plain(path: PathLike) -> str:
    """A directory as it was given, without slashes at its end."""
    text = os.fspath(path)
    return text.rstrip("/" + os.sep) or text


def write(directory: OutputDir, job: Job, force: bool, progress: Progress) -> str:
    """Write a job's outputs, or find that they are there: "written" or "unchanged".

    Raises:
        UsageError: the directory holds something else, and force is not given or not allowed.
    """
    there = directory.entries()
    if not there:
        directory.create(job.outputs, progress)
        return "written"
    stale = stale_files(directory, job)
    if stale:
        raise UsageError(
            f"{directory.given} holds {', '.join(stale)} of another split, which this one would not write",
            hint="choose another directory, or remove it; a solver is written with --solver FILE",
        )
    differing = directory.differing(job.outputs)
    if not differing:
        return "unchanged"
    if not force:
        raise UsageError(
            f"{directory.given} is not empty, and holds something else ({', '.join(differing)} would be written)",
            hint="choose another directory, or replace the files with --force",
        )
    snapshots = snapshots_in(directory.path)
    if snapshots and PLAN_FILE in differing:
        raise UsageError(
            f"{directory.given} holds snapshots ({snapshots[-1].path.name}) trained from another split; --force will not mix them",
            hint="choose another directory, or move the snapshots away",
        )
    directory.replace([output for output in job.outputs if output.name in differing], progress)
    return "written"


def stale_files(directory: OutputDir, job: Job) -> list[str]:
    """Files of ours in the directory that this split does not make: they would be taken for part of it."""
    made = {output.name for output in job.outputs}
    return [name for name in directory.entries() if name in OWN_FILES and name not in made]


def next_command(job: Job, directory: str) -> str:
    """The command that trains the derived net, or goes on with its training where a solver state was carried over."""
    names = [output.name for output in job.outputs]
    state = next((name for name in names if name.startswith(STATE_FILE)), None)
    solver_file = shlex.quote(f"{directory}/{SOLVER_FILE}") if SOLVER_FILE in names else "SOLVER"
    start = f"--weights {shlex.quote(f'{directory}/{names[0]}')}"
    if state is not None:
        start = f"--snapshot {shlex.quote(f'{directory}/{state}')}"
    return f"caffe train --solver {solver_file} {start} 2>&1 | tee {shlex.quote(f'{directory}/train.log')}"


def rank(
    net: PathLike, weights: PathLike, *, layer: str | None = None, order: str = "tpm", fast: str = "half", seed: int = 0,
    snapshots: str | None = None, window: str | None = None, measure: str | None = None, scores: PathLike | None = None,
    solver: PathLike | None = None, trust_field: tuple[str, ...] = (), progress: Progress = no_progress,
) -> RankReport:  # fmt: skip
    """The kernels of one convolution with score and group.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    if order not in ORDERS:
        raise UsageError(f"--order {order}: must be one of {', '.join(ORDERS)}")
    with ExitStack() as stack:
        inputs = open_inputs(stack, net, weights, solver)
        target, remarks = find_target(inputs.net, inputs.weights, layer, frozenset(trust_field))
        evidence = rank_target(inputs, target, Request(snapshots, window, measure, scores), progress)
    ranked = ranking(evidence.scores, order, seed, target.name)
    fast_channels, _ = fast_and_slow(ranked, str(fast), target.owner.geometry.group)
    known = MEASURES.get(evidence.measure)
    top = 1.0 if known is not None and known.unit_range else max(evidence.scores)
    return RankReport(
        layer=target.name,
        measure=evidence.measure,
        tpm=False if order == "random" else evidence.tpm,
        evidence=sentence(evidence, order, seed),
        order=order,
        mean=float(np.mean(evidence.scores)),
        entropy=entropy(evidence.scores, top),
        kernels=tuple(
            RankedKernel(channel, evidence.scores[channel], "fast" if channel in fast_channels else "slow")
            for channel in ranked
        ),
        about=f"{known.summary} ({known.reference})" if known is not None else "",
        warnings=(*remarks, *no_tpm_hint(evidence, measure)),
    )


def verify(
    net: PathLike, weights: PathLike, derived: PathLike | tuple[PathLike, PathLike], *, trained: bool = False,
    engine: str | None = None, input_shape: Mapping[str, tuple[int, ...]] | None = None, seed: int = 0,
    max_drift: float | None = None, trust_field: tuple[str, ...] = (), progress: Progress = no_progress,
) -> VerifyReport:  # fmt: skip
    """Prove a derived net from the files alone, and by running both nets where an engine is named.

    Args:
        derived: a directory of a split, or its prototxt and weights.
        trained: take the directory's newest snapshot, and expect every layer to have changed.
        max_drift: largest relative weight change allowed; 0 demands equal bits.
        trust_field: names of fork fields that leave a convolution linear.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    if engine is not None and engine not in ENGINES:
        raise UsageError(f"--engine {engine}: must be one of {', '.join(ENGINES)}")
    if input_shape and engine is None:
        raise UsageError("--input-shape is for a run: name an --engine")
    if isinstance(derived, (tuple, list)) and len(derived) != 2:
        raise UsageError("the derived net is a directory, or two files: its prototxt and its weights")
    if not 0 <= seed < 2**32:
        raise UsageError(f"--seed {seed}: must be a number from 0 to 2**32 - 1")
    if max_drift is not None and not max_drift >= 0:
        raise UsageError(f"--max-drift {max_drift}: must be a number of at least 0")
    derived_net, derived_weights = derived if isinstance(derived, (tuple, list)) else _derived_files(derived, trained)
    with ExitStack() as stack:
        nets = [Net(Document(read_file(path), os.fspath(path))) for path in (net, derived_net)]
        models = [open_weights(stack, path) for path in (weights, derived_weights)]
        four = (nets[0], models[0], nets[1], models[1])
        blocks = split_blocks(*four, frozenset(trust_field))
        took = {member: block.layer for block in blocks for member in block.members}
        report = VerifyReport(
            tuple(coverage(*four, took)),
            ignored(nets[1], models[1]),
            tuple(blocks),
            tuple(changes(*four, blocks, progress)),
            trained,
            engine,
            (),
            (),
        )
        if engine is not None:
            runnable = [prepare(a, b, input_shape or {}) for a, b in zip(nets, models)]
            tops = [top for block in blocks for top in nets[0].named(block.layer)[0].tops]
            report = replace(report, outputs=tuple(_compare(engine, runnable, [weights, derived_weights], tops, seed)))
    return replace(report, problems=tuple(_problems(report, max_drift)))


TRAINING_CHANGES = ("weights", "missing record", "added record")
"""What training does to a net's weights: it moves them, and Caffe saves the layers of the phase that it trained."""


def _derived_files(directory: PathLike, trained: bool) -> tuple[PathLike, PathLike]:
    folder = Path(directory)
    if not os.path.isdir(folder) or not os.path.exists(folder / NET_FILE):
        raise FileError(
            "is not the directory of a split",
            FilePlace(os.fspath(directory)),
            "or name two files: --derived NET WEIGHTS",
        )
    if not trained:
        names = [name for name in (WEIGHTS_FILE, WEIGHTS_FILE + HDF5_SUFFIX) if os.path.exists(folder / name)]
        return folder / NET_FILE, folder / (names or [WEIGHTS_FILE])[0]
    found = snapshots_in(folder, kind="caffemodel")
    if not found:
        raise FileError("holds no snapshot (*_iter_N.caffemodel) of a training", FilePlace(os.fspath(directory)))
    if len({snapshot.prefix for snapshot in found}) > 1:
        raise UsageError(
            f"{directory} holds snapshots of several runs: " + ", ".join(sorted({s.prefix for s in found}))
        )
    return folder / NET_FILE, found[-1].path


def _compare(
    engine: str, nets: list[Runnable], weights: list[PathLike], tops: list[str], seed: int
) -> list[EngineOutput]:
    """Every output of both nets, and the tops of the split layers: a softmax at the end can hide a difference."""
    if engine == "caffe":
        from split_surgery.engines.pycaffe import run
    else:
        from split_surgery.engines.opencv import run
    if nets[0].inputs != nets[1].inputs or set(nets[0].outputs) != set(nets[1].outputs):
        raise FileError(f"the nets have other inputs or outputs: {nets[0].outputs} and {nets[1].outputs}")
    inputs = random_inputs(nets[0].inputs, seed)
    asked = [*nets[0].outputs, *(top for top in tops if top not in nets[0].outputs)]
    found = [run(net, Path(path), inputs, asked) for net, path in zip(nets, weights)]
    rows = []
    for blob in asked:
        before, after = found[0][blob].astype(np.float64), found[1][blob].astype(np.float64)
        scale = float(np.abs(before).max()) or 1.0
        rows.append(EngineOutput(blob, float(np.abs(after - before).max()) / scale, nets[1].tolerance, before.size))
    return rows


def _problems(report: VerifyReport, max_drift: float | None) -> list[str]:
    """Reasons for exit code 1."""
    found = [f"{row.layer}: {row.status}: {row.detail}" for row in report.coverage if row.status not in FINE]
    for change in report.changed:
        if not report.trained or change.part not in TRAINING_CHANGES:
            found.append(f"{change.layer}: differs outside the split layers ({change.part})")
        elif change.drift is not None and not math.isfinite(change.drift):
            found.append(f"{change.layer}: holds NaN or infinity")
    if max_drift is not None and not report.blocks:
        found.append("no layer of the baseline was split, so there is no drift to hold against --max-drift")
    for block in report.blocks:
        if block.fault:
            found.append(f"{block.layer}: the block in its place cannot be folded: {block.fault}")
        elif not math.isfinite(block.drift):
            found.append(f"{block.layer}: the folded block holds NaN or infinity")
        elif max_drift is not None and (not block.exact if max_drift == 0 else block.drift > max_drift):
            found.append(f"{block.layer}: drift {block.drift:.3g} is above --max-drift {max_drift:g}")
    exact = all(block.exact for block in report.blocks) and not report.trained
    for output in report.outputs:
        if not math.isfinite(output.difference):
            found.append(f"output {output.blob}: holds NaN or infinity")
        elif exact and output.difference > output.tolerance:
            explained = f"more than rounding explains ({output.tolerance:.3g})"
            found.append(f"output {output.blob}: differs by {output.difference:.3g}, {explained}")
    return found
