"""How a verb of the command line takes its files and flags: made when it is called, and listed under headings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from split_surgery.errors import UsageError

Command = TypeVar("Command", bound=Callable[..., Any])

INPUTS, RUN = "inputs and outputs", "run"
"""Headings in --help beside the topics of the options of a split."""


class _FileName(click.Path):
    """A file's or a directory's name, which an empty variable of a shell is not."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "" and param is not None:
            raise UsageError(f"{_place_of(param)} has no name: is a variable of the shell empty?")
        return super().convert(value, param, ctx)


def _place_of(parameter: click.Parameter) -> str:
    """How the help calls an argument, or a flag and its value."""
    word = (parameter.name or "").upper()
    if parameter.nargs < 0:
        return f"one of {word}"
    word = (parameter.metavar or word).strip("[]")
    return f"{parameter.opts[0]} {word}" if isinstance(parameter, click.Option) else word


FILE = _FileName()
"""A file's name: it is completed as one, and opened by the library, which says what is wrong with it."""


class Flag(click.Option):
    """A flag under a heading of --help."""

    def __init__(self, *arguments: Any, topic: str = RUN, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.topic = topic


class Later:
    """Parameters that are made only when their verb is called: the list of verbs need not load what they are declared in."""

    def __init__(self, make: Callable[[], Sequence[click.Parameter]]) -> None:
        self.make = make

    def __call__(self, command: Command) -> Command:
        command.__dict__.setdefault("__click_params__", []).append(self)
        return command


def cli_flag(*names: str, **more: Any) -> Later:
    """A flag of one verb; `topic` is its heading."""
    return Later(lambda: [Flag(names, **more)])


def cli_argument(name: str, **more: Any) -> Later:
    """A file or a directory that a verb takes."""
    return Later(lambda: [click.Argument([name], type=FILE, **more)])


def options(*decorators: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Several options as one decorator, in the order they are written."""

    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate
