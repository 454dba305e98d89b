"""What tests share: where the real material is, and an honest account of what did not run."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.fork_server import fork_server, ready_pycaffe
from tests.support.paths import EXAMPLE, REQUIRE_CAFFE, SHARED, WHOLE_CORPUS, caffe_tools, caffe_wheel, examples
from tests.support.run_command import run_here, run_program
from tests.support.unpainted import unpaint

# How long an example takes is nothing that a test asserts: other work may run beside it.
settings.register_profile("untimed", deadline=None, max_examples=examples(100))
settings.load_profile("untimed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    have_caffe, have_corpus = caffe_tools() is not None, SHARED.is_dir()
    whole_corpus = WHOLE_CORPUS or "whole_corpus" in config.option.markexpr.replace("not whole_corpus", "")
    for item in items:
        if item.get_closest_marker("caffe") and not have_caffe and not REQUIRE_CAFFE:
            item.add_marker(pytest.mark.skip(reason="needs real Caffe"))
        if item.get_closest_marker("caffe_wheel") and caffe_wheel() is None:
            item.add_marker(pytest.mark.skip(reason="needs the wheel of Caffe"))
        if item.get_closest_marker("corpus") and not have_corpus:
            item.add_marker(pytest.mark.skip(reason="needs the corpus of real files beside the project"))
        elif item.get_closest_marker("whole_corpus") and not whole_corpus:
            item.add_marker(pytest.mark.skip(reason="needs the whole corpus"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    for reason, advice in (
        (
            "needs real Caffe",
            "`make caffe` gets Debian's (Linux x86-64, apt-get), or name yours in SPLIT_SURGERY_CAFFE",
        ),
        (
            "needs the wheel of Caffe",
            "`SPLIT_SURGERY_CAFFE_BY=pip make caffe` gets it (Linux x86-64, Python 3.8 or 3.9); "
            "SPLIT_SURGERY_CAFFE_WHEEL_ROOT names its root",
        ),
        ("needs the corpus of real files beside the project", "they are in ../shared, which is not published"),
        (
            "needs the whole corpus",
            "SPLIT_SURGERY_WHOLE_CORPUS=1 takes all of it, in some minutes, instead of a fixed part",
        ),
        ("needs Chromium and playwright", "`make chromium` gets the one (with apt-get), the extra `dev` the other"),
        ("needs snakemake", "`pip install -e '.[experiment]'` gets it (Python 3.11 or newer)"),
        ("needs Python 2.7", "name one with numpy in SPLIT_SURGERY_PYTHON27"),
    ):
        count = sum(reason in str(report.longrepr) for report in skipped)
        if count:
            terminalreporter.write_line(f"{count} tests did not run: they {reason.replace('needs', 'need')}; {advice}.")


@pytest.fixture(scope="session")
def caffe() -> Iterator[tuple[Path, Path]]:
    """The real `caffe`, and a Python that has loaded pycaffe, which `verify --engine caffe` takes too."""
    tools = caffe_tools()
    assert tools is not None, "SPLIT_SURGERY_REQUIRE_CAFFE is set, but there is no Caffe: run `make caffe`"
    with (
        tempfile.TemporaryDirectory() as scratch,
        ready_pycaffe(Path(scratch), tools[1]) as python,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SPLIT_SURGERY_CAFFE_PYTHON", str(python))
        yield tools[0], python


@pytest.fixture(scope="session")
def page(tmp_path_factory):
    """The report's page on the example."""
    pytest.importorskip("matplotlib")
    path = tmp_path_factory.mktemp("page") / "report.html"
    from split_surgery import report

    found = report(EXAMPLE, path, input_shape={"data": (64, 1, 28, 28)})
    assert (found.file, found.status, found.pictures) == (str(path), "written", ())
    assert report(EXAMPLE, path, input_shape={"data": (64, 1, 28, 28)}).status == "unchanged"
    return path


@pytest.fixture
def undrawn(monkeypatch):
    """Drawings are made and not painted."""
    pytest.importorskip("matplotlib")
    unpaint(monkeypatch)


@pytest.fixture(scope="session")
def programs():
    """A directory for the PATH with a `split-surgery` that starts at once."""
    pytest.importorskip("matplotlib")  # which the server loads
    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    with (
        tempfile.TemporaryDirectory() as scratch,
        fork_server(Path(scratch)) as folder,
    ):  # a short path: it holds a socket
        yield folder


@pytest.fixture
def program():
    """Runs the installed command in a process of its own."""
    return run_program


@pytest.fixture
def command():
    """Runs the command's `main` in this process, which is much faster; tests/cli runs the installed one."""
    return run_here
