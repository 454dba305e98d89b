"""Rankings as a spreadsheet reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from split_surgery.cli.terminal import say_csv

if TYPE_CHECKING:
    from split_surgery.verbs.rank import NetRankReport, RankReport


def rank_csv(report: RankReport | NetRankReport) -> None:
    """As a spreadsheet reads it; `--scores` reads the kernels of a layer back."""
    kernels = getattr(report, "kernels", None)
    if kernels is not None:
        say_csv([("layer", "channel", "score", "group")])
        say_csv((report.layer, k.channel, float(k.score), k.group) for k in kernels)  # type: ignore[union-attr]
    else:
        say_csv([("layer", "num_output", "weights", "mean", "entropy")])
        say_csv((r.layer, r.num_output, r.weights, float(r.mean), float(r.entropy)) for r in report.layers)  # type: ignore[union-attr]
