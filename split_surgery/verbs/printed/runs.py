"""Reports as a person reads them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from split_surgery.reporting.tables import in_columns
from split_surgery.verbs.printed.block_text import draw
from split_surgery.verbs.printed.tones import diff_lines, toned

if TYPE_CHECKING:
    from split_surgery.folding.search import LeftRegion
    from split_surgery.reporting.tables import MadeReport
    from split_surgery.splitting.split_layer import LayerSplit
    from split_surgery.verbs.demo import DemoReport
    from split_surgery.verbs.fold import FoldedRegion, FoldReport
    from split_surgery.verbs.rank import NetRankReport, RankReport
    from split_surgery.verbs.split import SplitReport
    from split_surgery.verbs.verify import VerifyReport
    from split_surgery.verification.engines.compare import EngineOutput

_SHOWN = 24
"""Channels listed before a list is cut short."""


STATES = {
    "written": "written",
    "unchanged": "unchanged: it already holds exactly this",
    "same": "up to date: it holds exactly what would be generated",
    "differs": "DIFFERS from what would be generated: ",
}
"""What a status means; the files that differ follow it."""

LOOKED_ONLY = ("diff", "same", "differs")
"""The status of a run that wrote nothing, since it was to show or to compare."""


def done_line(report: MadeReport, place: str | None) -> str:
    """Where the files are and what was done there; of those that differ the names."""
    if report.status == "differs" and place is not None and not os.path.lexists(place):
        return f"{place}: DIFFERS: it is not there; without --check it would be made"
    return f"{place}: {STATES[report.status]}{', '.join(report.differing)}"


def looked_only(report: MadeReport, place: str | None) -> Iterator[str]:
    """A run that only looked: what differs, and the diff."""
    if report.status != "diff":
        yield done_line(report, place)
    yield from diff_lines(report.diff)


def split(report: SplitReport, quiet: bool, verbose: bool, advise: bool = True) -> Iterator[str]:
    if report.status == "diff":
        yield from diff_lines(report.diff)
        return
    done = done_line(report, report.directory)
    if quiet or report.status in ("same", "differs"):
        yield "; ".join([done, *map(_split_line, report.splits)]) if report.status in ("written", "unchanged") else done
        yield from diff_lines(report.diff)
        return
    yield done
    for one in report.splits:
        yield from layer_split(one, verbose)
    before, after = report.parameters
    if after:
        yield f"parameters of the net: {before:,} -> {after:,}"
    if any(one.plan.changes_outputs for one in report.splits):
        yield "this split changes the outputs by design: split-surgery verify says by how much"
    if advise and report.status in ("written", "unchanged"):
        yield f"next: {report.next_command}"
        if " SOLVER " in report.next_command:
            yield f'  where SOLVER is your solver with net: "{report.directory}/net.prototxt" (--solver FILE writes it)'


def _split_line(report: LayerSplit) -> str:
    plan = report.plan
    counts = f"{len(plan.fast)} fast + {len(plan.slow)} slow"
    alike = "".join(f", {member.layer} alike" for member in plan.members[1:])
    return f"{plan.options.recipe} split of {plan.layer}{alike}: {counts}, {report.evidence}"


def layer_split(report: LayerSplit, verbose: bool) -> Iterator[str]:
    plan = report.plan
    yield _split_line(report)
    yield in_columns([("fast", channels(plan.fast, verbose)), ("slow", channels(plan.slow, verbose))])
    if not report.new_layers:  # the prototxts alone were looked at
        return
    yield ""
    yield draw(report.new_layers, plan.layer, report.new_layers[0].bottoms[0])
    yield ""
    rows = [("new layer", "type", "weight", "bias", "starts as")]
    rows += [(new.name, new.type, *_shapes(new.shapes), new.start) for new in report.new_layers]
    yield in_columns(rows)
    yield ""
    yield f"parameters of {plan.layer}: {report.before:,} -> {report.after:,}"


def _shapes(shapes: tuple[tuple[int, ...], ...]) -> tuple[str, str]:
    texts = ["x".join(map(str, shape)) for shape in shapes]
    return (texts[0] if texts else "", texts[1] if len(texts) > 1 else "")


def channels(numbers: Sequence[int], whole: bool) -> str:
    shown = numbers if whole else numbers[:_SHOWN]
    return " ".join(map(str, shown)) + (f" ... ({len(numbers)}, all with -v)" if len(shown) < len(numbers) else "")


BAR = 24
"""Width of the bar of the largest score."""


def rank(report: RankReport, quiet: bool, verbose: bool) -> Iterator[str]:
    yield f"{report.layer}: {len(report.kernels)} kernels, {report.evidence}"
    if quiet:
        return
    if verbose and report.about:
        yield f"{report.measure}: {report.about}"
    yield f"mean {report.mean:.6g}, entropy {report.entropy:.4f} (of at most {math.log(10):.4f})"
    top = max(kernel.score for kernel in report.kernels) or 1.0
    rows = [("channel", "score", "group", "")]
    rows += [(str(k.channel), f"{k.score:.9g}", k.group, "█" * round(BAR * k.score / top)) for k in report.kernels]
    yield in_columns(rows)
    if report.windows:
        yield ""
        yield "over the training, and the share of the fast kernels that are fast there too:"
        head = ("window", "snapshots", "mean", "entropy", "fast too")
        name = report.layer
        yield (in_columns([head, *((f"{w.first} to {w.last}", str(w.snapshots), f"{w.mean[name]:.4f}", f"{w.entropy[name]:.4f}",
                            f"{w.kept[name]:.2f}") for w in report.windows)]))  # fmt: skip


def rank_net(report: NetRankReport, quiet: bool, verbose: bool) -> Iterator[str]:
    yield f"{report.net}: {report.evidence}; mean entropy {report.entropy:.4f} (of at most {math.log(10):.4f})"
    if quiet:
        return
    if verbose and report.about:
        yield f"{report.measure}: {report.about}"
    rows = [("layer", "num_output", "weights", "mean", "entropy")]
    rows += [(r.layer, str(r.num_output), str(r.weights), f"{r.mean:.4f}", f"{r.entropy:.4f}") for r in report.layers]
    yield in_columns(rows)
    if report.windows:
        yield ""
        yield "entropy over the training, and the share of the fast kernels that are fast there too:"
        head = ("layer", *(f"{w.first} to {w.last}" for w in report.windows))
        body = [
            (r.layer, *(f"{w.entropy[r.layer]:.4f} {w.kept[r.layer]:.2f}" for w in report.windows))
            for r in report.layers
        ]
        yield in_columns([head, *body])


def fold(report: FoldReport, quiet: bool, verbose: bool) -> Iterator[str]:
    if report.status in LOOKED_ONLY:
        yield from looked_only(report, report.directory)
        return
    done = done_line(report, report.directory)
    splits = sum(region.split + region.nested for region in report.regions)
    others = sum(not region.split for region in report.regions)
    what = number_of(splits, "split") + (f", {number_of(others, 'other region')}" if others else "")
    layers = f"{report.layers[0]} -> {report.layers[1]}"
    folded = (
        f"folded: {what if report.regions else 'nothing'}; layers {layers}, parameters {changed(*report.parameters)}"
    )
    if quiet:
        why = "" if report.regions else f"; {_nothing(report)}"
        yield f"{done}; {folded}{why}"
        return
    yield done
    yield folded
    yield f"of: {report.source[0]} with {report.source[1]}"
    if report.regions:
        rows = [("layer", "was", "parameters", "multiply-adds", "error of a weight, at most")]
        for region in report.regions:
            counts = (changed(*region.parameters), changed(*region.multiply_adds))
            rows.append((region.layer, f"{len(region.layers)} layers", *counts, rounding(region)))
        unknown = [region for region in report.regions if None in region.multiply_adds]
        none_known = len(unknown) == len(report.regions)
        yield in_columns([row[:3] + row[4:] for row in rows] if none_known else rows)
        if unknown:
            what = "multiply-adds are not counted" if none_known else "?: not counted"
            yield f"  ({what}: the size of the images does not follow from these files; --also a deploy net, which says it)"
    for region in report.regions if verbose else ():
        yield f"{region.layer} was {', '.join(region.layers)}"
    yield from (_left_line(left, verbose) for left in report.left)
    if not report.regions and not report.left:
        yield _nothing(report)
    if report.deploy is not None:
        yield f"deploy: {report.directory}/{report.deploy[0]} with {report.directory}/{report.deploy[1]}"
        yield from (f"  some toolchains stop at it: {hint}" for hint in report.hints)
    elif report.regions:
        yield f"to deploy, fold the deploy net alike: --also deploy.prototxt ({report.directory}/net.prototxt has data or loss layers)"


def _left_line(left: LeftRegion, verbose: bool) -> str:
    what = f"the split of {left.layer}" if left.split else channels_of(left.layers, verbose)
    return f"left: {what}: {left.reason}"


def _nothing(report: FoldReport) -> str:
    """Why nothing was folded."""
    if report.left:
        more = len(report.left) - 1
        return _left_line(report.left[0], verbose=False) + (f" (and {more} more)" if more else "")
    more_by_all = "" if report.all else "; --all folds BatchNorm, Scale and other linear layers, too"
    return f"there is nothing to fold in it{more_by_all}"


def number_of(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def changed(before: int | None, after: int | None) -> str:
    return " -> ".join("?" if number is None else f"{number:,}" for number in (before, after))


def rounding(region: FoldedRegion) -> str:
    if not region.error:
        return "none, they were only moved"
    return f"{region.error:.2g}, of {region.largest:.2g} for the largest"


def _told(output: EngineOutput) -> str:
    """The difference of an output in words."""
    if output.other_size:
        return "other shapes"
    return f"{output.difference:.3g}" + (", saturated: it hides what is before it" if output.saturated else "")


def verify(report: VerifyReport, quiet: bool, verbose: bool) -> Iterator[str]:
    if not quiet:
        filled = sum(row.blobs for row in report.coverage if row.status == "copied")
        layers = sum(row.status == "copied" for row in report.coverage)
        yield f"coverage: {filled} blobs of {layers} layers are copied from the weights file"
        if report.ignored:
            yield "  ignored, the net has no such layer: " + channels_of(report.ignored, verbose)
        for row in report.coverage:
            fine = row.status in ("copied", "none")
            if row.layer in report.inherited:  # no fault of the derived net
                yield f"  {row.status.upper()}, as in the baseline: {row.layer} ({row.type}) {row.detail}"
            elif verbose or not fine:
                status = row.status if fine or row.status == "shared" else row.status.upper()
                yield f"  {status} {row.layer} ({row.type}) {row.detail}".rstrip()
        for block in report.blocks:
            if block.fault:
                continue
            same = "equals the layer bit for bit" if block.exact else f"relative weight change {block.drift:.4g}"
            if block.folded:
                drift = "one rounding" if block.exact else f"a relative difference of {block.drift:.4g}"
                same = f"computes what they do up to {drift}"
            if block.sound and not block.exact:
                same += ", as rounding may"
            what = "stands for" if block.folded else "folded from"
            yield f"{block.layer}: {what} {len(block.members)} layers, {same}"
        outside = [change for change in report.changed if change.part == "weights" and change.drift is not None]
        for change in outside if report.trained else []:
            yield f"{change.layer}: relative weight change {change.drift:.4g}"
        if not report.blocks and not report.alone:
            yield "no layer of the baseline was split or folded"
        if report.outputs:
            yield f"engine {report.engine} on {report.inputs}:"
            yield "  the largest difference relative to the largest value, and what rounding explains"
            rows = [("blob", "values", "difference", "rounding")]
            rows += [(o.blob, str(o.size), _told(o), f"{o.tolerance:.3g}") for o in report.outputs]
            yield in_columns(rows)
            if not all(block.sound for block in report.blocks):
                yield "  for information: the block does not equal the layer, so the outputs need not agree"
        for note in report.notes:
            yield f"note: {note}"
    for problem in report.problems:
        yield toned(f"PROBLEM {problem}", "bad")
    yield toned(report.verdict, "bad" if report.exit_code else "good")


def channels_of(names: Sequence[str], whole: bool) -> str:
    shown = names if whole else names[:8]
    return ", ".join(shown) + (f", ... ({len(names)})" if len(shown) < len(names) else "")


def demo(report: DemoReport, quiet: bool, verbose: bool) -> Iterator[str]:
    if not quiet:
        for index, one in enumerate(report.splits):
            yield from split(one, False, verbose, advise=False)
            yield ""
            yield "verify, through OpenCV too:" if report.rows else "verify:"
            yield from verify(report.proofs[index], False, verbose)
            yield ""
        yield from fold(report.fold, False, verbose)
        yield ""
        yield "verify, the trained net and what it was folded into:"
        yield from verify(report.proofs[-1], False, verbose)
        yield ""
    if report.rows:
        rows = [("net", "accuracy", "correct", "")]
        rows += [(row.net, f"{row.accuracy:.4f}", f"{row.correct}/{row.images}", row.remark) for row in report.rows]
        yield in_columns(rows, "")
        error = (report.rows[0].accuracy * (1 - report.rows[0].accuracy) / report.rows[0].images) ** 0.5
        yield (
            f"(standard error of an accuracy on {report.rows[0].images} images: {error:.3f}; smaller differences show nothing)"
        )
    yield f"the files are in {report.directory}"
    if report.page:
        yield f"all of it in pictures, for a browser: {report.page}"
