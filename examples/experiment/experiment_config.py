"""The experiment's config: one YAML file, checked before anything runs, with the place of what is wrong."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import NoReturn

import yaml

ARMS = ("continue", "residual", "extension", "residual-random", "residual-reverse", "skip")


@dataclass(frozen=True)
class Experiment:
    """What is run.

    Attributes:
        prepare: a command that makes the data ready. net: the baseline's prototxt, with data layers. solver: trains it.
            grow_solver: trains each step of each arm.
        arms: which of ARMS; `continue` trains the unsplit net on for as long. depth: steps. seeds: one chain of each arm for each.
        layers: which layer each step splits, the same in all arms.
        mid_training: [first, last]: two iterations of the baseline, both with a snapshot. The first two seeds are split at the last as
            well, the first layer only, by TPM over those from the first, and trained on with the solver's history. Without it: none.
        out: where everything goes. caffe, caffe_python, split_surgery: how each is called, arguments and all.
        resources: what Snakemake tells a cluster of each training, such as {mem_mb: 2000, runtime: 60}.
    """

    net: str
    solver: str
    grow_solver: str
    arms: list[str]
    depth: int
    seeds: list[int]
    layers: list[str]
    out: str
    mid_training: list[int] = field(default_factory=list)
    prepare: str = "true"
    caffe: str = "caffe"
    caffe_python: str = "caffe-python"
    split_surgery: str = "split-surgery"
    resources: dict[str, int] = field(default_factory=dict)

    @property
    def python(self) -> str:
        return shlex.quote(sys.executable)

    @property
    def layers_quoted(self) -> str:
        return shlex.quote(" ".join(self.layers))


def read_config(path: str) -> Experiment:
    """Exits with FILE:LINE:COLUMN and what is wrong there."""
    text = Path(path).read_text()
    tree = yaml.compose(text)
    if not isinstance(tree, yaml.MappingNode):
        wrong(path, tree, "must be a mapping")
    values = yaml.safe_load(text)
    keys = {key.value: (key, value) for key, value in tree.value}
    known = {one.name: one for one in fields(Experiment)}
    for name, (key, _) in keys.items():
        if name not in known:
            wrong(path, key, f"unknown key {name!r}; known: {', '.join(known)}")
    for name in ("net", "solver", "grow_solver", "arms", "depth", "seeds", "layers", "out"):
        if name not in keys:
            wrong(path, tree, f"{name} is missing")
    for name, (_, node) in keys.items():
        kind = str(known[name].type).partition("[")[0]
        if not isinstance(values[name], {"str": str, "int": int, "list": list, "dict": dict}[kind]) or values[name] in (
            [],
            "",
        ):
            wrong(path, node, f"{name} must be a {kind} that is not empty")
    for item in keys["arms"][1].value:
        if item.value not in ARMS:
            wrong(path, item, f"{item.value!r} is no arm; arms: {', '.join(ARMS)}")
    for item, value in zip(keys["seeds"][1].value, values["seeds"]):
        if not isinstance(value, int) or value < 0:
            wrong(path, item, "a seed is a whole number from 0 on")
    if values["depth"] < 1 or len(values["layers"]) < values["depth"]:
        wrong(path, keys["depth"][1], f"depth must be from 1 to the number of layers, {len(values['layers'])}")
    if "mid_training" in values and not (
        len(values["mid_training"]) == 2 and all(isinstance(one, int) for one in values["mid_training"])
    ):
        wrong(path, keys["mid_training"][1], "mid_training is two iterations: [first, last]")
    for name in ("net", "solver", "grow_solver"):
        if not Path(values[name]).is_file():
            wrong(
                path, keys[name][1], f"{values[name]}: no such file (paths are relative to where snakemake is started)"
            )
    return Experiment(**values)


def wrong(path: str, node: yaml.Node | None, message: str) -> NoReturn:
    at = f":{node.start_mark.line + 1}:{node.start_mark.column + 1}" if node is not None else ""
    sys.exit(f"{path}{at}: {message}")
