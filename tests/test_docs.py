"""Figures in the documentation that follow from formulas, worked out again."""

from __future__ import annotations

import math
import re

import pytest

from split_surgery import rank
from split_surgery.kernels.tpm import MEASURES
from split_surgery.reports import NetRankReport
from tests.conftest import EXAMPLE, ROOT

LATE = 100_000
"""An iteration at which Adam's bias correction is 1."""


def step_lengths(solver: str, count: int) -> list[float]:
    """Steps, in units of the rate, of a parameter whose history starts at zero and whose gradient is 1 (Caffe's solvers)."""
    first = second = 0.0
    steps = []
    for k in range(1, count + 1):
        if solver.startswith("SGD"):
            first = 0.9 * first + 1
            steps.append(first)
        elif solver.startswith("AdaGrad"):
            second += 1
            steps.append(1 / math.sqrt(second))
        elif solver.startswith("RMSProp"):
            second = 0.99 * second + 0.01
            steps.append(1 / math.sqrt(second))
        else:
            first, second = 0.9 * first + 0.1, 0.999 * second + 0.001
            correction = math.sqrt(1 - 0.999 ** (LATE + k)) / (1 - 0.9 ** (LATE + k))
            steps.append(correction * first / math.sqrt(second))
    return steps


def table_rows():
    text = (ROOT / "docs" / "resume.md").read_text()
    lines = text[text.index("| solver |") :].splitlines()
    columns = [int(found) for found in re.findall(r"\d+", lines[0])]
    for line in lines[2:]:
        if not line.startswith("|"):
            return
        name, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        yield name, columns, [float(cell) for cell in cells]


@pytest.mark.parametrize(("solver", "columns", "figures"), list(table_rows()))
def test_steps_from_a_zero_history(solver, columns, figures):
    steps = step_lengths(solver, max(columns))
    assert [round(steps[k - 1], 2) for k in columns] == figures


def test_the_largest_step_of_adam_is_the_one_stated():
    assert "up to 6.6 times" in (ROOT / "docs" / "resume.md").read_text()
    assert round(max(step_lengths("Adam", 1000)), 1) == 6.6


def tpm_table() -> str:
    """The table of docs/tpm.md, from the example's snapshots."""
    report = rank(
        EXAMPLE / "train_val.prototxt", EXAMPLE / "fashion_vgg.caffemodel",
        snapshots=str(EXAMPLE / "snapshots" / "*.caffemodel"), windows=3,
    )  # fmt: skip
    assert isinstance(report, NetRankReport)
    heads = [f"{iteration(w.first)}-{iteration(w.last)}" for w in report.windows]
    lines = [f"| layer (kernels) | mean | entropy | {' | '.join(heads)} |", "| --- |" + " --- |" * (2 + len(heads))]
    for row in report.layers:
        cells = [f"{w.entropy[row.layer]:.4f}" for w in report.windows]
        lines.append(f"| `{row.layer}` ({row.num_output}) | {row.mean:.4f} | {row.entropy:.4f} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def iteration(name: str) -> str:
    found = re.search(r"_iter_(\d+)\.", name)
    assert found is not None
    return found[1]


def measures_table() -> str:
    """The measures as the code knows them."""
    lines = ["| measure | needs | what it is | source |", "| --- | --- | --- | --- |"]
    for measure in MEASURES.values():
        needs = (
            "a solver state"
            if measure.needs_state
            else f"{measure.snapshots} snapshots"
            if measure.snapshots > 1
            else "the weights"
        )
        lines.append(f"| `{measure.name}` | {needs} | {measure.summary} | {measure.reference} |")
    return "\n".join(lines) + "\n"


def test_the_tables_of_tpm_are_what_the_tool_gives():
    text = (ROOT / "docs" / "tpm.md").read_text()
    assert tpm_table() in text
    assert measures_table() in text


if __name__ == "__main__":
    print(measures_table())
    print(tpm_table())
