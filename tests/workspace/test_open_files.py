"""Each file of a run is opened and indexed once, and given back while others are read."""

from __future__ import annotations

import numpy as np
import pytest

from split_surgery import rank
from split_surgery.documents import source
from split_surgery.documents.source import Source
from split_surgery.errors import FileError
from split_surgery.workspace import open_files
from split_surgery.workspace.open_files import OpenFiles
from tests.support.nets import tiny_weights, weights, write_tiny

SNAPSHOTS, LAYERS = 8, 200


def deep(folder):
    """A net of many convolutions, and snapshots of its training."""
    text = 'input: "data"\ninput_shape { dim: 1 dim: 2 dim: 8 dim: 8 }\n'
    for at in range(LAYERS):
        bottom = f"c{at - 1}" if at else "data"
        text += f'layer {{ name: "c{at}" type: "Convolution" bottom: "{bottom}" top: "c{at}" '
        text += "convolution_param { num_output: 2 kernel_size: 3 pad: 1 } }\n"
    (folder / "net.prototxt").write_text(text)
    for step in range(1, SNAPSHOTS + 1):
        draw = np.random.RandomState(step)
        rows = [
            (f"c{at}", "Convolution", ["data"], [f"c{at}"], [draw.standard_normal((2, 2, 3, 3)), np.zeros(2)], None)
            for at in range(LAYERS)
        ]
        (folder / f"run_iter_{step}.caffemodel").write_bytes(weights(rows))


def counted(monkeypatch):
    opened: list[str] = []

    def counting(path, *rest, **words):
        opened.append(str(path))
        return open(path, *rest, **words)

    monkeypatch.setattr(source, "open", counting, raising=False)
    return opened


def test_rank_opens_each_file_once(tmp_path, monkeypatch):
    deep(tmp_path)
    opened = counted(monkeypatch)
    report = rank(tmp_path / "net.prototxt", tmp_path / f"run_iter_{SNAPSHOTS}.caffemodel")
    assert len(report.layers) == LAYERS
    assert (len(opened), len(set(opened))) == (SNAPSHOTS + 1, SNAPSHOTS + 1)


def test_a_file_that_rests_is_opened_again(tmp_path, monkeypatch):
    monkeypatch.setattr(open_files, "AWAKE", 2)
    for name in "abc":
        (tmp_path / name).write_bytes(name.encode() * 5000)
    with OpenFiles() as files:
        sources = [files.source(tmp_path / name) for name in "abc"]
        assert [one.awake for one in sources] == [False, True, True]
        assert sources[0].read(4000, 4010) == b"a" * 10
        assert files.source(tmp_path / "a") is sources[0]
    assert not any(one.awake for one in sources)


def test_a_file_that_changed_while_it_rested_is_told(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 5000)
    with Source(path) as rested:
        rested.rest()
        path.write_bytes(b"y" * 4000)
        with pytest.raises(FileError, match="was changed while it was being read"):
            rested.read(0, 5)


def test_a_path_under_two_names_is_one_file(tmp_path):
    _, model = write_tiny(tmp_path, model=tiny_weights())
    with OpenFiles() as files:
        assert files.weights(model) is files.weights(tmp_path / "." / model.name)
