"""A plan and documents in, splices for each file out. No I/O but reading the old layer's blobs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from split_surgery.documents.caffemodel import Array, LayerRecord
from split_surgery.documents.layer_edit import EnumValue, LayerEdit, NewField
from split_surgery.documents.layer_record import encode_record
from split_surgery.documents.layer_text import insertion_point, render_layer, splice_layer, style_of
from split_surgery.documents.net import Layer
from split_surgery.documents.wire import Reader
from split_surgery.errors import UsageError
from split_surgery.kernels.algebra import centre_boosted, identity, noisy, permutation
from split_surgery.plan import LayerPlan
from split_surgery.recipes.graph import INPUT, Kind, Part, Start
from split_surgery.spans import Splice

JOINS = {
    Kind.SUM: ("Eltwise", NewField("eltwise_param", (NewField("operation", EnumValue("SUM", 1)),))),
    Kind.CONCAT: ("Concat", NewField("concat_param", (NewField("axis", 1),))),
}
"""Type and parameters of the layers without weights."""


def layer_edits(plan: LayerPlan, layer: Layer) -> list[LayerEdit]:
    """The new layers of a split, in their order, as differences from the old layer."""
    last = plan.recipe.parts[-1]
    return [
        LayerEdit(
            name=plan.names[part.role],
            bottoms=tuple(layer.bottoms[0] if role == INPUT else plan.names[role] for role in part.bottoms),
            top=layer.tops[0] if part is last else plan.names[part.role],
            num_output=None if part.kind in JOINS else len(plan.channels(part.channels)),
            pointwise=part.kind is Kind.POINTWISE,
            suffix=plan.names[part.role].removeprefix(layer.name),
            keep_propagate_down=part.bottoms == (INPUT,),
            keep_loss_weight=part is last,
            join=JOINS.get(part.kind),
        )
        for part in plan.recipe.parts
    ]


def text_splices(plan: LayerPlan, twins: Sequence[Layer]) -> list[Splice]:
    """The prototxt's splices: each twin becomes the first new layer, and the others follow it."""
    splices: list[Splice] = []
    for layer in twins:
        if layer.field.is_list:
            layer.refuse("stands in a [ ] list of layers, which is not split so far; write it as layer { ... }")
        document, style = layer.document, style_of(layer.document, layer.field)
        first, *others = layer_edits(plan, layer)
        splices += splice_layer(document, layer.message, first)
        rendered = [style.eol + render_layer(style, layer.message, edit, document) for edit in others]
        at = insertion_point(document.data, layer.field)
        splices.append(Splice(at, at, b"".join(rendered)))
    return splices


def initial_blobs(plan: LayerPlan, weight: Array, bias: Array | None) -> list[tuple[Array, ...]]:
    """How the blobs of each new layer start, in the old layer's dtype.

    Args:
        weight: the old layer's, (n, c, kernel_h, kernel_w). bias: (n,), or None.

    Returns:
        Weight and bias (where the old layer has one) by part; nothing for a layer without weights.

    Raises:
        UsageError: a number too large for the dtype.
    """
    found = []
    for part in plan.recipe.parts:
        with np.errstate(over="ignore"):  # asked about just below
            blobs = [blob.astype(weight.dtype) for blob in _start(plan, part, weight, bias)]
        if not all(np.isfinite(blob).all() for blob in blobs):
            raise UsageError(
                f'the start of "{plan.names[part.role]}" overflows {weight.dtype.name}: are --surround and --center meant so?'
            )
        found.append(tuple(blobs))
    return found


def _start(plan: LayerPlan, part: Part, weight: Array, bias: Array | None) -> tuple[Array, ...]:
    rows, options = list(plan.channels(part.channels)), plan.options
    if part.start is None:
        return ()
    if part.start is Start.ROWS:
        return (weight[rows],) if bias is None else (weight[rows], bias[rows])
    start: Array
    if part.start is Start.CENTRE_BOOSTED:
        start = centre_boosted(weight[rows], options.surround, options.center, options.even_center)
    else:
        matrix = permutation(plan.fast, plan.slow) if part.start is Start.PERMUTATION else identity(len(rows))
        start = noisy(matrix, options.noise, options.seed, plan.names[part.role], 0)[:, :, None, None]
    return (start,) if bias is None else (start, np.zeros(len(rows)))


def weight_splices(
    edits: Sequence[LayerEdit], blobs: Sequence[tuple[Array, ...]], reader: Reader, record: LayerRecord
) -> list[Splice]:
    """The weights file's splices, one for each new layer, blobless ones too: the first takes the old record's place.

    One splice for all would need all records in one piece, and so the memory twice.
    """
    records = (encode_record(reader, record, edit, numbers) for edit, numbers in zip(edits, blobs))
    starts = (record.span.start, *[record.span.stop] * (len(edits) - 1))
    return [Splice(start, record.span.stop, data) for start, data in zip(starts, records)]
