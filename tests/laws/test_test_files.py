"""The tests' own order: what several test files share lies in tests/support, so that each test file can be read alone."""

from __future__ import annotations

import ast

from tests.support.paths import ROOT


def imported(tree: ast.AST, package: list[str]) -> set[str]:
    """The dotted names of all modules that a module may import, anywhere in it.

    Args:
        package: the names of the folders that the module lies in.
    """
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            names.add(module)
            names.update(f"{module}.{alias.name}" for alias in node.names)  # each may be a module too
    return names


def is_a_test_file(module: str) -> bool:
    """Whether a dotted name passes through a test file or a conftest."""
    first, *others = module.split(".")
    parts = others if first == "tests" else [first]
    return any(part.startswith("test_") or part == "conftest" for part in parts)


def test_no_file_imports_a_test_file():
    for path in sorted((ROOT / "tests").rglob("*.py")):
        package = list(path.relative_to(ROOT).parent.parts)
        found = sorted(filter(is_a_test_file, imported(ast.parse(path.read_bytes()), package)))
        assert not found, f"{path.relative_to(ROOT)} imports {', '.join(found)}: move what is shared to tests/support"


def test_the_check_sees_every_form_of_import():
    for text in (
        "import tests.verbs.test_show",
        "from tests.verbs.test_show import listed",
        "from tests.verbs import test_show",
        "def f():\n    from .test_show import listed",
        "from . import test_show",
        "from ..verbs import test_show as other",
        "from tests.conftest import caffe",
        "from tests import conftest",
        "import conftest",
    ):
        assert any(map(is_a_test_file, imported(ast.parse(text), ["tests", "verbs"]))), text
    for text in (
        "import pytest",
        "from tests.support.nets import TINY",
        "from split_surgery.reporting.logs.test_output import told",
    ):
        assert not any(map(is_a_test_file, imported(ast.parse(text), ["tests", "verbs"]))), text
