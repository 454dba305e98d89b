"""What an error says is one line, with its hint, and bounded: a file may hold a name or a value of any length."""

from __future__ import annotations

import re
import shlex
import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from split_surgery import errors, residual
from split_surgery.errors import MESSAGE_LIMIT, FileError, FilePlace, UsageError, for_shell, nearest, shortened, shown
from tests.support.nets import write_tiny


@given(st.recursive(st.none() | st.text() | st.integers() | st.floats(), st.lists, max_leaves=50))
def test_a_value_is_shown_in_bounded_length(value):
    assert len(shown(value)) < 500


@pytest.mark.parametrize("value", ["x", 5, 1.5, None, True, [1, "a"], {"a": [1]}, (), b"x"])
def test_what_is_short_is_shown_whole(value):
    assert shown(value) == repr(value)


def test_values_that_are_endless():
    ring: list[object] = []
    ring.append(ring)
    grown: object = "x"
    for _ in range(60):
        grown = [grown] * 9
    for value in (ring, grown, 10**100_000, -(2**1_000_000), "y" * 10**7, dict.fromkeys(range(1000), grown)):
        began = time.monotonic()
        assert len(shown(value)) < 500
        assert time.monotonic() - began < 5
    assert shown(2**9999) == "a whole number of 10,000 bits"


def test_a_message_its_place_and_its_hint_are_shortened():
    error = FileError("m" * 10**6 + "\nsecond", FilePlace("p\n" * 10**6), "h" * 10**6)
    first, second = str(error).splitlines()
    assert len(first) < 3 * MESSAGE_LIMIT
    assert len(second) < 2 * MESSAGE_LIMIT
    assert "(1,000,007 characters)" in first
    assert first.endswith("second")
    assert shortened("as it is") == "as it is"


def test_names_too_long_to_compare():
    assert nearest("a" * 10**6, ["b" * 10**6, "c"]) == ""
    assert nearest("cc", ["b" * 10**6, "c"]) == "nearest: c"


@pytest.mark.parametrize(
    ("name", "names", "hint"),
    [
        ("lernrate", ["solverstate", "center", "fast"], "known: solverstate, center, fast"),
        ("net", ["noise", "names"], "known: noise, names"),
        ("seeds", ["noise", "seed"], "nearest: seed"),
        ("acc", ["loss", "accuracy"], "nearest: accuracy"),
        ("top5", ["loss", "accuracy_top5"], "nearest: accuracy_top5"),
        ("fast_kernels", ["noise", "fast"], "nearest: fast"),
        ("c", ["conv1_1", "fc8"], "known: conv1_1, fc8"),
        ("conv1_9", ["ip1", "conv1_1"], "nearest: conv1_1"),
    ],
)
def test_only_what_is_close_is_called_nearest(name, names, hint):
    assert nearest(name, names) == hint


WORDS = [
    "derived1/net.caffemodel",
    "a b/net.prototxt",
    "snapshots/x_iter_*.caffemodel",
    "it's",
    "$HOME",
    "",
    'say "x"',
    "end\\",
]


@pytest.mark.parametrize("word", WORDS)
def test_a_printed_word_comes_back_from_a_shell(word):
    assert shlex.split(for_shell(word)) == [word]
    assert (
        subprocess.run(["sh", "-c", f"printf %s {for_shell(word)}"], capture_output=True, check=True).stdout
        == word.encode()
    )


def test_a_printed_command_on_windows(tmp_path, monkeypatch):
    """Not run on Windows; what its shells read is known: double quotes, and no tee."""
    monkeypatch.setattr(errors, "ON_WINDOWS", True)
    assert for_shell("derived1/net.caffemodel") == "derived1/net.caffemodel"
    assert for_shell("my nets/net.prototxt") == '"my nets/net.prototxt"'
    net, weights = write_tiny(tmp_path)
    report = residual(net, weights, tmp_path / "a b", as_path="my nets")
    wanted = 'caffe train --solver SOLVER --weights "my nets/net.caffemodel" > "my nets/train.log" 2>&1'
    assert report.next_command == wanted
    (tmp_path / "c d").mkdir()
    with pytest.raises(UsageError, match=re.escape(f'"{tmp_path}/c d/*_iter_*.caffemodel"')):
        residual(net, weights, tmp_path / "out", snapshots=f"{tmp_path}/c d")
