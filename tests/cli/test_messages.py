"""Wrong or guessed commands: one message that says what to do."""

from __future__ import annotations

import shutil

import pytest

from split_surgery.verbs.demo import DATA
from tests.support.nets import conv_arrays, weights
from tests.support.paths import EXAMPLE

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
        (("plot", "loss", WEIGHTS, "-o", "x.png"), 3, ("no line of it is one that Caffe writes", "give the log of a training")),
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
        (("verify", WEIGHTS), 2, ("is weights; the prototxt goes before it: NET WEIGHTS",)),
        (("verify", "nosuch"), 3, ("nosuch: No such file or directory",)),
        (("residual", NET, "-o", "x"), 2, ("WEIGHTS is missing\n  the caffemodel comes behind the net: ",)),
        (("verify", NET, WEIGHTS, NET, WEIGHTS), 2, ("--derived NET WEIGHTS",)),
        (("verify", "d/split.yaml"), 2, ("give its directory: verify d",)),
        (("residual",), 2, ("Missing argument 'NET'", "split-surgery residual base.prototxt base.caffemodel -o derived1/")),
        (("residual", NET, WEIGHTS), 2, ("Missing option '-o' / '--output'", "-o DIR says where to write")),
        (("residual", "fold", "derived1"), 2, ("one verb at a time: split-surgery fold derived1",)),
        (("diff", NET), 2, ("Missing argument 'B'", "split-surgery diff NET DIR")),
        (("--verison",), 2, ("did you mean --version?",)),
        (("residual", NET, WEIGHTS, "-o", "x", "--silent"), 2, ("-q, or --quiet",)),
        (("residual", NET, WEIGHTS, "-o", "x", "--ratio", "1"), 2, ("--fast 50% says",)),
        (("show", "-"), 3, ("standard input is read by report alone: name a file",)),
        (("show", "http://x/y.caffemodel"), 3, ("nothing is downloaded: fetch it first",)),
        (("show", "no/such.prototxt"), 3, ("there is no directory no",)),
        (("show", NET.parent / "deplyo.prototxt"), 3, (f"nearest: {NET}",)),
        (("show", str(NET).replace("/", "\\")), 3, (f"nearest: {NET}",)),
        (("convert", NET, WEIGHTS, "-o", "x.onnx"), 2, ("only Caffe's own forms are written",)),
        (("residual", NET, WEIGHTS.parent, "-o", "x"), 3, ("is a directory, and WEIGHTS is one caffemodel",
         f"the newest in it is {WEIGHTS.parent}")),
        (("residual", NET, WEIGHTS, "-o", "x", "--snapshots", "snaps/*"), 2, ("there is no directory snaps",)),
        (("residual", NET, WEIGHTS, "-o", NET), 3, ("is a file, and the output is a directory",)),
        (("report", NET), 3, ("give the log of a training: what `caffe train` printed",)),
        (("auto", NET, WEIGHTS), 2, ("--layer auto:K takes the K layers of highest TPM entropy",)),
        ((WEIGHTS, NET), 2, ("that is a file; before it stands what to do with it: residual",)),
        (("residual", "-m", NET, "-w", WEIGHTS), 2, ("NET is the first argument, and WEIGHTS the second",)),
        (("plot", "kernels", WEIGHTS, "--layer", "conv1_1", "-o", "k.png"), 2,
         ("LAYER is an argument, and has no flag: split-surgery plot kernels WEIGHTS LAYER",)),
        (("plot", "kernels", WEIGHTS, "-o", "k.png"), 2, ("split-surgery plot kernels base.caffemodel conv1_1 -o",)),
        (("plot", "loss", "train.log"), 2, ("-o FILE says where to write",)),
        (("convert", WEIGHTS, "--to", "half", "-o", "-"), 2, ("-o -: what is written has a name", "-o ./- is that name")),
        (("fold", NET, WEIGHTS, "-o", "-"), 2, ("-o -: what is written has a name",)),
        (("show", NET, WEIGHTS), 2, ("show takes one file; verify NET WEIGHTS says whether two fit",)),
        (("extract", NET, WEIGHTS, "-o", "x"), 2, ("extract takes WEIGHTS alone",)),
        (("extract", WEIGHTS, "--layer", "conv1_1", "-o", "x"), 2, ("--blob LAYER/0 takes out a layer's weight",)),
        (("extract", WEIGHTS, "--blob", "conv1_1/0"), 2, ("--output is missing: the file to write",)),
        (("extract", WEIGHTS, "--blob", "conv1_1/0", "-o", "x.csv"), 2, ("a blob is written as npy", "name it x.npy")),
        (("rename", NET, WEIGHTS, "conv1_1", "first", "-o", "x"), 2,
         ("conv1_1 is not OLD=NEW\n  each is one word, such as conv1=conv1_1",)),
        (("rename", NET, "conv1_1=first", WEIGHTS, "-o", "x"), 2, ("WEIGHTS stands before the names, right after NET",)),
        (("rename", NET, WEIGHTS, "conv1_1=conv1_1", "-o", "x"), 2, ('"conv1_1" is called so already',)),
        (("residual", NET, WEIGHTS, "-o", WEIGHTS / "x"), 3, (f"{WEIGHTS}: is a file, and the output is a directory in it",)),
        (("residual", NET, WEIGHTS, "--fast", ".25", "-o", "x"), 2, (".25 of them is 25%",)),
        (("residual", NET, WEIGHTS, "--layer", "auto:0", "-o", "x"), 2, ("from auto:1 to auto:5",)),
        (("rank", NET, WEIGHTS, "--csv", "--json"), 2, ("--csv and --json exclude each other",)),
        (("apply", WEIGHTS, NET, "-o", "x"), 2, ("is binary, and no YAML; CONFIG comes first",)),
    ],
    ids=range(68),
)  # fmt: skip
def test_what_to_do(command, tmp_path, arguments, code, messages):
    done = command(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert [message for message in messages if message not in done.stderr] == [], done.stderr
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (("residual", "", WEIGHTS, "-o", "q"), "NET"),
        (("residual", NET, "", "-o", "q"), "WEIGHTS"),
        (("residual", NET, WEIGHTS, "-o", ""), "-o DIR"),
        (("residual", NET, WEIGHTS, "-o", "q", "--solver", ""), "--solver FILE"),
        (("apply", "", NET, WEIGHTS, "-o", "q"), "CONFIG"),
        (("show", ""), "FILE"),
        (("diff", WEIGHTS, ""), "B"),
        (("verify", ""), "NET"),
        (("verify", NET, WEIGHTS, "--derived", "", ""), "--derived NET WEIGHTS"),
        (("report", "runs", ""), "one of LOGS"),
        (("plot", "loss", "", "-o", "x.png"), "one of LOGS"),
        (("rename", NET, "", "a=b", "-o", "q"), "one of NAMES"),
        (("demo", ""), "DIR"),
    ],
)
def test_a_name_that_is_empty(command, tmp_path, arguments, place):
    done = command(*arguments, cwd=tmp_path)
    message = f"split-surgery: {place} has no name: is a variable of the shell empty?\n"
    assert (done.returncode, done.stderr) == (2, message)
    assert not any(tmp_path.iterdir())


@pytest.fixture
def example(tmp_path):
    """The example's files, to be named as a page names them."""
    for path in EXAMPLE.iterdir():
        if path.name in ("snapshots", "derived1"):
            shutil.copytree(path, tmp_path / path.name)
        elif path.suffix in (".prototxt", ".caffemodel", ".log"):
            shutil.copy(path, tmp_path)
    (tmp_path / "lots.yaml").write_text("recipe: residual\nfast: lots\n")
    (tmp_path / "wished.yaml").write_text('recipe: residual\nnet: "train_val.prototxt"\n')
    head = (tmp_path / "train_val.prototxt").read_text().replace('"ip1"', '"head"')
    (tmp_path / "head.prototxt").write_text(head)
    (tmp_path / "unquoted.prototxt").write_text(head.replace('"conv1_1"', "conv1_1"))
    return tmp_path


SNAPSHOTS = " ".join(f"snapshots/fashion_vgg_iter_{step}.caffemodel" for step in (1000, 1250, 1500, 250))
N, W, PAIR = "train_val.prototxt", "fashion_vgg.caffemodel", "train_val.prototxt fashion_vgg.caffemodel"


@pytest.mark.parametrize(
    ("arguments", "code", "messages"),
    [
        (f"residual {PAIR} --solverstate snapshots/fashion_vgg_iter_1000.solverstate", 2,
         ("is of iteration 1000, and fashion_vgg.caffemodel holds other numbers than snapshots/fashion_vgg_iter_1000.caffemodel",
          "give the weights and the state of one snapshot")),
        ("residual derived1 --layer conv1_2 --solver solver.prototxt", 2,
         ('the solver\'s net is "train_val.prototxt", which is not NET',
          "the solver that trains NET is derived1/solver.prototxt, which a split of the directory takes by itself")),
        ("fold derived1 --solver solver.prototxt", 2, ("the solver that trains NET is derived1/solver.prototxt",)),
        (f"residual {PAIR} --layer conv1_2,conv2_1", 2, ("one name each: --layer conv1_2 --layer conv2_1",)),
        (f"residual {PAIR} --layer conv1_2,conv9", 2, ('no layer "conv1_2,conv9"', "nearest: conv1_2")),
        (f"residual {PAIR} --layer conv*", 2, ("names are no patterns: repeat --layer, or take --layer auto:K",)),
        (f"residual {PAIR} --snapshots snapshots/fashion_vgg_iter_250.caffemodel,snapshots/fashion_vgg_iter_500.caffemodel", 2,
         ("it takes one glob, no list; --window A:B chooses among its files",)),
        (f"residual {PAIR} --fast 0.5", 2,
         ("--fast 0.5: must be a whole number of kernels (16), a share (50%), or half",)),
        (f"residual {PAIR} --fast=-3", 2, ("--fast -3: must be a whole number of kernels (16)",)),
        (f"residual {PAIR} --config lots.yaml", 2, ("lots.yaml:2:1: --fast lots: must be a whole number of kernels",)),
        (f"apply lots.yaml {PAIR}", 2, ("lots.yaml:2:1: --fast lots: must be",)),
        (f"apply {PAIR}", 2, (f"{N} is a net; CONFIG comes first: apply CONFIG NET WEIGHTS",)),
        (f"apply solver.prototxt {PAIR}", 2, ("solver.prototxt is a solver; CONFIG comes first: apply CONFIG NET WEIGHTS",)),
        (f"apply train.log {PAIR}", 2, ("train.log is a log of Caffe; CONFIG comes first",)),
        (f"residual {PAIR} --config {W}", 2, (f"{W} is binary, and no YAML; --config takes a YAML file of options",)),
        (f"residual {PAIR} --config {N}", 2, (f"{N} is a net; --config takes a YAML file of options",)),
        (f"residual {PAIR} --config solver.prototxt", 2, ("solver.prototxt is a solver; --config takes",)),
        (f"residual {PAIR} --config derived1/split.yaml", 2,
         ("derived1/split.yaml is a plan (split.yaml or fold.yaml), not a config of options\n"
          "  a split.yaml is applied: split-surgery apply derived1/split.yaml NET WEIGHTS -o DIR",)),
        (f"residual {PAIR} --config wished.yaml", 2, ("wished.yaml:2:1: there is no option 'net'",)),
        (f"apply snapshots {PAIR}", 3, ("snapshots: is a directory, and not one that a split wrote (it has no split.yaml)",)),
        (f"residual {N} derived1/net.caffemodel", 3,
         ('has no layer "conv1_1"', "it holds conv1_1_split1, ", "is it of another net? split-surgery verify NET WEIGHTS lists all")),
        (f"residual {N} snapshots/fashion_vgg_iter_1000.solverstate", 3,
         ("is a solver state, not weights", "WEIGHTS is fashion_vgg_iter_1000.caffemodel, which it names; ",
          "the state goes behind --solverstate")),
        ("show train.log", 3, ("train.log: is a log of Caffe\n  give a net's own files here; split-surgery report reads logs",)),
        (f"residual {N} train.log", 3, ("train.log: is a log of Caffe",)),
        (f"rank {W}", 2, (f"{W} is weights; the prototxt goes before it",)),
        (f"rank {N} {SNAPSHOTS}", 2,
         ("snapshots are named by one pattern in quotes: --snapshots 'snapshots/fashion_vgg_iter_*.caffemodel'",)),
        (f"residual {PAIR} {SNAPSHOTS}", 2, ("--snapshots 'snapshots/fashion_vgg_iter_*.caffemodel'",)),
        (f"residual unquoted.prototxt {W}", 3, ('name needs quotes, or Caffe does not read it: "conv1_1"',)),
        (f"fold {W}", 2, (f"{W} is weights; the prototxt goes before it",)),
    ],
)  # fmt: skip
def test_what_to_do_with_the_example(command, example, arguments, code, messages):
    there = sorted(example.iterdir())
    output = () if arguments.startswith(("rank", "show")) else ("-o", "x")
    done = command(*arguments.split(), *output, cwd=example)
    assert done.returncode == code, done.stderr
    assert [message for message in messages if message not in done.stderr] == [], done.stderr
    assert sorted(example.iterdir()) == there


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (f"residual {PAIR} new9", "-o DIR says where to write: -o new9?"),
        (f"residual {PAIR} new9 --seed 3", "-o DIR says where to write: -o new9?"),
        (f"fold {PAIR} derived1", "-o DIR says where to write: -o derived1?"),
        ("fold derived1 folded9", "-o DIR says where to write: -o folded9?"),
        (f"convert {W} half.caffemodel --to half", "-o OUT says where to write: -o half.caffemodel?"),
        (f"residual {PAIR}", "-o DIR says where to write"),
        (f"residual {N} nosuch.caffemodel", "-o DIR says where to write"),
        (f"residual {PAIR} deploy.prototxt", "-o DIR says where to write"),
        (f"residual {PAIR} new9 new10", "-o DIR says where to write"),
    ],
)
def test_an_output_without_its_flag(command, example, arguments, advice):
    done = command(*arguments.split(), cwd=example)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, advice)


def test_snapshots_of_another_net(command, example):
    (example / "other").mkdir()
    for step in (1, 2):
        data = weights([("first", "Convolution", ["data"], ["first"], conv_arrays(seed=step), None)])
        (example / "other" / f"run_iter_{step}.caffemodel").write_bytes(data)
    done = command("residual", N, W, "--snapshots", "other/*", "-o", "x", cwd=example)
    assert done.returncode == 3
    message = 'run_iter_1.caffemodel: is a snapshot of another net: it has no layer "conv1_1", but first'
    assert message in done.stderr


def test_a_directory_of_a_split_stands_for_its_plan(command, example):
    done = command("apply", "derived1", N, W, "-o", "again", "--solver", "solver_grow.prototxt", cwd=example)
    assert done.returncode == 0, done.stderr
    assert (example / "again" / "split.yaml").read_bytes() == (example / "derived1" / "split.yaml").read_bytes()


def test_a_fold_cannot_be_applied(command, example):
    assert command("fold", "derived1", "-o", "f1", cwd=example).returncode == 0
    done = command("apply", "f1/fold.yaml", N, W, "-o", "x", cwd=example)
    assert (done.returncode, "f1/fold.yaml: is a fold.yaml, which cannot be applied" in done.stderr) == (3, True)


@pytest.mark.parametrize(("verb", "what"), [("fold", "folded"), ("residual", "split")])
@pytest.mark.parametrize("net", ["derived1", "derived1/net.prototxt derived1/net.caffemodel"])
def test_a_directory_is_not_written_into_itself(command, example, verb, what, net):
    done = command(verb, *net.split(), "-o", "derived1", "--force", cwd=example)
    assert done.returncode == 2
    assert f"-o derived1 is the directory that is {what}: choose another" in done.stderr


@pytest.mark.parametrize("flags", [(), ("--force",), ("--force", "--dry-run")])
def test_a_directory_with_snapshots_of_another_net(command, example, flags):
    done = command("residual", N, W, "-o", "snapshots", *flags, cwd=example)
    assert done.returncode == 2
    assert "snapshots holds snapshots (fashion_vgg_iter_3000.caffemodel) of another net" in done.stderr
    assert "move the snapshots away" in done.stderr
    assert not (example / "snapshots" / "net.prototxt").exists()


def test_a_renamed_head_is_remarked_on(command, example):
    done = command("residual", "head.prototxt", W, "-o", "x", cwd=example)
    assert done.returncode == 0, done.stderr
    assert (
        'head: the weights file has nothing for it: it stays random; "ip1" in the file has the same shapes: renamed?'
        in done.stderr
    )
    assert "stays random" not in command("residual", N, W, "-o", "y", cwd=example).stderr


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
    done = command("verify", NET, WEIGHTS, folded)  # a fold of what was trained
    assert done.returncode == 1
    hint = f"{folded} was folded from {derived / 'net.prototxt'}: split-surgery verify {folded} holds it against that"
    assert hint in done.stderr
    moved = folded.rename(tmp_path / "alone")
    done = command("verify", moved)
    assert done.returncode == 3
    assert "what it was folded from is not in the directories beside it" in done.stderr
    done = command("verify", NET, derived)
    assert "stands where WEIGHTS belongs" in done.stderr
    done = command("verify", moved / "nosuch")
    assert (done.returncode, "nosuch: No such file or directory" in done.stderr) == (3, True)


def test_verify_does_not_guess_which_run_was_folded(command, derived, tmp_path):
    """Two splits of one layer differ in their numbers, and fold.yaml knows weights by name and size: the proof says which it was."""
    shutil.copytree(derived, tmp_path / "b")
    assert command("residual", NET, WEIGHTS, "--seed", "1", "-o", "a", cwd=tmp_path).returncode == 0
    assert command("fold", "b", "-o", "f", cwd=tmp_path).returncode == 0
    assert command("verify", "f", cwd=tmp_path).returncode == 0
    assert [command("verify", folder, "f", cwd=tmp_path).returncode for folder in "ab"] == [1, 0]
    damaged = bytearray((tmp_path / "f" / "net.caffemodel").read_bytes())
    damaged[damaged.index(b"conv1_1") + 300] ^= 1
    (tmp_path / "g").mkdir()
    for name in ("net.prototxt", "fold.yaml"):
        shutil.copy(tmp_path / "f" / name, tmp_path / "g")
    (tmp_path / "g" / "net.caffemodel").write_bytes(damaged)
    done = command("verify", "g", cwd=tmp_path)  # none of them proves it: no verdict on a guess
    assert (done.returncode, done.stderr.splitlines()) == (
        2,
        [
            "split-surgery: g may have been folded from a or b, whose weights have the same name and size",
            "  say which: split-surgery verify a/net.prototxt a/net.caffemodel g",
        ],
    )
    shutil.rmtree(tmp_path / "a")
    shutil.copytree(tmp_path / "b", tmp_path / "c")  # the same weights: either will do
    assert command("verify", "f", cwd=tmp_path).returncode == 0


def test_a_directory_that_was_trained_is_said_to_be_judged_as_it_was_written(command, tmp_path):
    example = NET.parents[3] / "examples" / "fashion_vgg"
    base = (example / "train_val.prototxt", example / "fashion_vgg.caffemodel")
    done = command("verify", *base, example / "derived1")
    assert "judged as it was written; grow_iter_1000.caffemodel is there too: --trained judges that" in done.stderr
    assert "judged" not in command("verify", *base, example / "derived1", "--trained").stderr


def test_the_order_of_two_directories(command, derived, tmp_path):
    shutil.copytree(derived, tmp_path / "d")
    assert command("fold", "d", "-o", "f", cwd=tmp_path).returncode == 0
    done = command("verify", "f", "d", cwd=tmp_path)
    assert (done.returncode, done.stderr.splitlines()) == (
        2,
        ["split-surgery: f was folded from d, which comes first", "  split-surgery verify d f"],
    )
    done = command("verify", "d", NET, WEIGHTS, cwd=tmp_path)
    assert (done.returncode, "the derived net comes last: split-surgery verify NET WEIGHTS d" in done.stderr) == (
        2,
        True,
    )
    done = command("verify", NET, WEIGHTS, "d/net.caffemodel", cwd=tmp_path)
    assert (done.returncode, "give its directory, d; or name two files" in done.stderr) == (3, True)


def test_bytes_of_nobody(command, tmp_path):
    (tmp_path / "junk.caffemodel").write_bytes(b"\x9c\x01\x00\xff" * 9)
    done = command("residual", NET, "junk.caffemodel", "-o", "x", cwd=tmp_path)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        3,
        "split-surgery: junk.caffemodel: is none of Caffe's files: it begins with other bytes",
    )


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (
            "recipe: residual\nlayers: conv1_1\n",
            2,
            "c.yaml:2:1: layers is a list of splits; one layer is `layer: conv1_1`",
        ),
        ("- conv1_1\n", 3, "c.yaml: must be a mapping from options to values\n  a line for each, such as layer: conv1"),
        ("recipe:\tresidual\n", 3, "c.yaml:1:8: not YAML: a tab; YAML is indented by spaces"),
        ("layers:\n  - layer: a\n   fast: 3\n", 3, "  what belongs together is indented alike"),
    ],
)
def test_a_config_that_is_written_wrongly(command, tmp_path, text, code, message):
    (tmp_path / "c.yaml").write_text(text)
    for verb in (("apply", "c.yaml", NET, WEIGHTS), ("residual", NET, WEIGHTS, "--config", "c.yaml")):
        done = command(*verb, "-o", "x", cwd=tmp_path)
        assert (done.returncode, message in done.stderr) == (code, True), done.stderr


@pytest.mark.parametrize(("text", "what"), [("", "is empty"), ("# all\n", "holds nothing but comments")])
def test_a_record_that_is_empty(command, example, text, what):
    (example / "derived1" / "split.yaml").write_text(text)
    for words in ("verify derived1", "fold derived1 -o f", "residual derived1 -o d"):
        done = command(*words.split(), cwd=example)
        assert (done.returncode, done.stderr.splitlines()[0]) == (3, f"split-surgery: derived1/split.yaml: {what}")
    assert command("fold", N, W, "--all", "--phase", "test", "-o", "f", cwd=example).returncode == 0
    (example / "f" / "fold.yaml").write_text(text)
    done = command("verify", "f", cwd=example)
    assert (done.returncode, done.stderr.splitlines()[0]) == (3, f"split-surgery: f/fold.yaml: {what}")


def test_a_misspelt_parameter(command, tmp_path):
    (tmp_path / "n.prototxt").write_text(NET.read_text().replace("convolution_param", "convolutional_param"))
    done = command("residual", "n.prototxt", WEIGHTS, "-o", "x", cwd=tmp_path)
    message = "convolutional_param is no field of Caffe's layers (nearest: convolution_param)"
    assert (done.returncode, message in done.stderr) == (3, True), done.stderr


def test_no_snapshots_make_no_windows(command, tmp_path):
    for path in (NET, WEIGHTS):
        shutil.copy(path, tmp_path)
    done = command("rank", NET.name, WEIGHTS.name, "--windows", "2", cwd=tmp_path)
    assert (done.returncode, "a window has at least three snapshots, and there are 1" in done.stderr) == (2, True), (
        done.stderr
    )


def test_words_of_a_config(command, tmp_path):
    (tmp_path / "c.yaml").write_text("outdir: x\n")
    assert "-o DIR" in command("apply", "c.yaml", NET, WEIGHTS, "-o", "x", cwd=tmp_path).stderr
    (tmp_path / "c.yaml").write_text("splits: []\n")
    assert (
        "each split is an entry of `layers`" in command("apply", "c.yaml", NET, WEIGHTS, "-o", "x", cwd=tmp_path).stderr
    )


def test_sizes_that_are_not_known(command, example):
    """A data layer says no size: the column has nothing to say then, and the reason stands below it; a deploy net has the numbers."""
    lines = command("fold", "derived1", "-o", "f", cwd=example).stdout.splitlines()
    assert lines[3].split() == ["layer", "was", "parameters", "error", "of", "a", "weight,", "at", "most"]
    why = "the size of the images does not follow from these files; --also a deploy net, which says it"
    assert lines[5] == f"  (multiply-adds are not counted: {why})"
    text = (example / "derived1" / "net.prototxt").read_text()
    begin = text.index('layer {\n  name: "conv1_1_split1"')
    shape = 'input: "data"\ninput_shape { dim: 1 dim: 1 dim: 28 dim: 28 }\n'
    (example / "deploy_derived.prototxt").write_text(shape + text[begin : text.index('layer {\n  name: "accuracy"')])
    lines = command("fold", "derived1", "--also", "deploy_derived.prototxt", "-o", "g", cwd=example).stdout.splitlines()
    assert (lines[3].split()[3], lines[5][:5]) == ("multiply-adds", "deplo")
    shown = command("show", "train_val.prototxt", "-q", cwd=example).stdout
    assert shown.rstrip().endswith("layers; --input-shape BLOB:N,C,H,W says sizes that the file does not)")


def test_a_fold_of_weights_of_another_net_is_remarked_on(command, example):
    done = command("fold", N, "derived1/net.caffemodel", "-o", "f", cwd=example)
    assert (done.returncode, done.stderr) == (
        0,
        "split-surgery: conv1_1: the weights file has nothing for it: it stays random\n",
    )


def test_a_report_without_drops_says_why(command, example):
    text = command("report", "train.log", cwd=example).stdout
    assert (
        "(drop: empty, as none of these logs is known to be that of a net which another of them was split from)" in text
    )
    (example / "derived1" / "train.log").write_bytes((example / "train.log").read_bytes())
    assert "drop: empty" not in command("report", "train.log", "derived1", cwd=example).stdout


def test_a_directory_is_verified_from_inside_it(command, derived, tmp_path):
    for name in (NET, WEIGHTS):
        shutil.copy(name, tmp_path)
    shutil.copytree(derived, tmp_path / "d")
    inside = command("verify", ".", cwd=tmp_path / "d")
    assert (inside.returncode, inside.stdout) == (0, command("verify", "d", cwd=tmp_path).stdout)
    (tmp_path / "d" / "below").mkdir()
    assert command("verify", "..", cwd=tmp_path / "d" / "below").returncode == 0


def test_what_a_directory_was_made_from_is_there_and_another(command, derived, tmp_path):
    shutil.copytree(derived, tmp_path / "d")
    (tmp_path / NET.name).write_bytes(NET.read_bytes() + b"# edited\n")
    shutil.copy(WEIGHTS, tmp_path)
    done = command("verify", "d", cwd=tmp_path)
    assert (done.returncode, done.stderr.splitlines()) == (
        3,
        [
            f"split-surgery: d: the prototxt that it was made from ({NET.name}) was not found: {NET.name} is another, or has been "
            "changed since",
            "  name them: split-surgery verify NET WEIGHTS d",
        ],
    )
    (tmp_path / NET.name).unlink()
    assert f"({NET.name}) was not found\n" in command("verify", "d", cwd=tmp_path).stderr


def test_a_directory_that_verify_cannot_hold_against_anything(command, derived, tmp_path):
    shutil.copytree(derived, tmp_path / "d")
    (tmp_path / "d" / "net.prototxt").unlink()
    done = command("verify", "d", cwd=tmp_path)
    assert (done.returncode, done.stderr.splitlines()) == (
        3,
        [
            "split-surgery: d: has split.yaml, but no net.prototxt",
            "  make it again: split-surgery apply d/split.yaml NET WEIGHTS -o d",
        ],
    )
    assert command("rename", NET, WEIGHTS, "conv1_1=first", "-o", "r", cwd=tmp_path).returncode == 0
    done = command("verify", "r", cwd=tmp_path)
    assert (
        done.returncode,
        "whether its weights fit its net: verify r/net.prototxt r/net.caffemodel" in done.stderr,
    ) == (3, True)


def test_layers_that_stay_random_are_named(command, tmp_path):
    """Some of a net's layers are not all of them."""
    net = NET.read_text().replace('name: "conv1_2"', 'name: "other_a"').replace('name: "conv2_1"', 'name: "other_b"')
    (tmp_path / "n.prototxt").write_text(net)
    done = command("extension", "n.prototxt", WEIGHTS, "--layer", "conv1_1", "-o", "d", cwd=tmp_path)
    assert done.returncode == 0
    assert "other_a, other_b: the weights file has nothing for it: it stays random" in done.stderr
