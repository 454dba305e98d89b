"""Write docs/commands.md from the declarations of the command line itself: python docs/make_reference.py.

A test holds the committed page equal to what this makes, so that the page and the program never disagree.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from split_surgery.cli.main import cli

PAGE = Path(__file__).resolve().with_name("commands.md")

HEAD = """\
# Commands

This page is generated from the program (`make docs`). `split-surgery VERB --help` prints the same. What the exit codes mean:
[Exit codes and variables](exit-codes.md). Options of the splitting verbs can stand in a YAML file: [Configs](configs.md).

"""


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The whole page."""
    commands = list(leaves(cli, "split-surgery"))
    rows = "".join(
        f"| [`{name}`](#{anchor(name)}) | {cell(command.get_short_help_str(200))} |\n" for name, command in commands
    )
    return HEAD + "| command | what it does |\n| --- | --- |\n" + rows + "".join(section(*pair) for pair in commands)


def leaves(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """The commands that do something, in the order of the program's own help, with their full names."""
    if not isinstance(command, click.Group):
        yield name, command
        return
    context = click.Context(command)
    for word in command.list_commands(context):
        found = command.get_command(context, word)
        if found is not None and not found.hidden:
            yield from leaves(found, f"{name} {word}")


def anchor(name: str) -> str:
    """Where the site and code hosts put a heading."""
    return name.replace(" ", "-")


def section(name: str, command: click.Command) -> str:
    """One command: how it is called, what it does, and a table of its options."""
    context = click.Context(command, info_name=name)
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [f"\n## {name}\n", f"```text\n{name} {usage}\n```\n", *paragraphs(command)]
    rows = [option_row(option, context) for option in command.get_params(context) if isinstance(option, click.Option)]
    parts.append("| option | what it is | default |\n| --- | --- | --- |\n" + "".join(rows))
    return "\n".join(parts)


def paragraphs(command: click.Command) -> Iterator[str]:
    """The text of a command's help, with its examples as blocks."""
    for part in inspect.cleandoc(command.help or "").split("\n\n"):
        if part.startswith("\b"):
            yield f"```text\n{part[1:].strip()}\n```\n"
        else:
            yield part.replace("<", "\\<") + "\n"


def option_row(option: click.Option, context: click.Context) -> str:
    """A row of the table of options."""
    if option.hidden or "--help" in option.opts:
        return ""
    words = ", ".join([*option.opts, *option.secondary_opts])
    if not option.is_flag and not option.count:
        words += " " + value_of(option)
    default = option.get_default(context) if option.show_default else None
    about = f"{option.help or ''}{' (required)' if option.required else ''}".strip()
    return f"| `{cell(words)}` | {cell(about)} | {'' if default is None else f'`{cell(str(default))}`'} |\n"


def value_of(option: click.Option) -> str:
    """What follows an option's word. (click's own function for it takes other arguments in other versions.)"""
    if option.metavar:
        return option.metavar
    if isinstance(option.type, click.Choice):
        return f"[{'|'.join(map(str, option.type.choices))}]"
    return option.type.name.upper()


def cell(text: str) -> str:
    """Text inside a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "\\<")


if __name__ == "__main__":
    main()
