"""A directory of a split held against its own split.yaml: what the plan prescribes is made again in memory and compared."""

from __future__ import annotations

from dataclasses import replace

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
from split_surgery.workspace.open_files import OpenFiles
from split_surgery.workspace.run_dir import run_dir


def against_plan(files: OpenFiles, given: NetAndWeights, directory: PathLike, net: Net, weights: Weights) -> list[str]:
    """New layers of an untrained directory that differ from its split.yaml, each in a sentence; none for a plan of another baseline.

    Args:
        given: the baseline. net, weights: those in the directory.
    """
    there = run_dir(directory)
    if there.plan is None:
        return []
    try:
        plan = read_plan(there.plan)
        inputs = open_inputs(files, given.net, given.weights)
        steps = [Step(layer.options.recipe, Settings(), layer) for layer in plan.layers]
        made, _, _ = split_all(inputs, steps, replace(plan, also=(), solverstate=None), no_progress)
    except Defect:
        raise
    except SurgeryError:  # a plan of another baseline prescribes nothing here
        return []
    names = [name for layer in plan.layers for member in layer.members for name in member.names.values()]
    found = []
    for name in dict.fromkeys(names):
        meant, there_now = made.net.named(name), net.named(name)
        if not meant:  # a later entry of the plan split it again
            continue
        if [*map(layer_meaning, meant)] != [*map(layer_meaning, there_now)]:
            found.append(f"{name}: is not the layer that split.yaml prescribes")
        wanted, has = made.weights.named(name), weights.named(name)[-1:]
        if wanted and wanted[0].blobs:
            faulty = any(blob.fault for record in has for blob in record.blobs)
            if not has or (not faulty and not same_record(made.weights, weights, wanted[0], has[0])):
                found.append(f"{name}: does not hold the numbers that split.yaml prescribes")
    return found
