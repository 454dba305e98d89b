"""The verb convert: what it prints, where it writes, and what it refuses."""

from __future__ import annotations

import json

import pytest

from split_surgery import convert, residual, show
from split_surgery.errors import OptionError, SurgeryWarning, UsageError
from tests.support.converted import NEW_TEXT, V1_TEXT, v1_weights
from tests.support.nets import read_weights, tiny_weights, write_tiny


def old_files(folder):
    net, model = folder / "old.prototxt", folder / "old.caffemodel"
    net.write_text(V1_TEXT)
    model.write_bytes(v1_weights())
    return net, model


def test_the_command(tmp_path, command):
    old_files(tmp_path)
    done = command("convert", "old.prototxt", "old.caffemodel", "-o", "new", "--to", "new,half", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["new: written", "text: 4 layers made new"]
    assert lines[2].startswith("weights: 4 blobs float -> 4 blobs raw-half; 3 records made new; ")
    assert lines[3].startswith("rounding: at most 0.000")
    assert (tmp_path / "new" / "net.prototxt").read_text() == NEW_TEXT
    again = ("convert", "old.prototxt", "old.caffemodel", "-o", "new", "--to", "new", "--to", "half")
    assert "unchanged" in command(*again, "-q", cwd=tmp_path).stdout
    assert command(*again, "--check", cwd=tmp_path).returncode == 0
    (tmp_path / "new" / "net.prototxt").write_text("changed")
    checked = command(*again, "--check", cwd=tmp_path)
    assert (checked.returncode, "DIFFERS" in checked.stdout) == (1, True)
    assert command(*again, cwd=tmp_path).returncode == 2
    tree = json.loads(command(*again, "--force", "--json", cwd=tmp_path).stdout)
    assert (tree["text_layers"], tree["weights"]["records"], tree["weights"]["now"]) == (4, 3, {"raw-half": 4})
    assert tree["rounding"]["worst"].startswith("conv blob")


def test_a_diff_shows_text_and_blobs(tmp_path, command):
    old_files(tmp_path)
    shown = command(
        "convert", "old.prototxt", "old.caffemodel", "-o", "new", "--to", "new,double", "--diff", cwd=tmp_path
    ).stdout
    for line in ("-  blobs_lr: 1     # of the weight", "+  param { lr_mult: 1 decay_mult: 1 }     # of the weight"):
        assert line in shown.splitlines()
    assert "-conv[0]  f4 (6, 3, 3, 3) legacy\n+conv[0]  f8 (6, 3, 3, 3) legacy\n" in shown
    assert not (tmp_path / "new").exists()


def test_one_file_goes_where_it_is_named(tmp_path, command):
    net, model = old_files(tmp_path)
    run = ("convert", "old.caffemodel", "-o", "deep/er/half.caffemodel", "--to", "half")
    assert command(*run, cwd=tmp_path).stdout.startswith("deep/er/half.caffemodel: written\n")
    made = tmp_path / "deep" / "er" / "half.caffemodel"
    whole = made.read_bytes()
    assert "unchanged" in command(*run, "-q", cwd=tmp_path).stdout
    made.write_bytes(b"other")
    refused = command(*run, cwd=tmp_path)
    assert (refused.returncode, "replace the file with --force" in refused.stderr) == (2, True)
    differs = command(*run, "--check", "--diff", cwd=tmp_path)
    assert (differs.returncode, "half.caffemodel differs" in differs.stdout) == (1, True)
    assert command(*run, "--force", cwd=tmp_path).returncode == 0
    assert made.read_bytes() == whole
    assert [path.name for path in made.parent.iterdir()] == ["half.caffemodel"]
    assert command("convert", "old.prototxt", "-o", "new.prototxt", "--to", "new", cwd=tmp_path).returncode == 0
    assert (tmp_path / "new.prototxt").read_text() == NEW_TEXT
    with pytest.raises(UsageError, match="would replace the input"):
        convert(model, output=model, to="half", force=True)
    assert convert(net, model, tmp_path / "w.caffemodel", to="new").text_layers is None  # NET is only read


def test_also(tmp_path):
    net, model = old_files(tmp_path)
    (tmp_path / "test.prototxt").write_text(V1_TEXT)
    report = convert(net, model, tmp_path / "new", to="new", also=(tmp_path / "test.prototxt",))
    assert report.files == ("net.caffemodel", "net.prototxt", "test.prototxt")
    assert (tmp_path / "new" / "test.prototxt").read_text() == NEW_TEXT
    with pytest.raises(OptionError, match="goes with a NET"):
        convert(model, output=tmp_path / "x", to="half", also=(net,))


def test_nets_inside_a_solver(tmp_path):
    solver = tmp_path / "solver.prototxt"
    solver.write_text(f"base_lr: 1 # of all\nnet_param {{\n{V1_TEXT}}}\ntest_net_param {{\n{V1_TEXT}}}\n")
    report = convert(solver, output=tmp_path / "new", to="new")
    assert (report.files, report.text_layers) == (("solver.prototxt",), 8)
    expected = f"base_lr: 1 # of all\nnet_param {{\n{NEW_TEXT}}}\ntest_net_param {{\n{NEW_TEXT}}}\n"
    assert (tmp_path / "new" / "solver.prototxt").read_text() == expected


def test_a_directory_stands_for_its_files(tmp_path):
    net, model = write_tiny(tmp_path)
    residual(net, model, tmp_path / "split", layer="conv1_1", measure="norm")
    with pytest.warns(SurgeryWarning, match="untrained"):
        report = convert(tmp_path / "split", output=tmp_path / "half", to="half")
    assert report.files == ("net.caffemodel", "net.prototxt")
    assert len(show(tmp_path / "half" / "net.caffemodel").nets[0].layers) == len(
        show(tmp_path / "split" / "net.prototxt").nets[0].layers
    )
    with pytest.raises(UsageError, match="is the directory that is converted"):
        convert(tmp_path / "split", output=tmp_path / "split", to="half", force=True)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("base.caffemodel", "-o", "x"), 2, "--to: say what to convert to"),
        (("base.caffemodel", "-o", "x", "--to", "float16"), 2, "did you mean half?"),
        (("base.caffemodel", "-o", "x.caffemodel", "--to", "h5"), 2, "contradicts the name of the output"),
        (("base.caffemodel", "-o", "x.prototxt", "--to", "half"), 2, "is the name of a prototxt, and more is made"),
        (("base.prototxt", "-o", "x.caffemodel", "--to", "new"), 2, "and there are no weights"),
        (("base.prototxt", "-o", "x", "--to", "v1"), 3, 'V1 has no layers of the type "Input"'),
        (
            ("base.caffemodel", "base.prototxt", "-o", "x", "--to", "half"),
            3,
            "is binary, not a prototxt: verbs that read weights take them right behind NET",
        ),
        (("nowhere.caffemodel", "-o", "x", "--to", "half"), 3, "No such file or directory"),
        (("empty", "-o", "x", "--to", "half"), 3, "is empty"),
        (("base.prototxt", "-o", "x", "--to", "half"), 2, "WEIGHTS is missing: a prototxt alone"),
        (("v0.prototxt", "-o", "x", "--to", "new"), 3, "Caffe's upgrade_net_proto_text"),
        (("v0.caffemodel", "-o", "x", "--to", "new"), 3, "Caffe's upgrade_net_proto_binary"),
    ],
)
def test_refusals(tmp_path, command, words, code, message):
    write_tiny(tmp_path)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "v0.prototxt").write_text('layers { layer { name: "a" type: "conv" } }\n')
    (tmp_path / "v0.caffemodel").write_bytes(b"\x12\x05\x0a\x03\x0a\x01a")
    done = command("convert", *words, cwd=tmp_path)
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr
    assert not (tmp_path / "x").exists()


def test_nothing_to_do_is_a_copy(tmp_path):
    _, model = write_tiny(tmp_path)
    report = convert(model, output=tmp_path / "same.caffemodel", to="float,new", shapes="new")
    assert (tmp_path / "same.caffemodel").read_bytes() == tiny_weights()
    assert (report.weights.changed, report.weights.records) == (0, 0)


def test_any_nan_is_kept_where_protobuf_is_pure_python(tmp_path, program):
    """It reads every NaN as one, so that the proof must not tell them apart; x86 makes negative ones."""
    net, weights = write_tiny(tmp_path)
    data = weights.read_bytes()
    _, (kernels, _) = read_weights(data)["conv1_1"]
    at = data.index(kernels.astype("<f4").tobytes())
    weights.write_bytes(data[:at] + b"\x00\x00\xc0\xff" + data[at + 4 :])
    done = program(
        "convert", net, weights, "--shapes", "legacy", "-o", tmp_path / "out",
        PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION="python",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"\x00\x00\xc0\xff" in (tmp_path / "out" / "net.caffemodel").read_bytes()
