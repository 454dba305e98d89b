"""docs/architecture.md held against the code: each call that it names exists, and each module is in its tree."""

import importlib
import re

import pytest

from tests.support.paths import ROOT

PACKAGE = ROOT / "split_surgery"
TEXT = (ROOT / "docs" / "architecture.md").read_text()

PATHS = TEXT[TEXT.index("## Three paths") : TEXT.index("## Where is")]
CALLS = sorted(set(re.findall(r"`([a-z_]+(?:\.\w+)+)`", PATHS)))

WHOLE = (
    "splitting/recipes",
    "verification/engines",
    "reporting/logs",
    "reporting/pictures",
    "reporting/pages",
    "verbs",
    "cli",
)
"""Folders that the tree sums up in a line."""


def resolve(dotted: str):
    """What a dotted name below the package leads to: the longest module, then attributes."""
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = importlib.import_module("split_surgery." + ".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for name in parts[count:]:
            found = getattr(found, name)
        return found
    raise LookupError(dotted)


def test_there_are_calls_to_check():
    assert len(CALLS) > 40


@pytest.mark.parametrize("call", CALLS)
def test_every_call_of_the_paths_exists(call):
    assert callable(resolve(call))


def tree() -> set[str]:
    """The files in the tree, by their paths below the package."""
    block = TEXT[TEXT.index("```\nsplit_surgery/") :].split("```")[1]
    folders: list[tuple[int, str]] = []
    found = set()
    for line in block.splitlines()[2:]:
        if not line.strip():
            continue
        indent, name = len(line) - len(line.lstrip()), line.split()[0]
        folders = [row for row in folders if row[0] < indent]
        path = "".join(folder for _, folder in folders) + name
        if name.endswith("/"):
            folders.append((indent, name))
        else:
            found.add(path)
    return found


def test_every_module_is_in_the_tree_and_nothing_else():
    there = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if path.stem[:2] != "__"}
    summed_up = {path for path in there if path.startswith(tuple(folder + "/" for folder in WHOLE))}
    assert (
        tree() - {"verbs/net_and_weights.py", "verbs/made_from.py", "verbs/against_plan.py", "verbs/library_words.py"}
        == there - summed_up
    )


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([a-z_/]+(?:\.py|/))`", TEXT))))
def test_every_file_that_is_named_exists(path):
    assert any((base / path).exists() for base in (PACKAGE, ROOT, ROOT / "tests", PACKAGE / "splitting" / "recipes")), (
        path
    )
