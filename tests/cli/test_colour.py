"""Colour: on a terminal of itself, elsewhere by --color, nowhere with NO_COLOR; and columns of wide characters."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from split_surgery import diff, fold, plot, rank, residual, show, verify
from split_surgery.reporting.tables import in_columns, width
from tests.support.nets import write_tiny
from tests.support.paths import EXAMPLE, PROGRAM

STYLE = re.compile("\x1b\\[[0-9;]*m")


def test_a_diff_is_red_and_green_and_a_verdict_bold(tmp_path, command):
    net, weights = write_tiny(tmp_path)
    words = ("residual", net, weights, "-o", tmp_path / "o", "--measure", "norm")
    plain = command(*words, "--diff")
    shown = command(*words, "--diff", "--color", "always")
    assert "\x1b" not in plain.stdout
    assert STYLE.sub("", shown.stdout) == plain.stdout
    assert '\x1b[32m+  name: "conv1_1_split1"\x1b[0m' in shown.stdout
    assert '\x1b[31m-  name: "conv1_1"\x1b[0m' in shown.stdout
    residual(net, weights, tmp_path / "o", measure="norm")
    assert "\x1b[32m\x1b[1mpassed" in command("--color", "always", "verify", net, weights, tmp_path / "o").stdout
    (tmp_path / "o" / "net.prototxt").write_text(net.read_text())
    failed = command("verify", net, weights, tmp_path / "o", "--color=always")
    assert "\x1b[31m\x1b[1mPROBLEM" in failed.stdout
    assert "\x1b[31m\x1b[1msplit-surgery: " in command("show", tmp_path / "none", "--color=always").stderr
    assert "\x1b" not in command("verify", net, weights, tmp_path / "o").stdout, "the wish was for one run"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(
    ("environment", "flags", "found"),
    [({}, [], True), ({"NO_COLOR": "1"}, [], False), ({"NO_COLOR": ""}, [], True), ({"TERM": "dumb"}, [], False),
     ({"NO_COLOR": "1"}, ["--color", "always"], True), ({}, ["--color", "never"], False)],
)  # fmt: skip
def test_of_itself_only_a_terminal_gets_it(tmp_path, environment, flags, found):
    import pty

    net, weights = write_tiny(tmp_path)
    controller, terminal = pty.openpty()
    there = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm"} | environment
    subprocess.run([PROGRAM, *flags, "diff", net, weights.with_name("none")], stderr=terminal, check=False, env=there)
    os.close(terminal)
    assert (b"\x1b[31m" in os.read(controller, 4096)) == found


def test_wide_characters_take_two_columns():
    assert (width("漢字"), width("e\u0301"), width("größe"), width("한"), width("a\u200db")) == (4, 1, 5, 2, 2)
    shown = in_columns([("name", "n"), ("漢字", "1"), ("größe", "22")], "").splitlines()
    assert [width(line) for line in shown] == [8, 9, 9]
    assert shown == ["name   n", "漢字    1", "größe  22"]


def test_print_shows_what_the_terminal_shows(tmp_path, command):
    net, weights = write_tiny(tmp_path)
    made, folded = tmp_path / "made", tmp_path / "folded"
    for report, words in (
        (residual(net, weights, made, measure="norm"), ("residual", net, weights, "-o", made, "--measure", "norm")),
        (fold(made, output=folded), ("fold", made, "-o", folded)),
        (verify(net, weights, made), ("verify", net, weights, made)),
        (rank(net, weights), ("rank", net, weights)),
        (rank(net, weights, layer="conv1_1"), ("rank", net, weights, "--layer", "conv1_1")),
        (show(net), ("show", net)),
        (diff(net, made / "net.prototxt"), ("diff", net, made / "net.prototxt")),
    ):
        shown = command(*words).stdout.replace(": unchanged: it already holds exactly this", ": written")
        assert f"{report}\n" == shown, words


def test_print_of_a_picture(tmp_path):
    pytest.importorskip("matplotlib")
    file = tmp_path / "a.svg"
    assert str(plot.loss(EXAMPLE / "train.log", file)).startswith(f"{file}: ")
