"""docs/schemas/: what every verb prints with --json is what its schema says, and no more. (demo: tests/verbs/test_demo.py.)"""

from __future__ import annotations

import json
import shutil

import pytest

from tests.support.paths import EXAMPLE, ROOT
from tests.support.reshaped import grouped_net
from tests.support.schemas import FOLDER, validator

pytest.importorskip("jsonschema")

NAMES = (
    "convert",
    "demo",
    "diff",
    "extract",
    "fold",
    "plot",
    "rank",
    "rename",
    "report",
    "reshape",
    "show",
    "split",
    "verify",
)

NETS = "train_val.prototxt fashion_vgg.caffemodel"
DEPLOY = "deploy.prototxt fashion_vgg.caffemodel"
GLOB = "--snapshots snapshots/*.caffemodel"
BN = "../fashion_bn/deploy.prototxt ../fashion_bn/fashion_bn.caffemodel"
SSD = "../small_ssd/deploy.prototxt ../small_ssd/small_ssd.caffemodel"
STATE = "snapshots/fashion_vgg_iter_1000"

RUNS = {
    "split": (
        f"residual {NETS} {GLOB} -o d",
        f"residual {NETS} {GLOB} -o d",
        f"residual {NETS} {GLOB} -o d --check",
        f"residual {NETS} --fast 3 -o d --check",
        f"residual {DEPLOY} --order random -o r --diff",
        f"extension {DEPLOY} --noise 0 -o e",
        f"skip {BN} --layer conv1_2 -o s",
        f"apply ../configs/multi_split.yaml {DEPLOY} -o a",
        "apply d/split.yaml train_val.prototxt -o d --check",
        "residual derived1 --layer conv1_2 -o d2",
        f"residual train_val.prototxt {STATE}.caffemodel --also deploy.prototxt --solver solver.prototxt --solverstate "
        f"{STATE}.solverstate -o m",
    ),
    "rank": (f"rank {NETS} {GLOB} --windows 3", f"rank {NETS} {GLOB} --layer conv1_1", f"rank {SSD}"),
    "fold": (
        "fold derived1 -o f",
        "fold derived1 -o f --check",
        "fold d -o f --check",
        "fold derived1 -o f2 --diff",
        f"fold {BN} --all -o f3",
        "fold a -o f4",
        f"fold ../fashion_bn/train_val.prototxt {BN.split()[1]} --all -o f5",
    ),
    "convert": (
        "convert fashion_vgg.caffemodel -o half.caffemodel --to half",
        "convert fashion_vgg.caffemodel -o half.caffemodel --to half --check",
        "convert deploy.prototxt fashion_vgg.caffemodel -o h5 --to h5,double --diff",
        "convert deploy.prototxt -o new.prototxt --to new",
        f"convert {STATE}.solverstate -o state.solverstate.h5",
    ),
    "rename": (
        f"rename {NETS} ip1=head -o n1",
        f"rename {NETS} ip1=head -o n1 --check",
        "rename train_val.prototxt ip1=head --only layers -o n2 --diff",
    ),
    "extract": (
        "extract fashion_vgg.caffemodel",
        "extract fashion_vgg.caffemodel -o found.prototxt",
        "extract fashion_vgg.caffemodel -o found.prototxt --check",
        "extract fashion_vgg.caffemodel --blob conv1_1/0 -o blob.npy --diff",
        "extract fashion_vgg.caffemodel --blob conv1_1/0 -o blob.npy",
    ),
    "reshape": (
        f"reshape {DEPLOY} --to-convolution ip1 -o full",
        f"reshape {DEPLOY} --to-convolution ip1 -o full --check",
        f"reshape {DEPLOY} --to-convolution ip1 -o shown --diff",
        "reshape ../grouped.prototxt ../grouped.caffemodel --ungroup conv -o parts",
    ),
    "verify": (
        f"verify {NETS}",
        f"verify {NETS} derived1 --trained",
        "verify derived1 f",
        f"verify {SSD}",
        f"verify {DEPLOY} e --engine opencv",
        f"verify {NETS} --derived derived1/net.prototxt fashion_vgg.caffemodel",
        f"verify {DEPLOY} --derived {BN}",
    ),
    "diff": (
        "diff deploy.prototxt e/net.prototxt",
        "diff fashion_vgg.caffemodel e/net.caffemodel",
        "diff derived1 d",
        "diff derived1/net.caffemodel derived1/grow_iter_1000.caffemodel",
        "diff deploy.prototxt deploy.prototxt",
        "diff solver.prototxt solver_grow.prototxt",
        f"diff {STATE}.solverstate m/net.solverstate",
    ),
    "show": (
        "show train_val.prototxt",
        "show fashion_vgg.caffemodel",
        "show derived1",
        "show solver.prototxt",
        f"show {STATE}.solverstate",
        "show ../small_ssd/deploy.prototxt",
    ),
    "report": (
        "report .",
        "report train.log --group a=derived1 --group b=derived1_old",
        "report train.log -o r.html",
    ),
    "plot": ("plot kernels fashion_vgg.caffemodel conv1_1 -o k.png", "plot net derived1 -o n.png"),
}
"""Schema -> commands that run in their order, in a copy of the example."""


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    folder = tmp_path_factory.mktemp("schemas")
    for name in ("fashion_vgg", "fashion_bn", "small_ssd"):
        shutil.copytree(EXAMPLE.parent / name, folder / name, ignore=shutil.ignore_patterns("data"))
    shutil.copytree(ROOT / "configs", folder / "configs")
    grouped_net(folder)
    return folder / "fashion_vgg"


def test_every_output_is_what_its_schema_says(example, command):
    pytest.importorskip("cv2")
    pytest.importorskip("matplotlib")
    for name, runs in RUNS.items():
        schema = validator(name)
        for line in runs:
            done = command(*line.split(), "--json", cwd=example)
            assert done.returncode in (0, 1), line + done.stderr
            faults = [f"{error.json_path}: {error.message}" for error in schema.iter_errors(json.loads(done.stdout))]
            assert not faults, line


def test_the_schemas_are_schemas():
    assert sorted(path.name for path in FOLDER.iterdir()) == [f"{name}.schema.json" for name in NAMES]
    for name in NAMES:
        validator(name).check_schema(json.loads((FOLDER / f"{name}.schema.json").read_text()))


def test_a_field_that_no_schema_tells_of_is_found(example, command):
    report = json.loads(command("show", "deploy.prototxt", "--json", cwd=example).stdout)
    assert validator("show").is_valid(report)
    assert not validator("show").is_valid(report | {"more": 1})
    del report["kind"]
    assert not validator("show").is_valid(report)
