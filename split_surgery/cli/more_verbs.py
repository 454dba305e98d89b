"""The demo, and what helps to find one's way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem, get_completion_class

import split_surgery
from split_surgery.cli.flags import cli_argument, cli_flag
from split_surgery.cli.group import VERBS, VerbCommand, cli, finish, with_progress
from split_surgery.cli.guesses import verb_advice
from split_surgery.cli.options import talk
from split_surgery.cli.progress import Bar
from split_surgery.cli.terminal import say
from split_surgery.errors import UsageError

if TYPE_CHECKING:
    from split_surgery.verbs.demo import DemoReport


@cli.command(cls=VerbCommand)
@cli_argument("directory", metavar="[DIR]", default="split-surgery-demo")
@talk
def demo(directory: str, **flags: Any) -> None:
    """Both splits of a small real net that comes with the package, proven, folded again, and run through OpenCV."""

    def work(progress: Bar) -> DemoReport:
        return split_surgery.demo(directory, progress=progress)

    finish(with_progress(work, flags), flags)


@cli.command(cls=VerbCommand)
@click.argument("verb", nargs=-1, shell_complete=lambda *_: [CompletionItem(name) for name in VERBS])
@cli_flag("--man", is_flag=True, help="Print the man page of the command, for `man -l -`.")
def help(verb: tuple[str, ...], man: bool) -> None:
    """What VERB does, and its options; without VERB the list of verbs.

    \b
    split-surgery help residual
    split-surgery help plot tpm
    split-surgery help --man > split-surgery.1
    """
    if man:
        from split_surgery.cli.man_page import man_page

        say(man_page(cli), end="")
        return
    command: click.Command = cli
    context = click.Context(cli, info_name="split-surgery", **cli.context_settings)
    for name in verb:
        kinds = command.list_commands(context) if isinstance(command, click.Group) else []
        found = command.get_command(context, name) if isinstance(command, click.Group) else None
        if found is None:
            of = context.command_path.removeprefix("split-surgery").strip()
            raise UsageError(f"there is no verb {' '.join(verb)}", hint=verb_advice(name, kinds, of))
        command, context = found, click.Context(found, info_name=name, parent=context)
    say(command.get_help(context))


@cli.command(cls=VerbCommand)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """The script that makes SHELL complete verbs, flags, files, measures and the layers of NET.

    \b
    eval "$(split-surgery completion bash)"        in ~/.bashrc; zsh in ~/.zshrc alike
    split-surgery completion fish > ~/.config/fish/completions/split-surgery.fish
    """
    found = get_completion_class(shell)
    assert found is not None  # it is one of the choices
    say(found(cli, {}, "split-surgery", "_SPLIT_SURGERY_COMPLETE").source(), end="")
