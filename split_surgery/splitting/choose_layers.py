"""Which convolutions a run is about: those named, the usual one, or those whose kernels training told apart most."""

from __future__ import annotations

import re
from collections.abc import Sequence

from split_surgery.documents.net.net import Net
from split_surgery.documents.net.parameters import sharing
from split_surgery.documents.net.split_blocks import made_by_splits, split_into
from split_surgery.documents.net.splittable import check_splittable
from split_surgery.documents.source import Progress
from split_surgery.errors import SurgeryError, UsageError, for_shell
from split_surgery.splitting.ranking.evidence import Request
from split_surgery.splitting.ranking.rank_layers import rank_layers
from split_surgery.splitting.remarks import Remark
from split_surgery.splitting.targets import DEFAULT_LAYER
from split_surgery.workspace.inputs import Inputs

AUTO = re.compile(r"auto(?::(\d{1,6}))?")
"""`auto:K`, the K convolutions of highest TPM entropy; `auto` is `auto:1`."""


def candidates(net: Net, trusted: frozenset[str]) -> list[str]:
    """The convolutions that can be split, in the order of the net; of those that share parameters the owner.

    A 1x1 that a split made is none: it mixes kernels, and has none of its own.
    """
    found: list[str] = []
    made = made_by_splits(net)
    for layer in net.convolutions():
        try:
            check_splittable(layer, trusted)
            net.twins(layer.name)
        except SurgeryError:
            continue
        if layer.name not in found and sharing(net, layer.name)[0] == layer.name and layer.name not in made:
            found.append(layer.name)
    return found


def choose_layers(
    inputs: Inputs, names: Sequence[str], request: Request, trusted: frozenset[str], progress: Progress
) -> tuple[list[str], list[Remark]]:
    """The layers to split, and remarks on the choice.

    Args:
        names: of layers, or `auto:K`; none for the usual one: conv1_1, else the first; in a net that was split before `auto`.

    Raises:
        UsageError: a name twice, or a choice that nothing decides.
    """
    if not names:
        return _usual(inputs, request, trusted, progress)
    found: list[str] = []
    remarks: list[Remark] = []
    for name in names:
        match = AUTO.fullmatch(name)
        if match is None or inputs.net.named(name):
            _check_convolution(inputs.net, name)
            found.append(name)
            continue
        chosen, said = _automatic(inputs, int(match[1] or 1), request, trusted, progress)
        remarks += said
        found += chosen
    for at, name in enumerate(found):
        if name in found[:at]:
            raise UsageError(f'layer "{name}" is chosen twice')
    return found, remarks


def _check_convolution(net: Net, name: str) -> None:
    """Raises: UsageError, where a layer that was named was split before, is no convolution, or is a list or pattern."""
    layers, parts = net.named(name), name.split(",")
    if not layers and all(net.named(part) for part in parts):
        each = " ".join(f"--layer {for_shell(part)}" for part in parts)
        raise UsageError(f'no layer "{name}" in {net.document.name}', hint=f"one name each: {each}")
    if not layers and re.search(r"[*?\[]", name):
        message = f'no layer "{name}" in {net.document.name}'
        raise UsageError(message, hint="names are no patterns: repeat --layer, or take --layer auto:K")
    if layers and all(layer.type != "Convolution" for layer in layers):
        names = dict.fromkeys(layer.name for layer in net.convolutions())
        raise UsageError(
            f'layer "{name}" is of type {layers[0].type}, and only convolutions are split',
            layers[0].place(),
            hint=f"convolutions: {', '.join(names)}",
        )
    became = split_into(net, name) if not layers else ()
    if became:
        raise UsageError(f'layer "{name}" was split before', hint=f"it became {', '.join(became)}")


def _automatic(
    inputs: Inputs, count: int, request: Request, trusted: frozenset[str], progress: Progress
) -> tuple[list[str], list[Remark]]:
    names = candidates(inputs.net, trusted)
    if not 0 < count <= len(names):
        hint = f"from auto:1 to auto:{len(names)}" if names else ""
        raise UsageError(f"auto:{count}: there are {len(names)} convolutions to choose from", hint=hint)
    rows, remarks = rank_layers(inputs, names, request, trusted, progress)
    if not rows or rows[0].evidence.tpm is False:
        raise UsageError(
            "nothing decides which layer to split: there is no measure of training",
            hint=f"name snapshots with --snapshots, or a layer with --layer: {', '.join(names)}",
        )
    if count > len(rows):
        raise UsageError(f"auto:{count}: only {len(rows)} convolutions are in the snapshots")
    chosen = rows[:count]
    said = ", ".join(f"{row.layer} (entropy {row.entropy:.4f})" for row in chosen)
    return [row.layer for row in chosen], [
        *remarks,
        Remark(f"chosen by entropy of {chosen[0].evidence.measure}: {said}"),
    ]


def _usual(
    inputs: Inputs, request: Request, trusted: frozenset[str], progress: Progress
) -> tuple[list[str], list[Remark]]:
    net = inputs.net
    names = list(dict.fromkeys(layer.name for layer in net.convolutions()))
    if not names:
        raise UsageError(f"{net.document.name} has no convolution to split")
    if DEFAULT_LAYER in names:
        return [DEFAULT_LAYER], []
    if made_by_splits(net):
        try:
            return _automatic(inputs, 1, request, trusted, progress)
        except UsageError as error:
            raise UsageError(
                f"{net.document.name} was split before, and {error.message}",
                hint="say which layer is next with --layer: " + ", ".join(candidates(net, trusted)),
            ) from error
    return [names[0]], [Remark(f'no layer "{DEFAULT_LAYER}"; taking the first convolution, "{names[0]}"')]
