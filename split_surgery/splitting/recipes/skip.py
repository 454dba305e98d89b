"""The skip ("identity") split: the slow kernels are summed with their own input, which passes by without learning."""

from split_surgery.splitting.recipes.graph import INPUT, Channels, Kind, Part, Start, halves

SKIP = halves(
    "skip",
    (
        Part("split2_skip", Kind.SKIP, (INPUT,), Channels.SLOW, Start.EYE),
        Part("split2_skip_sum", Kind.SUM, ("split2", "split2_skip"), Channels.SLOW),
    ),
    summary="The skip (identity) split: the slow kernels gain their own input.",
    about="The slow kernels are summed with their own input, which passes by unchanged and does not learn.",
)
