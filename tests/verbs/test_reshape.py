"""The verb reshape: what it prints, where it writes, and how it is asked."""

from __future__ import annotations

import json

from tests.support.reshaped import fc_net, grouped_net


def test_the_command(tmp_path, command):
    fc_net().write(tmp_path)
    run = ("reshape", "fc.prototxt", "fc.caffemodel", "--to-convolution", "fc6,fc7", "-o", "full")
    done = command(*run, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "full: written; 2 layers reshaped",
        "fc6: InnerProduct -> Convolution, weight 5x18 -> 5x2x3x3",
        "fc7: InnerProduct -> Convolution, weight 4x5 -> 4x5x1x1",
        'note: the output "prob" has the shape 1x4x1x1 now, and had 1x4',
    ]
    assert (
        command(*run, "-q", cwd=tmp_path).stdout
        == "full: unchanged: it already holds exactly this; 2 layers reshaped\n"
    )
    assert command(*run, "--check", cwd=tmp_path).returncode == 0
    whole = (tmp_path / "full" / "net.prototxt").read_text()
    (tmp_path / "full" / "net.prototxt").write_text("changed")
    checked = command(*run, "--check", cwd=tmp_path)
    assert (checked.returncode, "DIFFERS" in checked.stdout) == (1, True)
    assert command(*run, cwd=tmp_path).returncode == 2
    tree = json.loads(command(*run, "--force", "--json", cwd=tmp_path).stdout)
    assert tree["layers"][0]["weight"] == {"before": [5, 18], "after": [5, 2, 3, 3]}
    assert (tmp_path / "full" / "net.prototxt").read_text() == whole


def test_a_diff_shows_text_and_blobs(tmp_path, command):
    fc_net().write(tmp_path)
    grouped_net(tmp_path)
    shown = command(
        "reshape", "fc.prototxt", "fc.caffemodel", "--to-convolution", "fc6", "--to-convolution", "fc7", "-o", "full", "--diff",
        cwd=tmp_path,
    ).stdout.splitlines()  # fmt: skip
    for line in ('-  type: "InnerProduct"', "+  convolution_param {", "+    kernel_size: 3"):
        assert line in shown
    assert any(line.startswith("+fc6  [(5, 2, 3, 3), (5,)]") for line in shown)
    shown = command(
        "reshape", "grouped.prototxt", "grouped.caffemodel", "--ungroup", "conv", "-o", "parts", "--diff", cwd=tmp_path
    ).stdout.splitlines()
    assert '+  type: "Slice"' in shown
    assert any(line.startswith("+conv_group2  [(4, 2, 3, 3), (4,)]") for line in shown)
    assert not (tmp_path / "parts").exists()


def test_what_is_asked_wrongly(tmp_path, command):
    fc_net().write(tmp_path)
    nothing = command("reshape", "fc.prototxt", "fc.caffemodel", "-o", "full", cwd=tmp_path)
    assert (nothing.returncode, "nothing is asked for" in nothing.stderr) == (2, True)
    close = command(
        "reshape", "fc.prototxt", "fc.caffemodel", "--to-convolution", "fc8", "-o", "full", cwd=tmp_path
    ).stderr
    assert 'no layer "fc8"' in close
    assert "fc7" in close
    assert "reshape --to-convolution" in command("convolutionalize", "fc.prototxt", cwd=tmp_path).stderr
