"""The verbs that split: each opens files, hands them to the rest, writes, and returns a frozen report."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from split_surgery.documents.source import PathLike, Progress, no_progress
from split_surgery.errors import OptionError, UsageError
from split_surgery.reporting.plan_tables import ShownPlan, listed
from split_surgery.reporting.tables import Notebook, Table
from split_surgery.splitting.config import ConfigEntry, read_config
from split_surgery.splitting.options import RUN_WORDS, Settings
from split_surgery.splitting.plan import LayerPlan, Plan
from split_surgery.splitting.plan_file import is_plan, read_plan
from split_surgery.splitting.recipes import RECIPES
from split_surgery.splitting.run import Job, work_out
from split_surgery.splitting.split_layer import LayerSplit, Step
from split_surgery.verbs.net_and_weights import net_and_weights
from split_surgery.verbs.warned import warned
from split_surgery.workspace.destination import Destination, Status, plain
from split_surgery.workspace.inputs import open_inputs
from split_surgery.workspace.names import HDF5_SUFFIX, SOLVER_FILE, STATE_FILE, WEIGHTS_FILE
from split_surgery.workspace.open_files import OpenFiles

if TYPE_CHECKING:
    from typing_extensions import Unpack


@dataclass(frozen=True)
class SplitReport(Notebook):
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

    @property
    def exit_code(self) -> int:
        return 1 if self.status == "differs" else 0

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
        } | ({"diff": self.diff} if self.status == "diff" else {})

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


class SplitOptions(TypedDict, total=False):
    """Options of the splitting verbs; the words and the defaults of the command line (see options.Settings).

    config: a YAML file of options, which those given here override.
    as_path: the directory's name on the machine that trains. check, diff: look, and write nothing.
    """

    layer: str | tuple[str, ...]
    order: str
    fast: str
    noise: float
    seed: int
    snapshots: str | None
    window: str | None
    measure: str | None
    scores: PathLike | None
    solver: PathLike | None
    solverstate: PathLike | None
    also: tuple[PathLike, ...]
    trust_field: tuple[str, ...]
    config: PathLike | None
    as_path: str | None
    force: bool
    check: bool
    diff: bool
    progress: Progress


class ResidualOptions(SplitOptions, total=False):
    """residual_pre starts as surround * W, plus center * W at the spatial centre; even_center says which tap that is."""

    surround: float
    center: float
    even_center: str | None


@warned
def residual(
    net: PathLike, weights: PathLike | None, output: PathLike, **options: Unpack[ResidualOptions]
) -> SplitReport:
    """The residual split of one convolution, or of several alike, into the directory `output`.

    Args:
        net: a prototxt, or the directory of an earlier split; then `weights` may be None: its newest snapshot.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    return _split("residual", net, weights, output, **options)


@warned
def extension(
    net: PathLike, weights: PathLike | None, output: PathLike, **options: Unpack[SplitOptions]
) -> SplitReport:
    """The old extension/reorder split of one convolution into the directory `output`.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    return _split("extension", net, weights, output, **options)


class SkipOptions(SplitOptions, total=False):
    """skip says how a strided layer's input is handed on; even_center, where a kernel of even size takes it."""

    skip: str
    even_center: str | None


@warned
def skip(net: PathLike, weights: PathLike | None, output: PathLike, **options: Unpack[SkipOptions]) -> SplitReport:
    """The skip ("identity") split of one convolution into the directory `output`.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    return _split("skip", net, weights, output, **options)


@warned
def apply(
    config: PathLike, net: PathLike, weights: PathLike | None, output: PathLike, *,
    force: bool = False, check: bool = False, diff: bool = False, progress: Progress = no_progress, **options: Any,
) -> SplitReport:  # fmt: skip
    """Several splits in one run, as a config says; or those of an earlier split.yaml, of which nothing is ranked again.

    Args:
        config: a YAML file. weights: may be None with a split.yaml and `check`: then the prototxts alone are checked.
        options: they override the config's; with a split.yaml only those that name files.

    Raises:
        SurgeryError: with the exit code that the command line gives.
    """
    run = _Run(net, weights, Destination(output, force, check, diff), config, progress)
    if not is_plan(config):
        entries = read_config(config)
        settings = [Settings.made_of(entry.options, options) for entry in entries]
        for entry in entries:
            if entry.recipe is None:
                raise UsageError(f"{config}: says no recipe (recipe: {', '.join(RECIPES)})")
        steps = [Step(entry.recipe or "", made) for entry, made in zip(entries, settings)]
        for step, entry in zip(steps, entries):
            _check_options(step, entry)
        return run.work(steps, settings[0], None)
    for name in options:
        if name not in RUN_WORDS:
            raise UsageError(f"{config} is a plan, of which --{name.replace('_', '-')} cannot be changed")
    plan, files = read_plan(config), Settings.made_of({}, options)
    return run.work([Step(layer.options.recipe, files, layer) for layer in plan.layers], files, plan)


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
        texts_only = self.destination.check and plan is not None  # then weights are welcome, and not needed
        with OpenFiles() as opened:
            given = net_and_weights(opened, self.net, self.weights, settings.solver, settings.also, texts_only)
            if given.weights is None and not texts_only:
                raise UsageError(
                    "WEIGHTS is missing: it may be left out where NET is the directory of a split, and in "
                    "`apply split.yaml NET -o DIR --check`"
                )
            directory = self.destination.directory.given
            caffe_dir = plain(settings.as_path) if settings.as_path else directory
            hdf5 = plan is not None and plan.weights.name.endswith(HDF5_SUFFIX)
            inputs = open_inputs(
                opened, given.net, given.weights, given.solver, given.also, settings.solverstate, given.lineage, hdf5
            )
            show = self.destination.diff
            job = work_out(inputs, steps, directory=caffe_dir, plan=plan, diff=show, progress=self.progress)
            read = [path for path in (self.config, settings.scores) if path is not None]
            status, differing = self.destination.finish(
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
            warnings=(*given.remarks, *job.warnings),
            diff=job.diff,
        )


def next_command(job: Job, directory: str) -> str:
    """The command that trains the derived net, or goes on with its training where a solver state was carried over."""
    names = [output.name for output in job.outputs]
    state = next((name for name in names if name.startswith(STATE_FILE)), None)
    solver_file = shlex.quote(f"{directory}/{SOLVER_FILE}") if SOLVER_FILE in names else "SOLVER"
    weights = next((name for name in names if name.startswith(WEIGHTS_FILE)), WEIGHTS_FILE)
    start = f"--weights {shlex.quote(f'{directory}/{weights}')}"
    if state is not None:
        start = f"--snapshot {shlex.quote(f'{directory}/{state}')}"
    return f"caffe train --solver {solver_file} {start} 2>&1 | tee {shlex.quote(f'{directory}/train.log')}"
