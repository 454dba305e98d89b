"""The residual split: the slow kernels gain a parallel path that starts as an edge-preserving copy of them."""

from split_surgery.splitting.recipes.graph import INPUT, Channels, Kind, Part, Start, halves

RESIDUAL = halves(
    "residual",
    (
        Part("split2_residual_pre", Kind.COPY, (INPUT,), Channels.SLOW, Start.CENTRE_BOOSTED),
        Part("split2_residual_post", Kind.POINTWISE, ("split2_residual_pre",), Channels.SLOW, Start.IDENTITY),
        Part("split2_residual_sum", Kind.SUM, ("split2", "split2_residual_post"), Channels.SLOW),
    ),
    summary="The residual split: the slow kernels gain a path beside them.",
    about="The slow kernels are summed with what a second, centre-boosted copy of them makes of the same input.",
)
