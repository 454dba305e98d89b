"""Pictures: what is in them, the same bytes again, and nothing of matplotlib where nothing is drawn."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from split_surgery import plot, rank
from split_surgery.documents.net.net import Net
from split_surgery.documents.net.rules import State
from split_surgery.documents.prototxt import Document
from split_surgery.errors import UsageError
from split_surgery.kernels.tpm import entropy
from split_surgery.reporting.logs.caffe_log import read_logs
from split_surgery.reporting.logs.curve import Curve
from split_surgery.splitting.plan_file import read_plan
from tests.support.nets import weights
from tests.support.paths import EXAMPLE
from tests.support.report_pages import MAGIC

pytest.importorskip("matplotlib")

from matplotlib.backends.backend_agg import FigureCanvasAgg

from split_surgery.reporting.diagram import Arrow, Box, Diagram, diagram_of
from split_surgery.reporting.pictures.curves import lines_of, moving_average
from split_surgery.reporting.pictures.grids import GAP, LARGEST, LEAST, TALL, WIDE, Kernels, layout
from split_surgery.reporting.pictures.layout import place
from split_surgery.reporting.pictures.pairs import edge_profile, edge_response


def test_the_lines_are_the_logs_values():
    found = plot.loss([EXAMPLE / "train.log", EXAMPLE / "derived1"], avg=1)
    (log,) = read_logs((EXAMPLE / "derived1" / "train.log").read_bytes().splitlines(), "x")
    panels = {axes.get_title(loc="left"): axes for axes in found.picture.figure.axes}
    assert list(panels) == ["training loss", "test loss", "accuracy", "learning rate"]
    for panel, curve in (
        ("training loss", log.train["loss"]),
        ("test loss", log.tests[0, "loss"]),
        ("accuracy", log.tests[0, "accuracy"]),
        ("learning rate", log.train["lr"]),
    ):
        line = panels[panel].get_lines()[1]
        assert list(line.get_xdata()) == list(curve.iterations)
        assert list(line.get_ydata()) == list(curve.values)
    assert [text.get_text() for text in found.picture.figure.legends[0].get_texts()] == ["fashion_vgg", "derived1"]


def curve_of(points):
    curve = Curve()
    for at, value in points:
        curve.add(at, value)
    return curve


@given(st.lists(st.floats(-100, 100), max_size=40), st.integers(1, 9))
def test_the_moving_average(values, count):
    found = moving_average(curve_of(enumerate(values)), count)
    for at, (iteration, value) in enumerate(found):
        window = values[max(0, at - count + 1) : at + 1]
        assert iteration == at
        assert value == pytest.approx(sum(window) / len(window), abs=1e-9)


def test_a_restart_breaks_the_line_and_the_average():
    assert moving_average(curve_of([(0, 1.0), (10, 3.0), (5, 8.0)]), 2) == [(0, 1.0), (10, 2.0), (5, 8.0)]
    log = "".join(
        f"I0101 00:00:{at:02}.0 1 s.cpp:1] Iteration {iteration}, loss = {iteration}\n"
        for at, iteration in enumerate((0, 100, 200, 100, 200))
    )
    (parsed,) = read_logs(log.encode().splitlines(), "x")
    (line,) = lines_of(parsed, 0, 1, None)
    assert line.iterations == (0, 100, 200, 100, 200)


def test_a_restart_is_drawn_as_two_lines(tmp_path):
    text = "".join(
        f"I0101 00:00:{at:02}.0 1 s.cpp:1] Iteration {iteration}, loss = {iteration}\n"
        for at, iteration in enumerate((0, 100, 200, 100, 200))
    )
    (tmp_path / "a.log").write_text(text)
    (axes,) = plot.loss(tmp_path / "a.log", avg=1).picture.figure.axes
    assert [list(line.get_xdata()) for line in axes.get_lines()] == [[0, 100, 200], [100, 200]]


def test_a_long_log_is_thinned_to_what_can_be_seen(tmp_path):
    lines = (f"I0101 00:00:00.0 1 s.cpp:1] Iteration {at}, loss = 1\n" for at in range(30_000))
    (tmp_path / "a.log").write_text("".join(lines))
    (axes,) = plot.loss(tmp_path / "a.log").picture.figure.axes
    assert len(axes.get_lines()[0].get_xdata()) < 6000


def test_the_bars_are_the_plans_scores():
    plan = read_plan(EXAMPLE / "derived1" / "split.yaml").layers[0]
    axes, entropies = plot.tpm(EXAMPLE / "derived1" / "split.yaml").picture.figure.axes
    bars = {round(bar.get_x() + bar.get_width() / 2): bar.get_height() for bar in axes.patches}
    channels = [int(label.get_text()) for label in axes.get_xticklabels()]
    assert [bars[at] for at in range(32)] == [plan.scores[channel] for channel in channels]
    assert sorted(channels[:16]) == list(plan.fast)
    assert entropies.patches[0].get_width() == pytest.approx(entropy(plan.scores))


def test_scores_of_a_net_are_those_of_rank():
    net, weights = EXAMPLE / "train_val.prototxt", EXAMPLE / "snapshots" / "fashion_vgg_iter_3000.caffemodel"
    found = plot.tpm(net, weights, layer=["conv2_1"], fast="25%")
    ranked = rank(net, weights, layer="conv2_1", fast="25%")
    kernels, entropies = found.picture.figure.axes
    assert [int(label.get_text()) for label in kernels.get_xticklabels()] == [k.channel for k in ranked.kernels]
    assert "8 fast and 24 slow" in kernels.get_title(loc="left")
    assert [bar.get_width() for bar in entropies.patches] == [row.entropy for row in rank(net, weights).layers]


def outputs_across(weight, axis):
    """What a kernel computes where it lies wholly inside an image that steps from 0 to 1 along an axis (correlation, as Caffe)."""
    _, high, wide = weight.shape
    image = np.zeros((weight.shape[0], 5 * high, 5 * wide))
    index = (
        (slice(None), slice(2 * high, None), slice(None))
        if axis == 0
        else (slice(None), slice(None), slice(2 * wide, None))
    )
    image[index] = 1
    steps = range(4 * high) if axis == 0 else range(4 * wide)
    return [
        float((image[:, s : s + high, :wide] if axis == 0 else image[:, :high, s : s + wide]).ravel() @ weight.ravel())
        for s in steps
    ]


@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 5), st.integers(1, 5))
def test_the_response_to_an_edge_is_what_a_convolution_gives(seed, channels, high, wide):
    weight = np.random.default_rng(seed).standard_normal((2, channels, high, wide))
    for at, kernel in enumerate(weight):
        across = [outputs_across(kernel, axis) for axis in (0, 1)]
        largest = max(float(np.abs(np.diff(one)).max()) for one in across)
        assert edge_response(weight)[at] == pytest.approx(largest)
        profile = edge_profile(weight)[at]
        start = next(s for s in range(len(across[1])) if s + wide == 2 * wide)
        assert list(profile) == pytest.approx(across[1][start : start + wide + 1])


def test_responses_of_known_kernels():
    identity, blur = np.zeros((1, 1, 3, 3)), np.full((1, 1, 3, 3), 1 / 9)
    identity[0, 0, 1, 1] = 1
    assert edge_response(identity) == pytest.approx([1.0])
    assert edge_response(blur) == pytest.approx([1 / 3])
    assert edge_response(2 * identity - 0.2 * identity) == pytest.approx([1.8])


def test_colours_of_three_channels(tmp_path):
    """One red pixel: in RGB it is red, in BGR blue, and 0 is grey."""
    from split_surgery.reporting.pictures.grids import kernel_grid

    weight = np.zeros((1, 3, 3, 3), np.float32)
    weight[0, 0, 0, 0] = 1
    for bgr, strong in ((False, 0), (True, 2)):
        image = np.asarray(kernel_grid(Kernels("conv1", weight), bgr).figure.axes[0].get_images()[0].get_array())
        shown = image[image[..., 3] == 1]  # what is between kernels is transparent
        assert shown[0, :3] == pytest.approx([1.0 if channel == strong else 0.5 for channel in range(3)])
        assert shown[-1, :3] == pytest.approx([0.5] * 3)


@given(st.tuples(st.integers(1, 5000), st.integers(1, 3000), st.integers(1, LARGEST), st.integers(1, LARGEST)))
def test_kernels_fit_and_can_be_seen(shape):
    found = layout(shape)
    count, channels, high, wide = shape
    assert found.fine >= LEAST
    assert 0 < found.columns * (wide * found.fine + GAP) <= WIDE + GAP
    assert 0 < found.rows * (high * found.fine + found.gap) <= TALL + found.gap
    assert found.count <= count
    assert found.channels <= channels
    if channels in (1, 3):
        assert (found.rows - 1) * found.columns < found.count <= found.rows * found.columns
    else:
        assert (found.count, found.channels) == (found.rows, found.columns)


def test_kernels_have_their_numbers():
    from split_surgery.reporting.pictures.grids import kernel_grid

    plan = read_plan(EXAMPLE / "derived1" / "split.yaml").layers[0]
    tiles = plot.kernels(EXAMPLE / "derived1", "conv1_1_split2").picture.figure.axes[0]
    assert [int(text.get_text()) for text in tiles.texts] == list(plan.slow)
    rows = plot.kernels(EXAMPLE / "fashion_vgg.caffemodel", "conv1_2").picture.figure.axes[0]
    assert [int(text.get_text()) for text in rows.texts] == list(range(32))
    many = kernel_grid(Kernels("x", np.ones((512, 512, 3, 3), np.float32)))
    assert "512 kernels of 512 x 3 x 3 (the first 218 kernels and 101 channels)" in many.about
    assert min(np.diff([int(text.get_text()) for text in many.figure.axes[0].texts])) == 2  # room for letters


def test_what_is_no_kernel_is_refused(tmp_path):
    model = tmp_path / "old.caffemodel"
    model.write_bytes(weights([("fc6", "InnerProduct", ["x"], ["y"], [np.ones((1, 1, 16, 4096))], None)], legacy=True))
    with pytest.raises(UsageError, match="too large for a kernel to draw"):
        plot.kernels(model, "fc6")
    with pytest.raises(UsageError, match="it was split: conv1_1_split1"):
        plot.kernels(EXAMPLE / "derived1", "conv1_1")


def test_other_channels_are_on_a_symmetric_scale():
    found = plot.kernels(EXAMPLE / "fashion_vgg.caffemodel", "conv1_2").picture.figure.axes[0].get_images()[0]
    low, high = found.get_clim()
    assert low == -high
    assert found.get_array().shape[0] > 32 * 9


def test_compared_kernels_have_the_names_that_the_split_gave():
    found = plot.kernels(EXAMPLE / "derived1", "conv1_1", compare=True)
    assert "conv1_1_split2 and conv1_1_split2_residual_pre: 16 pairs" in found.about
    plan = read_plan(EXAMPLE / "derived1" / "split.yaml").layers[0]
    texts = [text.get_text() for axes in found.picture.figure.axes for text in axes.texts]
    assert [int(text) for text in texts if text.isdecimal()] == list(plan.slow)


NET = """
input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8
layer { name: "a" type: "Convolution" bottom: "data" top: "a" convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
layer { name: "r" type: "ReLU" bottom: "a" top: "a" }
layer { name: "b" type: "Convolution" bottom: "a" top: "b" convolution_param { num_output: 4 kernel_size: 1 stride: 2 group: 2 } }
layer { name: "s" type: "Softmax" bottom: "b" top: "out" }
layer { name: "only" type: "Silence" bottom: "a" include { phase: TRAIN } }
"""


def net_of(text):
    return Net(Document(text.encode(), "net.prototxt"))


def test_boxes_and_arrows():
    found = diagram_of(net_of(NET), State("TEST"), new={"b"})
    assert [(box.title, box.lines, box.new) for box in found.boxes] == [
        ("data", ("input",), False),
        ("a", ("Convolution 3×3, 4", "r: ReLU"), False),
        ("b", ("Convolution 1×1, 4, /2, group 2",), True),
        ("s", ("Softmax",), False),
    ]
    assert [(a.start, a.end, a.label) for a in found.arrows] == [(0, 1, "3×8×8"), (1, 2, "4×8×8"), (2, 3, "4×4×4")]
    assert len(diagram_of(net_of(NET), State("TRAIN")).boxes) == 5


def test_what_is_far_is_folded_away():
    chain = "".join(f'layer {{ name: "c{at}" type: "ReLU" bottom: "c{at - 1}" top: "c{at}" }}\n' for at in range(1, 20))
    found = diagram_of(net_of('input: "c0"\n' + chain), State("TEST")).around({"c10"}, reach=2)
    assert [box.title for box in found.boxes] == ["7 layers", "c8", "c9", "c10", "c11", "c12", "7 layers"]
    assert [(a.start, a.end) for a in found.arrows] == [(at, at + 1) for at in range(6)]


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 14))
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda pair: pair[0] < pair[1])
    arrows = draw(st.lists(pairs, max_size=25, unique=True)) if count > 1 else []
    sizes = draw(st.lists(st.tuples(st.floats(10, 120), st.floats(10, 60)), min_size=count, max_size=count))
    return sizes, arrows


@given(graphs())
def test_boxes_never_overlap_and_arrows_run_down(graph):
    sizes, arrows = graph
    places = place(sizes, arrows, 30.0)
    for a, ((ax, ay), (aw, ah)) in enumerate(zip(places.boxes, sizes)):
        assert aw / 2 - 1e-6 <= ax <= places.width - aw / 2 + 1e-6
        for (bx, by), (bw, bh) in list(zip(places.boxes, sizes))[a + 1 :]:
            assert abs(ax - bx) >= (aw + bw) / 2 - 1e-6 or abs(ay - by) >= (ah + bh) / 2
    for (start, end), route in zip(arrows, places.routes):
        assert (route[0], route[-1]) == (places.boxes[start], places.boxes[end])
        assert all(upper[1] < lower[1] for upper, lower in pairwise(route))


def test_new_layers_are_those_of_the_plan_or_those_that_the_base_has_not():
    by_plan = plot.net(EXAMPLE / "derived1").about
    assert by_plan == plot.net(EXAMPLE / "derived1" / "net.prototxt", base=EXAMPLE / "train_val.prototxt").about
    assert "new: conv1_1_split1, conv1_1_split2," in by_plan
    assert "new" not in plot.net(EXAMPLE / "train_val.prototxt").about
    around = plot.net(EXAMPLE / "derived1", around="conv1_1", phase="train").picture.figure.axes[0]
    assert "9 layers" in [text.get_text() for text in around.texts]


ODD = ["a$\\frac$", "b_$x_1$", "\x1b[31mred", "\udcff\udc80", "漢字", "<&>\"'", "x" * 300]


EVERY = [(name, suffix) for name in ODD for suffix in MAGIC]


@pytest.mark.parametrize(
    ("name", "suffix"),
    # Each name in one format, and each format with some names, in every run; all of them once in CI.
    [
        pytest.param(*pair, marks=[] if at % 3 == at // 3 % 3 else pytest.mark.whole_corpus)
        for at, pair in enumerate(EVERY)
    ],
)
def test_anything_may_be_called_anything(name, suffix):
    from xml.etree import ElementTree

    from split_surgery.reporting.pictures.bars import RankedScores, score_bars
    from split_surgery.reporting.pictures.blocks import block_diagram
    from split_surgery.reporting.pictures.curves import Line, curves
    from split_surgery.reporting.pictures.grids import kernel_grid
    from split_surgery.reporting.pictures.pairs import compared

    ones = Kernels(name, np.ones((2, 1, 3, 3), np.float32))
    lines = [Line(name, at, (0, 5), (1.0, 0.5)) for at in range(9)]
    boxes = Diagram((Box(name, (name,), ()), Box("b", (), ())), (Arrow(0, 1, name),))
    for picture in (
        curves([f"{name}{at}" for at in range(9)], lines),
        score_bars([RankedScores(name, name, ((0, 1.0, True), (1, 0.5, False)))], [(name, 1.0)]),
        kernel_grid(ones),
        compared(ones, ones),
        block_diagram(boxes, name),
    ):
        data = picture.saved(suffix)
        assert data.startswith(MAGIC[suffix])
        if suffix == "svg":
            ElementTree.fromstring(data)
            assert "<svg" in picture.inline()


def test_a_legend_of_many_long_names_fits():
    from split_surgery.reporting.pictures.curves import Line, curves

    for count, length in ((5, 23), (14, 102), (30, 4), (1, 1)):
        names = [f"{'n' * length}{at}" for at in range(count)]
        figure = curves(names, [Line("loss", at, (0, 5), (1.0, 0.5)) for at in range(count)]).figure
        FigureCanvasAgg(figure).draw()
        box = figure.legends[0].get_window_extent()
        assert 0 <= box.x0 < box.x1 <= figure.bbox.width, (count, length)
        panels = figure.axes[0].get_window_extent()
        assert panels.y1 < box.y0
        assert panels.height > 60


def test_one_point_is_seen_and_a_divergence_flattens_nothing():
    from split_surgery.reporting.pictures.curves import Line, curves

    (axes,) = curves(["a"], [Line("loss", 0, (0,), (1.0,))]).figure.axes
    assert axes.get_lines()[0].get_marker() == "o"
    (axes,) = curves(
        ["a", "b"], [Line("loss", 0, (0, 1), (2.0, 1e30)), Line("loss", 1, (0, 1), (2.0, 1.0))]
    ).figure.axes
    assert axes.get_ylim()[1] < 3
    assert "1e+30, is beyond the top" in axes.get_title(loc="left")


def test_what_is_drawn_where_most_is_zero_or_a_net_diverged():
    from split_surgery.reporting.pictures.curves import Line, curves

    late = Line("mAP", 0, tuple(range(10)), (0.0,) * 6 + (0.1, 0.2, 0.3, 0.4))
    (axes,) = curves(["a"], [late]).figure.axes
    assert axes.get_ylim()[1] > 0.4
    falling = Line("training loss", 0, tuple(range(8)), (7.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.001))
    (axes,) = curves(["a", "b"], [falling, Line("training loss", 1, (0, 1), (1e9, 1e10))]).figure.axes
    low, high = axes.get_ylim()
    assert axes.get_yscale() == "log"
    assert 1e-4 < low < 0.001 < 7 < high < 70


def test_curves_of_a_net_with_heads_inside():
    names = ["loss1/loss1", "loss1/top-1", "loss3/loss3", "loss3/top-1"]
    text = "I0101 01:00:00.0 1 s.cpp:1] Iteration 5, Testing net (#0)\n" + "".join(
        f"I0101 01:00:01.0 1 s.cpp:1]     Test net output #{at}: {name} = {at}.5\n" for at, name in enumerate(names)
    )
    (log,) = read_logs(text.encode().splitlines(), "x")
    assert [(line.panel, line.values) for line in lines_of(log, 0, 1, None)] == [
        ("test loss", (2.5,)),
        ("loss3/top-1", (3.5,)),
    ]


def test_an_error_has_a_panel_of_its_own():
    text = "I0101 01:00:00.0 1 s.cpp:1] Iteration 5, Testing net (#0)\n" + "".join(
        f"I0101 01:00:01.0 1 s.cpp:1]     Test net output #{at}: {name} = {at}.5\n"
        for at, name in enumerate(["loss", "error"])
    )
    (log,) = read_logs(text.encode().splitlines(), "x")
    for output in (None, "error"):
        assert [(line.panel, line.values) for line in lines_of(log, 0, 1, output)] == [
            ("test loss", (0.5,)),
            ("error", (1.5,)),
        ]


def test_texts_beside_arrows_lie_on_nothing():
    from split_surgery.reporting.pictures import blocks
    from split_surgery.reporting.pictures.layout import place as placed

    texts = ["label", "64×112×112", "2 blobs"]
    arrows = [Arrow(0, to, texts[at % 3]) for at, to in enumerate((1, 2, 3, 4, 4))] + [
        Arrow(to, 4, "x") for to in (1, 2, 3)
    ]
    boxes = tuple(Box(f"box{at}", ("Convolution 3×3, 64",), ()) for at in range(5))
    sizes = [blocks._size((box.title, *box.lines), box) for box in boxes]
    places = placed(sizes, [(one.start, one.end) for one in arrows], 40.0)
    routes = [blocks._points(one, route, places, sizes) for one, route in zip(arrows, places.routes)]
    labels = blocks._labels(Diagram(boxes, tuple(arrows)), routes, places.boxes, sizes)
    for at, one in enumerate(labels):
        assert not any(one.meets(o.left, o.top, o.right, o.bottom) for o in labels[:at]), one
        for (x, y), (wide, high) in zip(places.boxes, sizes):
            assert not one.meets(x - wide / 2, y - high / 2, x + wide / 2, y + high / 2), one


def test_arrows_of_what_is_folded_away_become_one():
    boxes = tuple(Box(f"b{at}", (), (f"b{at}",)) for at in range(12))
    arrows = (*(Arrow(at, 11, "8") for at in range(5)), Arrow(5, 11, "9"), Arrow(6, 11, "9"), Arrow(7, 11, "label"))
    found = Diagram(boxes, arrows).around({"b11"}, reach=0)
    assert found.arrows == (Arrow(0, 1, "8 blobs", bundle=True),)
    few = Diagram(boxes, arrows[5:]).around({"b11"}, reach=0)
    assert few.arrows == (Arrow(0, 1, "9\nlabel"),)


def test_a_diagram_that_nobody_could_read_is_refused():
    count = 60
    arrows = [(a, b) for a in range(count) for b in range(a + 1, count)]
    with pytest.raises(UsageError, match="name the layers to look at with --around"):
        place([(50.0, 20.0)] * count, arrows, 30.0)
    dense = [(a, b) for a in range(25) for b in range(a + 1, 25)]
    assert len(place([(50.0, 20.0)] * 25, dense, 30.0).boxes) == 25


def test_names_with_markup_are_only_names(tmp_path):
    """A layer may be called anything: matplotlib takes $ for mathematics, and SVG has its own special letters."""
    text = NET.replace('"b"', '"$b^{<&>_$"')
    (tmp_path / "n.prototxt").write_text(text)
    plot.net(tmp_path / "n.prototxt", tmp_path / "n.svg")
    assert "<svg" in plot.net(tmp_path / "n.prototxt")._repr_html_()
