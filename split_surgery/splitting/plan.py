"""The frozen plan of a split: all that decides the bytes of the outputs, and its form as split.yaml."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from split_surgery.documents.net.layer import Geometry, Layer
from split_surgery.documents.net.net import Net
from split_surgery.errors import UsageError
from split_surgery.kernels.partition import fast_and_slow, ranking
from split_surgery.splitting.options import Options
from split_surgery.splitting.recipes import RECIPES
from split_surgery.splitting.recipes.graph import Channels, Kind, Recipe
from split_surgery.workspace.manifest import Manifest
from split_surgery.workspace.yaml_file import dumped

FORMAT = 1


@dataclass(frozen=True)
class Member:
    """A layer that a plan splits.

    Attributes:
        names: the new layers' names by role, in the recipe's order.
        record_sha256: of the old layer's record in the weights file; None where it has none, its blobs being another's.
    """

    layer: str
    names: dict[str, str]
    record_sha256: str | None


@dataclass(frozen=True)
class LayerPlan:
    """The split of one layer, and alike of those that share its parameters.

    Attributes:
        members: the layer that owns the parameters, then those that share them, in the order of the net.
        scores, measure, tpm, evidence: what the ranking rests on.
        fast, slow: channels of the old layer, each ascending.
    """

    members: tuple[Member, ...]
    options: Options
    scores: tuple[float, ...]
    measure: str
    tpm: bool | None
    evidence: tuple[str, ...]
    fast: tuple[int, ...]
    slow: tuple[int, ...]

    @property
    def layer(self) -> str:
        """The layer that owns the parameters, by which kernels are ranked and noise is seeded."""
        return self.members[0].layer

    @property
    def names(self) -> dict[str, str]:
        """The names of what that layer becomes."""
        return self.members[0].names

    @property
    def recipe(self) -> Recipe:
        return RECIPES[self.options.recipe]

    @property
    def changes_outputs(self) -> bool:
        """Whether the derived net computes something else than the baseline did, already before it is trained."""
        return bool(self.options.noise) or any(part.kind is Kind.SUM for part in self.recipe.parts)

    def channels(self, which: Channels) -> tuple[int, ...]:
        """Channels of the old layer that a part makes, in the order in which it makes them."""
        return {Channels.FAST: self.fast, Channels.SLOW: self.slow, Channels.ALL: (*self.fast, *self.slow)}[which]


@dataclass(frozen=True, kw_only=True)
class Plan(Manifest):
    """Everything that decides the outputs, with what identifies the inputs. No path, time or version enters.

    Attributes:
        lineage: SHA-256 of the split.yaml of each ancestor, the eldest first, where a directory was split again.
    """

    layers: tuple[LayerPlan, ...]
    lineage: tuple[str, ...] = ()

    def to_tree(self) -> dict[str, Any]:
        """As plain data, in the order of split.yaml."""
        return {
            "format": FORMAT,
            **super().to_tree(),
            **({"lineage": {"depth": len(self.lineage), "ancestors": list(self.lineage)}} if self.lineage else {}),
            "layers": [layer_tree(layer) for layer in self.layers],
        }

    def to_yaml(self) -> bytes:
        """split.yaml: the same bytes for the same plan."""
        text = "# How this directory was made. The channel lists are frozen: nothing is ranked again.\n"
        return text.encode() + dumped(self.to_tree())


def layer_tree(plan: LayerPlan) -> dict[str, Any]:
    """What split.yaml says of one layer, as plain data in its order."""
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
    if plan.recipe.has_skip:
        tree |= {"skip": options.skip} | ({"even_center": options.even_center} if options.even_center else {})
    tree |= {"trust_field": list(options.trust_field)} if options.trust_field else {}
    tree |= {
        "names": options.suffixes(),
        "fast_channels": list(plan.fast),
        "slow_channels": list(plan.slow),
        "scores": list(plan.scores),
        "record_sha256": plan.members[0].record_sha256,
    }
    shared = [{"layer": member.layer, "record_sha256": member.record_sha256} for member in plan.members[1:]]
    return tree | ({"shared_with": shared} if shared else {})


def plan_layer(
    net: Net, layers: Sequence[Layer], options: Options, digests: Sequence[str | None],
    scores: tuple[float, ...], measure: str, tpm: bool | None, evidence: tuple[str, ...],
) -> LayerPlan:  # fmt: skip
    """Rank the kernels of one layer and name the new layers.

    Args:
        layers: the layer that owns the parameters, and those that share them. digests: of their records.

    Raises:
        UsageError: a group would be empty, or a new name is taken.
    """
    owner = layers[0]
    order = ranking(scores, options.order, options.seed, owner.name)
    fast, slow = fast_and_slow(order, options.fast, owner.geometry().group)
    members = tuple(Member(layer.name, options.new_names(layer.name), digest) for layer, digest in zip(layers, digests))
    check_names_free(net, members)
    return LayerPlan(members, options, scores, measure, tpm, evidence, fast, slow)


def check_names_free(net: Net, members: Sequence[Member]) -> None:
    """Raises: UsageError, where a new layer, blob or parameter would have the name of one that is there, naming both."""
    taken, split = net.names, {member.layer for member in members}
    names = [name for member in members for name in member.names.values()]
    for member in members:
        twins = net.named(member.layer)
        for name in member.names.values():
            if names.count(name) > 1 and twins:
                raise UsageError(f'two new layers would be named "{name}"', twins[0].place())
            if name in taken and twins:
                other = taken[name]
                maker = net.document.name if other is None else other.place()
                message = f'the new layer "{name}" would have the name of what {maker} already makes'
                raise UsageError(message, twins[0].place())
            for twin in twins:
                for _, text, _ in twin.param_names():
                    full = text + name.removeprefix(member.layer)
                    # Equal names would silently tie the new blobs to those of a layer that is not split alike.
                    others = [other for other, _ in net.parameters.get(full, ()) if other.name not in split]
                    if others:
                        tie = f'the new parameter "{full}" of "{name}" would be tied to that of {others[-1].place()}'
                        raise UsageError(tie, twin.place())


def check_geometry(recipe: Recipe, layer: Layer, geometry: Geometry, even_center: str | None) -> None:
    """Raises: Unsupported, where the recipe cannot start on this geometry."""
    even = [size for size in geometry.kernel if size % 2 == 0]
    if even and even_center is None and recipe.uses_centre:
        layer.refuse(
            f"its kernel of size {even[0]} has no centre, which {recipe.name} needs; extension does not",
            hint="say which middle tap is the centre: --even-center low|high|both",
        )
