"""The map of the code, held against its imports."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "split_surgery"

ROWS = [
    {"errors", "names", "tables"},
    {"spans"},
    {"files"},
    {"logs", "log_report", "snapshots"},
    {"logfiles", "outputs", "trainings"},
    {"documents.prototxt", "documents.wire", "documents.v1", "documents.weights"},
    {"documents.layer_edit", "documents.rules", "documents.rope", "documents.hdf5"},
    {"documents.caffemodel"},
    {"documents.layer", "documents.layer_record", "documents.solverstate"},
    {"documents.layer_text", "documents.layer_types", "documents.net", "documents.canonical", "documents.numbers"},
    {"documents.flow"},
    {"documents.convolution", "documents.parameters", "documents.shape_rules"},
    {"documents.shapes"},
    {"diagram"},
    {"pictures"},
    {"pictures.style", "pictures.layout"},
    {"pictures.bars", "pictures.blocks", "pictures.curves", "pictures.grids"},
    {"pictures.pairs"},
    {"kernels.partition", "kernels.tpm"},
    {"kernels.algebra"},
    {"kernels.sliding"},
    {"recipes.graph"},
    {"recipes.extension", "recipes.residual", "recipes.skip"},
    {"recipes"},
    {"opening"},
    {"scores"},
    {"evidence"},
    {"config"},
    {"plan"},
    {"planfile", "skip_path"},
    {"edits", "history", "solver", "schema"},
    {"linear", "proof", "coverage", "stand_ins"},
    {"folding", "probe", "regions"},
    {"equivalence", "engines", "engines.prepare", "engines.caffe_runner"},
    {"engines.pycaffe", "engines.opencv", "engines.given"},
    {"proof_reports"},
    {"reports"},
    {"inputs"},
    {"directories", "targets", "writing"},
    {"ranked", "edited", "placing", "collapse"},
    {"choice", "splitting", "collapse_edits", "fold_search"},
    {"job"},
    {"anyfile"},
    {"lineage", "drawing"},
    {"accuracy", "commands", "ranking", "checking", "collapsing", "showing", "comparing"},
    {"plot", "pages", "pages.parts"},
    {"pages.content", "pages.html", "pages.markdown"},
    {"pages.written"},
    {"reporting"},
    {"demonstration"},
    {"cli", "cli.progress", "cli.diagram", "cli.options"},
    {"cli.printing", "cli.group"},
    {"cli.listing", "cli.tables"},
    {"cli.split_verbs", "cli.proof_verbs", "cli.look_verbs"},
    {"cli.main"},
    {"__main__"},
]
"""Rows from the files to the user; a module imports only from rows above its own (and `split_surgery` itself)."""

BANNED = {
    "errors": {"split_surgery"},
    "spans": {"numpy"},
    "files": {"numpy"},
    "documents.prototxt": {"files", "numpy"},
    "documents.wire": {"files", "documents.prototxt", "numpy"},
    "documents.caffemodel": {"files", "documents.prototxt"},
    "documents.hdf5": {"files", "documents.prototxt"},
    "documents.weights": {"files", "documents.prototxt"},
    "documents.parameters": {"files", "documents.wire"},
    "documents.net": {"files", "documents.wire"},
    "kernels": {"files", "spans", "documents"},
    "recipes": {"files", "spans", "documents"},
    "diagram": {"matplotlib", "pictures"},
    "pictures": {"files", "plan", "recipes", "edits"},
    "plan": {"files", "spans", "kernels.algebra"},
    "edits": {"files", "kernels.tpm"},
    "folding": {"plan", "recipes", "edits"},
    "linear": {"plan", "recipes", "edits"},
    "regions": {"plan", "recipes", "edits"},
    "collapse": {"plan", "recipes", "edits"},
    "collapsing": {"recipes", "edits", "click", "cli"},
    "coverage": {"plan", "recipes", "edits"},
    "equivalence": {"plan", "recipes", "edits"},
    "engines": {"plan", "recipes", "edits"},
    "commands": {"click", "cli"},
    "showing": {"plan", "recipes", "edits", "click", "cli"},
    "comparing": {"plan", "recipes", "edits", "click", "cli"},
    "checking": {"plan", "recipes", "edits", "click", "cli"},
}
"""What else a module (or all below a folder) must not import."""


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
        if name not in ("__init__", "documents", "kernels"):
            yield name, path


def imports(path):
    """Modules imported anywhere but under TYPE_CHECKING, ours without the package's name."""
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


def ours(full, module, known):
    """The module of ours that an import means, or None."""
    for candidate in (full, module):
        name = candidate.removeprefix("split_surgery.")
        if candidate.startswith("split_surgery.") and name in known:
            return name
    return None


def test_every_module_is_on_the_map():
    assert {name for name, _ in modules()} == set().union(*ROWS)


@pytest.mark.parametrize(("name", "path"), list(modules()))
def test_imports_follow_the_map(name, path):
    row = {module: index for index, modules_of_row in enumerate(ROWS) for module in modules_of_row}
    banned = set().union(*(names for key, names in BANNED.items() if name == key or name.startswith(key + ".")))
    for full, module in imports(path):
        imported = ours(full, module, row)
        if imported is not None:
            assert row[imported] < row[name], f"{name} imports {imported}, which is not above it"
            assert not any(imported == ban or imported.startswith(ban + ".") for ban in banned), (
                f"{name} imports {imported}"
            )
            if name.startswith("cli"):
                assert imported == "errors" or imported.startswith("cli"), (
                    f"{name} imports {imported}: only verbs and errors"
                )
        assert module.split(".")[0] not in banned, f"{name} imports {module}"


@pytest.mark.parametrize(("name", "path"), list(modules()))
def test_files_stay_small(name, path):
    assert len(path.read_text().splitlines()) <= 400
