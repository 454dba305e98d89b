"""The old extension/reorder split: without noise it computes what the layer computed."""

from split_surgery.splitting.recipes.graph import Channels, Kind, Part, Start, halves

EXTENSION = halves(
    "extension",
    (Part("split2_extension", Kind.POINTWISE, ("split2",), Channels.SLOW, Start.IDENTITY),),
    summary="The old extension/reorder split: the slow kernels gain a 1x1 behind them.",
    about="With noise 0 the derived net computes exactly what the baseline computes.",
)
