"""The house held against its imports: which package may import which, what must stay out, and names with one meaning."""

import ast
from collections import defaultdict

import pytest

from tests.support.paths import ROOT

PACKAGE = ROOT / "split_surgery"

TOP = {
    "documents", "kernels", "workspace", "splitting", "folding", "operations", "verification", "reporting", "verbs", "cli",
}  # fmt: skip

DOCUMENTS = [
    {"documents.spans", "documents.v1", "documents.other_files", "documents.npy"},
    {"documents.source", "documents.rope", "documents.prototxt", "documents.caffe_fields"},
    {"documents.weights"},
    {"documents.net"},
    {"documents.edit"},
]
"""The order inside documents: a row imports only from rows above it, and from its own package."""

MAY_IMPORT = {
    "errors": set(),
    "documents": {"errors"},
    "kernels": {"errors"},
    "workspace": {"errors", "documents"},
    "splitting": {"errors", "documents", "kernels", "workspace"},
    "folding": {"errors", "documents", "kernels", "workspace"},
    "operations": {"errors", "documents", "kernels", "workspace"},
    "verification": {"errors", "documents", "kernels", "folding"},
    "reporting": {"errors", "documents", "kernels", "workspace", "splitting.plan", "splitting.plan_file"},
    "verbs": {
        "errors", "documents", "kernels", "workspace", "splitting", "folding", "operations", "verification", "reporting",
    },
    "cli": {
        "errors", "splitting.options", "splitting.declared", "splitting.recipes", "operations.forms", "operations.image_kinds",
        "verification.engines",
        "reporting.tables",
    },
}  # fmt: skip
"""What the modules of a package may import beside those of their own (and `split_surgery` itself, of which cli has the verbs)."""

BANNED = {
    "documents.spans": {"numpy"},
    "documents.source": {"numpy"},
    "documents.rope": {"numpy"},
    "documents.prototxt": {"numpy"},
    "documents.weights": {"documents.source"},
    "documents.net": {"documents.source", "documents.weights.wire"},
    "documents.edit": {"documents.source"},
    "splitting.options": {"numpy", "yaml"},
    "splitting.recipes": {"documents", "workspace", "numpy"},
    "operations.forms": {"documents", "workspace", "numpy", "yaml"},
    "folding": {"yaml", "h5py"},
    "verification": {"yaml"},
    "reporting.diagram": {"reporting.pictures"},
}
"""What else a module, or all below a folder, must not import."""

ONLY_IN = {
    "matplotlib": "reporting.pictures",
    "click": "cli",
    "cv2": "verification.engines",
    "google": "documents.edit",
}
"""Libraries that only the modules of one folder import."""

EXCEPTIONS = {
    ("documents.weights.opening", "documents.source"): "it opens files",
}
"""Imports that a ban would forbid, with the reason."""


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        yield name.removesuffix(".__init__"), path


NAMES = {name for name, _ in modules()}


def imports(path):
    """What a module imports anywhere but under TYPE_CHECKING, ours as `split_surgery.x.y`."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module}.{alias.name}", node.module) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, alias.name) for alias in node.names)


def ours(path):
    """The modules of ours that a module imports."""
    for full, module in imports(path):
        for candidate in (full, module):
            name = candidate.removeprefix("split_surgery.")
            if candidate.startswith("split_surgery.") and name in NAMES:
                yield name
                break


def under(name, folder):
    return name == folder or name.startswith(folder + ".")


def test_the_top_of_the_house():
    files = {"__init__.py", "__main__.py", "errors.py", "py.typed"}
    assert {path.name for path in PACKAGE.iterdir()} - {"__pycache__"} == TOP | files


@pytest.mark.parametrize(("name", "path"), [row for row in modules() if row[0] not in ("__init__", "__main__")])
def test_imports_follow_the_table(name, path):
    package = name.split(".")[0]
    row = next((at for at, places in enumerate(DOCUMENTS) if any(under(name, place) for place in places)), None)
    banned = set().union(*(names for place, names in BANNED.items() if under(name, place)))
    for imported in ours(path):
        if imported.split(".")[0] != package:
            allowed = any(under(imported, place) for place in MAY_IMPORT[package])
            assert allowed, f"{name} imports {imported}, which {package} may not"
        elif row is not None:
            its = next(at for at, places in enumerate(DOCUMENTS) if any(under(imported, place) for place in places))
            same = any(under(name, place) and under(imported, place) for place in DOCUMENTS[row])
            assert its < row or same, f"{name} imports {imported}, which is not above it"
        if (name, imported) not in EXCEPTIONS:
            assert not any(under(imported, ban) for ban in banned), f"{name} imports {imported}"
    for _, module in imports(path):
        library = module.split(".")[0]
        assert library not in banned, f"{name} imports {module}"
        if library in ONLY_IN:
            assert under(name, ONLY_IN[library]), f"{name} imports {module}"


def test_no_module_imports_itself_by_a_detour():
    """No circles, however long."""
    graph = {name: set(ours(path)) - {name} for name, path in modules()}
    done: set[str] = set()
    while len(done) < len(graph):
        free = {name for name, needs in graph.items() if name not in done and needs <= done}
        assert free, f"these import each other: {sorted(set(graph) - done)}"
        done |= free


@pytest.mark.parametrize(("name", "path"), list(modules()))
def test_files_stay_small(name, path):
    assert len(path.read_text().splitlines()) <= 400


def test_every_package_says_its_contract():
    """What goes in, what comes out, the law it keeps, what it raises, what it must not know."""
    for package in TOP - {"cli"}:
        text = ast.get_docstring(ast.parse((PACKAGE / package / "__init__.py").read_text()))
        for word in ("In:", "Out:", "Law:", "Raises:", "Must not know:"):
            assert word in text, f"{package} does not say {word}"


MEANT = {
    "run": "the one function of each engine, chosen by the engine's name",
    "main": "what starts the command, and what starts the script that old interpreters run",
    "Array": "an array of floating point, to the kernels, which know no documents, and to the documents, which know no kernels",
}
"""Public names that several modules define on purpose."""

VERBS = {
    "apply", "convert", "demo", "diff", "extension", "extract", "fold", "open", "plot", "rank", "rename", "report", "reshape",
    "residual", "show", "skip", "verify", "weights", "loss", "tpm", "kernels", "net",
}  # fmt: skip
"""Verbs, and the kinds of plot: each names its function of the library, its command, and what prints its report."""


def test_a_public_name_means_one_thing():
    homes = defaultdict(set)
    for name, path in modules():
        for node in ast.parse(path.read_text()).body:
            names = [node.name] if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else []
            if isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = [target.id for target in targets if isinstance(target, ast.Name)]
            for one in names:
                if not one.startswith("_") and not (one in VERBS and name.split(".")[0] in ("verbs", "cli")):
                    homes[one].add(name)
    several = {name: sorted(places) for name, places in homes.items() if len(places) > 1}
    assert several.keys() == MEANT.keys(), {name: places for name, places in several.items() if name not in MEANT}
