"""The command and what all its verbs share: flags handed on, progress, printing, exit codes."""

from __future__ import annotations

import itertools
import math
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Literal, NamedTuple, NoReturn

import click
from click.core import ParameterSource

import split_surgery
from split_surgery.cli.colour import COLOUR
from split_surgery.cli.flags import INPUTS, RUN, Later
from split_surgery.cli.progress import Bar
from split_surgery.cli.terminal import complain, say, say_lines
from split_surgery.errors import for_shell
from split_surgery.splitting.recipes import RECIPES

Stage = Literal["split", "prove", "edit", "look", "more"]

HEADINGS: dict[Stage, str] = {
    "split": "Split (rank kernels, derive a net)",
    "prove": "Prove (and fold back)",
    "edit": "Edit (names, forms, shapes)",
    "look": "Look (at files, trainings, pictures)",
    "more": "More",
}
"""The headings of --help, in the order of work."""


class Row(NamedTuple):
    """A verb in the list of verbs: the module of cli that has it, its heading, and a line."""

    module: str
    stage: Stage
    summary: str


VERBS = {name: Row("split_verbs", "split", recipe.summary) for name, recipe in RECIPES.items()} | {
    "apply": Row("split_verbs", "split", "The splits of a YAML config, or of an earlier split.yaml."),
    "rank": Row("split_verbs", "split", "Convolutions, or the kernels of one, by TPM."),
    "fold": Row("proof_verbs", "prove", "Put splits back into one layer each."),
    "verify": Row("proof_verbs", "prove", "Prove a derived net from its files, and in an engine."),
    "convert": Row("convert_verb", "edit", "Half, float, double; protobuf, HDF5; V1 and new layers."),
    "rename": Row("edit_verbs", "edit", "Layers and blobs under other names, in net and weights."),
    "extract": Row("edit_verbs", "edit", "The prototxt inside a caffemodel, or one blob as npy."),
    "reshape": Row("reshape_verb", "edit", "InnerProducts as convolutions, and back; groups as layers."),
    "report": Row("look_verbs", "look", "Accuracy tables out of Caffe's logs."),
    "plot": Row("look_verbs", "look", "Pictures: curves, scores, kernels, block diagrams."),
    "show": Row("proof_verbs", "look", "What a file says and holds, line by line; for git, too."),
    "diff": Row("proof_verbs", "look", "What differs between two files of one kind, layer by layer."),
    "demo": Row("more_verbs", "more", "Everything, on a small real net that comes with it."),
    "help": Row("more_verbs", "more", "What a verb does, and its options."),
    "completion": Row("more_verbs", "more", "A shell's completion of verbs, flags, files and layers."),
}


class VerbCommand(click.Command):
    """A verb, whose flags are listed under headings: what it reads and writes first."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        self._params: list[Any] = []
        super().__init__(*arguments, **more)

    @property
    def params(self) -> list[click.Parameter]:
        """The arguments and flags; those that are declared elsewhere are made when they are first asked for."""
        if any(isinstance(one, Later) for one in self._params):
            made = (one.make() if isinstance(one, Later) else [one] for one in self._params)
            self._params = [parameter for several in made for parameter in several]
        return self._params

    @params.setter
    def params(self, given: list[Any]) -> None:
        self._params = given

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        if given and given[0] in VERBS and self._reads_net() and not os.path.exists(given[0]):
            raise click.UsageError(f"one verb at a time: split-surgery {' '.join(map(for_shell, given))}", ctx)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            advice = self._advice(error, given, ctx)
            if not advice:
                raise
            what = error.format_message()
            if isinstance(error, click.NoSuchOption):
                what = f"No such option '{error.option_name}'."
            raise click.UsageError(f"{what}\n{advice}", ctx) from None

    def _reads_net(self) -> bool:
        return any(one.name == "net" for one in self.params)

    def _advice(self, error: click.UsageError, given: Sequence[str], ctx: click.Context) -> str:
        from split_surgery.cli import guesses

        if isinstance(error, click.NoSuchOption):
            return guesses.flag_advice(error.option_name, ctx)
        if isinstance(error, click.BadOptionUsage):
            return guesses.value_advice(error.option_name, ctx)
        if isinstance(error, click.MissingParameter):
            return guesses.missing_advice(error.param, self.name, self.help or "", self._meant_as_output(given, ctx))
        if isinstance(error, click.BadParameter):
            return guesses.number_advice(error, given)
        pattern = _unquoted(given)
        if pattern:
            return f"--snapshots takes one pattern; quote it, so that the shell leaves it alone: {for_shell(pattern)}"
        if any("--snapshots" in one.opts for one in self.params):
            pattern = _pattern_of_weights(self._places_taken(given, ctx)[1])
            if pattern:
                return f"snapshots are named by one pattern in quotes: --snapshots {for_shell(pattern)}"
        return guesses.argument_advice(given, self.name)

    def _places_taken(self, given: Sequence[str], ctx: click.Context) -> tuple[dict[str, Any], list[str]]:
        """The words that arguments and flags have taken, by their names, and those that are too many."""
        taken, surplus, _ = self.make_parser(ctx).parse_args(list(given))
        return taken, surplus

    def _meant_as_output(self, given: Sequence[str], ctx: click.Context) -> str:
        """The argument that seems to be the place to write to, where there is no -o; or ""."""
        taken, surplus = self._places_taken(given, ctx)
        net, weights = taken.get("net"), taken.get("weights")
        if (
            not surplus
            and isinstance(net, str)
            and isinstance(weights, str)
            and (self.name == "convert" or os.path.isdir(net))
        ):
            surplus = [weights]
        return surplus[0] if len(surplus) == 1 and not os.path.isfile(surplus[0]) else ""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        found: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            row = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if row is not None:
                found.setdefault(getattr(parameter, "topic", RUN), []).append(row)
        formatter.write_paragraph()
        for topic in sorted(found, key=lambda topic: (topic != INPUTS, topic == RUN)):
            formatter.write(f"{topic.capitalize()}:\n")
            with formatter.indentation():
                formatter.write_dl(found[topic], col_max=28)


def _unquoted(args: Sequence[str]) -> str:
    """The pattern that a shell has made several names of, where --snapshots is followed by more than one; or ""."""
    if "--snapshots" not in args:
        return ""
    at = args.index("--snapshots") + 1
    names = list(itertools.takewhile(lambda word: not word.startswith("-"), args[at:]))
    return _pattern(names)


def _pattern_of_weights(words: Sequence[str]) -> str:
    """The pattern that a shell has made several names of weights of; or ""."""
    return _pattern(words) if all(word.endswith((".caffemodel", ".h5")) for word in words) else ""


def _pattern(names: Sequence[str]) -> str:
    """What several names have in common, with a star for the rest; "" for fewer than two."""
    if len(names) < 2:
        return ""
    # Of characters, not of folders: the names differ in their numbers.
    begin, end = (os.path.commonprefix([name[::step] for name in names])[::step] for step in (1, -1))  # noqa: RUF071
    return f"{begin.rstrip('0123456789')}*{end.lstrip('0123456789')}"


class Kinds(click.Group):
    """A group that says what was meant where a name in it is not known."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None:  # click takes a path that begins with a slash for a flag
            raise self._advised(f"No such command '{args[0]}'.", args[0], ctx)
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise self._advised(f"No such option '{error.option_name}'.", error.option_name, ctx) from None

    def _advised(self, message: str, name: str, ctx: click.Context) -> click.UsageError:
        from split_surgery.cli.guesses import verb_advice

        of = "" if ctx.parent is None else self.name or ""
        return click.UsageError(f"{message}\n{verb_advice(name, self.list_commands(ctx), of)}", ctx)


WIDEST = 110
"""Columns of --help, where the terminal has as many."""


def help_width() -> int:
    """Columns for --help, by click's own rule. click loads shutil to learn the terminal's, a tenth of the time that --help takes."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        wide = int(columns)
    else:
        try:
            wide = os.get_terminal_size(sys.__stdout__.fileno()).columns or 80  # type: ignore[union-attr]
        except (AttributeError, ValueError, OSError):
            wide = 80
    return max(min(wide, WIDEST) - 2, 50)


class Verbs(Kinds):
    """The command: its verbs in the order of work, each loaded when it is called."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        return super().make_context(info_name, args, parent, **{"terminal_width": help_width()} | extra)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in VERBS:
            import_module(f"split_surgery.cli.{VERBS[cmd_name].module}")  # its verbs join the command
        found = self.commands.get(cmd_name)
        if found is not None:
            found.short_help = VERBS[cmd_name].summary
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for stage, heading in HEADINGS.items():
            with formatter.section(heading):
                formatter.write_dl([(name, row.summary) for name, row in VERBS.items() if row.stage == stage])


EPILOG = """\b
Start with:  split-surgery demo
Split:       split-surgery residual base.prototxt base.caffemodel -o derived1/
Prove:       split-surgery verify derived1/
Look:        split-surgery report runs/ -o report.html
A verb:      split-surgery help residual"""


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDEST},
    epilog=EPILOG,
)
@click.option("--color", **COLOUR, help="Colour; of itself only a terminal gets it.")
@click.version_option(split_surgery.__version__, "-V", "--version", prog_name="split-surgery")
def cli() -> None:
    """Surgery on trained Caffe networks: split a convolution into fast and slow kernels, and prove what that did."""


def given_flags(flags: dict[str, Any]) -> dict[str, Any]:
    """The verb's own flags (not the printer's) that were given: the library has the same defaults, and a config its own."""
    context = click.get_current_context()
    given = {key for key in flags if context.get_parameter_source(key) is not ParameterSource.DEFAULT}
    return {key: flags[key] for key in given - {"as_json", "quiet", "verbose"}}


def with_progress(work: Callable[[Bar], Any], flags: dict[str, Any]) -> Any:
    """Do the work with a progress bar on a terminal."""
    if flags["quiet"] and flags["verbose"]:
        raise click.UsageError("give --quiet or --verbose, not both")
    bar = Bar(enabled=not flags["quiet"])
    try:
        return work(bar)
    finally:
        bar.close()


def show_report(report: Any, flags: dict[str, Any]) -> None:
    """What was found out before an error, on the terminal."""
    if report is not None and not flags["as_json"]:
        say_lines(report.lines(flags["quiet"], flags["verbose"]))


def finish(report: Any, flags: dict[str, Any], printer: Callable[[Any], None] | None = None) -> NoReturn:
    """Print a report and exit with its code. printer: prints it in another form than its own lines."""
    for warning in getattr(report, "warnings", ()):
        complain(warning)
    try:
        if flags["as_json"]:
            import json

            text = json.dumps(json_ready(report.to_dict()), indent=2, allow_nan=False)
            say(text.replace("\x7f", "\\u007f"))  # the one control character that JSON in ASCII leaves as it is
        elif printer is not None:
            printer(report)
        else:
            say_lines(report.lines(flags["quiet"], flags["verbose"]))
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        # Whoever read the output has seen enough (141, as the shell's own tools), or it cannot be written.
        # Python must not complain about it a second time at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            sys.exit(141)
        complain(f"the work is done, but its report cannot be printed: {error.strerror}")
        sys.exit(3)
    sys.exit(report.exit_code)


def json_ready(tree: Any) -> Any:
    """A report with null for numbers that JSON cannot express."""
    if isinstance(tree, dict):
        return {key: json_ready(value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [json_ready(value) for value in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree
