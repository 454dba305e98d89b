"""A run that is killed, wherever: inputs stay, the place holds the old files or the new ones, and the next run tidies up.

Every run of the tests kills at each fourth event or so, and one with SPLIT_SURGERY_WHOLE_CORPUS=1, as CI's, at every one.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from split_surgery import verify
from tests.support.killed_runs import files_below, leftovers, run_disturbed, send
from tests.support.nets import write_tiny
from tests.support.paths import EXAMPLE, WHOLE_CORPUS
from tests.support.run_command import run_here

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork") or sys.platform == "darwin", reason="forks a process that has loaded much"
)

NET = ("base.prototxt", "base.caffemodel")
SPLIT = ("residual", *NET, "-o", "out")

VERBS = {
    "residual": SPLIT,
    "extension": ("extension", *NET, "-o", "deep/er/out"),
    "skip": ("skip", *NET, "-o", "out"),
    "apply": ("apply", "config.yaml", *NET, "-o", "out"),
    "fold": ("fold", "split", "-o", "out"),
    "html": ("report", "train.log", "-o", "out/report.html"),
    "md": ("report", "train.log", "-o", "notes.md"),
    "plot": ("plot", "net", "base.prototxt", "-o", "pictures/net.png"),
}

FORCED = {"residual", "extension", "skip", "apply", "fold"}
"""Verbs whose outputs are a directory, which --force makes anew."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tiny(tmp_path)
    (tmp_path / "config.yaml").write_text("recipe: residual\nlayer: conv1_1\nseed: 4\n")
    shutil.copy(EXAMPLE / "train.log", tmp_path / "train.log")
    assert run_here("residual", *NET, "-o", "split", cwd=tmp_path).returncode == 0
    return tmp_path


def killed_everywhere(
    words: tuple[object, ...], folder: Path, scratch: Path, mixed: bool = False, step: int | None = None
) -> int:
    """Kill a command at its write events, in a copy of `folder`, and hold what is left to the law; how many events there are.

    Args:
        mixed: whether the outputs are several places, of which some may be new while others are old.
        step: every how many events; None tries all where the whole corpus is read, and every fourth elsewhere.
    """
    old = files_below(folder)
    whole = scratch / "whole" / "work"  # pages name a training after its directory
    shutil.copytree(folder, whole, symlinks=True)
    code, events, _ = run_disturbed(words, whole)
    assert code == 0
    new = files_below(whole)
    for at in range(0, events, step or (1 if WHOLE_CORPUS else 4)):
        place = scratch / str(at) / "work"
        shutil.copytree(folder, place, symlinks=True)
        assert run_disturbed(words, place, send(signal.SIGKILL, at)).code == -9, f"it has no event {at}"
        there = files_below(place)
        if mixed:
            assert all(digest in (old.get(name), new.get(name)) for name, digest in there.items()), f"killed at {at}"
            assert old.keys() & new.keys() <= there.keys()
        else:
            assert there in (old, new), f"killed at event {at}"
        again = run_here(*words, cwd=place)
        assert again.returncode == 0, f"killed at event {at}: {again.stderr}"
        assert files_below(place) == new, f"killed at event {at}"
        assert leftovers(place) == [], f"killed at event {at}"
        shutil.rmtree(place)
    shutil.rmtree(scratch / "whole")
    return events


@pytest.mark.parametrize("verb", VERBS)
def test_killed_at_any_event(folder, tmp_path_factory, request, verb):
    if verb in ("html", "md", "plot"):
        request.getfixturevalue("undrawn")
    scratch = tmp_path_factory.mktemp("killed")
    shutil.copytree(folder, scratch / "warm" / "work")
    assert run_here(*VERBS[verb], cwd=scratch / "warm" / "work").returncode == 0  # whose drawings the forks inherit
    assert killed_everywhere(VERBS[verb], folder, scratch, mixed=verb == "md") >= 4
    # Again, where it is done: nothing is written, or it is written anew in one step.
    assert run_here(*VERBS[verb], cwd=folder).returncode == 0
    killed_everywhere(VERBS[verb], folder, scratch, mixed=verb == "md")


@pytest.mark.parametrize("verb", sorted(FORCED))
def test_forced_and_killed(folder, tmp_path_factory, verb):
    words = VERBS[verb]
    assert run_here(*words, cwd=folder).returncode == 0
    out = folder / str(words[words.index("-o") + 1])
    (out / "train.log").write_text("of a training that was made there")
    (out / "plots").mkdir()
    (out / "plots" / "loss.png").write_bytes(b"a picture")
    if verb == "fold":
        (folder / "split" / "net.prototxt").write_bytes(
            (folder / "split" / "net.prototxt").read_bytes() + b"# a remark\n"
        )
        changed: tuple[object, ...] = (*words, "--force")
    elif verb == "apply":
        (folder / "config.yaml").write_text("recipe: residual\nlayer: conv1_1\nseed: 5\n")
        changed = (*words, "--force")
    else:
        changed = (*words, "--fast", "4", "--force")
    events = killed_everywhere(changed, folder, tmp_path_factory.mktemp("killed"))
    assert events >= 8
    before = files_below(out)
    assert run_here(*changed, cwd=folder).returncode == 0
    after = files_below(out)
    assert (out / "train.log").read_text() == "of a training that was made there"
    assert before.keys() == after.keys()
    assert sum(before[name] != after[name] for name in before) >= 2


@pytest.mark.whole_corpus  # a whole demo follows each kill
def test_the_demo_killed(tmp_path, tmp_path_factory, undrawn, monkeypatch):
    """Its outputs are several directories."""
    pytest.importorskip("cv2")
    from split_surgery.verbs import demo

    # What the nets say of 500 images takes most of the time, and nothing of it is written.
    monkeypatch.setattr(demo, "predictions", _remembered_nets(demo.predictions))
    monkeypatch.setattr(demo, "verify", lambda *files, engine, input, **more: verify(*files, **more))
    assert run_here("demo", "demo", cwd=tmp_path_factory.mktemp("warm")).returncode == 0
    events = killed_everywhere(("demo", "demo"), tmp_path, tmp_path_factory.mktemp("killed"), mixed=True, step=10)
    assert events > 20


def _remembered_nets(predict):
    known = {}

    def predicted(net, weights, pixels):
        key = Path(weights).parent.name, Path(weights).name
        if key not in known:
            known[key] = predict(net, weights, pixels)
        return known[key]

    return predicted
