"""What a report says: accuracy, curves, and of each split the block, the kernels, the scores, the proof and how to make it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from split_surgery.checking import verify
from split_surgery.documents.net import Net
from split_surgery.documents.rules import State
from split_surgery.documents.weights import Weights
from split_surgery.drawing import diagram_at, kernels_of, net_at, new_layers, scores_of
from split_surgery.errors import SurgeryError
from split_surgery.files import Progress, read_file, sha256
from split_surgery.kernels.tpm import entropy
from split_surgery.lineage import Derived
from split_surgery.log_report import LogReport
from split_surgery.names import PLAN_FILE
from split_surgery.opening import open_weights
from split_surgery.pages.parts import Commands, Heading, Page, Part, Pictures, Section, Words, slugs
from split_surgery.pictures.bars import score_bars
from split_surgery.pictures.blocks import block_diagram
from split_surgery.pictures.curves import Line, curves, lines_of
from split_surgery.pictures.grids import kernel_grid
from split_surgery.pictures.pairs import compared
from split_surgery.pictures.style import Picture
from split_surgery.plan import LayerPlan
from split_surgery.tables import Table
from split_surgery.trainings import Training

MEANING = (
    "start: the first test; drop: the final value of the net it was split from, less its own start; final: the last test; "
    "best: the highest, with its iteration."
)


@dataclass(frozen=True)
class Wishes:
    """What the user said of the page: values of the training loss to a point, and what verify and the diagrams need.

    Attributes:
        legend: whether the curves need one of their own, as they do where a page has none to click on.
    """

    avg: int = 5
    test_output: str | None = None
    engine: str | None = None
    input_shape: Mapping[str, tuple[int, ...]] | None = None
    legend: bool = False


def content(
    report: LogReport,
    trainings: Sequence[tuple[str, Training]],
    splits: Sequence[Derived],
    wishes: Wishes,
    progress: Progress,
) -> Page:
    """The page on some trainings (each with its name) and directories of splits."""
    sections = []
    tables = report.tables()
    if tables:
        sections.append(Section("Accuracy", (*tables, Words(MEANING), *(Words(text) for text in report.warnings))))
        sections.append(Section("Curves", tuple(_curves(trainings, wishes))))
    for done, (one, place) in enumerate(zip(splits, slugs([one.name for one in splits]))):
        progress("drawing", done, len(splits))
        sections.append(Section(one.name, tuple(_split(one, place, wishes))))
    counts = [_many(len(trainings), "training"), _many(len(splits), "split")]
    return Page("split-surgery: " + " and ".join(text for text in counts if text), tuple(sections))


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}" if count else ""


def _curves(trainings: Sequence[tuple[str, Training]], wishes: Wishes) -> Iterator[Part]:
    lines: list[Line] = []
    names: list[str] = []
    silent: list[str] = []
    for name, one in trainings:
        drawn = lines_of(one.log, len(names), wishes.avg, wishes.test_output)
        (names if drawn else silent).append(name)
        lines += drawn
    if lines:
        yield Pictures((curves(names, lines, legend=wishes.legend),))
    if silent:
        yield Words(
            f"No value of {', '.join(silent)} has an iteration, as lines out of grep have none: there is no curve of them."
        )


def _split(one: Derived, place: str, wishes: Wishes) -> Iterator[Part]:
    """All on one directory."""
    layers = ", ".join(plan.layer for plan in one.plan.layers)
    trained = f"trained: {one.trained.name}" if one.trained is not None else "not trained yet"
    yield Words(f"The {one.plan.layers[0].options.recipe} split of {layers}, {trained}.")
    yield from one.plan.tables()
    if one.missing:
        yield Words(one.missing[0].upper() + one.missing[1:] + ".")
    yield Heading("The block")
    yield from _diagrams(one, place, wishes)
    yield Heading("Scores of the kernels")
    alike = all(plan.measure == "coherence" for plan in one.plan.layers)
    entropies = [(plan.layer, entropy(plan.scores)) for plan in one.plan.layers] if alike else []
    yield Pictures((replace(score_bars(list(map(scores_of, one.plan.layers)), entropies), name=f"{place}-tpm"),))
    yield Heading("Kernels")
    yield from _kernels(one, place)
    yield Heading("Proof")
    yield from _proof(one, wishes)
    yield Heading("Made again")
    yield from _commands(one)


def _diagrams(one: Derived, place: str, wishes: Wishes) -> Iterator[Part]:
    """The block before and after."""
    drawings: list[Picture] = []
    layers = [member.layer for plan in one.plan.layers for member in plan.members]
    try:
        if one.base is not None:
            net = net_at(one.base[0])
            there = [name for name in layers if net.named(name)]  # a layer that an earlier entry made is not
            drawings.append(_diagram("before", net, there, set(), one.base[1], place, wishes))
        net = net_at(one.net)
        new = new_layers(net, one.plan)
        drawings.append(_diagram("after", net, sorted(new), new, one.weights, place, wishes))
    except SurgeryError as error:
        yield Words(f"The net cannot be drawn: {error.message}")
    if drawings:
        yield Pictures(tuple(drawings))


def _diagram(
    when: str, net: Net, around: Sequence[str], new: set[str], weights: Path | None, place: str, wishes: Wishes
) -> Picture:
    """The net near some layers, in the phase that has them."""
    tested = State("TEST")
    phase = "test" if any(layer.in_state(tested) for name in around for layer in net.named(name)) else "train"
    with ExitStack() as stack:
        model = open_weights(stack, weights) if weights is not None else None
        diagram = diagram_at(net, phase=phase, around=around, new=new, weights=model, input_shape=wishes.input_shape)
    name = net.message.text("name") or Path(net.document.name).name
    return block_diagram(diagram, f"{name} {when} the split, {phase.upper()}", f"{place}-{when}")


def _kernels(one: Derived, place: str) -> Iterator[Part]:
    """What the slow kernels started as beside residual_pre, and what training made of them; else the kernels of the layer."""
    found: list[Picture] = []
    with ExitStack() as stack:
        for when, path in (("before training", one.weights), ("trained", one.trained)):
            if path is None:
                continue
            try:
                weights = open_weights(stack, path)
                drawings = [_layer_kernels(weights, plan, one) for plan in one.plan.layers]
                names = slugs([f"{place} {plan.layer} {when}" for plan in one.plan.layers])
                found += [replace(d, name=name, about=f"{when}: {d.about}") for d, name in zip(drawings, names)]
            except SurgeryError as error:
                yield Words(f"The kernels of {path.name} cannot be drawn: {error.message}")
    if found:
        yield Pictures(tuple(found))


def _layer_kernels(weights: Weights, plan: LayerPlan, one: Derived) -> Picture:
    names = plan.names
    slow, pre = names["split2"], names.get("split2_residual_pre")
    while not weights.named(slow) and slow in (inner := _splits_of(one)):  # split again by a later entry
        slow = inner[slow]
    if pre is not None and weights.named(pre) and weights.named(slow):
        first, second = kernels_of(weights, slow, one.plan), kernels_of(weights, pre, one.plan)
        if len(first.weight) == len(second.weight):
            return compared(first, second)
    return kernel_grid(kernels_of(weights, slow, one.plan))


def _splits_of(one: Derived) -> dict[str, str]:
    """Layers that a plan splits, with their own split2."""
    return {member.layer: member.names["split2"] for plan in one.plan.layers for member in plan.members}


def _proof(one: Derived, wishes: Wishes) -> Iterator[Part]:
    """What verify says of what the split wrote, and of the newest snapshot."""
    if one.base is None:
        yield Words("It cannot be held against what it was made from, which was not found.")
        return
    for when, weights in (("as it was split", one.weights), ("trained", one.trained)):
        if weights is None:
            continue
        try:
            report = verify(
                *one.base, (one.net, weights), trained=weights == one.trained, engine=wishes.engine,
                input_shape=wishes.input_shape if wishes.engine else None,
            )  # fmt: skip
        except SurgeryError as error:
            yield Words(f"{weights.name}, {when}: {error}")
            continue
        first, *others = report.tables()
        yield Table(f"{weights.name}, {when}", first.columns, first.rows)
        yield from others


def _commands(one: Derived) -> Iterator[Part]:
    net, weights = one.base or (Path(one.plan.net.name), Path(one.plan.weights.name))
    texts = [shlex.quote(str(path)) for path in (one.folder / PLAN_FILE, net, weights, one.folder)]
    plan, base, model, folder = texts
    options = "".join(f" --also {shlex.quote(file.name)}" for file in one.plan.also)
    yield Commands((
        f"split-surgery apply {plan} {base} {model} -o COPY{options}",
        f"split-surgery verify {base} {model} {folder}" + (" --trained" if one.trained is not None else ""),
        f"split-surgery fold {folder} -o FOLDED",
    ))  # fmt: skip
    yield Words(f"SHA-256 of {PLAN_FILE}: {sha256(read_file(one.folder / PLAN_FILE))}")
