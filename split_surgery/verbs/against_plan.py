"""A directory of a split held against its own split.yaml: what the plan prescribes is made again in memory and compared."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import NamedTuple

from split_surgery.documents.net.meaning import layer_meaning
from split_surgery.documents.net.net import Net
from split_surgery.documents.source import PathLike, no_progress
from split_surgery.documents.weights.blobs import Weights
from split_surgery.documents.weights.records import same_record
from split_surgery.errors import Defect, SurgeryError
from split_surgery.splitting.options import Settings
from split_surgery.splitting.plan_file import read_plan
from split_surgery.splitting.run import split_all
from split_surgery.splitting.split_layer import Step
from split_surgery.verbs.net_and_weights import NetAndWeights
from split_surgery.workspace.inputs import open_inputs
from split_surgery.workspace.names import PLAN_FILE
from split_surgery.workspace.open_files import OpenFiles
from split_surgery.workspace.run_dir import run_dir


class AgainstPlan(NamedTuple):
    """What of a directory is not as its plan prescribes; and a remark where the plan prescribes nothing for this baseline."""

    problems: list[str]
    remarks: tuple[str, ...] = ()


def against_plan(
    files: OpenFiles, given: NetAndWeights, directory: PathLike, net: Net, weights: Weights | None
) -> AgainstPlan:
    """A directory's new layers held against its split.yaml.

    Args:
        given: the baseline. net, weights: those in the directory; None for weights that were trained, which may hold other numbers.

    Raises:
        FileError: split.yaml is damaged, or of a later format.
    """
    there = run_dir(directory)
    if there.plan is None:
        return AgainstPlan([])
    plan = read_plan(there.plan)
    try:
        inputs = open_inputs(files, given.net, given.weights)
        steps = [Step(layer.options.recipe, Settings(), layer) for layer in plan.layers]
        made, _, _ = split_all(inputs, steps, replace(plan, also=(), solverstate=None), no_progress)
    except Defect:
        raise
    except SurgeryError as error:  # a plan of another baseline prescribes nothing here
        why = str(error).splitlines()[0]
        return AgainstPlan([], (f"the new layers were not held against {PLAN_FILE}: {why}",))
    names = dict.fromkeys(name for layer in plan.layers for member in layer.members for name in member.names.values())
    found = []
    meant_order, order = _order(made.net, names), _order(net, names)
    if order != meant_order and sorted(order) == sorted(meant_order):  # a solver state's history is in this order
        found.append(f"the new layers stand in another order than {PLAN_FILE} prescribes")
    for name in names:
        meant, there_now = made.net.named(name), net.named(name)
        if not meant:  # a later entry of the plan split it again
            continue
        if [*map(layer_meaning, meant)] != [*map(layer_meaning, there_now)]:
            found.append(f"{name}: is not the layer that {PLAN_FILE} prescribes")
        if weights is None:
            continue
        wanted, has = made.weights.named(name), weights.named(name)[-1:]
        if wanted and wanted[0].blobs:
            faulty = any(blob.fault for record in has for blob in record.blobs)
            if not has or (not faulty and not same_record(made.weights, weights, wanted[0], has[0])):
                found.append(f"{name}: does not hold the numbers that {PLAN_FILE} prescribes")
    return AgainstPlan(found)


def _order(net: Net, names: Collection[str]) -> list[str]:
    """Those of the names that are there, in the order of the net; twins count once."""
    return list(dict.fromkeys(layer.name for layer in net.layers if layer.name in names))
