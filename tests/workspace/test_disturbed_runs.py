"""A run beside another, on a full disk, over an input that changes, or told to end twice: one line, and nothing left behind."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.support.killed_runs import ended, files_below, full, leftovers, run_disturbed, send, started
from tests.support.nets import write_tiny
from tests.support.paths import WHOLE_CORPUS
from tests.support.run_command import run_here

if not hasattr(os, "fork"):
    pytest.skip("forks a process that has loaded much", allow_module_level=True)

STEP = 1 if WHOLE_CORPUS else 3
"""Of the events of a run one in so many is disturbed; CI takes all."""

NET = ("base.prototxt", "base.caffemodel")
FIRST = ("residual", *NET, "-o", "out", "--fast", "2")
SECOND = ("residual", *NET, "-o", "out", "--fast", "4")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    work.mkdir()
    write_tiny(work)
    return work


def copied(folder: Path) -> Path:
    copy = folder.parent / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    return Path(shutil.copytree(folder, copy))


def result_of(words: tuple[str, ...], folder: Path) -> dict[str, str]:
    place = copied(folder)
    assert run_here(*words, cwd=place).returncode == 0
    return files_below(place)


@pytest.mark.parametrize(("forced", "locks", "expected"), [
    (False, True, (3, 0)),  # where there was nothing, the faster one stays
    (True, True, (0, 3)),  # who holds the directory keeps others out
    (False, False, (3, 0)),
    (True, False, (0, 0)),  # on a system without locks the last one stays, whole
])  # fmt: skip
def test_two_at_once_end_in_one_of_both(folder, monkeypatch, forced, locks, expected):
    if not locks:
        monkeypatch.setattr("split_surgery.workspace.workplace.fcntl", None)
    if forced:
        assert run_here("residual", *NET, "-o", "out", "--fast", "3", cwd=folder).returncode == 0
        (folder / "out" / "mine.txt").write_text("stays")
    first, second = ((*words, "--force") if forced else words for words in (FIRST, SECOND))
    results = [result_of(words, folder) for words in (first, second)]
    assert results[0] != results[1]
    at = 0
    while True:  # the first stops at each of its events in turn, while the second runs
        place = copied(folder)
        with started(first, place, send(signal.SIGSTOP, at)) as (child, told):
            _, status = os.waitpid(child, os.WUNTRACED)
            if not os.WIFSTOPPED(status):
                break
            other = run_here(*second, cwd=place)
            os.kill(child, signal.SIGCONT)
            done = ended(os.waitpid(child, 0)[1], told)
        there = files_below(place)
        assert there in results, f"the first waited at event {at}"
        assert leftovers(place) == []
        assert "Traceback" not in done.said + other.stderr
        assert (done.code, other.returncode) == expected, f"the first waited at event {at}"
        at += STEP
    assert at > 5


@pytest.mark.parametrize("forced", [False, True])
def test_a_disk_that_is_full_from_any_event_on(folder, forced):
    if forced:
        assert run_here(*SECOND, cwd=folder).returncode == 0
    words = (*FIRST, "--force") if forced else FIRST
    old, events = files_below(folder), run_disturbed(words, copied(folder)).events
    failed = 0
    for at in range(0, events, STEP):
        place = copied(folder)
        done = run_disturbed(words, place, full(at))
        if done.code:
            assert done.code == 3
            assert done.said == "split-surgery: out: cannot write: No space left on device\n"
            assert files_below(place) == old
            failed += 1
        assert leftovers(place) == []
    assert failed >= 5 / STEP


@pytest.mark.parametrize("limit", [0, 1, 300, 2000, 6000])
@pytest.mark.parametrize("hdf5", [False, True])
def test_files_that_may_not_grow(folder, limit, hdf5):
    words = FIRST
    if hdf5:
        pytest.importorskip("h5py")
        from tests.support.hdf5_files import h5_case

        h5_case(folder)
        words = ("residual", "base.prototxt", "base.caffemodel.h5", "-o", "out")
    old = files_below(folder)

    def lower(at: int, _takes: bool) -> None:
        import resource

        if at == 0:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = run_disturbed(words, folder, lower)
    assert done.code == 3
    assert done.said.startswith("split-surgery: out: cannot write: ")
    assert done.said.count("\n") == 1
    assert files_below(folder) == old
    assert leftovers(folder) == []


@pytest.mark.parametrize("name", NET)
def test_an_input_that_changes_while_it_is_copied(folder, name):
    old, whole = files_below(folder), run_disturbed(FIRST, copied(folder))
    assert whole.code == 0
    new, refused = result_of(FIRST, folder), 0
    for at in range(0, whole.events, STEP):
        place = copied(folder)

        def grow(event: int, _takes: bool, at: int = at, place: Path = place) -> None:
            if event == at:
                with open(place / name, "ab") as file:
                    file.write(b"\n")

        done, there = run_disturbed(FIRST, place, grow), files_below(place)
        if done.code == 0:
            assert there | {name: ""} == new | {name: ""}  # the text was read whole, or all was copied before
            continue
        assert done.code == 3
        assert done.said.startswith(f"split-surgery: {name}: was changed while it was being read\n")
        assert there | {name: ""} == old | {name: ""}
        assert leftovers(place) == []
        refused += 1
    assert refused >= 3 / STEP if name == "base.caffemodel" else refused == 0


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, *(pytest.param(one, marks=pytest.mark.whole_corpus) for one in (signal.SIGTERM, signal.SIGHUP))],
)
def test_a_second_signal_while_tidying_up(folder, number):
    events, new = run_disturbed(FIRST, copied(folder)).events, result_of(FIRST, folder)
    for at in range(0, events, STEP):
        place = copied(folder)
        done = run_disturbed(FIRST, place, send(number, at, at + 1))
        assert (done.code, done.said.strip()) in ((130, ""), (130, "Aborted!")), f"at event {at}"
        assert run_here(*FIRST, cwd=place).returncode == 0
        assert files_below(place) == new
        assert leftovers(place) == []


def test_a_second_signal_when_all_is_tidied_up(folder, monkeypatch):
    def ending(code: int) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise SystemExit(code)

    monkeypatch.setattr("split_surgery.cli.main.sys.exit", ending)
    done = run_disturbed(FIRST, folder, send(signal.SIGTERM, 2))
    assert (done.code, done.said.strip()) == (130, "")
    assert leftovers(folder) == []


def test_readers_pass_over_what_was_left(folder):
    for words in (FIRST, ("residual", *NET, "-o", "other")):
        assert run_here(*words, cwd=folder).returncode == 0
    readers = (("show", "out"), ("verify", "out"), ("diff", "out", "other"), ("verify", *NET, "out"), ("rank", *NET))
    before = [
        (done.returncode, done.stdout, done.stderr) for done in (run_here(*words, cwd=folder) for words in readers)
    ]
    # One that is built beside its place, and one that is built inside, since somebody stands in it.
    inside = ("residual", "../base.prototxt", "../base.caffemodel", "-o", ".", "--fast", "4", "--force")
    for words, place in (((*SECOND, "--force"), folder), (inside, folder / "out")):
        events = run_disturbed(words, copied(folder) / place.relative_to(folder)).events
        at = next(
            at for at in range(events, 0, -1) if _full_leftover(words, copied(folder) / place.relative_to(folder), at)
        )
        run_disturbed(words, place, send(signal.SIGKILL, at))
        assert leftovers(folder)
        after = [
            (done.returncode, done.stdout, done.stderr) for done in (run_here(*words, cwd=folder) for words in readers)
        ]
        assert after == before
        for path in leftovers(folder):
            shutil.rmtree(path)


def _full_leftover(words: tuple[str, ...], place: Path, at: int) -> bool:
    """Whether a kill at this event leaves all files that were built, and the old ones in their place."""
    old = {
        path.name: path.read_bytes()
        for path in Path(place / "out" if (place / "out").exists() else place).iterdir()
        if path.is_file()
    }
    run_disturbed(words, place, send(signal.SIGKILL, at))
    out = place / "out" if (place / "out").exists() else place
    return any((path / "split.yaml").exists() for path in leftovers(place)) and all(
        (out / name).read_bytes() == data for name, data in old.items()
    )
