"""The flags of the options of a split, made from their one declaration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import click
from click.shell_completion import CompletionItem

from split_surgery.cli.flags import FILE, Flag
from split_surgery.splitting.declared import Declaration
from split_surgery.splitting.options import Settings, declaration_of, word_of

Completion = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]


def declared_flags(
    recipe: str | None, only: Sequence[str], help: Mapping[str, str], completions: Mapping[str, Completion]
) -> list[Flag]:
    """A flag for each option that a recipe has, in the order of their declarations; see split_flags."""
    found = []
    for item in fields(Settings):
        declaration = declaration_of(item)
        if not declaration.flag or not declaration.belongs_to(recipe) or (only and item.name not in only):
            continue
        found.append(
            Flag(
                [f"--{word_of(item)}", item.name], type=_type(declaration),
                metavar=declaration.metavar or "|".join(declaration.choices) or None,
                multiple=declaration.repeated, default=item.default, help=help.get(item.name, declaration.help),
                topic=declaration.topic, shell_complete=completions.get(item.name),
            )
        )  # fmt: skip
    return found


def _type(declaration: Declaration) -> Any:
    if declaration.kind == "choice":
        return click.Choice(declaration.choices)
    return {"number": float, "whole number": int, "file": FILE, "files": FILE}.get(declaration.kind, str)
