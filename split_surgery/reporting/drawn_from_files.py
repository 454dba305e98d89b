"""What pictures are drawn from: kernels out of weights files, scores out of plans, diagrams out of nets."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from split_surgery.documents.net.net import Net
from split_surgery.documents.net.rules import State
from split_surgery.documents.source import PathLike
from split_surgery.documents.weights.blobs import Weights, finite
from split_surgery.errors import FileError, FilePlace, UsageError, nearest
from split_surgery.kernels.partition import ranking
from split_surgery.reporting.diagram import Diagram, diagram_of
from split_surgery.splitting.plan import LayerPlan, Plan
from split_surgery.splitting.plan_file import read_plan
from split_surgery.workspace.names import NET_FILE
from split_surgery.workspace.open_files import OpenFiles
from split_surgery.workspace.run_dir import run_dir

if TYPE_CHECKING:
    from split_surgery.reporting.pictures.bars import RankedScores
    from split_surgery.reporting.pictures.grids import Kernels

SINGLE = float(np.finfo(np.float32).max)
"""Caffe computes in single precision: what is beyond only spoils the scale of a picture."""

FULL = 30
"""Boxes of a net that is drawn whole unless something is asked for; of a larger one what is near new layers."""

PRE, SLOW = "split2_residual_pre", "split2"
"""Roles that are compared: both start from the slow kernels, and read the same."""


def scores_of(plan: LayerPlan) -> RankedScores:
    """The frozen ranking of a layer's kernels."""
    from split_surgery.reporting.pictures.bars import RankedScores

    order = ranking(plan.scores, plan.options.order, plan.options.seed, plan.layer)
    fast = set(plan.fast)
    return RankedScores(plan.layer, measure_words(plan), tuple((k, plan.scores[k], k in fast) for k in order))


def measure_words(plan: LayerPlan) -> str:
    """What a layer's kernels were ranked by."""
    if plan.options.order == "random":
        return f"chance (seed {plan.options.seed}); scores: {plan.measure}"
    words = plan.measure if plan.tpm else f"{plan.measure}, which is not TPM"
    return words if plan.options.order == "tpm" else f"{words}, {plan.options.order} order"


def plan_beside(path: PathLike) -> Plan | None:
    """The plan of the directory that a file is in, or that `path` is."""
    file = run_dir(path if os.path.isdir(path) else Path(path).parent).plan
    return read_plan(file) if file is not None else None


def weights_at(files: OpenFiles, path: PathLike) -> Weights:
    """A weights file; of a directory the newest snapshot, else what was written into it."""
    return files.weights(run_dir(path).weights() if os.path.isdir(path) else path)


def kernels_of(weights: Weights, layer: str, plan: Plan | None = None) -> Kernels:
    """The kernels of a convolution, with the channels that they had in the layer that was split, if the plan tells.

    Raises:
        UsageError: there is no such layer, or its weights are no kernels.
        FileError: they hold NaN or infinity.
    """
    from split_surgery.reporting.pictures.grids import LARGEST, Kernels

    records = weights.named(layer)
    names = [record.name for record in weights.layers if record.blob(0) is not None and len(record.blobs[0].shape) == 4]
    if not records:
        made = [name for name in dict.fromkeys(names) if name.startswith(f"{layer}_")]
        hint = f"it was split: {', '.join(made)}" if made else nearest(layer, list(dict.fromkeys(names)))
        raise UsageError(f'{weights.name} has no layer "{layer}"', hint=hint)
    blob = records[0].blob(0)
    if blob is None or len(blob.shape) != 4 or not blob.count:
        shape = "has no weights" if blob is None else f"has weights of shape {blob.shape}"
        raise UsageError(f'layer "{layer}" of {weights.name} {shape}: it has no kernels', hint=nearest(layer, names))
    if max(blob.shape[2:]) > LARGEST:
        raise UsageError(
            f'layer "{layer}" of {weights.name} has weights of shape {blob.shape}: too large for a kernel to draw'
        )
    channels: tuple[int, ...] = ()
    for one in plan.layers if plan is not None else ():
        for member in one.members:
            role = next((role for role, name in member.names.items() if name == layer), None)
            if role is not None and role.startswith("split"):
                channels = one.fast if role == "split1" else one.slow
    weight = np.clip(finite(blob, layer), -SINGLE, SINGLE)
    return Kernels(layer, weight, channels if len(channels) == len(weight) else ())


def pair_of(weights: Weights, layer: str, plan: Plan | None) -> tuple[str, str]:
    """The layers that `--compare` sets beside each other: split2 and residual_pre of a split layer, or of one of the two.

    Raises:
        UsageError: the weights do not have both.
    """
    pairs = [
        (f"{layer}_{SLOW}", f"{layer}_{PRE}"),
        (layer, f"{layer}_residual_pre"),
        (layer.removesuffix("_residual_pre"), layer),
    ]
    for one in plan.layers if plan is not None else ():
        for member in one.members:
            pair = (member.names.get(SLOW, ""), member.names.get(PRE, ""))
            if layer in (member.layer, *pair) and all(pair):
                pairs.insert(0, pair)
    for first, second in pairs:
        if first != second and weights.named(first) and weights.named(second):
            return first, second
    known = [
        r.name.removesuffix("_split2_residual_pre") for r in weights.layers if r.name.endswith("_split2_residual_pre")
    ]
    hint = nearest(layer, known) if known else "it is for residual splits"
    raise UsageError(f'{weights.name} has no {SLOW} and residual_pre of "{layer}" to compare', hint=hint)


def net_at(files: OpenFiles, path: PathLike) -> Net:
    """The net of a prototxt, or of the directory of a split."""
    if not os.path.isdir(path):
        return files.prototxt(path).net
    net = run_dir(path).net
    if net is None:
        raise FileError(f"is a directory without a {NET_FILE}", FilePlace(os.fspath(path)), "name the prototxt in it")
    return files.prototxt(net).net


def new_layers(net: Net, plan: Plan | None) -> set[str]:
    """The layers of a net that a plan says a split has made."""
    if plan is None:
        return set()
    return {
        name for layer in plan.layers for member in layer.members for name in member.names.values() if net.named(name)
    }


def diagram_at(
    net: Net, *, phase: str = "test", around: Collection[str] = (), new: Collection[str] = (), weights: Weights | None = None,
    input_shape: Mapping[str, tuple[int, ...]] | None = None, whole: bool = False,
) -> Diagram:  # fmt: skip
    """The block diagram of a net; of a large one what is near the layers `around`, or the new ones.

    Raises:
        UsageError: a layer is not in the net, or the net has no layer in the phase.
    """
    state = State(phase.upper())
    present = [layer.name for layer in net.layers_in(state)]
    if not present:
        raise UsageError(f"{net.document.name} has no layer in the phase {phase.upper()}")
    focus: set[str] = set()
    for name in around:
        # A layer that was split is no longer there: its block is.
        found = {name} & set(present) or {
            one for one in present if re.match(re.escape(name) + "_(split|concat|reorder)", one)
        }
        if not found:
            raise UsageError(
                f'no layer "{name}" in {net.document.name} in the phase {phase.upper()}', hint=nearest(name, present)
            )
        focus |= found
    diagram = diagram_of(net, state, new, weights, input_shape)
    if not focus and len(diagram.boxes) > FULL and not whole:
        focus = set(new) & set(present)
    return diagram.around(focus) if focus else diagram
