"""The experiment's workflow: its config, its statistics, its tables and page, and the small configuration in real Caffe."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.support.paths import REQUIRE_CAFFE, ROOT

EXPERIMENT = ROOT / "examples" / "experiment"
SCRIPTS = EXPERIMENT / "scripts"


def loaded(path: Path):
    """A script of the experiment as a module; those beside it are found as when it is run."""
    sys.path.insert(0, str(path.parent))
    try:
        spec = importlib.util.spec_from_file_location(f"experiment_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(path.parent))


def test_t_is_that_of_the_tables():
    """Two-sided 95 %, as every textbook prints it."""
    quantile = loaded(SCRIPTS / "paired.py").t_quantile
    assert [round(quantile(freedom), 3) for freedom in (1, 2, 5, 10, 30)] == [12.706, 4.303, 2.571, 2.228, 2.042]


def test_an_interval_of_differences():
    """By hand: mean 2, standard deviation 1, so 2 +- 4.303 / sqrt(3)."""
    found = loaded(SCRIPTS / "paired.py").paired([1, 2, 3])
    assert [round(one, 3) for one in found] == [2.0, -0.484, 4.484]
    with pytest.raises(ValueError, match="two differences"):
        loaded(SCRIPTS / "paired.py").paired([1])


def test_mcnemar():
    """By hand: 1 of 6 or fewer is 7/64, twice that; equal counts say nothing."""
    mcnemar = loaded(SCRIPTS / "paired.py").mcnemar
    assert mcnemar(1, 5) == mcnemar(5, 1) == 14 / 64
    assert mcnemar(4, 4) == mcnemar(0, 0) == 1
    assert mcnemar(300, 400) == pytest.approx(1.8e-4, rel=0.05)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("depth: 2", "depth: 3", "5:8: depth must be from 1 to the number of layers, 2"),
        ("depth: 2", "depht: 2", "5:1: unknown key 'depht'; known: net, solver,"),
        ("continue, ", "contineu, ", "4:8: 'contineu' is no arm; arms: continue, residual,"),
        ("seeds: [1]", "seeds: [one]", "6:9: a seed is a whole number from 0 on"),
        ("seeds: [1]", "seeds: []", "6:8: seeds must be a list that is not empty"),
        ("out: o", "out: o\nmid_training: [250]", "9:15: mid_training is two iterations: [first, last]"),
        ("out: o", "", "1:1: out is missing"),
        ("net: n", "net: nowhere", "1:6: nowhere: no such file"),
    ],
)
def test_a_wrong_config_is_refused_with_its_place(old, new, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "n").write_text("")
    text = (
        "net: n\nsolver: n\ngrow_solver: n\narms: [continue, residual]\ndepth: 2\nseeds: [1]\nlayers: [a, b]\nout: o\n"
    )
    (tmp_path / "c.yaml").write_text(text)
    read_config = loaded(EXPERIMENT / "experiment_config.py").read_config
    assert read_config("c.yaml").depth == 2
    (tmp_path / "c.yaml").write_text(text.replace(old, new))
    with pytest.raises(SystemExit) as refused:
        read_config("c.yaml")
    assert str(refused.value.code).startswith(f"c.yaml:{said}")


LABELS = np.array([0, 1, 2, 3], np.uint8)
SECONDS = "s\th:m:s\tcpu_time\n12.5\t0:00:12\t11.0\n"


def made(place: Path, log: str, **said: list[int]) -> None:
    """A directory of a training as the workflow leaves it."""
    place.mkdir(parents=True)
    (place / "solver.prototxt").write_text("")
    (place / "train.log").write_text(log)
    (place / "trained.seconds").write_text(SECONDS)
    for what, classes in said.items():
        np.save(place / f"{what}.npy", np.stack([LABELS, np.array(classes, np.uint8)], 1))


def table(path: Path) -> list[list[str]]:
    with open(path, newline="") as file:
        return list(csv.reader(file))[1:]


def test_the_tables_of_a_grid(tmp_path):
    line = "I0101 00:00:00.0 1 solver.cpp:{}] {}\n"
    log = line.format(347, "Iteration 60, Testing net (#0)") + line.format(
        414, "    Test net output #0: accuracy = 0.75"
    )
    made(tmp_path / "s1/baseline", log, trained=[0, 1, 2, 0])
    made(tmp_path / "s1/continue/derived1", log, trained=[0, 1, 0, 3])
    made(tmp_path / "s1/residual/derived1", log, trained=[0, 0, 2, 3], start=[9, 9, 9, 3], folded=[0, 0, 2, 3])
    loaded(SCRIPTS / "collect.py").main(tmp_path)
    assert table(tmp_path / "results.csv") == [
        ["1", "baseline", "0", "trained", "3", "4", "12.5", "11.0"],
        ["1", "continue", "1", "trained", "3", "4", "12.5", "11.0"],
        ["1", "residual", "1", "start", "1", "4", "", ""],
        ["1", "residual", "1", "trained", "3", "4", "12.5", "11.0"],
        ["1", "residual", "1", "folded", "3", "4", "", ""],
    ]
    assert table(tmp_path / "curves.csv")[0] == ["1", "baseline", "0", "60", "0.75"]
    assert table(tmp_path / "pairs.csv") == [["1", "1", "continue", "residual", "1", "1"]]
    other = tmp_path / "s1/residual/derived1/start.npy"
    np.save(other, np.load(other)[::-1])
    with pytest.raises(SystemExit, match="tested on other images"):
        loaded(SCRIPTS / "collect.py").main(tmp_path)


def test_every_number_of_the_page_is_that_of_the_tables():
    """The page, made again from docs/evidence, is the one that is there."""
    evidence = loaded(SCRIPTS / "evidence.py")
    grid = evidence.Grid(ROOT / "docs" / "evidence")
    assert evidence.page(grid, "evidence/curves.png") == (ROOT / "docs" / "evidence.md").read_text()
    assert (len(grid.seeds), len(grid.arms), grid.steps, grid.images) == (6, 4, [1, 2, 3], 10_000)


def test_the_page_says_what_an_interval_says():
    verdict, interval = loaded(SCRIPTS / "evidence.py").verdict, loaded(SCRIPTS / "paired.py").Interval
    assert verdict(interval(0.02, 0.01, 0.03)) == "gains"
    assert verdict(interval(-0.02, -0.03, -0.01)) == "loses"
    assert verdict(interval(0.0, -0.01, 0.01)) == "no difference was seen; the interval allows -0.0100 to +0.0100"


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for name in ("trained.caffemodel", "*.npy", "net.caffemodel")
        for path in folder.rglob(name)
    }


@pytest.mark.caffe
@pytest.mark.whole_corpus
def test_the_small_configuration_killed_and_run_again(caffe, tmp_path):
    """From nothing to its tables: killed once on the way, after which only unfinished jobs run, and finished files stay as they are."""
    snakemake = shutil.which("snakemake", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if snakemake is None and not REQUIRE_CAFFE:
        pytest.skip("needs snakemake (the extra `experiment`)")
    for name in ("experiment", "fashion_vgg"):
        ignored = shutil.ignore_patterns("*.caffemodel", "*.solverstate", "data", "derived*")
        shutil.copytree(ROOT / "examples" / name, tmp_path / "examples" / name, ignore=ignored)
    places = (Path(sys.executable).parent, caffe[0].parent, os.environ["PATH"])
    env = os.environ | {
        "PATH": os.pathsep.join(map(str, places)),
        "OPENBLAS_NUM_THREADS": "1",
        "SPLIT_SURGERY_CAFFE": str(caffe[0]),
    }
    words = [
        snakemake,
        "-s",
        "examples/experiment/Snakefile",
        "--configfile",
        "examples/experiment/fashion.yaml",
        "--cores",
        "2",
    ]

    running = subprocess.Popen(
        words, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    out = tmp_path / "experiment"
    deadline = time.monotonic() + 300
    while running.poll() is None and len(list(out.rglob("trained.caffemodel"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert running.poll() is None, running.stderr.read().decode()
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    finished = digests(out)
    assert 3 <= sum(name.endswith("trained.caffemodel") for name in finished) < 9

    subprocess.run([*words, "--unlock", "-q"], cwd=tmp_path, env=env, check=True, capture_output=True)
    again = subprocess.run([*words, "--rerun-incomplete"], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr[-3000:]
    after = digests(out)
    # A prediction or a fold that was cut short is made again, and comes out the same; what was finished is not touched.
    assert {name: after[name] for name in finished} == finished
    results = table(out / "results.csv")
    trained = {(arm, step) for _, arm, step, what, *_ in results if what == "trained"}
    assert trained == {("baseline", "0")} | {
        (arm, step) for arm in ("continue", "residual", "extension", "residual-random") for step in "12"
    }
    assert {row[5] for row in results} == {"2000"}
    correct = {(arm, step, what): int(row[4]) for row in results for _, arm, step, what in [row[:4]]}
    assert correct["baseline", "0", "trained"] > 400, "better than by chance, which is 200"
    for arm in ("residual", "extension", "residual-random"):
        assert abs(correct[arm, "2", "folded"] - correct[arm, "2", "trained"]) <= 2
    assert (out / "report.html").stat().st_size > 50_000
    done = subprocess.run([*words, "-n"], cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert "Nothing to be done" in done.stdout + done.stderr
