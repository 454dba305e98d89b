"""Composition of maps that slide, held against running them one after the other on images of many sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from split_surgery.folding.forward import convolve, spread
from split_surgery.kernels.channel_maps import ChannelMap, ChannelRange, after_channels, after_range, scaled
from split_surgery.kernels.dense import fast_product, grouped, product, ungrouped
from split_surgery.kernels.linear_maps import LinearMap, NotExact, Slide, after, embedded, of_layer, stacked, summed

pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
pads = st.tuples(st.integers(0, 2), st.integers(0, 2))
slides = st.builds(Slide, pair, pair, pads, pair, st.just(False))
spreading = st.builds(Slide, pair, pair, pads, pair, st.just(True))
pointwise = st.builds(Slide, st.just((1, 1)), pair, st.just((0, 0)), st.just((1, 1)), st.just(False))
seeds = st.integers(0, 2**16)
images = st.tuples(st.integers(9, 12), st.integers(9, 12))


def drawn(seed: int, slide: Slide, count: int, channels: int, bias: bool = True) -> LinearMap:
    draw = np.random.RandomState(seed)
    weight = draw.standard_normal((count, channels, *slide.kernel)).astype(np.float32)
    return of_layer(weight, draw.standard_normal(count).astype(np.float32) if bias else None, slide)


def run(map: LinearMap, image):
    """The map's output, or None where the image is too small for it."""
    slide = map.slide
    if slide.spreads:
        whole = spread(image, map.weight.swapaxes(0, 1), slide.stride, slide.pad, slide.dilation)
        return whole + map.bias[:, None, None]
    sizes = [image.shape[i + 1] + 2 * slide.pad[i] - slide.dilation[i] * (slide.kernel[i] - 1) for i in (0, 1)]
    if min(sizes) < 1:
        return None
    return convolve(image, map.weight, slide.stride, slide.pad, slide.dilation) + map.bias[:, None, None]


def image_of(seed: int, channels: int, size: tuple[int, int]):
    return np.random.RandomState(seed).standard_normal((channels, *size))


def test_convolve_is_what_caffe_defines():
    """The reference itself, against the sum written out."""
    draw = np.random.RandomState(0)
    image, weight = draw.standard_normal((4, 6, 7)), draw.standard_normal((6, 2, 3, 2))
    found = convolve(image, weight, (2, 1), (1, 2), (1, 3), group=2)
    padded = np.pad(image, ((0, 0), (1, 1), (2, 2)))
    for n in range(6):
        first = 0 if n < 3 else 2
        for y in range(found.shape[1]):
            for x in range(found.shape[2]):
                terms = [
                    weight[n, c, i, j] * padded[first + c, 2 * y + i, x + 3 * j]
                    for c in range(2) for i in range(3) for j in range(2)
                ]  # fmt: skip
                assert found[n, y, x] == pytest.approx(sum(terms))
    assert found.shape == (6, (6 + 2 - 2 - 1) // 2 + 1, 7 + 4 - 3 - 1 + 1)


@given(slides, slides, st.booleans(), seeds, images)
def test_one_after_another(first, second, bias, seed, size):
    inner, outer = drawn(seed, first, 3, 2, bias), drawn(seed + 1, second, 4, 3)
    try:
        both = after(outer, inner)
    except NotExact:
        assert any(second.pad), "only padding stands in the way"
        return
    image = image_of(seed, 2, size)
    middle = run(inner, image)
    assume(middle is not None)
    wanted, found = run(outer, middle), run(both, image)
    assume(wanted is not None)
    assert found is not None
    assert found.shape == wanted.shape
    assert np.allclose(found, wanted, atol=1e-9)
    exact = np.float32(both.weight)
    assert np.abs(exact - both.weight).max() <= both.error(np.finfo(np.float32), both.largest)


@given(st.one_of(slides, spreading), seeds, images, st.booleans())
def test_after_what_works_by_channel(slide, seed, size, shifted):
    draw = np.random.RandomState(seed)
    by = ChannelMap(draw.standard_normal(3), draw.standard_normal(3) * shifted).then(draw.standard_normal(3), None)
    outer, image = drawn(seed, slide, 4, 3), image_of(seed, 3, size)
    try:
        found = run(after_channels(outer, by), image)
    except NotExact:
        assert any(slide.pad) or (slide.spreads and slide[:2] != ((1, 1), (1, 1)))
        assert by.shift.any()
        return
    assume(found is not None)
    assert np.allclose(found, run(outer, image * by.scale[:, None, None] + by.shift[:, None, None]), atol=1e-9)


@st.composite
def alike(draw, count):
    """Slides whose outputs have one size: each padded by half its kernel, and by as much as the others beyond that."""
    stride, more = draw(pair), draw(st.integers(0, 1))
    found = []
    for _ in range(count):
        half, dilation = draw(st.tuples(st.integers(0, 1), st.integers(0, 1))), draw(pair)
        pad = tuple(dilation[i] * half[i] + more for i in (0, 1))
        found.append(Slide((2 * half[0] + 1, 2 * half[1] + 1), stride, pad, dilation))
    return found


@given(alike(3), seeds, images, st.booleans())
def test_sums_and_stacks(parts, seed, size, sums):
    maps = [drawn(seed + at, slide, 3 if sums else 1 + at, 2) for at, slide in enumerate(parts)]
    image = image_of(seed, 2, size)
    outputs = [run(map, image) for map in maps]
    factors = [0.5, -2.0, 1.0]
    joined = summed(maps, factors) if sums else stacked(maps)
    wanted = sum(k * output for k, output in zip(factors, outputs)) if sums else np.concatenate(outputs)
    found = run(joined, image)
    assert found.shape == wanted.shape
    assert np.allclose(found, wanted, atol=1e-9)


def test_outputs_of_other_sizes_are_not_joined():
    for other in (Slide((3, 3)), Slide((1, 1), (2, 2)), Slide((3, 3), (1, 1), (2, 2))):
        with pytest.raises(NotExact):
            summed([drawn(0, Slide((1, 1)), 2, 2), drawn(1, other, 2, 2)], [1.0, 1.0])


@given(alike(2), seeds, images)
def test_an_embedded_kernel_computes_the_same(parts, seed, size):
    slide, into = parts
    map, image = drawn(seed, slide, 2, 2), image_of(seed, 2, size)
    weight = embedded(map.weight, slide, into)
    if weight is None:  # a tap beside those of the other
        assert any(slide.kernel[i] > into.kernel[i] or slide.dilation[i] != into.dilation[i] for i in (0, 1))
        return
    assert np.allclose(run(of_layer(weight, map.bias, into), image), run(map, image))


@given(pointwise, seeds)
def test_a_scaled_map(slide, seed):
    map, image = drawn(seed, slide, 3, 2), image_of(seed, 2, (5, 5))
    draw = np.random.RandomState(seed)
    scale, shift = draw.standard_normal(3), draw.standard_normal(3)
    wanted = run(map, image) * scale[:, None, None] + shift[:, None, None]
    assert np.allclose(run(scaled(scale, shift, map), image), wanted)


@given(st.one_of(slides, spreading), seeds, images)
def test_one_scale_for_all_channels(slide, seed, size):
    """As of a Power: before a kernel and after it, however many channels there are."""
    by = ChannelMap(np.array(0.5), np.array(0.0))
    outer, image = drawn(seed, slide, 4, 3), image_of(seed, 3, size)
    wanted = run(outer, image * 0.5)
    assume(wanted is not None)
    assert np.allclose(run(after_channels(outer, by), image), wanted, atol=1e-9)
    assert np.allclose(run(scaled(by.scale, np.array(2.0), outer), image), run(outer, image) * 0.5 + 2, atol=1e-9)
    assert np.array_equal(by.written_out(3).weight[:, :, 0, 0], np.eye(3) / 2)
    assert by.then(np.arange(3.0), np.arange(3.0)).channels == 3


@given(slides, seeds, images, st.integers(0, 4))
def test_some_of_the_channels(slide, seed, size, start):
    outer, image = drawn(seed, slide, 4, 3), image_of(seed, 7, size)
    some = ChannelRange(0, 5, 7).part(start % 3, start % 3 + 3)
    wanted = run(outer, image[some.start : some.stop])
    assume(wanted is not None)
    assert np.allclose(run(after_range(outer, some), image), wanted, atol=1e-9)


@given(slides, spreading)
def test_a_kernel_and_a_deconvolution_are_not_composed(slide, spread):
    for outer, inner in ((slide, spread), (spread, slide), (spread, spread)):
        with pytest.raises(NotExact):
            after(drawn(0, outer, 2, 3), drawn(1, inner, 3, 2))


def test_selections_keep_every_bit():
    weight = np.array([-0.0, 1e-45, 1.0], np.float32).reshape(3, 1, 1, 1)
    inner = of_layer(weight, np.array([-0.0, 2.0, -0.0], np.float32), Slide((1, 1)))
    for matrix in (np.eye(3), np.eye(3, dtype=np.float32)[::-1]):
        moved = after(of_layer(matrix[:, :, None, None], None, Slide((1, 1))), inner)
        rows = matrix.argmax(axis=1)
        assert moved.weight.tobytes() == weight[rows].tobytes()
        assert moved.bias.tobytes() == inner.bias[rows].tobytes()
        assert (moved.error(np.finfo(np.float32), moved.largest), moved.roundings) == (0.0, 0)


@given(st.integers(1, 70), st.integers(1, 9), st.integers(1, 300), seeds)
def test_products_add_in_one_order(n, m, k, seed):
    draw = np.random.RandomState(seed)
    matrix, columns = draw.standard_normal((n, m)), draw.standard_normal((m, k))
    found = product(matrix, columns)
    wanted = np.zeros((n, k))
    for at in range(m):
        wanted = wanted + matrix[:, at, None] * columns[at]
    assert found.tobytes() == wanted.tobytes()
    assert np.allclose(found, matrix @ columns)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 50), seeds)
def test_a_fast_product_is_the_same_but_for_rounding(n, m, k, seed):
    draw = np.random.RandomState(seed)
    matrix, columns = draw.standard_normal((n, m)).astype(np.float32), draw.standard_normal((m, k, 1, 1))
    found = fast_product(matrix, columns)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, product(matrix, columns), rtol=0, atol=1e-12)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_fast_product_loses_nothing_that_is_multiplied_by_zero(number):
    columns = np.ones((2, 3))
    columns[1, 1] = number
    np.testing.assert_array_equal(fast_product(np.eye(2), columns), [[1, np.nan, 1], [1, number, 1]])


@given(st.sampled_from([1, 2, 3]), seeds)
def test_groups_written_out_and_back(group, seed):
    weight = np.random.RandomState(seed).standard_normal((6, 2, 3, 1)).astype(np.float32)
    dense = ungrouped(weight, group)
    back = grouped(dense, group)
    assert back is not None
    assert back.tobytes() == weight.tobytes()
    if group > 1:
        dense[0, -1, 0, 0] = 1e-30
        assert grouped(dense, group) is None
