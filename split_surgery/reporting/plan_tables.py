"""A plan in tables: what was chosen for each layer, and what the inputs are known by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from split_surgery.reporting.tables import Notebook, Table
from split_surgery.splitting.plan import LayerPlan, Plan, layer_tree


class ShownPlan(Plan, Notebook):
    """A plan that shows itself in a notebook, and equals the plan that it shows."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plan) and vars(self) == vars(other)

    __hash__ = Plan.__hash__

    def tables(self) -> tuple[Table, ...]:
        return plan_tables(self)


def plan_tables(plan: Plan) -> tuple[Table, ...]:
    """What was chosen for each layer, then what identifies the inputs."""
    return (*map(_layer_table, plan.layers), _digests(plan))


def _digests(plan: Plan) -> Table:
    files = [plan.net, plan.weights, *plan.also, *([plan.solverstate] if plan.solverstate else [])]
    rows = [(file.name, f"{file.size:,}", file.sha256 or "") for file in files]
    rows += [(f"layer {m.layer}", "", m.record_sha256) for one in plan.layers for m in one.members if m.record_sha256]
    rows += [(f"ancestor {at}", "", digest) for at, digest in enumerate(plan.lineage, 1)]
    return Table("what it was made from", ("file", "bytes", "SHA-256"), tuple(rows))


def listed(channels: Sequence[int]) -> str:
    """Channels in a line."""
    return f"{len(channels)}: {' '.join(map(str, channels))}"


def _layer_table(plan: LayerPlan) -> Table:
    hidden = ("scores", "fast_channels", "slow_channels", "names", "record_sha256", "shared_with", "evidence")
    rows = [(name.replace("_", " "), _said(value)) for name, value in layer_tree(plan).items() if name not in hidden]
    rows += [("fast kernels", listed(plan.fast)), ("slow kernels", listed(plan.slow))]
    rows.append(("evidence", f"{len(plan.evidence)}: {', '.join(plan.evidence)}" if plan.evidence else "none"))
    return Table(f"{plan.options.recipe} split of {plan.layer}", ("", ""), tuple(rows))


def _said(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "not known"}[value]
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
