"""What a report says: accuracy, curves, and of each split the block, the kernels, the scores, the proof and how to make it again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Protocol

from split_surgery import __version__
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.rules import State
from split_surgery.documents.source import Progress, read_file, sha256
from split_surgery.documents.weights.blobs import Weights
from split_surgery.errors import SurgeryError, for_shell
from split_surgery.kernels.tpm import entropy
from split_surgery.reporting.drawn_from_files import diagram_at, kernels_of, net_at, new_layers, scores_of
from split_surgery.reporting.lineage import Derived
from split_surgery.reporting.logs.folded_row import folded_table
from split_surgery.reporting.logs.log_report import LogReport
from split_surgery.reporting.logs.trainings import Training
from split_surgery.reporting.pages.glossary import glossary
from split_surgery.reporting.pages.parts import (
    Commands,
    Details,
    Heading,
    Page,
    PagePart,
    Pictures,
    Section,
    Words,
    slugs,
)
from split_surgery.reporting.pictures.bars import score_bars
from split_surgery.reporting.pictures.blocks import block_diagram
from split_surgery.reporting.pictures.curves import Line, axis_name, curves, lines_of
from split_surgery.reporting.pictures.grids import kernel_grid
from split_surgery.reporting.pictures.pairs import compared
from split_surgery.reporting.pictures.style import Picture
from split_surgery.reporting.plan_tables import plan_tables
from split_surgery.reporting.tables import Table
from split_surgery.splitting.plan import LayerPlan
from split_surgery.workspace.names import PLAN_FILE, SOLVER_FILE
from split_surgery.workspace.open_files import OpenFiles

MEANING = (
    "start: the first test; drop: the final value of the net it was split from, less its own start; final: the last test; "
    "best: the highest, of a loss the lowest, with its iteration."
)

FOLDED = (
    "layers, parameters, bytes: of what was folded -> of the folded net. The accuracy is what a log in the directory of the fold says, "
    "such as that of caffe test."
)


MANY = 3
"""Splits on a page, or layers of one, beyond which they are folded away."""

LONG = 12
"""Rows of a proof, likewise."""

MADE_BY = f"split-surgery {__version__}"


@dataclass(frozen=True)
class Wishes:
    """What the user said of the page: values of the training loss to a point, and what verify and the diagrams need.

    Attributes:
        bgr: whether the three channels of images are blue, green and red.
        continue_axis: whether curves start where those of the net it was split from end.
        legend: whether the curves need one of their own, as they do where a page has none to click on.
    """

    avg: int = 5
    test_output: str | None = None
    engine: str | None = None
    input_shape: Mapping[str, tuple[int, ...]] | None = None
    bgr: bool = False
    continue_axis: bool = False
    legend: bool = False


class Proof(Protocol):
    """What the page says of a proof: its tables, the first of which sums it up, and why it failed."""

    @property
    def problems(self) -> Sequence[str]: ...
    def tables(self) -> tuple[Table, ...]: ...


Prove = Callable[[tuple[Path, Path], tuple[Path, Path], bool], Proof]
"""Holds a derived net against its baseline, each a prototxt and its weights; the last says whether it was trained."""


def content(
    report: LogReport,
    trainings: Sequence[tuple[str, Training, int]],
    splits: Sequence[Derived],
    wishes: Wishes,
    prove: Prove,
    progress: Progress,
) -> Page:
    """The page on some trainings (each with its name and where its curves start) and directories of splits."""
    sections = []
    tables = report.accuracy_tables()
    if tables:
        words = [MEANING, *report.notes(), *report.warnings]
        sections.append(Section("Accuracy", (*tables, *map(Words, words))))
        sections.append(Section("Curves", tuple(_curves(trainings, wishes))))
    if report.folded:
        table = replace(folded_table(report.folded), title="")
        sections.append(Section("Folded nets", (table, Words(FOLDED))))
    rows: list[tuple[str, ...]] = []
    own: list[Section] = []
    with OpenFiles() as files:
        for done, (one, place) in enumerate(zip(splits, slugs([one.name for one in splits]))):
            progress("drawing", done, len(splits))
            proof, verdict = _proof(one, prove)
            rows.append((one.name, _recipes(one), _base(one), verdict, _state(one)))
            first, *others = _split(files, one, place, proof, wishes)
            own.append(
                Section(
                    one.name,
                    (first, *_folded_away(f"All on {one.name}; verify: {verdict}", others, len(splits) > MANY)),
                )
            )
    if len(own) > 1:
        overview = Table("", ("directory", "split", "made from", "verify", "state"), tuple(rows))
        sections.append(Section("Splits", (overview,)))
    sections += own
    counts = [_many(len(trainings), "training"), _many(len(splits), "split"), _many(len(report.folded), "folded net")]
    sections.append(glossary())
    return Page("split-surgery: " + _and([text for text in counts if text]), tuple(sections), f"Made by {MADE_BY}.")


def _folded_away(summary: str, parts: Sequence[PagePart], many: bool) -> list[PagePart]:
    """The parts; folded away where they are many."""
    return [Details(summary, tuple(parts))] if parts and many else list(parts)


def _and(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), *words[-1:]] if len(words) > 1 else words)


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}" if count else ""


def _curves(trainings: Sequence[tuple[str, Training, int]], wishes: Wishes) -> Iterator[PagePart]:
    lines: list[Line] = []
    names: list[str] = []
    silent: list[str] = []
    axis = axis_name(wishes.continue_axis)
    for name, one, start in trainings:
        drawn = lines_of(one.log, len(names), wishes.avg, wishes.test_output, start)
        (names if drawn else silent).append(name)
        lines += drawn
    if lines:
        yield Pictures((curves(names, lines, legend=wishes.legend, axis=axis),))
    baselines = {name for name, one, _ in trainings if one.baseline}
    others = [line for line in lines if names[line.net] not in baselines]
    if len(others) < len(lines) and len({line.net for line in others}) > 1:
        yield Words("The same without the baseline, beside which the others can hardly be told apart:")
        yield Pictures((curves(names, others, legend=wishes.legend, name="curves-of-derived", axis=axis),))
    if silent:
        which = ", ".join(silent)
        yield Words(
            f"No value of {which} has an iteration, as lines out of grep and of caffe test have none: there is no curve of it."
        )


def _recipes(one: Derived) -> str:
    """Which splits were made, in their order: "residual split of conv1_1, conv2_1; extension split of conv1_2"."""
    runs = groupby(one.plan.layers, key=lambda plan: plan.options.recipe)
    return "; ".join(f"{recipe} split of {', '.join(plan.layer for plan in plans)}" for recipe, plans in runs)


def _base(one: Derived) -> str:
    """The name of the directory that it was made from."""
    return Path(os.path.abspath(one.base[1])).parent.name if one.base is not None else "not found"


def _state(one: Derived) -> str:
    return f"trained: {one.trained.name}" if one.trained is not None else "not trained yet"


def _split(files: OpenFiles, one: Derived, place: str, proof: Sequence[PagePart], wishes: Wishes) -> Iterator[PagePart]:
    """All on one directory."""
    yield Words(f"{_recipes(one)}; {_state(one)}.")
    *layers, digests = plan_tables(one.plan)
    yield from _folded_away(f"What was chosen for {len(layers)} layers", layers, len(layers) > MANY)
    yield Details(f"What it was made from: {len(digests.rows)} digests", (replace(digests, title=""),))
    if one.missing:
        yield Words(f"{one.missing[0].upper()}{one.missing[1:]}: name its directory too.")
    yield Heading("The block")
    yield from _diagrams(files, one, place, wishes)
    yield Heading("Scores of the kernels")
    alike = all(plan.measure == "coherence" for plan in one.plan.layers)
    entropies = [(plan.layer, entropy(plan.scores)) for plan in one.plan.layers] if alike else []
    yield Pictures((replace(score_bars(list(map(scores_of, one.plan.layers)), entropies), name=f"{place}--tpm"),))
    yield Heading("Kernels")
    yield from _kernels(files, one, place, wishes.bgr)
    yield Heading("Proof")
    yield from proof
    yield Heading("Made again")
    yield from _commands(one, wishes)


def _diagrams(files: OpenFiles, one: Derived, place: str, wishes: Wishes) -> Iterator[PagePart]:
    """The block before and after."""
    drawings: list[Picture] = []
    layers = [member.layer for plan in one.plan.layers for member in plan.members]
    try:
        if one.base is not None:
            net = net_at(files, one.base[0])
            there = [name for name in layers if net.named(name)]  # a layer that an earlier entry made is not
            drawings.append(_diagram("before", net, there, set(), files.weights(one.base[1]), place, wishes))
        net = net_at(files, one.net)
        new = new_layers(net, one.plan)
        model = files.weights(one.weights) if one.weights is not None else None
        drawings.append(_diagram("after", net, sorted(new), new, model, place, wishes))
    except SurgeryError as error:
        yield Words(f"The net cannot be drawn: {error.message}")
    if drawings:
        yield Pictures(tuple(drawings))


def _diagram(
    when: str, net: Net, around: Sequence[str], new: set[str], weights: Weights | None, place: str, wishes: Wishes
) -> Picture:
    """The net near some layers, in the phase that has them."""
    tested = State("TEST")
    phase = "test" if any(layer.in_state(tested) for name in around for layer in net.named(name)) else "train"
    diagram = diagram_at(net, phase=phase, around=around, new=new, weights=weights, input_shape=wishes.input_shape)
    name = net.message.text("name") or Path(net.document.name).name
    return block_diagram(diagram, f"{name} {when} the split, {phase.upper()}", f"{place}--{when}")


def _kernels(files: OpenFiles, one: Derived, place: str, bgr: bool) -> Iterator[PagePart]:
    """What the slow kernels started as beside residual_pre, and what training made of them; else the kernels of the layer."""
    found: list[Picture] = []
    for when, path in (("before training", one.weights), ("trained", one.trained)):
        if path is None:
            continue
        try:
            weights = files.weights(path)
            drawings = [_layer_kernels(weights, plan, one, bgr, f"{when}: ") for plan in one.plan.layers]
            names = slugs([f"{plan.layer} {when}" for plan in one.plan.layers])
            found += [replace(drawing, name=f"{place}--{name}") for drawing, name in zip(drawings, names)]
        except SurgeryError as error:
            yield Words(f"The kernels of {path.name} cannot be drawn: {error.message}")
    if found:
        yield from _folded_away(f"{len(found)} pictures of kernels", [Pictures(tuple(found))], len(found) > 2 * MANY)


def _layer_kernels(weights: Weights, plan: LayerPlan, one: Derived, bgr: bool, when: str) -> Picture:
    """split2 beside residual_pre; alone what there is of them, where there is no other, or a later entry split it again."""
    layers = [
        name for role in ("split2", "split2_residual_pre") if (name := plan.names.get(role)) and weights.named(name)
    ]
    if not layers:
        layers = [plan.names["split1"] if weights.named(plan.names["split1"]) else plan.names["reorder"]]
    shown = [kernels_of(weights, name, one.plan) for name in layers]
    if len(shown) == 2 and len(shown[0].weight) == len(shown[1].weight):
        return compared(shown[0], shown[1], bgr, when)
    return kernel_grid(shown[0], bgr, when)


def _proof(one: Derived, prove: Prove) -> tuple[list[PagePart], str]:
    """What verify says of what the split wrote, and of the newest snapshot; and both in a word."""
    if one.base is None:
        return [Words("It cannot be held against what it was made from, which was not found.")], "not held against it"
    parts: list[PagePart] = []
    verdicts: list[str] = []
    for when, weights in (("as it was split", one.weights), ("trained", one.trained)):
        if weights is None:
            continue
        try:
            report = prove(one.base, (one.net, weights), weights == one.trained)
        except SurgeryError as error:
            parts.append(Words(f"{weights.name}, {when}: {error}"))
            verdicts.append("FAILED")
            continue
        first, *others = report.tables()
        parts.append(Table(f"{weights.name}, {when}", first.columns, first.rows))
        lines = sum(len(table.rows) for table in others)
        parts += _folded_away(f"What verify found in {weights.name}: {lines} lines", others, lines > LONG)
        verdicts.append("FAILED" if report.problems else "passed")
    return parts, "FAILED" if "FAILED" in verdicts else "passed" if verdicts else "no weights"


def _commands(one: Derived, wishes: Wishes) -> Iterator[PagePart]:
    """How to make it again, prove it and fold it."""
    net, weights = one.base or (Path(one.plan.net.name), Path(one.plan.weights.name))
    plan, base, model, folder = (for_shell(str(path)) for path in (one.folder / PLAN_FILE, net, weights, one.folder))
    options = "".join(f" --also {for_shell(file.name)}" for file in one.plan.also)
    run = " --trained" if one.trained is not None else ""
    run += f" --engine {wishes.engine}" if wishes.engine else ""
    for blob, shape in (wishes.input_shape or {}).items() if wishes.engine else ():
        run += " --input-shape " + for_shell(f"{blob}:{','.join(map(str, shape))}")
    yield Commands((
        f"split-surgery apply {plan} {base} {model} -o COPY{options}",
        f"split-surgery verify {base} {model} {folder}{run}",
        f"split-surgery fold {folder} -o FOLDED",
    ))  # fmt: skip
    more = ["--solver"] if (one.folder / SOLVER_FILE).is_file() and net.name != SOLVER_FILE else []
    more += ["--solverstate"] if one.plan.solverstate is not None else []
    if more:
        yield Words(
            f"Name the files of {' and '.join(more)} again to have those, too: {PLAN_FILE} keeps no copy of them."
        )
    yield Words(f"SHA-256 of {PLAN_FILE}: {sha256(read_file(one.folder / PLAN_FILE))}")
