"""Whatever a file says, a terminal shows it and obeys nothing, and a spreadsheet computes nothing."""

from __future__ import annotations

import csv
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from split_surgery import residual
from split_surgery.cli.terminal import say_csv
from split_surgery.errors import harmless
from tests.support.nets import TINY, conv_arrays, write_tiny
from tests.support.nets import weights as weights_of

ODD = "\x1b]0;owned\x07\x1b[31m\x9b2J\rover\u202egnp.\u2066a\u2028b"
IN_A_TEXT = "\\033]0;owned\\007\\033[31m\\302\\2332J\\015over\\342\\200\\256gnp.\\342\\201\\246a\\342\\200\\250b"


def obeyed(text: str) -> list[str]:
    """The characters that a terminal would obey."""
    bidi = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    text = text.replace("\r\n", "\n").replace("\n", "").replace("\t", "")
    return [
        char
        for char in text
        if unicodedata.category(char) in ("Cc", "Zl", "Zp") or unicodedata.bidirectional(char) in bidi
    ]


@given(st.text())
def test_nothing_that_is_obeyed_is_left(text):
    assert obeyed(harmless(text)) == []
    assert len(harmless(text)) == len(text), "each is replaced, so that columns stay"


def test_plain_text_stays_as_it_is():
    text = 'layer "größe"\t漢字 ─┬█\r\n-\n'
    assert harmless(text) == text


@pytest.fixture
def odd_net(tmp_path):
    return write_tiny(tmp_path, TINY.replace('"relu1_1"', f'"{IN_A_TEXT}"').replace("pad: 1", f"pad: 1 # {ODD}"))


@pytest.mark.parametrize(
    "words",
    [
        ["residual", "NET", "WEIGHTS", "-o", "out", "--layer", "nosuch"],
        ["residual", "NET", "WEIGHTS", "-o", "out", "--diff"],
        ["fold", "split", "-o", "out", "--diff"],
        ["verify", "NET", "WEIGHTS", "split", "-v"],
        ["show", "NET"],
        ["show", "NET", "--json"],
        ["diff", "NET", "split/net.prototxt", "-v"],
        ["rank", "NET", "WEIGHTS", "--layer", ODD],
        ["show", "NET", f"--{ODD}"],
        ["show", f"no {ODD}"],
    ],
    ids=lambda words: " ".join(words[:1] + words[-1:]).encode("ascii", "ignore").decode()[:30],
)
def test_no_verb_hands_it_on(command, odd_net, tmp_path, words):
    net, weights = odd_net
    residual(net, weights, tmp_path / "split")
    given = {"NET": net.name, "WEIGHTS": weights.name}
    done = command(*(given.get(word, word) for word in words), cwd=tmp_path)
    assert done.stdout + done.stderr
    assert obeyed(done.stdout) == obeyed(done.stderr) == []
    assert "Traceback" not in done.stderr


def test_a_message_is_one_line_and_bounded(command, tmp_path):
    net, weights = write_tiny(tmp_path, TINY.replace("ReLU", "a\\npassed" + "b" * 1_000_000).replace('ip"', 'i\\np"'))
    done = command("residual", net, weights, "-o", tmp_path / "out", "--layer", "i\np")
    assert done.returncode in (2, 3)
    assert len(done.stderr) < 2000
    assert all(line.startswith(("split-surgery: ", "  ")) for line in done.stderr.splitlines())


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_text_is_no_formula(command, tmp_path, start):
    name = f"{start} {ODD}"
    net, weights = write_tiny(tmp_path, TINY)
    rows = [("conv1_1", "Convolution", ["data"], [name], conv_arrays(), {"num_output": 6, "kernel_size": 3})]
    escaped = "".join(f"\\{byte:03o}" for byte in name.encode())
    net.write_text(TINY.replace('"conv1_1"', f'"{escaped}"'))
    weights.write_bytes(weights_of([(name, *rows[0][1:])]))
    for words in (["rank", net, weights, "--csv"], ["rank", net, weights, "--layer", name, "--csv"]):
        done = command(*words)
        assert done.returncode == 0
        cells = [cell for row in csv.reader(io.StringIO(done.stdout)) for cell in row]
        numbers = [cell for cell in cells if cell[:1] == "-"]
        assert not any(cell.startswith(("=", "+", "@", "\t", "\r")) for cell in cells)
        assert all(map(float, numbers))
        assert obeyed(done.stdout) == []


def test_a_cell_that_is_a_number_stays_one(capsys):
    say_csv([("-a", -1.5, -3, None, "=b"), ("plain", 1e-05, 2, "", "c")])
    assert capsys.readouterr().out == "'-a,-1.5,-3,,'=b\nplain,1e-05,2,,c\n"


def test_scores_are_read_back_where_the_layer_looks_like_a_formula(command, tmp_path):
    net, weights = write_tiny(tmp_path, TINY.replace("conv1_1", "-conv"))
    weights.write_bytes(weights_of([("-conv", "Convolution", ["data"], ["-conv"], conv_arrays(), {"num_output": 6})]))
    (tmp_path / "s.csv").write_text(command("rank", net, weights, "--layer=-conv", "--csv").stdout)
    done = command("rank", net, weights, "--layer=-conv", "--scores", tmp_path / "s.csv", "--json")
    assert done.returncode == 0, done.stderr
