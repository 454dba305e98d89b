"""The verbs that split: each opens files, hands them to the rest, writes, and returns a frozen report."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from inspect import Parameter
from typing import Any

from split_surgery.documents.source import PathLike, Progress, no_progress
from split_surgery.errors import FileError, FilePlace, OptionError, UsageError, as_arguments, for_shell, logged
from split_surgery.reporting.plan_tables import ShownPlan, listed
from split_surgery.reporting.tables import MadeReport, Table
from split_surgery.splitting.config import ConfigEntry, read_config
from split_surgery.splitting.options import RUN_WORDS, Settings, declaration_of
from split_surgery.splitting.plan import LayerPlan, Plan
from split_surgery.splitting.plan_file import is_plan, read_plan
from split_surgery.splitting.recipes import RECIPES
from split_surgery.splitting.recipes.graph import Recipe
from split_surgery.splitting.run import Job, work_out
from split_surgery.splitting.split_layer import LayerSplit, Step
from split_surgery.verbs.library_words import in_library_words
from split_surgery.verbs.net_and_weights import left_at_random, net_and_weights, refuse_own_directory
from split_surgery.verbs.printed import runs
from split_surgery.workspace.destination import Destination, Status, plain
from split_surgery.workspace.inputs import open_inputs
from split_surgery.workspace.names import HDF5_SUFFIX, PLAN_FILE, SOLVER_FILE, STATE_FILE, WEIGHTS_FILE
from split_surgery.workspace.open_files import OpenFiles
from split_surgery.workspace.run_dir import run_dir


@dataclass(frozen=True)
class SplitReport(MadeReport):
    """What a splitting verb did, or would do.

    Attributes:
        status: written, unchanged, differs (`--check`), same (`--check`) or diff.
        splits: the layers in the order in which they were split.
        parameters: numbers in the whole weights file before and after.
        files: names written into the directory. differing: those that `--check` found to differ.
        next_command: how to go on, for a shell.
    """

    status: Status
    directory: str
    plan: Plan
    splits: tuple[LayerSplit, ...]
    parameters: tuple[int, int]
    files: tuple[str, ...]
    next_command: str
    differing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    diff: str = ""

    @property
    def layer(self) -> LayerPlan:
        """The plan of the first layer: the only one, but for `apply` and a repeated `--layer`."""
        return self.plan.layers[0]

    def lines(self, quiet: bool = False, verbose: bool = False) -> Iterator[str]:
        return runs.split(self, quiet, verbose)

    def to_dict(self) -> dict[str, Any]:
        before, after = self.parameters
        return {
            "status": self.status,
            "directory": self.directory,
            "plan": self.plan.to_tree(),
            "splits": [split.to_dict() for split in self.splits],
            "parameters": {"before": before, "after": after},
            "files": list(self.files),
            "differing": list(self.differing),
            "warnings": list(self.warnings),
            "next_command": self.next_command,
        } | self.diff_entry()

    def tables(self) -> tuple[Table, ...]:
        found = []
        for split in self.splits:
            plan = split.plan
            facts = (
                ("ranked by", split.evidence),
                ("fast", listed(plan.fast)),
                ("slow", listed(plan.slow)),
                ("parameters", f"{split.before:,} -> {split.after:,}"),
            )
            found.append(Table(f"{plan.options.recipe} split of {plan.layer}", ("", ""), facts))
            rows = tuple(
                (new.name, new.type, *("x".join(map(str, shape)) for shape in (*new.shapes, (), ())[:2]), new.start)
                for new in split.new_layers
            )
            found.append(Table("", ("new layer", "type", "weight", "bias", "starts as"), rows))
        after = (("files", ", ".join(self.files)), ("next", self.next_command))
        return (*found, Table(f"{self.directory}: {self.status}", ("", ""), after))


def split_verb(recipe: Recipe) -> Callable[..., SplitReport]:
    """The function of the library that makes a recipe's split: its arguments are those that splitting/options.py declares."""

    def verb(
        net: PathLike, weights: PathLike | None = None, output: PathLike | None = None, **options: Any
    ) -> SplitReport:
        for name in options:
            if name not in known:
                raise TypeError(f"{recipe.name}() has no argument {name!r}")
        return _split(recipe.name, net, weights, need_output(output), **options)

    items = [
        item for item in fields(Settings) if declaration_of(item).flag and declaration_of(item).belongs_to(recipe.name)
    ]
    inputs = [*inspect.signature(verb).parameters.values()][:3]
    own = [Parameter(item.name, Parameter.KEYWORD_ONLY, default=item.default, annotation=item.type) for item in items]
    run = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=kind) for name, default, kind in _OF_A_RUN
    ]
    known = {parameter.name for parameter in (*own, *run)} | {"names"}
    lines = [f"        {item.name}: {as_arguments(declaration_of(item).help)}" for item in items] + [_RUN_HELP]
    verb.__name__ = verb.__qualname__ = recipe.name
    verb.__signature__ = inspect.Signature([*inputs, *own, *run], return_annotation="SplitReport")  # type: ignore[attr-defined]
    verb.__doc__ = "\n".join([f"{recipe.summary}\n\n    {recipe.about}\n\n    Args:\n{_INPUT_HELP}", *lines, _RAISES])
    return in_library_words(verb)


_OF_A_RUN: tuple[tuple[str, Any, str], ...] = (
    ("config", None, "PathLike | None"), ("force", False, "bool"), ("check", False, "bool"), ("diff", False, "bool"),
    ("progress", no_progress, "Progress"),
)  # fmt: skip
"""Arguments that every verb which splits has beside those of Settings: name, default, type."""

_INPUT_HELP = """\
        net: A prototxt, or the directory of an earlier split; then `weights` may be None: its newest snapshot.
        output: The directory that is written."""

_RUN_HELP = """\
        config: A YAML file of options, which those given here override.
        force: Replace the files of a directory that holds something else. check, diff: Look, and write nothing."""

_RAISES = """
    Raises:
        SurgeryError: With the exit code that the command line gives.
    """

residual, extension, skip = (split_verb(RECIPES[name]) for name in ("residual", "extension", "skip"))


def need_output(output: PathLike | None) -> PathLike:
    """Raises: UsageError, where no directory was named."""
    if output is None:
        raise UsageError("output is missing: the directory to write")
    return output


@in_library_words
def apply(
    config: PathLike, net: PathLike, weights: PathLike | None = None, output: PathLike | None = None, *,
    force: bool = False, check: bool = False, diff: bool = False, progress: Progress = no_progress, **options: Any,
) -> SplitReport:  # fmt: skip
    """Several splits in one run, as a config says; or those of an earlier split.yaml, of which nothing is ranked again.

    Args:
        config: a YAML file. weights: may be None with a split.yaml and `check`: then the prototxts alone are checked.
        options: they override the config's; with a split.yaml only those that name files.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    config = _config_file(config)
    run = _Run(net, weights, Destination(need_output(output), force, check, diff), config, progress)
    if not is_plan(config):
        entries = read_config(config)
        settings = [Settings.made_of(entry.options, options) for entry in entries]
        for entry in entries:
            if entry.recipe is None:
                says = "says no recipe" if entry.options else "is empty, and a config says a recipe at least"
                raise UsageError(f"{config}: {says} (recipe: {', '.join(RECIPES)})")
        steps = [Step(entry.recipe or "", made) for entry, made in zip(entries, settings)]
        for step, entry in zip(steps, entries):
            _check_options(step, entry)
        return run.work(steps, settings[0], None)
    for name in options:
        if name not in RUN_WORDS:
            raise UsageError(f"{config} is a plan, of which --{name.replace('_', '-')} cannot be changed")
    plan, files = read_plan(config), Settings.made_of({}, options)
    return run.work([Step(layer.options.recipe, files, layer) for layer in plan.layers], files, plan)


def _config_file(path: PathLike) -> PathLike:
    """What CONFIG stands for: a file, or the split.yaml of a directory.

    Raises:
        FileError: it is a directory that no split wrote.
    """
    if not os.path.isdir(path):
        return path
    plan = run_dir(path).plan
    if plan is None:
        raise FileError(
            f"is a directory, and not one that a split wrote (it has no {PLAN_FILE})", FilePlace(os.fspath(path))
        )
    return plan


def _split(
    recipe: str, net: PathLike, weights: PathLike | None, output: PathLike, *, config: PathLike | None = None,
    force: bool = False, check: bool = False, diff: bool = False,
    progress: Progress = no_progress, **options: Any,
) -> SplitReport:  # fmt: skip
    (entry,) = read_config(config, recipe) if config is not None else [ConfigEntry(recipe, {})]
    settings = Settings.made_of(entry.options, options)
    _check_options(Step(recipe, settings), entry)
    run = _Run(net, weights, Destination(output, force, check, diff), config, progress)
    return run.work([Step(recipe, settings)], settings, None)


def _check_options(step: Step, entry: ConfigEntry) -> None:
    """Raises: UsageError, where a value is impossible, at its place in the config, if it is from there."""
    try:
        step.options()
    except OptionError as error:
        if error.option in entry.places:
            error.place = entry.places[error.option]
        raise


@dataclass(frozen=True)
class _Run:
    """What the splitting verbs share: where from, and where to. config: a file that must not be replaced."""

    net: PathLike
    weights: PathLike | None
    destination: Destination
    config: PathLike | None
    progress: Progress

    def work(self, steps: Sequence[Step], settings: Settings, plan: Plan | None) -> SplitReport:
        """Split, and write, compare or show."""
        refuse_own_directory(self.net, self.destination.output, "split")
        texts_only = self.destination.check and plan is not None  # then weights are welcome, and not needed
        with OpenFiles() as opened:
            given = net_and_weights(opened, self.net, self.weights, settings.solver, settings.also, texts_only)
            if not texts_only:
                given.need_weights()
            directory = self.destination.directory.given
            caffe_dir = plain(settings.as_path) if settings.as_path else directory
            hdf5 = plan is not None and plan.weights.name.endswith(HDF5_SUFFIX)
            inputs = open_inputs(
                opened, given.net, given.weights, given.solver, given.also, settings.solverstate, given.lineage, hdf5
            )
            show = self.destination.diff and not self.destination.check
            job = work_out(inputs, steps, directory=caffe_dir, plan=plan, diff=show, progress=self.progress)
            read = [path for path in (self.config, settings.scores) if path is not None]
            status, differing, changes = self.destination.finish(
                job.outputs, [*inputs.paths(), *read], self.progress, texts_only=given.weights is None
            )
        return SplitReport(
            status=status,
            directory=directory,
            plan=ShownPlan(**vars(job.plan)),
            splits=job.splits,
            parameters=job.parameters,
            files=tuple(output.name for output in job.outputs),
            next_command=next_command(job, caffe_dir),
            differing=differing,
            warnings=(*given.remarks, *job.warnings, *left_at_random(inputs)),
            diff=job.diff or changes,
        )


def next_command(job: Job, directory: str) -> str:
    """The command that trains the derived net, or goes on with its training where a solver state was carried over."""
    names = [output.name for output in job.outputs]
    state = next((name for name in names if name.startswith(STATE_FILE)), None)
    solver_file = for_shell(f"{directory}/{SOLVER_FILE}") if SOLVER_FILE in names else "SOLVER"
    weights = next((name for name in names if name.startswith(WEIGHTS_FILE)), WEIGHTS_FILE)
    start = f"--weights {for_shell(f'{directory}/{weights}')}"
    if state is not None:
        start = f"--snapshot {for_shell(f'{directory}/{state}')}"
    return f"caffe train --solver {solver_file} {start} {logged(f'{directory}/train.log')}"
