"""Wrong or guessed commands: one message that says what to do."""

from __future__ import annotations

import pytest

from split_surgery.verbs.demo import DATA

NET, WEIGHTS = DATA / "deploy.prototxt", DATA / "fashion_vgg_iter_3000.caffemodel"


@pytest.fixture(scope="module")
def derived(tmp_path_factory):
    from split_surgery import residual

    folder = tmp_path_factory.mktemp("d")
    residual(NET, WEIGHTS, folder / "derived1")
    return folder / "derived1"


@pytest.mark.parametrize(
    ("arguments", "code", "messages"),
    [
        (("residual", NET, NET, "-o", "x"), 3, ("is plain text, not weights", "give the binary file here")),
        (("residual", WEIGHTS, NET, "-o", "x"), 3, ("is binary, not a prototxt",)),
        (("residual", NET, WEIGHTS, "--layer", "pool1", "-o", "x"), 2,
         ('layer "pool1" is of type Pooling', "convolutions: conv1_1, conv1_2, conv2_1")),
        (("residual", NET, WEIGHTS, "--layer", "conv1_9", "-o", "x"), 2, ('no layer "conv1_9"', "nearest: conv1_")),
        (("plot", "loss", WEIGHTS, "-o", "x.png"), 3, ("no line of it is one that Caffe writes", "give its log")),
        (("report", NET), 3, ("no line of it is one that Caffe writes",)),
        (("residual", NET), 2, ("Missing option '-o' / '--output'",)),
        (("resdual", NET), 2, ("No such command 'resdual'",)),
    ],
    ids=range(8),
)  # fmt: skip
def test_what_to_do(command, tmp_path, arguments, code, messages):
    done = command(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert [message for message in messages if message not in done.stderr] == [], done.stderr
    assert not any(tmp_path.iterdir())


def test_a_layer_that_was_split_before(command, derived, tmp_path):
    done = command("residual", derived, "--layer", "conv1_1", "-o", tmp_path / "x")
    assert done.returncode == 2
    assert 'layer "conv1_1" was split before\n  it became conv1_1_split1, conv1_1_split2, ' in done.stderr


def test_without_noise_a_layer_starts_as_the_identity(command, tmp_path):
    text = command("extension", NET, WEIGHTS, "--noise", "0", "-o", tmp_path / "x").stdout
    assert "identity\n" in text
    assert "+ noise" not in text
