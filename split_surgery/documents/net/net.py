"""A net as Caffe sees it: layers, bottoms, tops and phases; and the prototxt that holds one or several."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from split_surgery.documents.net.layer import Layer, layer_of
from split_surgery.documents.net.rules import State
from split_surgery.documents.prototxt import Document, Field, Message
from split_surgery.documents.spans import Splice, apply_splices
from split_surgery.errors import Defect, FileError, FilePlace, SurgeryError, Unsupported, UsageError, for_shell, nearest

TRAIN_NETS = ("net_param", "train_net_param")
"""Fields of a solver that hold the net it trains."""

NET_FIELDS = ("net", "train_net", "test_net")
"""A solver's fields that name the files of nets."""

INNER_NETS = (*TRAIN_NETS, "test_net_param")
"""Fields of a solver that hold a net."""

SOLVER_FIELDS = frozenset(
    "net train_net test_net net_param train_net_param test_net_param base_lr lr_policy max_iter snapshot_prefix".split()
)
"""Fields by which a prototxt without layers is known for a solver."""

LAYERS = ("layer", "layers")
"""Fields of a net that hold its layers, new-style and V1."""


class Net:
    """The layers of a prototxt, which is a net or a solver with a net inside.

    Attributes:
        message: the net: the whole file, or one of the nets inside a solver, by default the one it trains.
        inside_solver: whether it is the latter.

    Raises:
        FileError: no layers, or two forms of them.
        Unsupported: V0 layers.
        UsageError: a solver that only names its net.
    """

    def __init__(self, document: Document, message: Message | None = None) -> None:
        self.document = document
        self.message = message if message is not None else _net_message(document)
        self.inside_solver = self.message is not document.root
        self.layers: tuple[Layer, ...] = tuple(
            layer_of(document, field, value)
            for field in _layer_fields(document, self.message)
            for value in field.values
            if isinstance(value, Message)
        )
        self._by_name: dict[str, list[Layer]] = {}
        for layer in self.layers:
            self._by_name.setdefault(layer.name, []).append(layer)

    @cached_property
    def names(self) -> dict[str, Layer | None]:
        """What layers and blobs are called, each with the layer; None for blobs that the net itself declares."""
        found: dict[str, Layer | None] = dict.fromkeys(self.inputs())
        found |= {top: layer for layer in self.layers for top in layer.tops}
        return found | {layer.name: layer for layer in self.layers}

    @cached_property
    def parameters(self) -> dict[str, list[tuple[Layer, int]]]:
        """The layers that have a parameter of a name, each with the blob's index, in the order of the net."""
        found: dict[str, list[tuple[Layer, int]]] = {}
        for layer in self.layers:
            for index, text, _ in layer.param_names():
                found.setdefault(text, []).append((layer, index))
        return found

    def other_fields(self) -> list[str]:
        """Names of the fields of the net that are no layers, in order."""
        return [field.name for field in self.message.fields if field.name not in LAYERS]

    def inputs(self) -> list[str]:
        """Blobs that the net itself declares (`input: "data"`)."""
        return [value.text for value in self.message.scalars("input")]

    def named(self, name: str) -> list[Layer]:
        return list(self._by_name.get(name, []))

    def convolutions(self) -> list[Layer]:
        return [layer for layer in self.layers if layer.type == "Convolution"]

    def states(self) -> list[State]:
        """States that tell the net's rules apart: both phases, the levels and stages that the rules name."""
        return states_of(self.layers)

    def layers_in(self, state: State) -> tuple[Layer, ...]:
        """The layers that Caffe keeps in a state, in their order."""
        return tuple(layer for layer in self.layers if layer.in_state(state))

    def wiring_faults(self, state: State) -> Iterator[tuple[Layer, str]]:
        """What stops Caffe from building the net of a state (Net::AppendBottom and AppendTop), first fault first."""
        made = set(self.inputs())
        for layer in self.layers:
            if layer.in_state(state):
                for bottom in layer.bottoms:
                    if bottom not in made:
                        yield layer, f'reads "{bottom}", which nothing before it makes'
                for top in layer.tops:
                    if top in made and top not in layer.bottoms:
                        yield layer, f'makes "{top}", which is made already'
                made |= set(layer.tops)

    def unwired(self) -> list[tuple[Layer, str]]:
        """The layers that Caffe can build in no state that has them, each with why."""
        faults: dict[Layer, str] = {}
        built: set[Layer] = set()
        for state in self.states():
            wrong = dict(self.wiring_faults(state))
            faults |= wrong
            built |= {layer for layer in self.layers if layer.in_state(state) and layer not in wrong}
        return [(layer, fault) for layer, fault in faults.items() if layer not in built]

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


def states_of(layers: Sequence[Layer]) -> list[State]:
    """States that tell the rules of layers apart: both phases, the levels and stages that the rules name."""
    rules = [rule for layer in layers for rule in (*layer.include, *layer.exclude)]
    levels = {0} | {lv + d for r in rules for lv in (r.min_level, r.max_level) if lv is not None for d in (-1, 0, 1)}
    stages = sorted(frozenset().union(*(rule.stages | rule.not_stages for rule in rules)))
    # Rules that name more stages than this are told apart by the single stages, by all of them, and by those of each rule.
    subsets: Iterable[Sequence[str]] = (
        itertools.chain.from_iterable(itertools.combinations(stages, n) for n in range(len(stages) + 1))
        if len(stages) <= 6
        else [[], *([stage] for stage in stages), stages, *(sorted(rule.stages) for rule in rules)]
    )
    chosen = [frozenset(subset) for subset in subsets]
    return [State(phase, level, some) for phase in ("TRAIN", "TEST") for level in sorted(levels) for some in chosen]


class Prototxt:
    """A prototxt and the nets in it: the file itself, or those inside a solver, the one that it trains first.

    Attributes:
        is_solver: whether it is a solver; one that only names its nets has none in it.

    Raises:
        FileError, Unsupported: as Net; or a solver trains several nets.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        inner = _inner_messages(document)
        names = {field.name for field in document.root.fields}
        self.is_solver = self.holds_net or (not names & set(LAYERS) and bool(names & SOLVER_FIELDS))
        messages = inner if self.is_solver else [document.root]
        self.nets = tuple(Net(document, message) for message in messages)

    @property
    def net(self) -> Net:
        """The net that is trained or deployed.

        Raises:
            FileError: there are no layers in the file.
            UsageError: it is a solver that only names its net, or has test nets only.
        """
        message = _net_message(self.document)
        return next(net for net in self.nets if net.message is message)

    @property
    def holds_net(self) -> bool:
        """Whether it is a solver with the net that it trains inside."""
        return any(self.document.root.messages(name) for name in TRAIN_NETS)

    def titles(self) -> list[str]:
        """What the nets are called in the file: "" where the file is the net."""
        if not self.is_solver:
            return [""]
        trained = [name for name in TRAIN_NETS if self.document.root.messages(name)]
        return [*trained, *(f"test_net_param[{at}]" for at in range(len(self.nets) - len(trained)))]

    def edited(self, splices: Sequence[Splice]) -> Prototxt:
        """The same with these splices made; itself where there are none.

        Raises:
            Defect: what they make cannot be read.
        """
        if not splices:
            return self
        try:
            return Prototxt(Document(apply_splices(self.document.data, splices), self.document.name))
        except SurgeryError as error:
            raise Defect(f"the new prototxt cannot be read: {error}") from error


def _inner_messages(document: Document) -> list[Message]:
    """The nets inside a solver, the one it trains first; none in a file that is a net.

    Raises:
        FileError: it trains several.
    """
    root = document.root
    found = {name: [value for value in root.values(name) if isinstance(value, Message)] for name in INNER_NETS}
    trained = [message for name in TRAIN_NETS for message in found[name]]
    if len(trained) > 1:
        raise FileError("a solver with several nets to train, which Caffe refuses", document.place(trained[1]))
    return [*trained, *found["test_net_param"]]


def _net_message(document: Document) -> Message:
    root = document.root
    inner = _inner_messages(document)
    if any(root.messages(name) for name in TRAIN_NETS):
        return inner[0]
    if any(True for name in LAYERS for _ in root.named(name)):
        return root
    paths = [value.text for name in NET_FIELDS for value in root.scalars(name)]
    if paths:
        raise UsageError(
            f'{document.name} is a solver that only names its net, "{paths[0]}"',
            hint="give the net, and the solver beside it: "
            f"`split-surgery ... {for_shell(paths[0])} WEIGHTS --solver {for_shell(document.name)}`",
        )
    if inner:
        raise UsageError(f"{document.name} is a solver with test nets only", hint="give the net that is trained")
    if not document.data.strip():
        raise FileError("is empty", FilePlace(document.name))
    raise FileError("holds no layers: is it a net?", FilePlace(document.name))


def _layer_fields(document: Document, message: Message) -> list[Field]:
    """The fields that hold layers: `layer`, or in old nets `layers`."""
    new, old = list(message.named("layer")), list(message.named("layers"))
    if new and old:
        raise FileError(
            f"holds both `layer` and V1 `layers`, which Caffe refuses; the other form is at {document.place(new[0])}",
            document.place(old[0]),
        )
    for field in old:
        if any(isinstance(value, Message) and value.messages("layer") for value in field.values):
            raise Unsupported(
                "V0 layers (a `layer` inside `layers`), which are older than fillers and phases as they are now",
                document.place(field),
                "Caffe's upgrade_net_proto_text (and upgrade_net_proto_binary, for the weights) make new ones of them",
            )
    return new or old
