"""A run from open files to finished outputs: one layer split after the other, each in what the ones before have left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from split_surgery.documents.edit.proof import prove_history
from split_surgery.documents.net.build_faults import build_faults
from split_surgery.documents.rope import Rope
from split_surgery.documents.source import Progress, no_progress
from split_surgery.documents.weights.blobs import Held
from split_surgery.documents.weights.caffemodel import CAFFE_READ_LIMIT
from split_surgery.documents.weights.solverstate import BinarySolverstate
from split_surgery.errors import FileError, FilePlace, UsageError
from split_surgery.splitting.choose_layers import choose_layers
from split_surgery.splitting.plan import Plan
from split_surgery.splitting.ranking.rank_target import SnapshotSearch
from split_surgery.splitting.remarks import Remark, remark_lines
from split_surgery.splitting.split_layer import LayerSplit, Step
from split_surgery.splitting.together import Together
from split_surgery.workspace.inputs import Inputs, NoWeights
from split_surgery.workspace.manifest import manifest_of
from split_surgery.workspace.names import PLAN_FILE
from split_surgery.workspace.output_dir import Output
from split_surgery.workspace.outputs import diff_of, outputs_of


@dataclass(frozen=True)
class Job:
    """Splits that are worked out and proven, ready to be written.

    Attributes:
        parameters: numbers in the whole weights file before and after.
    """

    plan: Plan
    outputs: tuple[Output, ...]
    splits: tuple[LayerSplit, ...]
    parameters: tuple[int, int]
    warnings: tuple[str, ...]
    diff: str


def work_out(
    inputs: Inputs, steps: Sequence[Step], *, directory: str, plan: Plan | None = None, diff: bool = False,
    progress: Progress = no_progress,
) -> Job:  # fmt: skip
    """Everything up to writing.

    Args:
        directory: the output directory as Caffe will see it. plan: the one that the steps are of, if there is one.
        diff: whether to make the diff, which costs more than the split.
    """
    files, splits, remarks = split_all(inputs, steps, plan, progress)
    remarks = [*_unbuildable(inputs), *remarks]
    _prove_state(files)
    if isinstance(files.weights, NoWeights):
        remarks.append(Remark("only the prototxts and split.yaml were checked: no weights were given"))
    planned = tuple(split.plan for split in splits)
    plan = plan or Plan(**vars(manifest_of(inputs)), layers=planned, lineage=inputs.lineage)
    outputs = outputs_of(files, directory, Output(PLAN_FILE, [plan.to_yaml()]))
    if not files.hdf5 and outputs[0].size > CAFFE_READ_LIMIT:
        text = (
            f"{outputs[0].name} is larger than 2 GiB, which Caffe cannot read as protobuf; it can as HDF5: "
            "train with snapshot_format: HDF5, and split that"
        )
        remarks.append(Remark(text))
    remarks += _at_the_end(inputs)
    before, after = (sum(b.count for record in i.weights.layers for b in record.blobs) for i in (inputs, files))
    return Job(
        plan, outputs, tuple(splits), (before, after), tuple(remark_lines(remarks, [split.plan.layer for split in splits])),
        diff_of(inputs, files, outputs) if diff else "",
    )  # fmt: skip


def split_all(
    inputs: Inputs, steps: Sequence[Step], plan: Plan | None, progress: Progress
) -> tuple[Inputs, list[LayerSplit], list[Remark]]:
    """The files after all splits, what to say of each, and remarks.

    Raises:
        SurgeryError: a layer cannot be split; or the plan was made for other files.
    """
    if plan is not None:
        _check_inputs(inputs, plan)
    together, splits, remarks = Together(inputs), list[LayerSplit](), list[Remark]()
    for step in steps:
        search = SnapshotSearch(inputs, step.request())
        layers, said = _layers_of(together, step, progress)
        remarks += said
        for layer in layers:
            split = together.split(step, layer, search, progress)
            splits.append(split.report)
            remarks += split.remarks
    return together.edited(), splits, remarks


def _layers_of(together: Together, step: Step, progress: Progress) -> tuple[list[str], list[Remark]]:
    if step.frozen is not None:
        return [step.frozen.layer], []
    trusted, names = frozenset(step.settings.trust_field), step.settings.layer
    files = together.files if names and all(map(together.has, names)) else together.edited()
    return choose_layers(files, names, step.request(), trusted, progress)


def _unbuildable(inputs: Inputs) -> list[Remark]:
    """What Caffe stops at in the nets that were given: the split is made all the same, and stops there too."""
    return [
        Remark(f"{fault} (Caffe stops here, before the split and after it)", name)
        for net in inputs.nets
        for name, fault in build_faults(net)
    ]


def _at_the_end(inputs: Inputs) -> list[Remark]:
    """A remark where the solver would stop at once."""
    solver = inputs.solver_document
    if inputs.state is None or solver is None:
        return []
    limits = [value.integer() for value in solver.root.scalars("max_iter")]
    if not limits or limits[-1] is None or inputs.state.index.iteration < limits[-1]:
        return []
    text = f"the solver's max_iter is {limits[-1]}, which the state has reached: raise it, or nothing will be trained"
    return [Remark(text)]


def _check_inputs(inputs: Inputs, plan: Plan) -> None:
    """Raises: FileError, where a prototxt is not the one that the plan was made for, or one is missing or too many."""
    texts, own = [text for _, text in inputs.named], manifest_of(inputs)
    wanted = [plan.net, *plan.also]
    for text, there, meant in zip(texts, [own.net, *own.also], wanted):
        if there.sha256 != meant.sha256:
            raise FileError(
                f"is not the {meant.name} that the plan was made for (its SHA-256 differs)",
                FilePlace(text.document.name),
                "a split.yaml makes its own split again; to split another net alike, write the recipe and options into a config",
            )
    if inputs.source is not None and inputs.source.size != plan.weights.size:
        message = f"has {inputs.source.size} bytes, and the {plan.weights.name} that the plan was made for {plan.weights.size}"
        raise FileError(message, FilePlace(inputs.weights.name))
    if len(texts) != len(wanted):
        raise UsageError(
            "the plan edited " + ", ".join(file.name for file in wanted), hint="name all but the first with --also"
        )
    if (inputs.state is None) != (plan.solverstate is None) and not isinstance(inputs.weights, NoWeights):
        raise UsageError("the plan carried a solver state over, or did not: --solverstate must be given as it was then")


def _prove_state(files: Inputs) -> None:
    """Raises: Defect, where protobuf reads another history than was meant."""
    state = files.state.index if files.state is not None else None
    if isinstance(state, BinarySolverstate):
        written = Rope(state.reader, [chunk for splice in state.splices("") for chunk in splice.chunks()])
        prove_history(written, [entry.blob for entry in state.entries if isinstance(entry.blob, Held)])
