"""The old extension/reorder split: without noise it computes what the layer computed."""

from split_surgery.splitting.recipes.graph import Channels, Kind, Part, Start, halves

EXTENSION = halves(
    "extension",
    (Part("split2_extension", Kind.POINTWISE, ("split2",), Channels.SLOW, Start.IDENTITY),),
)
