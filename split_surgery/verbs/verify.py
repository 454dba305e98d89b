"""The verb `verify`: a derived net proven from the files alone, and by running both nets."""

from __future__ import annotations

import dataclasses
import math
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from split_surgery.documents.net.net import Net, Prototxt
from split_surgery.documents.net.rules import State
from split_surgery.documents.source import PathLike, Progress, no_progress
from split_surgery.documents.weights.blobs import Weights
from split_surgery.errors import FileError, FilePlace, OptionError, SurgeryError, SurgeryWarning, UsageError, for_shell
from split_surgery.reporting.tables import Notebook, Printed, Table, counted
from split_surgery.verbs.against_plan import against_plan
from split_surgery.verbs.library_words import in_library_words
from split_surgery.verbs.made_from import baseline_of, check_order, other_source
from split_surgery.verbs.net_and_weights import net_and_weights
from split_surgery.verbs.printed import runs
from split_surgery.verification.changed import Changed
from split_surgery.verification.coverage import LayerCoverage
from split_surgery.verification.engines import ENGINES, run_of
from split_surgery.verification.engines.compare import EngineOutput, compare
from split_surgery.verification.engines.input_file import read_inputs
from split_surgery.verification.engines.prepare import input_shapes, prepare, random_inputs
from split_surgery.verification.equivalence import Block
from split_surgery.verification.verdict import prove_files
from split_surgery.workspace.names import WEIGHTS_FILE
from split_surgery.workspace.open_files import OpenFiles
from split_surgery.workspace.run_dir import run_dir


@dataclass(frozen=True)
class VerifyReport(Printed, Notebook):
    """What verify found.

    Attributes:
        ignored: records with blobs in the weights file that the derived net has no layer for.
        blocks: the split layers. changed: everything else that differs.
        trained: whether the derived net was expected to have been trained.
        inputs: what the engine ran on, in words.
        problems: the reasons for exit code 1. notes: what is amiss in the baseline as well.
        inherited: the layers of `coverage` that are so in the baseline as well.
        alone: whether a net was held against its weights, and no other net.
    """

    coverage: tuple[LayerCoverage, ...]
    ignored: tuple[str, ...]
    blocks: tuple[Block, ...]
    changed: tuple[Changed, ...]
    trained: bool
    engine: str | None
    outputs: tuple[EngineOutput, ...]
    problems: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    inputs: str = ""
    notes: tuple[str, ...] = ()
    alone: bool = False
    inherited: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        return 1 if self.problems else 0

    @property
    def verdict(self) -> str:
        """The outcome in a line: what passed, if it did."""
        if self.problems:
            return "FAILED"
        if self.engine is not None and not self.outputs:
            return "NOT PROVEN: the files are sound, but the engine gave no outputs"
        if not self.blocks:
            return (
                "passed: "
                + ("but for the notes, " if self.notes else "")
                + "every blob that Caffe makes is in the file"
            )
        if self.trained:
            return "passed: the files are sound, and nothing differs but by training"
        if all(block.sound for block in self.blocks):
            exact = all(block.exact for block in self.blocks)
            return f"passed: the files are sound, and the block equals the layer{'' if exact else ' up to rounding'}"
        largest = max(block.drift for block in self.blocks)
        return f"passed: the files are sound; this split changes the outputs by design (largest relative weight change {largest:.3g})"

    def lines(self, quiet: bool = False, verbose: bool = False) -> Iterator[str]:
        return runs.verify(self, quiet, verbose)

    def to_dict(self) -> dict[str, Any]:
        return {
            "passed": not self.problems,
            "verdict": self.verdict,
            "problems": list(self.problems),
            "notes": list(self.notes),
            "trained": self.trained,
            "coverage": [dataclasses.asdict(row) for row in self.coverage],
            "ignored": list(self.ignored),
            "blocks": [dataclasses.asdict(block) for block in self.blocks],
            "changed": [dataclasses.asdict(change) for change in self.changed],
            "engine": self.engine,
            "inputs": self.inputs,
            "outputs": [dataclasses.asdict(output) for output in self.outputs],
            "warnings": list(self.warnings),
        }

    def tables(self) -> tuple[Table, ...]:
        copied = [row for row in self.coverage if row.status == "copied"]
        facts = [("verify", self.verdict)]
        facts += [("problem", problem) for problem in self.problems]
        facts += [("note", note) for note in self.notes]
        facts.append(
            (
                "coverage",
                f"{sum(row.blobs for row in copied)} blobs of {len(copied)} layers are copied from the weights file",
            )
        )
        facts += [(block.layer, _block(block)) for block in self.blocks]
        facts += [
            (change.layer, f"relative weight change {change.drift:.4g}")
            for change in self.changed if self.trained and change.part == "weights" and change.drift is not None
        ]  # fmt: skip
        if self.outputs and not all(block.sound for block in self.blocks):
            facts.append(
                ("engine", "for information: the block does not equal the layer, so the outputs need not agree")
            )
        found = [Table("", ("", ""), tuple(facts))]
        if self.outputs:
            rows = tuple((o.blob, counted(o.size), _told(o), f"{o.tolerance:.3g}") for o in self.outputs)
            title = f"outputs in {self.engine} on {self.inputs}: the largest difference relative to the largest value"
            found.append(Table(title, ("blob", "values", "difference", "rounding"), rows))
        return tuple(found)


def _told(output: EngineOutput) -> str:
    """The difference of an output in words."""
    if output.other_size:
        return "other shapes"
    return f"{output.difference:.3g}" + (", saturated: it hides what is before it" if output.saturated else "")


def _block(block: Block) -> str:
    """What became of a layer, or of the block that it stands for."""
    if block.fault:
        return f"the block in its place cannot be folded: {block.fault}"
    what = f"{'stands for' if block.folded else 'folded from'} {len(block.members)} layers"
    return f"{what}, " + ("equal bit for bit" if block.exact else f"relative weight change {block.drift:.4g}")


@in_library_words
def verify(
    net: PathLike, weights: PathLike | None = None, derived: PathLike | tuple[PathLike, PathLike] | None = None, *,
    trained: bool = False,
    engine: str | None = None, input_shape: Mapping[str, tuple[int, ...]] | None = None, input: PathLike | None = None, seed: int = 0,
    max_drift: float | None = None, strict: bool = False, phase: str = "test", stage: tuple[str, ...] = (), level: int = 0,
    trust_field: tuple[str, ...] = (), progress: Progress = no_progress,
) -> VerifyReport:  # fmt: skip
    """Prove a derived net from the files alone, and by running both nets where an engine is named.

    What is compared: whether Caffe would build the derived net (build_faults) and fill every layer (coverage); the text and the numbers
    of every layer outside the split ones (changes); each split layer with the block in its place, folded (split_blocks); the new
    layers of a directory with its split.yaml (against_plan); in an engine, the outputs of both nets (compare).

    Args:
        net: a prototxt, or the directory of a split or a fold; then `weights` may be None: its newest snapshot.
        derived: a directory of a split or a fold, or its prototxt and weights. Without it, `net` and `weights` are held against each
            other: does this weights file fit this prototxt? And `net` alone is the directory of a split, whose baseline is looked for
            in the directories around it.
        trained: take the directory's newest snapshot, and allow every layer's numbers to have changed.
        input: a file of inputs (npy, npz, or an image) for the engine; else they are standard normal numbers from `seed`.
        max_drift: largest relative weight change allowed; 0 demands equal bits.
        phase, stage, level: of the layers that an engine runs; they are run as tested.
        strict: fail what the baseline leaves unfilled or unknown as well.
        trust_field: names of fork fields that leave a convolution linear.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    if engine is not None and engine not in ENGINES:
        raise OptionError("engine", f"must be one of {', '.join(ENGINES)}", engine)
    if (input_shape or input is not None) and engine is None:
        raise UsageError(f"--input{'-shape' if input is None else ''} is for a run: name an --engine")
    alone = derived is None and weights is not None
    if derived is None and weights is None:
        directory = net
        (net, weights), derived = baseline_of(net, lambda text, model: _passes(text, model, directory)), net
    elif derived is None:
        assert weights is not None
        derived, strict = (run_dir(net).need_net() if os.path.isdir(net) else net, weights), True
    if isinstance(derived, (tuple, list)) and len(derived) != 2:
        raise UsageError("the derived net is a directory, or two files: its prototxt and its weights")
    if phase not in ("train", "test"):
        raise OptionError("phase", "must be train or test", phase)
    state = State(phase.upper(), level, frozenset([stage] if isinstance(stage, str) else stage))
    if not 0 <= seed < 2**32:
        raise OptionError("seed", "must be a number from 0 to 2**32 - 1", seed)
    if max_drift is not None and not max_drift >= 0:
        raise OptionError("max-drift", "must be a number of at least 0", max_drift)
    with OpenFiles() as files:
        if weights is not None and os.path.isdir(weights) and not os.path.isdir(net):
            hint = f"verify NET WEIGHTS {for_shell(os.fspath(weights))}, or verify {for_shell(os.fspath(weights))} if it is a split"
            raise UsageError(f"{os.fspath(weights)} stands where WEIGHTS belongs", hint=hint)
        if os.path.isdir(net) and not isinstance(derived, (tuple, list)):
            check_order(net, weights, derived)
        given = net_and_weights(files, net, weights)
        given_weights = given.need_weights()
        derived_net, derived_weights = (
            derived if isinstance(derived, (tuple, list)) else _derived_files(derived, trained)
        )
        texts = [files.prototxt(path) for path in (given.net, derived_net)]
        nets = [text.net for text in texts]
        tests = _test_nets(files, texts, derived)
        models = [files.weights(path) for path in (given_weights, derived_weights)]
        shapes, trusted = dict(input_shape or {}), frozenset(trust_field)
        proof = prove_files(nets, models, trusted, trained, progress, shapes)
        others = [prove_files(pair, models, trusted, trained, progress, shapes) for pair in tests]
        found = proof.problems(max_drift, strict)
        for at, other in enumerate(others):
            # Beside the net that is trained: what the weights file has for that one, a test net may leave.
            found += [f"test net #{at}: {one}" for one in other.problems(max_drift, strict) if one not in found]
        remarks = given.remarks
        if not isinstance(derived, (tuple, list)):
            held = against_plan(files, given, derived, nets[1], None if trained else models[1])
            found += [one for one in held.problems if one not in found]
            remarks += held.remarks
            newest = run_dir(derived).newest()
            if newest is not None and not trained:
                remarks += (f"judged as it was written; {newest.name} is there too: --trained judges that",)
            remarks += tuple(other_source(given.net, derived) if found else ())
        notes = list(dict.fromkeys(note for one in (proof, *others) for note in one.notes()))
        report = VerifyReport(
            proof.coverage, proof.ignored, proof.blocks, proof.changed, trained, engine, (), tuple(found), remarks,
            notes=() if strict else tuple(notes), alone=alone,
            inherited=() if strict else tuple(row.layer for row in proof.inherited),
        )  # fmt: skip
        if engine is None:
            return report
        try:
            outputs, ran_on = _run(
                engine, report, nets, models, [given_weights, derived_weights], shapes, input, seed, state
            )
        except SurgeryError as error:
            error.report = report  # what the files say stands, whatever becomes of the engine
            raise
    report = replace(report, inputs=ran_on, outputs=tuple(outputs))
    return replace(report, problems=(*report.problems, *_output_problems(report)))


def _passes(net: PathLike, weights: PathLike, derived: PathLike) -> bool:
    """Whether a directory is proven against a prototxt and weights, from the files alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SurgeryWarning)
        try:
            return verify(net, weights, derived).exit_code == 0
        except SurgeryError:
            return False


def _run(
    engine: str, report: VerifyReport, nets: Sequence[Net], models: Sequence[Weights], weights: Sequence[PathLike],
    shapes: dict[str, tuple[int, ...]], input: PathLike | None, seed: int, state: State,
) -> tuple[list[EngineOutput], str]:  # fmt: skip
    """The outputs of both nets in an engine, and what they ran on.

    Raises:
        FileError: the engine was not started, for layers would stay random or stop it; or it failed.
    """
    wrong = [row for row in report.coverage if row.status in ("unfilled", "mismatch")]
    if wrong:
        why = "; ".join(f"{row.layer} is {row.status}: {row.detail}" for row in wrong[:3]) + (
            "; ..." if len(wrong) > 3 else ""
        )
        hint = "a layer without weights starts at random, so that two runs differ: train first, then --trained"
        if shapes and any(row.status == "mismatch" for row in wrong):
            hint = "check --input-shape"
        raise FileError(f"the engine was not started, since Caffe would not fill every layer: {why}", hint=hint)
    read = None
    if input is not None:
        read = read_inputs(input, nets[0], input_shapes(nets[0], models[0], shapes, state))
        shapes = shapes | {name: array.shape for name, array in read.items()}
    runnable = [prepare(net, model, shapes, state) for net, model in zip(nets, models)]
    inputs = read or random_inputs(runnable[0].inputs, seed)
    tops = [top for b in report.blocks for twin in nets[b.folded].named(b.layer) for top in twin.tops]
    words = f"standard normal numbers (seed {seed})" if input is None else os.fspath(input)
    return compare(run_of(engine), runnable, weights, tops, inputs), words


def _test_nets(
    files: OpenFiles, texts: Sequence[Prototxt], derived: PathLike | tuple[PathLike, PathLike]
) -> list[tuple[Net, Net]]:
    """The test nets inside a solver, beside those inside the derived solver: the one named, or the directory's.

    Raises:
        FileError: the derived solver has another number of them.
    """
    base, other = texts
    if not base.holds_net:
        return []
    if not isinstance(derived, (tuple, list)):
        solver = run_dir(derived).solver
        if solver is None:
            return []
        other = files.prototxt(solver)
    pairs = (base.nets[1:], other.nets[1:])
    if len(pairs[0]) != len(pairs[1]) and other.holds_net:
        raise FileError(
            f"has {len(pairs[1])} test nets, but the baseline has {len(pairs[0])}", FilePlace(other.document.name)
        )
    return list(zip(*pairs))


def _derived_files(directory: PathLike, trained: bool) -> tuple[PathLike, PathLike]:
    there = run_dir(directory)
    net = there.need_net("or name two files: --derived NET WEIGHTS")
    if not trained:
        return net, there.written or net.with_name(WEIGHTS_FILE)
    newest = there.newest()
    if newest is None:
        raise FileError("holds no snapshot (*_iter_N.caffemodel) of a training", FilePlace(there.given))
    return net, newest


def _output_problems(report: VerifyReport) -> Iterator[str]:
    """Outputs that are no numbers, or differ where they must agree."""
    exact = all(block.sound for block in report.blocks) and not report.trained
    for output in report.outputs:
        if output.other_size and output.shapes is not None:
            yield f"output {output.blob}: has shape {_by(output.shapes[0])} in the baseline, and {_by(output.shapes[1])} here"
        elif not math.isfinite(output.difference):
            yield f"output {output.blob}: holds NaN or infinity"
        elif exact and output.difference > output.tolerance:
            explained = f"more than rounding explains ({output.tolerance:.3g})"
            yield f"output {output.blob}: differs by {output.difference:.3g}, {explained}"


def _by(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
