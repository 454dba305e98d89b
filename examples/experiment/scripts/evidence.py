"""The page on a finished grid, from its tables alone.

    evidence.py FOLDER PAGE.md PICTURE.png

FOLDER holds results.csv, curves.csv and pairs.csv, as collect.py writes them, and forward.csv, as forward_times.py does. What is
computed stands in ANALYSIS.md, which was written before the grid was run; what is said of the numbers follows by its rules.
"""

from __future__ import annotations

import csv
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from paired import Interval, mcnemar, paired

NOTES = {  # the published accuracies, of one run each: residual, old split
    "baseline": ("0.6532", "0.6532"),
    "derived1": ("0.6617", "0.6616"),
    "derived2": ("0.6802", "0.6703"),
    "derived3": ("0.6860", "0.6828"),
    "derived4": ("0.6900", "0.6835"),
    "derived5": ("0.6914", "0.6867"),
    "derived6": ("-", "0.6817"),
}
COMPARED = (("residual", "continue"), ("extension", "continue"), ("residual", "residual-random"))
"""Declared in ANALYSIS.md: the first less the second, paired by seed."""
MID = "mid-"
"""What the names of the arms begin with that were split in mid-training."""

COLOURS = {
    "baseline": "#5c626b",
    "continue": "#7f7f7f",
    "residual": "#0072b2",
    "extension": "#c07c00",
    "residual-random": "#009e73",
}


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


class Grid:
    """The tables of a grid.

    Attributes:
        results: by seed, arm, step and what: the accuracy. images: how many each was tested on.
        arms, seeds, steps: what the grid is made of. mid_arms: those of the further configuration.
        trainings: rows of the grid's. seconds: of all of them, by the clock and of a processor.
    """

    def __init__(self, folder: Path) -> None:
        found = rows(folder / "results.csv")
        self.results = {
            (int(row["seed"]), row["arm"], int(row["step"]), row["what"]): int(row["correct"]) / int(row["images"])
            for row in found
        }
        (self.images,) = {int(row["images"]) for row in found}
        named = list(dict.fromkeys(row["arm"] for row in found if row["arm"] != "baseline"))
        self.arms = [arm for arm in named if not arm.startswith(MID)]
        self.mid_arms = [arm for arm in named if arm.startswith(MID)]
        self.seeds = sorted({seed for seed, *_ in self.results})
        self.steps = sorted({step for _, _, step, _ in self.results if step})
        self.trainings = [row for row in found if row["seconds"] and row["arm"] not in self.mid_arms]
        self.seconds = [sum(float(row[name]) for row in self.trainings) for name in ("seconds", "cpu_seconds")]
        self.curves = rows(folder / "curves.csv")
        self.pairs = rows(folder / "pairs.csv")
        self.forward = rows(folder / "forward.csv")

    def of(self, arm: str, step: int, what: str = "trained") -> list[float]:
        """An accuracy of each seed; step 0 is the baseline, which all arms have in common."""
        return [self.results[seed, arm if step else "baseline", step, what] for seed in self.seeds]

    def difference(self, one: str, other: str, step: int) -> list[float]:
        return less(self.of(one, step), self.of(other, step))

    def lost_at_start(self, arm: str, step: int) -> list[float]:
        """What each net has before its training less what the net had that it was made from."""
        return less(self.of(arm, step, "start"), self.of(arm, step - 1))


def less(some: Sequence[float], others: Sequence[float]) -> list[float]:
    return [one - other for one, other in zip(some, others, strict=True)]


def table(heads: Sequence[str], body: Iterable[Sequence[object]]) -> str:
    lines = [heads, ["---"] * len(heads), *body]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def mean(values: Sequence[float]) -> str:
    return f"{statistics.fmean(values):.4f}"


def spread(values: Sequence[float]) -> str:
    return f"{statistics.fmean(values):.4f} ± {statistics.stdev(values):.4f}"


def each(values: Sequence[float], form: str = ".4f") -> str:
    return " ".join(f"{value:{form}}" for value in values)


def signed(found: Interval) -> str:
    return f"{found.mean:+.4f} | {found.low:+.4f} to {found.high:+.4f}"


def verdict(found: Interval) -> str:
    """By the rule of ANALYSIS.md."""
    if found.low > 0:
        return "gains"
    if found.high < 0:
        return "loses"
    return f"no difference was seen; the interval allows {found.low:+.4f} to {found.high:+.4f}"


def notes_and_ours(grid: Grid) -> str:
    body = []
    for step, (net, theirs) in enumerate(NOTES.items()):
        ours = [mean(grid.of(arm, step)) if step <= max(grid.steps) else "" for arm in grid.arms]
        body.append((net, *theirs, *ours))
    return table(("Net", "notes: residual", "notes: old split", *(f"ours: {arm}" for arm in grid.arms)), body)


def every_run(grid: Grid) -> str:
    body = [("baseline", 0, spread(grid.of("", 0)), each(grid.of("", 0)))]
    for arm in grid.arms:
        body += [(arm, step, spread(grid.of(arm, step)), each(grid.of(arm, step))) for step in grid.steps]
    return table(("arm", "step", "mean ± standard deviation", f"seeds {each(grid.seeds, 'd')}"), body)


def comparisons(grid: Grid) -> str:
    body = []
    for one, other in COMPARED:
        for step in grid.steps:
            found = grid.difference(one, other, step)
            body.append((f"{one} less {other}", step, signed(paired(found)), each(found, "+.4f")))
    return table(("compared", "step", "mean difference", "95 % interval", "of each seed"), body)


def images(grid: Grid) -> str:
    last, body = str(max(grid.steps)), []
    for row in grid.pairs:
        for one, other in COMPARED:
            if row["step"] == last and {row["one"], row["other"]} == {one, other}:
                mine, theirs = int(row["only_one"]), int(row["only_other"])
                if row["one"] != one:
                    mine, theirs = theirs, mine
                body.append((f"{one}, {other}", row["seed"], mine, theirs, f"{mcnemar(mine, theirs):.3g}"))
    return table(
        ("nets", "seed", "only the first is right", "only the second", "p"), sorted(body, key=lambda row: row[0])
    )


def starts(grid: Grid) -> str:
    body = []
    for arm in grid.arms:
        if arm != "continue":
            for step in grid.steps:
                lost = grid.lost_at_start(arm, step)
                body.append((arm, step, spread(grid.of(arm, step, "start")), spread(lost), each(lost, "+.4f")))
    return table(("arm", "step", "before training", "less what it was made from", "of each seed"), body)


def folded(grid: Grid) -> str:
    body = []
    for arm in grid.arms:
        if arm != "continue":
            for step in grid.steps:
                change = less(grid.of(arm, step, "folded"), grid.of(arm, step))
                body.append(
                    (
                        arm,
                        step,
                        mean(grid.of(arm, step, "folded")),
                        each([round(one * grid.images) for one in change], "+d"),
                    )
                )
    return table(("arm", "step", "folded", "images more right than before folding, of each seed"), body)


def mid_training(grid: Grid) -> str:
    body = []
    for seed in grid.seeds:
        if (seed, grid.mid_arms[0], 1, "trained") in grid.results:
            base = grid.results[seed, "baseline", 0, "trained"]
            ours = [grid.results[seed, arm, 1, "trained"] for arm in grid.mid_arms]
            body.append((seed, f"{base:.4f}", *(f"{one:.4f} ({one - base:+.4f})" for one in ours)))
    return table(
        ("seed", "the baseline, going on", *(f"{arm.removeprefix(MID)}, split" for arm in grid.mid_arms)), body
    )


def forward(grid: Grid) -> str:
    base = float(grid.forward[0]["median_ms"])
    body = [
        (row["net"], row["median_ms"], row["min_ms"], row["max_ms"], f"{float(row['median_ms']) / base:.2f}")
        for row in grid.forward
    ]
    return table(("net", "median ms", "least", "most", "x baseline"), body)


def draw(grid: Grid, picture: Path) -> None:
    """Means over the seeds, and each seed's curve faintly; every step begins where the one before it ended."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    points = defaultdict(dict)
    for row in grid.curves:
        points[row["arm"], int(row["step"]), int(row["seed"])][int(row["iteration"])] = float(row["accuracy"])
    figure = Figure(figsize=(8, 4.5), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    begun = 0
    for step in [0, *grid.steps]:
        ended = begun
        for arm in grid.arms if step else ["baseline"]:
            lines = [points[arm, step, seed] for seed in grid.seeds]
            at = sorted(lines[0])
            colour = COLOURS.get(arm, "#d55e00")
            for line in lines:
                axes.plot([begun + x for x in at], [line[x] for x in at], color=colour, alpha=0.2, linewidth=0.7)
            middle = [statistics.fmean(line[x] for line in lines) for x in at]
            axes.plot([begun + x for x in at], middle, color=colour, linewidth=1.8, label=arm if step < 2 else None)
            ended = max(ended, begun + at[-1])
        begun = ended
        axes.axvline(begun, color="#d4d7dc", linewidth=0.8, zorder=0)
    shown = [
        value for (arm, _, _), line in points.items() for at, value in line.items() if at or arm != "baseline"
    ]  # an untrained net would take most of the height
    axes.set_ylim(bottom=min(shown) - 0.02)
    axes.set(xlabel="iteration", ylabel="accuracy on the test images")
    axes.legend(frameon=False)
    figure.savefig(picture, metadata={"Software": None})


def verdicts(grid: Grid) -> str:
    last = max(grid.steps)
    lines = []
    for one, other in COMPARED:
        found = paired(grid.difference(one, other, last))
        lines.append(
            f"- **{one} less {other}**: {found.mean:+.4f} ({found.low:+.4f} to {found.high:+.4f}): {verdict(found)}.\n"
        )
    return "".join(lines)


TEXT = Path(__file__).with_name("evidence.md.in")
"""The page, with a name in braces for each table and number."""


def page(grid: Grid, picture: str) -> str:
    accuracy = statistics.fmean(grid.of("", 0))
    start_differences = [
        paired(less(grid.lost_at_start("residual", step), grid.lost_at_start("residual-random", step)))
        for step in grid.steps
    ]
    return TEXT.read_text().format(
        seeds=len(grid.seeds),
        arms=len(grid.arms),
        last=max(grid.steps),
        trainings=len(grid.trainings),
        verdicts=verdicts(grid),
        images=f"{grid.images:,}",
        error=(accuracy * (1 - accuracy) / grid.images) ** 0.5,
        notes=notes_and_ours(grid),
        runs=every_run(grid),
        freedom=len(grid.seeds) - 1,
        comparisons=comparisons(grid),
        picture=picture,
        mcnemar=images(grid),
        starts=starts(grid),
        random_starts="; ".join(f"{one.mean:+.4f} ({one.low:+.4f} to {one.high:+.4f})" for one in start_differences),
        untrained=spread(grid.of("residual", 1, "untrained")),
        filled=spread(grid.of("residual", 1, "start")),
        baselines=spread(grid.of("", 0)),
        folded=folded(grid),
        forward=forward(grid),
        mid_training=mid_training(grid),
        hours=grid.seconds[0] / 3600,
        cpu_hours=grid.seconds[1] / 3600,
    )


def main(folder: str, out: str, picture: str) -> None:
    grid = Grid(Path(folder))
    Path(out).write_text(page(grid, Path(picture).relative_to(Path(out).parent).as_posix()))
    draw(grid, Path(picture))


if __name__ == "__main__":
    main(*sys.argv[1:])
