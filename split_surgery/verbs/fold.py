"""The verb `fold`: splits of a net put back into one layer each, or every linear region folded."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from split_surgery.documents.net.net import Net
from split_surgery.documents.net.rules import State
from split_surgery.documents.net.shapes import costs
from split_surgery.documents.source import PathLike, Progress, no_progress
from split_surgery.errors import OptionError, SurgeryError
from split_surgery.folding.by_channel import without_factor
from split_surgery.folding.collapse import Collapsed
from split_surgery.folding.edits import anchor_edits, edited_text, record_changes
from split_surgery.folding.search import LeftRegion, Search
from split_surgery.folding.understood import Trust
from split_surgery.reporting.tables import MadeReport, Table, counted
from split_surgery.splitting.plan_file import read_plan
from split_surgery.verbs.library_words import in_library_words
from split_surgery.verbs.net_and_weights import left_at_random, net_and_weights, refuse_own_directory
from split_surgery.verbs.printed import runs
from split_surgery.verbs.split import need_output
from split_surgery.workspace.destination import Destination, Status, plain
from split_surgery.workspace.inputs import Inputs, open_inputs
from split_surgery.workspace.manifest import manifest_of
from split_surgery.workspace.names import FOLD_FILE
from split_surgery.workspace.open_files import OpenFiles
from split_surgery.workspace.output_dir import Output
from split_surgery.workspace.outputs import applied, diff_of, outputs_of
from split_surgery.workspace.run_dir import run_dir
from split_surgery.workspace.yaml_file import dumped


@dataclass(frozen=True)
class FoldedRegion:
    """Layers that one layer stands for now.

    Attributes:
        layer: its name. split: whether it was the block of a split, and nested: how many other splits were inside. layers: what it
            was.
        parameters: before and after. multiply_adds: of one image before and after, None where sizes are not known.
        error: bound on the rounding of any one number of the layer (absolute); 0 where values were only moved.
        largest: the largest absolute value of its weights.
    """

    layer: str
    split: bool
    nested: int
    layers: tuple[str, ...]
    parameters: tuple[int, int]
    multiply_adds: tuple[int | None, int | None]
    error: float
    largest: float

    def to_dict(self) -> dict[str, Any]:
        pairs = {name: dict(zip(("before", "after"), getattr(self, name))) for name in ("parameters", "multiply_adds")}
        return dataclasses.asdict(self) | pairs


@dataclass(frozen=True)
class FoldReport(MadeReport):
    """What `fold` did, or would do.

    Attributes:
        status: written, unchanged, differs (`--check`), same (`--check`) or diff. all: whether every linear region was looked at.
        left: what was looked at and not folded.
        parameters: numbers in the whole weights file before and after. layers: of the prototxt.
        source: the prototxt and the weights that were folded, as they were named or found.
        deploy: the files to be deployed, a prototxt and the weights; None where every net has data or loss layers. hints: what in them
            some toolchains stop at (docs/deploy.md), and what to do.
    """

    status: Status
    all: bool
    directory: str
    regions: tuple[FoldedRegion, ...]
    left: tuple[LeftRegion, ...]
    parameters: tuple[int, int]
    layers: tuple[int, int]
    files: tuple[str, ...]
    source: tuple[str, str]
    deploy: tuple[str, str] | None
    hints: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    diff: str = ""

    def lines(self, quiet: bool = False, verbose: bool = False) -> Iterator[str]:
        return runs.fold(self, quiet, verbose)

    def to_dict(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "directory": self.directory,
            "source": list(self.source),
            "regions": [region.to_dict() for region in self.regions],
            "left": [dataclasses.asdict(region) for region in self.left],
            "parameters": {"before": self.parameters[0], "after": self.parameters[1]},
            "layers": {"before": self.layers[0], "after": self.layers[1]},
            "files": list(self.files),
            "deploy": list(self.deploy) if self.deploy is not None else None,
            "hints": list(self.hints),
            "differing": list(self.differing),
            "warnings": list(self.warnings),
        } | self.diff_entry()

    def tables(self) -> tuple[Table, ...]:
        rows = tuple(
            (r.layer, counted(len(r.layers)), f"{r.parameters[0]:,} -> {r.parameters[1]:,}",
             " -> ".join(map(counted, r.multiply_adds)), f"{r.error:.2g}")
            for r in self.regions
        )  # fmt: skip
        columns = ("layer", "folded from", "parameters", "multiply-adds", "rounding")
        found = [Table(f"{self.directory}: {self.status}", columns, rows)]
        if self.left:
            found.append(
                Table("left as they are", ("layer", "reason"), tuple((one.layer, one.reason) for one in self.left))
            )
        return tuple(found)


@in_library_words
def fold(
    net: PathLike, weights: PathLike | None = None, output: PathLike | None = None, *,
    all: bool = False, layer: str | tuple[str, ...] = (),
    also: tuple[PathLike, ...] = (), solver: PathLike | None = None, as_path: str | None = None, phase: str | None = None,
    allow_larger: bool = False, trust_field: tuple[str, ...] = (), force: bool = False, check: bool = False,
    diff: bool = False, progress: Progress = no_progress,
) -> FoldReport:  # fmt: skip
    """Put the splits of a net, trained or not and nested to any depth, back into one layer each, in the directory `output`.

    Args:
        net: a prototxt, or the directory of a split; then `weights` may be None: its newest snapshot.
        all: fold every other linear region too. layer: fold only what becomes these layers.
        also: further prototxts to edit alike. solver: the one that trains NET, written too. as_path: the directory's name where
            the solver will be used.
        phase: "test" assumes that the net is only tested, so that a BatchNorm takes its stored statistics, and what its twin
            does in phase TRAIN does not count.
        allow_larger: fold also what would grow. trust_field: names of fork fields that leave a layer linear.
        force: replace the files of a directory that holds something else. check, diff: look, and write nothing.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    destination = Destination(need_output(output), force, check, diff)
    if phase not in (None, "test"):
        raise OptionError("phase", "must be test", phase)
    refuse_own_directory(net, destination.output, "folded")
    directory = destination.directory
    wanted = (layer,) if isinstance(layer, str) else tuple(layer)
    # A directory's own solver is there to train the derived net; it is written where it holds the net, or was asked for.
    with OpenFiles() as opened:
        files = net_and_weights(opened, net, weights, solver, also)
        inputs = open_inputs(opened, files.net, files.need_weights(), solver, files.also)
        trust = Trust(frozenset(trust_field), _only_tested(inputs) if phase is None else True)
        search = Search(inputs, trust, allow_larger, progress, _planned_blocks(Path(files.net), net), wanted)
        search.find(all)
        _check_also(inputs, search)
        edited = _edited(inputs, search)
        options = {
            "all": all,
            "layer": list(wanted),
            "phase": phase,
            "allow_larger": allow_larger,
            "trust_field": list(trust_field),
        }
        record = Output(FOLD_FILE, [_record(inputs, search.done, options)])
        outputs = outputs_of(edited, plain(as_path) if as_path else directory.given, record)
        regions, left = _report(inputs, edited, search.done), search.left(all)
        status, differing, changes = destination.finish(outputs, inputs.paths(), progress)
        before, after = (sum(b.count for record in i.weights.layers for b in record.blobs) for i in (inputs, edited))
        names = {collapsed.region.name for collapsed in search.done}
        deploy = next((name for name, text in inputs.named if _is_deploy(text.nets[0])), None)
        return FoldReport(
            status=status, all=all, directory=directory.given, regions=regions, left=left,
            parameters=(before, after), layers=(len(inputs.net.layers), len(edited.net.layers)),
            files=tuple(one.name for one in outputs), source=(os.fspath(files.net), os.fspath(inputs.weights_path)),
            deploy=(deploy, inputs.weights_name) if deploy is not None else None,
            hints=_hints(edited, deploy) if deploy is not None else (),
            differing=differing, warnings=(*files.remarks, *_warnings(inputs, search), *left_at_random(inputs)),
            diff=diff_of(inputs, edited, outputs, names) if diff and not check else changes,
        )  # fmt: skip


def _warnings(inputs: Inputs, search: Search) -> list[str]:
    """BatchNorms that were folded by a rule which their statistics were hardly meant for, and twins to train with that went too."""
    found = []
    if search.trust.statistics and (gone := _gone_twins(search)):
        found.append(
            f"{', '.join(gone)}: what is there in phase TRAIN went too, whatever it computed: the folded net is one to test"
        )
    names = [
        name
        for one in search.done
        for name in one.region.layers
        if any(without_factor(net, inputs.weights, layer) for net in inputs.nets for layer in net.named(name)[:1])
    ]
    if not names:
        return found
    return [
        *found,
        f"{', '.join(names)}: the scale factor (blob 2) is 0 while there are statistics, which Caffe then takes for none, so that the "
        "weights grow by 1 / sqrt(eps); NVIDIA's fork stores statistics so (store_blobs_in_old_format): if they are meant, set blob 2 "
        "to 1 and fold again",
    ]


def _gone_twins(search: Search) -> list[str]:
    """Names of folded layers that a net has twice: for the phase TEST, which was folded, and for another."""
    names = {name for one in search.done for name in one.region.layers}
    gone = dict[str, None]()
    for text in search.texts:
        tested = {layer for flow in text.flows if flow.state.phase == "TEST" for layer in flow.layers}
        folded = {layer.name for layer in tested} & names
        gone |= dict.fromkeys(layer.name for layer in text.net.layers if layer.name in folded and layer not in tested)
    return list(gone)


def _hints(edited: Inputs, deploy: str) -> tuple[str, ...]:
    """What in the files to be deployed some toolchains stop at."""
    net = next(text.nets[0] for name, text in edited.named if name == deploy)
    found = []
    if any(layer.v1 for layer in net.layers):
        found.append("its layers are in the V1 format: split-surgery convert NET WEIGHTS --to new makes new ones")
    if any(getattr(blob, "legacy", False) for record in edited.weights.layers for blob in record.blobs):
        found.append("its blobs have no `shape`: split-surgery convert NET WEIGHTS --shapes new writes it")
    dropouts = [layer.name for layer in net.layers if layer.type == "Dropout"]
    if dropouts:
        found.append(
            f"{', '.join(dropouts)}: Dropout does nothing there; --all --phase test folds it into a layer beside it"
        )
    return tuple(found)


def _is_deploy(net: Net) -> bool:
    """Whether a net is there to be deployed: it reads no data base and has no loss."""
    return not any(layer.type.endswith(("Data", "Loss")) or layer.type == "Accuracy" for layer in net.layers)


def _check_also(inputs: Inputs, search: Search) -> None:
    """Raises: UsageError, where an `--also` file is of another net."""
    regions = [one.region for one in search.done] + [region for region, _ in search.failed]
    for text in inputs.also:
        if regions and not any(net.named(name) for net in text.nets for one in regions for name in one.layers):
            raise OptionError("also", "has none of the layers that are folded", text.document.name)


def _edited(inputs: Inputs, search: Search) -> Inputs:
    """The files with the regions folded, proven by other routes."""
    flows = {one.net: one for one in search.texts}
    texts = [edited_text(text, [flows[net] for net in text.nets], search.done) for text in inputs.texts]
    edits = {layer: edit for one in search.texts for layer, edit in anchor_edits(one.flows, search.done).items()}
    changes = record_changes(inputs.weights, inputs.nets, edits, search.done)
    return inputs.edited(texts, applied(inputs.weights, changes))


def _record(inputs: Inputs, done: Sequence[Collapsed], options: dict[str, Any]) -> bytes:
    """fold.yaml: what was folded, and how."""
    tree = {
        "format": 1,
        **manifest_of(inputs).to_tree(),
        "options": {name: value for name, value in options.items() if value},
        "folded": [{"layer": one.region.name, "was": list(one.region.layers)} for one in done],
    }
    return b"# How this directory was made: by split-surgery fold.\n" + dumped(tree)


def _report(inputs: Inputs, edited: Inputs, done: Sequence[Collapsed]) -> tuple[FoldedRegion, ...]:
    """What was folded, with multiply-adds where one of the files tells the sizes."""
    works: list[dict[str, int]] = [{}, {}]
    for work, side in zip(works, (inputs, edited)):
        for net in side.nets:
            for cost in costs(net, side.weights, State("TEST")):
                if cost.multiply_adds is not None:
                    work.setdefault(cost.layer.name, cost.multiply_adds)
    return tuple(
        FoldedRegion(
            one.region.name, one.region.split, one.region.nested, one.region.layers, (one.before, one.after),
            (_total(works[0], one.region.layers), _total(works[1], [one.region.name])), one.error, one.largest,
        )
        for one in done
    )  # fmt: skip


def _total(work: dict[str, int], layers: Sequence[str]) -> int | None:
    return sum(work[name] for name in layers) if all(name in work for name in layers) else None


def _only_tested(inputs: Inputs) -> bool:
    """Whether nothing says that one of the nets is trained: no solver, no layer for that phase, no loss."""
    if inputs.solver_document is not None:
        return False
    for net in inputs.nets:
        if any(state.text("phase") in ("TRAIN", "0") for state in net.message.messages("state")):
            return False
        for layer in net.layers:
            trains = any(rule.phase == "TRAIN" for rule in layer.include) or any(
                r.phase == "TEST" for r in layer.exclude
            )
            if trains or layer.type.endswith("Loss"):
                return False
    return True


def _planned_blocks(path: Path, net: PathLike) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What the split.yaml beside a net tells of it: each layer that was split, and the layers that it became."""
    plan_file = run_dir(net if os.path.isdir(net) else path.parent).plan
    if plan_file is None:
        return ()
    try:
        plan = read_plan(plan_file)
    except SurgeryError:  # it is not needed
        return ()
    return tuple((member.layer, tuple(member.names.values())) for layer in plan.layers for member in layer.members)
