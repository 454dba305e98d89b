"""The files of a run with layers split in them: the splits of several layers are made at once, and proven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from split_surgery.documents.edit.layer_text import insertion_point
from split_surgery.documents.edit.proof import prove_extent, prove_text
from split_surgery.documents.net.build_faults import shape_faults
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.net.net import Net, Prototxt
from split_surgery.documents.spans import Span, Splice
from split_surgery.documents.weights.blobs import Array
from split_surgery.documents.weights.solverstate import Solverstate
from split_surgery.errors import Defect
from split_surgery.splitting.edits import layer_edits, text_splices
from split_surgery.splitting.history import carried_over, laid_beside, prove_order, train_state
from split_surgery.splitting.plan import LayerPlan, Member, check_names_free
from split_surgery.splitting.split_layer import PlannedSplit
from split_surgery.splitting.targets import twins_in
from split_surgery.workspace.inputs import Inputs, NoWeights, StateFile
from split_surgery.workspace.outputs import applied

_Row = tuple[LayerPlan, Member, Layer]
"""A layer of a net that is split: by which plan, and as which of its members."""


def edited_files(inputs: Inputs, splits: Sequence[PlannedSplit]) -> Inputs:
    """The files with these layers split, which were planned beside each other; proven by another route.

    Raises:
        UsageError, FileError: an `--also` file lacks a layer, or has it with another geometry.
        Unsupported: Caffe would stop at a new layer.
        Defect: what would be written does not say what was meant.
    """
    if not splits:
        return inputs
    texts = [_edited_text(inputs, text, splits) for text in inputs.texts]
    if isinstance(inputs.weights, NoWeights):
        return inputs.edited(texts, inputs.weights)
    weights = applied(inputs.weights, [change for split in splits for change in split.changes])
    edited = inputs.edited(texts, weights)
    _check_shapes(inputs, edited, splits)
    if inputs.state is None:
        return edited
    state = _carried_over(inputs, inputs.state, splits, edited.nets[inputs.trained()])
    return replace(edited, state=replace(inputs.state, index=state))


def _edited_text(inputs: Inputs, text: Prototxt, splits: Sequence[PlannedSplit]) -> Prototxt:
    """One prototxt after the splits."""
    meant: list[list[_Row]] = []  # by net
    for net in text.nets:
        meant.append([])
        for split in splits:
            plan, target = split.plan, split.target
            if net is inputs.net:
                twins: list[Sequence[Layer]] = [member.twins for member in target.members]
            else:  # a test net inside a solver may be another net, which is left as it is
                twins = twins_in(net, target, split.trusted, needed=text in inputs.also)
                check_names_free(net, plan.members)
            meant[-1] += [(plan, member, layer) for member, found in zip(plan.members, twins) for layer in found]
    every = [row for rows in meant for row in rows]
    splices: list[Splice] = [splice for plan, member, layer in every for splice in text_splices(plan, member, [layer])]
    splices.sort(key=lambda splice: splice.start)
    allowed = [Span(layer.span.start, insertion_point(layer)) for _, _, layer in every]
    prove_extent(splices, allowed, text.document.name)
    edited = text.edited(splices)
    for net, again, rows in zip(text.nets, edited.nets, meant):
        _prove_net(net, again, rows)
    return edited


def _prove_net(net: Net, again: Net, rows: Sequence[_Row]) -> None:
    """Raises: Defect, where an edited net does not say what was meant."""
    name = net.document.name
    if len(again.layers) != len(net.layers) + sum(len(plan.names) - 1 for plan, _, _ in rows):
        raise Defect(f"the new {name} has another number of layers than was meant")
    if again.other_fields() != net.other_fields():
        raise Defect(f"the new {name} has other fields outside its layers")
    # Layers keep their order, so a layer's new ones stand where it stood, moved by the ones split before it.
    places, moved = {layer: at for at, layer in enumerate(net.layers)}, 0
    for plan, member, layer in sorted(rows, key=lambda row: places[row[2]]):
        edits = layer_edits(plan, member, layer, layer.v1)
        place = places[layer] + moved
        prove_text(again.layers[place : place + len(edits)], edits, layer)
        moved += len(edits) - 1


def _check_shapes(before: Inputs, after: Inputs, splits: Sequence[PlannedSplit]) -> None:
    """Raises: Unsupported, where Caffe would stop at a new layer, by the input sizes that the files say."""
    made = {name: split for split in splits for member in split.plan.members for name in member.names.values()}
    for old, new in zip(before.nets, after.nets):
        known = {layer.name for layer, _ in shape_faults(old)}
        for layer, fault in shape_faults(new):
            if layer.name not in known and not old.named(layer.name):
                made[layer.name].target.owner.layer.refuse(
                    f'in its block Caffe would stop at "{layer.name}": {fault}', hint="--skip identity fits every layer"
                )


def _carried_over(inputs: Inputs, state: StateFile, splits: Sequence[PlannedSplit], derived: Net) -> Solverstate:
    """The solver state with its history carried over, proven against the derived net."""
    solver, net = inputs.solver_document, inputs.nets[inputs.trained()]
    when = train_state(net, solver)
    history = laid_beside(state.index, net, inputs.weights, when, solver)
    replaced: dict[int, list[Array]] = {}
    for split in splits:
        replaced |= carried_over(history, split.plan, split.starts)
    shapes = {
        name: {index: blob.shape for index, blob in blobs.items()}
        for split in splits
        for change in split.changes
        for name, blobs in change.stored().items()
    }
    prove_order(history, replaced, derived, inputs.weights, shapes)
    return state.index.replaced(replaced)
