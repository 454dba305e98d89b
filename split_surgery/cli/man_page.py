"""The man page, from the same declarations as --help."""

from __future__ import annotations

import click

import split_surgery


def man_page(command: click.Group) -> str:
    """The command and its verbs as a page for man(1), in troff's man macros."""
    lines = [
        f'.TH SPLIT-SURGERY 1 "" "split-surgery {split_surgery.__version__}" "Surgery on trained Caffe networks"',
        ".SH NAME",
        f"split-surgery \\- {_escaped((command.help or '').partition(':')[0])}",
        ".SH SYNOPSIS",
        ".B split-surgery",
        "VERB [OPTIONS] ...",
        ".SH DESCRIPTION",
        _escaped(command.help or ""),
    ]
    context = click.Context(command)
    for name in command.list_commands(context):
        verb = command.get_command(context, name)
        assert verb is not None
        inner = verb.commands.items() if isinstance(verb, click.Group) else [("", verb)]
        for second, each in inner:
            lines += _verb(each, f"split-surgery {name} {second}".rstrip())
    return "\n".join(lines) + "\n"


def _verb(verb: click.Command, called: str) -> list[str]:
    context = click.Context(verb, info_name=called)
    lines = [f".SH {called.upper()}", f".B {_escaped(called)}", _escaped(" ".join(verb.collect_usage_pieces(context)))]
    for paragraph in (verb.help or "").split("\n\n"):
        if paragraph.startswith("\b"):
            lines += [".PP", ".nf", *map(_escaped, paragraph.splitlines()[1:]), ".fi"]
        else:
            lines += [".PP", _escaped(" ".join(paragraph.split()))]
    for parameter in verb.params:
        row = parameter.get_help_record(context)
        if row is not None:
            lines += [".TP", f".B {_escaped(row[0])}", _escaped(row[1])]
    return lines


def _escaped(text: str) -> str:
    """A line that troff prints as it is."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text
