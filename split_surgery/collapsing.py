"""The verb `fold`: splits of a net put back into one layer each, or every linear region folded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from split_surgery.collapse import Collapsed, Text, collapse
from split_surgery.collapse_edits import anchor_edits, edited_text, record_changes
from split_surgery.directories import given
from split_surgery.documents.flow import Flow, flows
from split_surgery.documents.parameters import shared_with
from split_surgery.documents.rules import State
from split_surgery.documents.shapes import costs
from split_surgery.documents.weights import Weights
from split_surgery.edited import documents_of
from split_surgery.errors import FileError, SurgeryError, Unsupported, UsageError, nearest
from split_surgery.files import OutputDir, PathLike, Progress, no_progress
from split_surgery.inputs import NET_FILE, PLAN_FILE, Inputs, open_inputs
from split_surgery.linear import Trust, is_linear
from split_surgery.placing import plain, stale_files, write
from split_surgery.planfile import read_plan
from split_surgery.regions import Region, Splits, anchor_of, linear_regions
from split_surgery.reports import FoldedRegion, FoldReport, LeftRegion
from split_surgery.writing import applied, diff_of, outputs_of

BY_CHANNEL = ("BatchNorm", "Scale", "Bias")
"""Layers that are there to be folded into others."""


def fold(
    net: PathLike, weights: PathLike | None, output: PathLike, *, all: bool = False, layer: str | tuple[str, ...] = (),
    also: tuple[PathLike, ...] = (), solver: PathLike | None = None, as_path: str | None = None, phase: str | None = None,
    allow_larger: bool = False, trust_field: tuple[str, ...] = (), force: bool = False, check: bool = False,
    diff: bool = False, progress: Progress = no_progress,
) -> FoldReport:  # fmt: skip
    """Put the splits of a net, trained or not and nested to any depth, back into one layer each, in the directory `output`.

    Args:
        net: a prototxt, or the directory of a split; then `weights` may be None: its newest snapshot.
        all: fold every other linear region too. layer: fold only what becomes these layers.
        phase: "test" assumes that the net is only tested, so that a BatchNorm takes its stored statistics.
        allow_larger: fold also what would grow.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    if check and diff:
        raise UsageError("--check and --diff exclude each other")
    if phase not in (None, "test"):
        raise UsageError(f"--phase {phase}: must be test")
    if not os.fspath(output):
        raise UsageError("the output directory has no name (an empty shell variable?)")
    files = given(net, weights, solver, also)
    if files.weights is None:
        raise UsageError("WEIGHTS is missing: it may be left out where NET is the directory of a split")
    directory = OutputDir(plain(output))
    wanted = (layer,) if isinstance(layer, str) else tuple(layer)
    # A directory's own solver is there to train the derived net; it is written where it holds the net, or was asked for.
    with ExitStack() as stack:
        inputs = open_inputs(stack, files.net, files.weights, solver, files.also)
        trust = Trust(frozenset(trust_field), _only_tested(inputs) if phase is None else True)
        work = _Work(inputs, trust, allow_larger, progress, _known_names(Path(files.net), net), wanted)
        work.find(all)
        edited = work.edited()
        outputs = outputs_of(edited, None, plain(as_path) if as_path else directory.given)
        differing: list[str] = []
        if diff:
            status = "diff"
        elif check:
            differing = directory.differing(outputs) + stale_files(directory, outputs)
            status = "differs" if differing else "same"
        else:
            status = write(directory, outputs, inputs.paths(), force, progress)
        before, after = (sum(b.count for record in i.weights.layers for b in record.blobs) for i in (inputs, edited))
        names = {collapsed.region.name for collapsed in work.done}
        return FoldReport(
            status=status, directory=directory.given, regions=work.report(edited), left=work.left(all),
            parameters=(before, after), layers=(len(inputs.net.layers), len(edited.net.layers)),
            files=tuple(one.name for one in outputs),
            deploy=(next((file.name for file in inputs.nets[1:] if file.name), NET_FILE), inputs.weights_name),
            differing=tuple(differing), warnings=files.remarks, diff=diff_of(inputs, edited, outputs, names) if diff else "",
        )  # fmt: skip


def _only_tested(inputs: Inputs) -> bool:
    """Whether no layer of the files is there for training only."""
    rules = [rule for file in inputs.nets for layer in file.net.layers for rule in (*layer.include, *layer.exclude)]
    return not any(rule.phase == "TRAIN" for rule in rules)


def _known_names(path: Path, net: PathLike) -> dict[str, str]:
    """What the split.yaml beside a net tells of it: by the layer that makes a block's top now, the layer that was split."""
    plan_file = (Path(net) if os.path.isdir(net) else path.parent) / PLAN_FILE
    if not os.path.exists(plan_file):
        return {}
    try:
        plan = read_plan(plan_file)
    except SurgeryError:  # it is not needed
        return {}
    return {list(member.names.values())[-1]: member.layer for layer in plan.layers for member in layer.members}


@dataclass
class _Work:
    """The regions of a net: found, folded where they can be, and the reasons where not."""

    inputs: Inputs
    trust: Trust
    allow_larger: bool
    progress: Progress
    known: dict[str, str]
    wanted: tuple[str, ...]

    def __post_init__(self) -> None:
        self.texts = [Text(file.net, tuple(flows(file.net))) for file in self.inputs.nets]
        self.done: list[Collapsed] = []
        self.failed: list[tuple[Region, str]] = []

    def find(self, every: bool) -> None:
        """Fold what can be folded.

        Raises:
            UsageError: there is no such layer to fold.
        """
        flow_list = self.texts[0].flows
        splits: dict[str, Region] = {}
        for flow in flow_list:
            for region in Splits(flow, self.named).found():
                splits.setdefault(region.last, region)
        regions = list(splits.values())
        if every:
            self._find_linear(flow_list, regions)
        else:
            for done, region in enumerate(self._asked(regions)):
                self.progress("folding", done, len(regions))
                self._try(region)
        self._untie()

    def named(self, last: str, candidates: list[str]) -> str | None:
        """What a split layer was called: as split.yaml or the user says, else the likeliest name."""
        if last in self.known:
            return self.known[last]
        return next((name for name in (*self.wanted, *candidates) if name in candidates), None)

    def _asked(self, regions: list[Region]) -> list[Region]:
        for name in self.wanted:
            if name not in [region.name for region in regions]:
                names = [region.name for region in regions]
                raise UsageError(
                    f'--layer {name}: no split of a layer "{name}" was found in {self.inputs.net.document.name}',
                    hint=nearest(name, names),
                )
        return [region for region in regions if not self.wanted or region.name in self.wanted]

    def _try(self, region: Region) -> bool:
        try:
            self.done.append(collapse(self.texts, self.inputs.weights, region, self.trust, self.allow_larger))
        except (FileError, Unsupported) as error:
            self.failed.append((region, str(error)))
            return False
        return True

    def _find_linear(self, flow_list: Sequence[Flow], splits: list[Region]) -> None:
        """From the end of the net on, the largest regions that can be folded; splits are part of them whole or not at all."""
        named = {region.last: region for region in splits}
        inside = {name: region for region in splits for name in region.layers}
        covered: set[str] = set()
        for flow in flow_list:
            for at in reversed(range(len(flow.layers))):
                self.progress("folding", len(flow.layers) - at, len(flow.layers))
                layer = flow.layers[at]
                if layer.name in covered or not is_linear(layer) or (layer.name in inside and layer.name not in named):
                    continue
                taken = [place for place, other in enumerate(flow.layers) if other.name in covered]
                found = [self._region(flow, group, at, splits) for group, _ in linear_regions(flow, at, splits, taken)]
                regions = [region for region in found if region is not None and len(region.layers) > 1]
                for region in reversed(regions):
                    if (not self.wanted or region.name in self.wanted) and self._try(region):
                        covered |= set(region.layers)
                        break

    def _region(self, flow: Flow, group: list[int], last: int, splits: list[Region]) -> Region | None:
        anchor = anchor_of(flow, group, splits)
        if anchor is None:
            return None
        layers = tuple(flow.layers[at].name for at in group)
        whole = next((region for region in splits if set(region.layers) == set(layers)), None)
        return whole or Region(layers, flow.layers[last].name, anchor[0].name, anchor[1], split=False)

    def _untie(self) -> None:
        """Leave regions whose parameters are tied by name to others that do not become the same."""
        tied = True
        while tied:
            folded = {name: collapsed for collapsed in self.done for name in collapsed.region.layers}
            faults = [(collapsed, self._tie(collapsed, folded)) for collapsed in self.done]
            tied = any(reason for _, reason in faults)
            for collapsed, reason in faults:
                if reason:
                    self.done.remove(collapsed)
                    self.failed.append((collapsed.region, reason))

    def _tie(self, collapsed: Collapsed, folded: dict[str, Collapsed]) -> str:
        region = collapsed.region
        for text in self.texts:
            for layer in (layer for name in region.layers for layer in text.net.named(name)):
                for index, _, _ in layer.param_names():
                    for other, _ in shared_with(text.net, layer, index):
                        its = folded.get(other.name)
                        if its is None:
                            return f'"{layer.name}" shares a parameter with "{other.name}", which is not folded'
                        if its.weight.tobytes() != collapsed.weight.tobytes():
                            return f'"{layer.name}" shares a parameter with "{other.name}", which becomes another layer'
        return ""

    def left(self, every: bool) -> tuple[LeftRegion, ...]:
        """What was not folded and why: splits, and where every region was looked at what a convolution might have taken in.

        A layer's reason is that of the smallest region with it that failed.
        """
        folded = {name for collapsed in self.done for name in collapsed.region.layers}
        smallest: dict[str, tuple[Region, str]] = {}
        for region, reason in sorted(self.failed, key=lambda row: len(row[0].layers)):
            for name in region.layers:
                smallest.setdefault(name, (region, reason))
        found: dict[tuple[str, str, bool], list[str]] = {}
        for flow in self.texts[0].flows:
            for at, layer in enumerate(flow.layers):
                known = smallest.get(layer.name)
                if layer.name in folded:
                    continue
                if known is not None:
                    found.setdefault((known[0].name, known[1], known[0].split), []).append(layer.name)
                elif every and layer.type in BY_CHANNEL and not self.wanted:
                    found.setdefault(("", _alone(flow, at), False), []).append(layer.name)
        return tuple(
            LeftRegion(name or layers[0], tuple(dict.fromkeys(layers)), split, reason)
            for (name, reason, split), layers in found.items()
        )

    def edited(self) -> Inputs:
        """The files with the regions folded, proven by other routes."""
        texts = [edited_text(file, text.flows, self.done) for file, text in zip(self.inputs.nets, self.texts)]
        edits = {
            key: edit for text in self.texts for key, edit in anchor_edits(text.net, text.flows, self.done).items()
        }
        weights: Weights = self.inputs.weights
        changes = record_changes(weights, [text.net for text in self.texts], edits, self.done)
        return self.inputs.edited(documents_of(self.inputs, texts), applied(weights, changes), None)

    def report(self, edited: Inputs) -> tuple[FoldedRegion, ...]:
        """What was folded, with multiply-adds where the input sizes are known."""
        state = State("TEST")
        works = [
            {cost.layer.name: cost.multiply_adds for cost in costs(i.net, i.weights, state)}
            for i in (self.inputs, edited)
        ]
        return tuple(
            FoldedRegion(
                one.region.name, one.region.split, one.region.layers, (one.before, one.after),
                (_total(works[0], one.region.layers), _total(works[1], [one.region.name])), one.error, one.largest,
            )
            for one in self.done
        )  # fmt: skip


def _alone(flow: Flow, at: int) -> str:
    """Why a layer that works channel by channel has nothing to be folded into."""
    read, made = flow.reads[at][0], flow.makes[at][0]
    maker = flow.maker(read)
    others = [flow.layers[reader].name for reader in flow.readers[read] if reader != at]
    if maker is not None and is_linear(maker) and others:
        return f'its bottom "{read.blob}" is read by "{others[0]}" too'
    readers = [flow.layers[reader] for reader in flow.readers.get(made, [])]
    if len(readers) > 1 and any(map(is_linear, readers)):
        return f'its top "{made.blob}" is read by {len(readers)} layers'
    return "there is no convolution or InnerProduct beside it that could take it in"


def _total(work: dict[str, int | None], layers: Sequence[str]) -> int | None:
    found = [work.get(name) for name in layers]
    return None if None in found else sum(each for each in found if each is not None)
