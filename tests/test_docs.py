"""Figures in the documentation that follow from formulas, worked out again."""

from __future__ import annotations

import math
import re

import pytest

from tests.conftest import ROOT

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
