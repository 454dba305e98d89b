"""Long chains of layers without anything between them: how far one layer takes them in, and how often that is worked out."""

from __future__ import annotations

import numpy as np
import pytest

from split_surgery import fold
from split_surgery.folding import search
from tests.support.linear_nets import INPUT, conv, model_of, write_net
from tests.support.nets import read_weights, weights


def test_a_long_chain_is_looked_at_once(tmp_path, monkeypatch):
    count = 40
    text = INPUT + "".join(
        conv(f"c{at}", f"c{at - 1}" if at else "data", num_output=3, kernel_size=1) for at in range(count)
    )
    net, model = write_net(tmp_path, text, model_of(text, {f"c{at}": [(3, 3, 1, 1), (3,)] for at in range(count)}))
    asked, anchor_of = [], search.anchor_of
    monkeypatch.setattr(
        search, "anchor_of", lambda flow, group, owner: asked.append(len(group)) or anchor_of(flow, group, owner)
    )
    report = fold(net, model, tmp_path / "out", all=True)
    assert report.layers == (count, 1)
    assert asked == [count], "the largest group is tried first, and smaller ones only where it fails"


def chain_of(folder, factors):
    """Convolutions of one pixel after each other, of which all weights are so much."""
    names = [f"c{at}" for at in range(len(factors))]
    text = INPUT + "".join(
        conv(name, names[at - 1] if at else "data", num_output=3, kernel_size=1, bias_term="false")
        for at, name in enumerate(names)
    )
    numbers = [np.full((3, 3, 1, 1), factor, np.float32) for factor in factors]
    rows = [(name, "Convolution", [], [], [array], None) for name, array in zip(names, numbers)]
    return write_net(folder, text, weights(rows))


def counted(monkeypatch) -> list[int]:
    """Of how many layers each region is that is worked out from now on."""
    tried, collapse = [], search.collapse
    monkeypatch.setattr(
        search,
        "collapse",
        lambda texts, model, region, *more: tried.append(len(region.layers)) or collapse(texts, model, region, *more),
    )
    return tried


@pytest.mark.parametrize(
    ("factors", "folded"),
    [
        ([1e10] * 10, [(7, 3), (4, 3), (1, 3)]),  # three are 1e30, and four no float32
        ([1e-10] * 10, [(0, 10)]),  # what becomes 0 is a number
        ([1e10, 1, 1e10, 1, 1, 1e10, 1, 1, 1e10, 1], [(1, 9)]),
        ([1, 1, 1, float("nan"), 1, 1, 1, 1], [(4, 4), (0, 3)]),
        ([float("inf")] * 6, []),
    ],
)
def test_what_overflows_is_folded_in_parts(tmp_path, factors, folded):
    """The largest parts from the end on, as trying each length would find them."""
    net, model = chain_of(tmp_path, factors)
    report = fold(net, model, tmp_path / "out", all=True)
    found = sorted(((int(one.layers[0][1:]), len(one.layers)) for one in report.regions), reverse=True)
    assert found == folded
    if folded:
        kept = read_weights((tmp_path / "out" / "net.caffemodel").read_bytes())
        start, count = folded[0]
        _, blobs = kept[report.regions[-1].layer]
        expected = 3.0 ** (count - 1) * np.prod(np.array(factors[start : start + count], np.float64))
        np.testing.assert_allclose(blobs[0].flat[0], expected, rtol=1e-5, atol=1e-45)


def test_a_chain_that_overflows_is_worked_out_few_times(tmp_path, monkeypatch):
    tried = counted(monkeypatch)
    sums = []
    for count in (30, 60):
        tried.clear()
        fold(*chain_of(tmp_path, [1e10] * count), tmp_path / f"out{count}", all=True)
        assert len(tried) < 3 * count
        sums.append(sum(tried))
    assert sums[1] < 2.2 * sums[0], "of a chain twice as long twice as much is worked out"


def test_of_a_net_that_diverged_each_layer_is_looked_at_once(tmp_path, monkeypatch):
    tried = counted(monkeypatch)
    fold(*chain_of(tmp_path, [float("nan")] * 60), tmp_path / "out", all=True)
    assert sum(tried) < 4 * 60
