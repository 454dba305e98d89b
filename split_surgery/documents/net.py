"""A net as Caffe sees it: layers, bottoms, tops, phases and the geometry of convolutions. Read-only."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from split_surgery.documents.prototxt import Document, Field, Message, Scalar
from split_surgery.errors import FileError, FilePlace, TextPlace, Unsupported, UsageError, nearest

CONVOLUTION_FIELDS = frozenset(
    "num_output bias_term pad kernel_size group stride weight_filler bias_filler pad_h pad_w kernel_h kernel_w "
    "stride_h stride_w engine axis force_nd_im2col dilation".split()
)
"""ConvolutionParameter of BVLC Caffe 1.0."""


@dataclass(frozen=True)
class State:
    """Caffe's NetState: what include and exclude rules are held against."""

    phase: str
    level: int = 0
    stages: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Rule:
    """Caffe's NetStateRule."""

    phase: str | None
    min_level: int | None
    max_level: int | None
    stages: frozenset[str]
    not_stages: frozenset[str]

    def meets(self, state: State) -> bool:
        """As Net::StateMeetsRule of Caffe's net.cpp."""
        return (
            self.phase in (None, state.phase)
            and (self.min_level is None or state.level >= self.min_level)
            and (self.max_level is None or state.level <= self.max_level)
            and self.stages <= state.stages
            and not self.not_stages & state.stages
        )


@dataclass(frozen=True)
class Geometry:
    """What a 2-D convolution computes, apart from its weights. Pairs are (height, width)."""

    num_output: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int]
    dilation: tuple[int, int]
    group: int
    bias_term: bool

    def same_but_width(self, other: Geometry) -> bool:
        """Whether both slide alike: equal in all but num_output."""
        return (self.kernel, self.stride, self.pad, self.dilation, self.group, self.bias_term) == (
            other.kernel, other.stride, other.pad, other.dilation, other.group, other.bias_term,
        )  # fmt: skip


MAX_INT = 2**31 - 1
"""The largest size that Caffe's int holds."""

POINTWISE = ((1, 1), (1, 1), (0, 0), 1)
"""Kernel, stride, pad and group of a 1x1 convolution that mixes channels and nothing else."""


@dataclass(frozen=True)
class Layer:
    """One `layer { }` of a prototxt."""

    document: Document
    field: Field
    message: Message
    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    include: tuple[Rule, ...]
    exclude: tuple[Rule, ...]

    def place(self) -> TextPlace:
        return self.document.place(self.field)

    def refuse(self, message: str, at: Field | Message | Scalar | None = None, hint: str = "") -> NoReturn:
        """Raises: Unsupported, about this layer, at a place in it."""
        raise Unsupported(f'layer "{self.name}": {message}', self.document.place(at or self.field), hint)

    def fail(self, message: str, at: Field | Message | Scalar | None = None) -> NoReturn:
        """Raises: FileError, about this layer, at a place in it."""
        raise FileError(f'layer "{self.name}": {message}', self.document.place(at or self.field))

    def in_state(self, state: State) -> bool:
        """Whether Caffe keeps the layer in a net of that state (Net::FilterNet)."""
        if self.include:
            return any(rule.meets(state) for rule in self.include)
        return not any(rule.meets(state) for rule in self.exclude)

    def param_names(self) -> list[tuple[str, Scalar]]:
        """Names of parameters with their places; a name shares blobs between layers."""
        return [
            (value.text, value)
            for param in self.message.messages("param")
            for value in param.scalars("name")[-1:]
            if value.text
        ]

    def frozen(self, blobs: int) -> bool:
        """Whether none of the layer's blobs learns: each has a `param`, with lr_mult 0 (1 is the default)."""
        params = self.message.messages("param")
        return len(params) >= blobs and all(_is_zero(param.text("lr_mult")) for param in params)

    def geometry(self) -> Geometry:
        """The geometry of a 2-D convolution.

        Raises:
            FileError: a number is missing or impossible.
            Unsupported: N-D, or another axis than 1.
        """
        numbers: dict[str, list[int]] = {}
        bias_term = True
        for param in self.message.messages("convolution_param"):
            for field in param.fields:
                if not field.values:
                    continue
                if field.name == "bias_term":
                    value = field.values[-1]
                    flag = value.boolean() if isinstance(value, Scalar) else None
                    if flag is None:
                        self.fail("bias_term is neither true nor false", field)
                    bias_term = flag
                elif field.name in CONVOLUTION_FIELDS and not field.name.endswith(("filler", "engine", "im2col")):
                    numbers.setdefault(field.name, []).extend(self._integer(field, value) for value in field.values)
        if "num_output" not in numbers:
            self.fail("num_output is missing")
        if not numbers.get("group", [1])[-1]:
            self.fail("group is 0")
        if numbers.get("axis", [1])[-1] != 1:
            self.refuse("only convolutions on axis 1 (the channels) are split")
        return Geometry(
            num_output=numbers["num_output"][-1],
            kernel=self._pair(numbers, "kernel_size", "kernel_h", "kernel_w", None),
            stride=self._pair(numbers, "stride", "stride_h", "stride_w", 1),
            pad=self._pair(numbers, "pad", "pad_h", "pad_w", 0),
            dilation=self._pair(numbers, "dilation", "", "", 1),
            group=numbers.get("group", [1])[-1],
            bias_term=bias_term,
        )

    def _integer(self, field: Field, value: Message | Scalar) -> int:
        number = value.integer() if isinstance(value, Scalar) else None
        if number is None or not 0 <= number <= MAX_INT:
            self.fail(f"{field.name} is not a whole number of at most {MAX_INT}", value)
        return number

    def _pair(
        self, numbers: dict[str, list[int]], both: str, high: str, wide: str, default: int | None
    ) -> tuple[int, int]:
        if numbers.get(high) or numbers.get(wide):
            fallback = [default] if default is not None else []
            pair = (numbers.get(high) or fallback)[-1:] + (numbers.get(wide) or fallback)[-1:]
        else:
            pair = numbers.get(both) or ([default] if default is not None else [])
        if not pair:
            self.fail(f"{both} is missing")
        if len(pair) > 2:
            self.refuse(f"{both} has {len(pair)} axes; only 2-D convolutions are split")
        if len(pair) == 1 and (numbers.get(high) or numbers.get(wide)):
            self.fail(f"{high} and {wide} must both be given")
        if both != "pad" and not all(pair):
            self.fail(f"{both} is 0")
        return (pair[0], pair[-1])


class Net:
    """The layers of a prototxt, which is a net or a solver with a net inside.

    Attributes:
        message: the net: the whole file, or the `net_param { }` of a solver.
        inside_solver: whether it is the latter.

    Raises:
        FileError: no layers.
        Unsupported: a form that is not split (V1 and V0 `layers`, several nets).
        UsageError: a solver that only names its net.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.message, self.inside_solver = _net_message(document)
        self.layers: tuple[Layer, ...] = tuple(
            _layer(document, field, value)
            for field in self.message.named("layer")
            for value in field.values
            if isinstance(value, Message)
        )

        self._by_name: dict[str, list[Layer]] = {}
        for layer in self.layers:
            self._by_name.setdefault(layer.name, []).append(layer)

    def inputs(self) -> list[str]:
        """Blobs that the net itself declares (`input: "data"`)."""
        return [value.text for value in self.message.scalars("input")]

    def named(self, name: str) -> list[Layer]:
        return list(self._by_name.get(name, []))

    def convolutions(self) -> list[Layer]:
        return [layer for layer in self.layers if layer.type == "Convolution"]

    def states(self) -> list[State]:
        """States that tell the net's rules apart: both phases, the levels and stages that the rules name."""
        rules = [rule for layer in self.layers for rule in (*layer.include, *layer.exclude)]
        levels = {0} | {
            lv + d for r in rules for lv in (r.min_level, r.max_level) if lv is not None for d in (-1, 0, 1)
        }
        stages = sorted(frozenset().union(*(rule.stages | rule.not_stages for rule in rules)))
        # Rules that name more stages than this are told apart by the single stages and by all of them together.
        subsets: Iterable[Sequence[str]] = (
            itertools.chain.from_iterable(itertools.combinations(stages, n) for n in range(len(stages) + 1))
            if len(stages) <= 6
            else [[], *([stage] for stage in stages), stages]
        )
        chosen = [frozenset(subset) for subset in subsets]
        return [State(phase, level, some) for phase in ("TRAIN", "TEST") for level in sorted(levels) for some in chosen]

    def wiring_faults(self, state: State) -> Iterator[tuple[Layer, str]]:
        """What stops Caffe from building the net of a state (Net::AppendBottom and AppendTop), first fault first."""
        made = set(self.inputs())
        for layer in self.layers:
            if layer.in_state(state):
                for bottom in layer.bottoms:
                    if bottom not in made:
                        yield layer, f'reads "{bottom}", which nothing before it makes,'
                for top in layer.tops:
                    if top in made and top not in layer.bottoms:
                        yield layer, f'makes "{top}", which is made already,'
                made |= set(layer.tops)

    def twins(self, name: str) -> list[Layer]:
        """The layers of that name, which Caffe never has in one net at a time.

        Raises:
            UsageError: no layer has the name (the nearest are listed).
            FileError: two of them meet in one state; both places are shown.
        """
        found = self.named(name)
        if not found:
            names = [layer.name for layer in self.convolutions()]
            raise UsageError(
                f'no layer "{name}" in {self.document.name}', hint=nearest(name, list(dict.fromkeys(names)))
            )
        states = self.states() if len(found) > 1 else []
        for first, second in itertools.combinations(found, 2):
            if any(first.in_state(state) and second.in_state(state) for state in states):
                raise FileError(
                    f'two layers are named "{name}" and no rule keeps them apart; the other is at {first.place()}',
                    second.place(),
                )
        return found


def _net_message(document: Document) -> tuple[Message, bool]:
    root = document.root
    solver_nets = [
        field
        for name in ("net_param", "train_net_param", "test_net_param")
        for field in root.named(name)
        if field.values
    ]
    named = [field for name in ("net", "train_net", "test_net") for field in root.named(name)]
    if solver_nets:
        first = solver_nets[0].values[0]
        if len(solver_nets) > 1 or solver_nets[0].name != "net_param" or not isinstance(first, Message):
            raise Unsupported(
                "a solver with several nets is not split so far; only one net_param", document.place(solver_nets[-1])
            )
        _refuse_old_layers(document, first)
        return first, True
    _refuse_old_layers(document, root)
    if any(True for _ in root.named("layer")):
        return root, False
    if named:
        path = next((value.text for field in named for value in field.values if isinstance(value, Scalar)), "NET")
        raise UsageError(
            f'{document.name} is a solver that only names its net, "{path}"',
            hint=f"give the net, and the solver beside it: split-surgery ... {path} WEIGHTS --solver {document.name}",
        )
    raise FileError("holds no layers: is it a net?", FilePlace(document.name))


def _refuse_old_layers(document: Document, message: Message) -> None:
    for field in message.named("layers"):
        raise Unsupported(
            "V1 (or older) `layers` are not split so far; only new-style `layer`",
            document.place(field),
            "Caffe's upgrade_net_proto_text makes one of the other",
        )


def _layer(document: Document, field: Field, message: Message) -> Layer:
    return Layer(
        document, field, message, message.text("name") or "", message.text("type") or "",
        tuple(value.text for value in message.scalars("bottom")), tuple(value.text for value in message.scalars("top")),
        tuple(map(_rule, message.messages("include"))), tuple(map(_rule, message.messages("exclude"))),
    )  # fmt: skip


def _rule(message: Message) -> Rule:
    def level(name: str) -> int | None:
        found = message.scalars(name)
        return found[-1].integer() if found else None

    phase = message.text("phase")
    return Rule(
        phase={"0": "TRAIN", "1": "TEST"}.get(phase, phase) if phase else None,
        min_level=level("min_level"),
        max_level=level("max_level"),
        stages=frozenset(value.text for value in message.scalars("stage")),
        not_stages=frozenset(value.text for value in message.scalars("not_stage")),
    )


def _is_zero(text: str | None) -> bool:
    try:
        return text is not None and float(text.rstrip("fF")) == 0
    except ValueError:
        return False
