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
        (("resdual", NET), 2, ("No such command 'resdual'", "did you mean residual?")),
        (("split", NET), 2, ("to split: residual, extension or skip",)),
        (("help", "splt"), 2, ("to split: residual",)),
        (("undo", "d"), 2, ("fold puts splits back",)),
        (("split-surgery", "residual"), 2, ("leave out the second",)),
        ((NET,), 2, ("that is a file; before it stands what to do with it: residual",)),
        (("--layer", "a", "residual", NET), 2, ("flags of a verb stand behind it: split-surgery VERB ... --layer",)),
        (("residual", NET, "--weights", WEIGHTS, "-o", "x"), 2, ("WEIGHTS is the second argument",)),
        (("residual", NET, WEIGHTS, "-o", "x", "--skip", "average"), 2, ("--skip belongs to skip",)),
        (("residual", NET, WEIGHTS, "-o", "x", "--layers", "a"), 2, ("did you mean --layer?",)),
        (("residual", NET, WEIGHTS, "-o", "x", "--yes"), 2, ("nothing is asked; --force replaces files",)),
        (("rank", NET, "--nosuch"), 2, ("split-surgery rank --help lists its flags",)),
        (("residual", NET, WEIGHTS, "-o", "x", "--layer", "conv1_1", "conv1_2"), 2,
         ("one name each: --layer conv1_1 --layer conv1_2",)),
        (("plot", "heatmap"), 2, ("plot has kernels, loss, net, tpm",)),
        (("plot", "los", NET), 2, ("did you mean loss?",)),
        (("help", "plot", "heatmap"), 2, ("plot has kernels, loss, net, tpm",)),
        (("verify", NET, WEIGHTS, "--engine"), 2, ("one of opencv, caffe",)),
        (("verify", NET), 2, ("is one file: WEIGHTS is missing",)),
        (("verify", NET, WEIGHTS, NET, WEIGHTS), 2, ("--derived NET WEIGHTS",)),
        (("verify", "d/split.yaml"), 2, ("give its directory: verify d",)),
    ],
    ids=range(27),
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


def test_verify_finds_what_a_fold_was_made_from(command, derived, tmp_path):
    folded = derived.parent / "folded1"
    assert command("fold", derived, "-o", folded).returncode == 0
    done = command("verify", folded)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        0,
        "passed: the files are sound, and the block equals the layer",
    )
    moved = folded.rename(tmp_path / "alone")
    done = command("verify", moved)
    assert done.returncode == 3
    assert "what it was folded from is not in the directories beside it" in done.stderr
    done = command("verify", NET, derived)
    assert "stands where WEIGHTS belongs" in done.stderr
    assert command("verify", moved / "nosuch").returncode == 2


def test_a_directory_that_was_trained_is_said_to_be_judged_as_it_was_written(command, tmp_path):
    example = NET.parents[3] / "examples" / "fashion_vgg"
    base = (example / "train_val.prototxt", example / "fashion_vgg.caffemodel")
    done = command("verify", *base, example / "derived1")
    assert "judged as it was written; grow_iter_1000.caffemodel is there too: --trained judges that" in done.stderr
    assert "judged" not in command("verify", *base, example / "derived1", "--trained").stderr
