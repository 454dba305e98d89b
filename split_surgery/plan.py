"""The frozen plan of a split: all that decides the bytes of the outputs, and its form as split.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from split_surgery.documents.caffemodel import LayerRecord
from split_surgery.documents.net import Geometry, Layer, Net
from split_surgery.errors import BytePlace, FileError, FilePlace, UsageError
from split_surgery.kernels.partition import ORDERS, fast_and_slow, ranking
from split_surgery.recipes import RECIPES
from split_surgery.recipes.graph import EVEN_CENTERS, Channels, Recipe

FORMAT = 1


@dataclass(frozen=True)
class Options:
    """What the user chose for one layer; the words and the meanings of the command line (defaults: config.Settings)."""

    recipe: str
    order: str
    fast: str
    noise: float
    surround: float
    center: float
    seed: int
    even_center: str | None
    trust_field: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise UsageError(f"--order {self.order}: must be one of {', '.join(ORDERS)}")
        if self.even_center not in (None, *EVEN_CENTERS):
            raise UsageError(f"--even-center {self.even_center}: must be one of {', '.join(EVEN_CENTERS)}")
        for name in ("noise", "surround", "center"):
            value = getattr(self, name)
            if not abs(value) < 1e30:  # beyond this a float32 weight would overflow; NaN fails it too
                raise UsageError(f"--{name} {value}: must be a finite number")
        if self.noise < 0:
            raise UsageError(f"--noise {self.noise}: a standard deviation is not negative")
        if self.seed < 0:
            raise UsageError(f"--seed {self.seed}: must not be negative")


@dataclass(frozen=True)
class LayerPlan:
    """The split of one layer.

    Attributes:
        scores, measure, tpm, evidence: what the ranking rests on.
        fast, slow: channels of the old layer, each ascending.
        names: the new layers' names by role, in the recipe's order.
        record_sha256: of the old layer's record in the weights file.
    """

    layer: str
    options: Options
    scores: tuple[float, ...]
    measure: str
    tpm: bool | None
    evidence: tuple[str, ...]
    fast: tuple[int, ...]
    slow: tuple[int, ...]
    names: dict[str, str]
    record_sha256: str

    @property
    def recipe(self) -> Recipe:
        return RECIPES[self.options.recipe]

    def channels(self, which: Channels) -> tuple[int, ...]:
        """Channels of the old layer that a part makes, in the order in which it makes them."""
        return {Channels.FAST: self.fast, Channels.SLOW: self.slow, Channels.ALL: (*self.fast, *self.slow)}[which]


@dataclass(frozen=True)
class InputFile:
    """What identifies an input: its name without the path, its size in bytes, and of a text the SHA-256.

    Hashing a whole weights file would cost more than copying it; the split layers' records are hashed instead.
    """

    name: str
    size: int
    sha256: str | None = None

    def to_tree(self) -> dict[str, Any]:
        tree: dict[str, Any] = {"file": self.name, "bytes": self.size}
        return tree | ({"sha256": self.sha256} if self.sha256 else {})


@dataclass(frozen=True)
class Plan:
    """Everything that decides the outputs, with what identifies the inputs. No path, time or version enters."""

    net: InputFile
    weights: InputFile
    also: tuple[InputFile, ...]
    layers: tuple[LayerPlan, ...]

    def to_tree(self) -> dict[str, Any]:
        """As plain data, in the order of split.yaml."""
        return {
            "format": FORMAT,
            "net": self.net.to_tree(),
            "weights": self.weights.to_tree(),
            **({"also": [file.to_tree() for file in self.also]} if self.also else {}),
            "layers": [_layer_tree(layer) for layer in self.layers],
        }

    def to_yaml(self) -> bytes:
        """split.yaml: the same bytes for the same plan."""
        text = "# How this directory was made. The channel lists are frozen: nothing is ranked again.\n"
        return (text + yaml.dump(self.to_tree(), Dumper=_Dumper, sort_keys=False, width=120)).encode()


def _layer_tree(plan: LayerPlan) -> dict[str, Any]:
    options = plan.options
    tree: dict[str, Any] = {
        "layer": plan.layer,
        "recipe": options.recipe,
        "order": options.order,
        "fast": options.fast,
        "measure": plan.measure,
        "tpm": False if options.order == "random" else plan.tpm,
        "evidence": list(plan.evidence),
        "noise": options.noise,
        "seed": options.seed,
    }
    if plan.recipe.uses_centre:
        tree |= {"surround": options.surround, "center": options.center}
        tree |= {"even_center": options.even_center} if options.even_center else {}
    tree |= {"trust_field": list(options.trust_field)} if options.trust_field else {}
    return tree | {
        "names": dict(plan.names),
        "fast_channels": list(plan.fast),
        "slow_channels": list(plan.slow),
        "scores": list(plan.scores),
        "record_sha256": plan.record_sha256,
    }


class _Dumper(yaml.SafeDumper):
    """Lists of plain values on one line, so that a plan reads as a table; no aliases."""

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> Any:
        plain = all(not isinstance(item, (list, dict)) for item in sequence)
        return super().represent_sequence(tag, sequence, flow_style=plain or flow_style)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def plan_layer(
    net: Net, layer: Layer, options: Options, digest: str,
    scores: tuple[float, ...], measure: str, tpm: bool | None, evidence: tuple[str, ...],
) -> LayerPlan:  # fmt: skip
    """Rank the kernels of one layer and name the new layers.

    Raises:
        UsageError: a group would be empty, or a new name is taken.
    """
    order = ranking(scores, options.order, options.seed, layer.name)
    fast, slow = fast_and_slow(order, options.fast, layer.geometry().group)
    names = {part.role: f"{layer.name}_{part.role}" for part in RECIPES[options.recipe].parts}
    check_names_free(net, layer, names)
    return LayerPlan(layer.name, options, scores, measure, tpm, evidence, fast, slow, names, digest)


def check_names_free(net: Net, layer: Layer, names: dict[str, str]) -> None:
    """Raises: UsageError, where a new layer, blob or parameter would have the name of one that is there, naming both."""
    taken = dict.fromkeys(net.inputs(), net.document.name)
    taken |= {top: str(other.place()) for other in net.layers for top in other.tops}
    taken |= {other.name: str(other.place()) for other in net.layers}
    for name in names.values():
        if name in taken:
            raise UsageError(
                f'the new layer "{name}" would have the name of what {taken[name]} already makes', layer.place()
            )
    # Equal names would silently tie the new blobs to those of another layer.
    parameters = {name: other for other in net.layers if other.name != layer.name for name, _ in other.param_names()}
    for twin in net.named(layer.name):
        for name, _ in twin.param_names():
            for new in names.values():
                other = parameters.get(name + new.removeprefix(layer.name))
                if other is not None:
                    full = name + new.removeprefix(layer.name)
                    raise UsageError(
                        f'the new parameter "{full}" of "{new}" would be tied to that of {other.place()}', layer.place()
                    )


def check_geometry(recipe: Recipe, layer: Layer, geometry: Geometry, even_center: str | None) -> None:
    """Raises: Unsupported, where the recipe cannot start on this geometry."""
    even = [size for size in geometry.kernel if size % 2 == 0]
    if even and even_center is None and recipe.uses_centre:
        layer.refuse(
            f"its kernel of size {even[0]} has no centre, which {recipe.name} needs; extension does not",
            hint="say which middle tap is the centre: --even-center low|high|both",
        )


def check_record(layer: Layer, geometry: Geometry, records: list[LayerRecord], file: str) -> LayerRecord:
    """The one record of a layer, which must agree with the prototxt.

    Raises:
        FileError: there is none, there are several, or the shapes differ.
    """
    if not records:
        raise FileError(f'has no layer "{layer.name}" (which {layer.place()} defines)', FilePlace(file))
    if len(records) > 1:
        raise FileError(f'has {len(records)} layers "{layer.name}"', FilePlace(file))
    record = records[0]
    if record.type not in ("", layer.type):
        raise FileError(
            f'layer "{layer.name}" is a {record.type} here and a {layer.type} in the prototxt',
            BytePlace(file, record.span.start),
        )
    expected = 2 if geometry.bias_term else 1
    if len(record.blobs) != expected:
        bias = "with" if geometry.bias_term else "without"
        raise FileError(
            f'layer "{layer.name}" has {len(record.blobs)} blobs, but {bias} bias it has {expected}',
            BytePlace(file, record.span.start),
        )
    weight = record.blobs[0]
    if len(weight.shape) != 4 or weight.shape[0] != geometry.num_output or weight.shape[2:] != geometry.kernel:
        wanted = f"({geometry.num_output}, channels, {geometry.kernel[0]}, {geometry.kernel[1]})"
        raise FileError(f'layer "{layer.name}" has weights of shape {weight.shape}, but the prototxt asks for {wanted}',
                        BytePlace(file, weight.span.start, weight.inside))  # fmt: skip
    for bias_blob in record.blobs[1:]:
        if bias_blob.shape[-1:] != (geometry.num_output,) or bias_blob.count != geometry.num_output:
            raise FileError(f'layer "{layer.name}" has a bias of shape {bias_blob.shape} for {geometry.num_output} kernels',
                            BytePlace(file, bias_blob.span.start, bias_blob.inside))  # fmt: skip
    return record
