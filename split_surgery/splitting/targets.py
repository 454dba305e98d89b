"""Which layers a split is about: the one asked for, its twins, and those that share its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from split_surgery.documents.net.layer import Geometry, Layer
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.parameters import convolution_blobs, own_record, shared_with, sharing
from split_surgery.documents.net.splittable import check_splittable
from split_surgery.documents.weights.blobs import Blob, Record, Weights
from split_surgery.documents.weights.values import same_numbers
from split_surgery.errors import FileError
from split_surgery.splitting.remarks import Remark

DEFAULT_LAYER = "conv1_1"


@dataclass(frozen=True)
class TargetLayer:
    """One layer to be split.

    Attributes:
        twins: it in the prototxt, more than once under rules that keep them apart.
        record: in the weights file; None where all its blobs are those of a layer it shares them with.
        blobs: its weight and bias, wherever they are.
    """

    twins: tuple[Layer, ...]
    geometry: Geometry
    record: Record | None
    blobs: tuple[Blob, ...]

    @property
    def layer(self) -> Layer:
        """The twin that the weights were saved from, known by its bottom, else the first."""
        bottoms = self.record.bottoms if self.record is not None else ()
        return next((twin for twin in self.twins if twin.bottoms == bottoms), self.twins[0])


@dataclass(frozen=True)
class Target:
    """Layers to be split together: the first owns the parameters, the others share them."""

    members: tuple[TargetLayer, ...]

    @property
    def owner(self) -> TargetLayer:
        return self.members[0]

    @property
    def name(self) -> str:
        return self.owner.layer.name

    @property
    def saved_as(self) -> str:
        """The layer under which its weight is saved: in a net without the owner (of another phase) that of a sharer."""
        saved = (member.layer.name for member in self.members if member.record is not None and member.record.blob(0))
        return next(saved, self.name)


def find_target(net: Net, weights: Weights, name: str, trusted: frozenset[str]) -> tuple[Target, list[Remark]]:
    """What to split, and remarks on the choice.

    Raises:
        SurgeryError: it does not exist, cannot be split, or is not in the weights.
    """
    remarks: list[Remark] = []
    net.twins(name)
    names = sharing(net, name)
    for other in (layer for each in names for layer in net.named(each)):
        if len(names) > 1 and other.type != "Convolution":
            other.refuse(
                f'shares parameters with "{name}", but is no convolution (its type is {other.type or "missing"})'
            )
        for index, text, place in other.param_names():
            if any(at != index for _, at in shared_with(net, other, index)):
                other.refuse(f'shares the parameter "{text}" with one that is not its counterpart', place)
    members = tuple(_target_layer(net, weights, each, trusted) for each in names)
    for sharer in members[1:]:
        _check_shared(members[0], sharer)
    for blob in (blob for member in members for blob in member.blobs):
        if blob.dtype != members[0].blobs[0].dtype:
            raise FileError("the blobs of the layer, or of one that shares them, are of different types", blob.place())
    remarks += _unequal(members)
    if len(names) > 1:
        remarks.append(Remark(f"{', '.join(names)} share parameters by name, and are split alike"))
    if members[0].twins[0].frozen(len(members[0].blobs)):
        remarks.append(Remark("is frozen (lr_mult 0), and so are the new layers: they will not learn", names[0]))
    return Target(members), remarks


def _target_layer(net: Net, weights: Weights, name: str, trusted: frozenset[str]) -> TargetLayer:
    twins = tuple(net.twins(name))
    geometry = check_splittable(twins[0], trusted)
    for twin in twins[1:]:
        if check_splittable(twin, trusted) != geometry:
            twin.refuse(f"differs in geometry from the layer of the same name at {twins[0].place()}")
    record = own_record(weights, twins[0])
    return TargetLayer(twins, geometry, record, convolution_blobs(net, weights, twins[0], geometry))


def _unequal(members: Sequence[TargetLayer]) -> list[Remark]:
    """A remark where the file holds other numbers for one parameter in each of the layers that share it."""
    for member in members[1:]:
        for index, _, _ in member.layer.param_names():
            mine = [m.record.blob(index) if m.record is not None else None for m in (members[0], member)]
            if mine[0] is not None and mine[1] is not None and not same_numbers(mine[0], mine[1]):
                text = (
                    f"{members[0].layer.name} and {member.layer.name} share a parameter, for which the file holds two sets of "
                    "numbers; the last in the file is taken, as Caffe does"
                )
                return [Remark(text)]
    return []


def _check_shared(owner: TargetLayer, other: TargetLayer) -> None:
    """Raises: Unsupported, where layers that share parameters cannot be split by one plan."""
    first = owner.twins[0]
    for layer in other.twins:
        mine, its = owner.geometry, other.geometry
        if (mine.num_output, mine.kernel, mine.group) != (its.num_output, its.kernel, its.group):
            layer.refuse(f'shares parameters with "{first.name}", but differs from it in kernels, kernel size or group')
        if owner.blobs[0].shape != other.blobs[0].shape or owner.blobs[0].dtype != other.blobs[0].dtype:
            layer.refuse(f'shares parameters with "{first.name}", but its weights are of another shape or type')


def twins_in(net: Net, target: Target, trusted: frozenset[str], *, needed: bool) -> list[Sequence[Layer]]:
    """The members of a target in another prototxt of the same net, those it lacks as empty sequences.

    Args:
        needed: whether it must have one of them.

    Raises:
        UsageError, FileError: it has none of them, or has one with another geometry.
        Unsupported: there one of them shares parameters with a layer that NET does not have.
    """
    names = [member.layer.name for member in target.members]
    found: list[Sequence[Layer]] = []
    for member in target.members:
        if not net.named(member.layer.name):
            found.append(())
            continue
        twins = net.twins(member.layer.name)
        for twin in twins:
            if check_splittable(twin, trusted) != member.geometry:
                twin.fail(f"differs in geometry from the layer at {member.layer.place()}")
        for other in sharing(net, member.layer.name):
            if other not in names:
                twins[0].refuse(f'shares parameters with "{other}", which it does not in the net being split')
        found.append(twins)
    if needed and not any(found):
        net.twins(target.name)  # says that it is not there, and what is nearest
    return found
