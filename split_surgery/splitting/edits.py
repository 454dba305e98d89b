"""A plan and documents in, splices for each file out. No I/O but reading the old layer's blobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NoReturn

import numpy as np

from split_surgery.documents.edit.layer_edit import GEOMETRY, EnumValue, Join, LayerEdit, NewField, geometry_fields
from split_surgery.documents.edit.layer_text import insertion_point, render_layer, splice_layer, style_of
from split_surgery.documents.net.layer import Layer
from split_surgery.documents.spans import Splice
from split_surgery.documents.weights.blobs import Array, Blob, ChosenKernels, Held, MadeKernels, all_finite, in_parts
from split_surgery.errors import UsageError
from split_surgery.kernels.initial import centre_boosted, identity, noisy, permutation
from split_surgery.splitting.plan import LayerPlan, Member
from split_surgery.splitting.recipes.graph import INPUT, Kind, Part, Start
from split_surgery.splitting.skip_path import skip_path

JOINS = {
    Kind.SUM: Join("Eltwise", NewField("eltwise_param", (NewField("operation", EnumValue("SUM", 1)),))),
    Kind.CONCAT: Join("Concat", NewField("concat_param", (NewField("axis", 1),))),
}
"""The layers without weights."""

JOINS_V1 = {Kind.SUM: Join(EnumValue("ELTWISE", 25), None), Kind.CONCAT: Join(EnumValue("CONCAT", 3), None)}
"""The same as V1: the defaults are what is meant, and `axis` is younger than V1."""


def layer_edits(plan: LayerPlan, member: Member, layer: Layer, v1: bool) -> list[LayerEdit]:
    """The new layers of a split, in their order, as differences from the old layer.

    Args:
        layer: the member in the prototxt, whose connections hold.
        v1: whether what is edited is a V1 layer; text and weights may differ in that.
    """
    last = plan.recipe.parts[-1]
    names = member.names
    skip = (
        _skip_fields(plan, layer, v1, names["split2_skip"].removeprefix(member.layer)) if plan.recipe.has_skip else None
    )
    return [
        LayerEdit(
            name=names[part.role],
            bottoms=tuple(layer.bottoms[0] if role == INPUT else names[role] for role in part.bottoms),
            top=layer.tops[0] if part is last else names[part.role],
            num_output=None if part.kind in JOINS else len(plan.channels(part.channels)),
            drops=GEOMETRY if part.kind is Kind.POINTWISE else (),
            adds=(NewField("kernel_size", 1),) if part.kind is Kind.POINTWISE else (),
            suffix=names[part.role].removeprefix(member.layer),
            keep_propagate_down=part.bottoms == (INPUT,),
            keep_loss_weight=part is last,
            join=(JOINS_V1 if v1 else JOINS).get(part.kind),
            fresh=skip if part.kind is Kind.SKIP else None,
            v1=v1,
        )
        for part in plan.recipe.parts
    ]


def _skip_fields(plan: LayerPlan, layer: Layer, v1: bool, suffix: str) -> tuple[NewField, ...]:
    """The parameters of the convolution that hands the input on: no bias, and it does not learn."""
    path = skip_path(layer, layer.geometry(), plan.options.skip, plan.options.even_center)
    fields = [NewField("num_output", len(plan.slow)), NewField("bias_term", EnumValue("false", 0))]
    fields += geometry_fields(path.kernel, path.stride, path.pad, path.dilation)
    named = [text + suffix for index, text, _ in layer.param_names() if index == 0]
    convolution = NewField("convolution_param", tuple(fields))
    if v1:
        rates = (NewField("blobs_lr", 0.0), NewField("weight_decay", 0.0))
        return (*(NewField("param", name) for name in named), *rates, convolution)
    spec = (*(NewField("name", name) for name in named), NewField("lr_mult", 0.0), NewField("decay_mult", 0.0))
    return (NewField("param", spec), convolution)


def text_splices(plan: LayerPlan, member: Member, twins: Sequence[Layer]) -> list[Splice]:
    """The prototxt's splices: each twin becomes the first new layer, and the others follow it."""
    splices: list[Splice] = []
    for layer in twins:
        style = style_of(layer)
        first, *others = layer_edits(plan, member, layer, layer.v1)
        splices += splice_layer(layer, first)
        at = insertion_point(layer)
        splices.append(Splice(at, at, b"".join(style.before + render_layer(style, layer, edit) for edit in others)))
    return splices


def initial_blobs(plan: LayerPlan, layer: Layer, weight: Blob, bias: Blob | None = None) -> list[tuple[Blob, ...]]:
    """How the blobs of each new layer start, in the old layer's dtype; those that share parameters start alike.

    Args:
        weight: the old layer's, (n, c, kernel_h, kernel_w). bias: (n,), or None.

    Returns:
        Weight and bias (where the old layer has one) by part; nothing for a layer without weights.

    Raises:
        UsageError: a number too large for the dtype.
    """
    weight, bias = in_parts(weight), None if bias is None else in_parts(bias)
    return [tuple(_start(plan, layer, part, weight, bias)) for part in plan.recipe.parts]


def _start(plan: LayerPlan, layer: Layer, part: Part, weight: Blob, bias: Blob | None) -> Iterator[Blob]:
    if part.start is None:
        return
    rows, options = plan.channels(part.channels), plan.options
    kernels = ChosenKernels(weight, tuple(rows), (len(rows), *weight.shape[1:]))
    if part.start is Start.ROWS:
        yield kernels
        if bias is not None:
            yield ChosenKernels(bias, tuple(rows), (len(rows),))
        return
    if part.start is Start.EYE:
        path = skip_path(layer, layer.geometry(), options.skip, options.even_center)
        yield _rounded(plan, part, weight, path.weight(len(rows), weight.shape[1] * layer.geometry().group))
        return
    if part.start is Start.CENTRE_BOOSTED:
        yield _boosted(plan, part, kernels)
    else:
        matrix = permutation(plan.fast, plan.slow) if part.start is Start.PERMUTATION else identity(len(rows))
        start = noisy(matrix, options.noise, options.seed, plan.names[part.role], 0)
        yield _rounded(plan, part, weight, start[:, :, None, None])
    if bias is not None:
        yield _rounded(plan, part, bias, np.zeros(len(rows)))


def _boosted(plan: LayerPlan, part: Part, kernels: ChosenKernels) -> Blob:
    """The centre-boosted copy of these kernels."""
    surround, center, even = plan.options.surround, plan.options.center, plan.options.even_center

    def boosted(some: Array) -> Array:
        with np.errstate(over="ignore"):  # asked about just below
            return centre_boosted(some, surround, center, even).astype(kernels.dtype)

    made = MadeKernels(**vars(kernels), make=boosted)
    if not all_finite(made):
        _overflow(plan, part, kernels)
    return made


def _rounded(plan: LayerPlan, part: Part, like: Blob, start: Array) -> Blob:
    """Numbers in the dtype of an old blob.

    Raises:
        UsageError: one is too large for it.
    """
    with np.errstate(over="ignore"):  # asked about just below
        rounded = start.astype(like.dtype, copy=False)
    if not np.isfinite(rounded).all():
        _overflow(plan, part, like)
    return Held(rounded, like.index, "")


def _overflow(plan: LayerPlan, part: Part, like: Blob) -> NoReturn:
    raise UsageError(
        f'the start of "{plan.names[part.role]}" overflows {np.dtype(like.dtype).name}: are --surround and --center meant so?'
    )
