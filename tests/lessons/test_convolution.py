"""Convolution, pooling and gradients against TensorFlow."""

import time

import numpy as np
import pytest
import tensorflow as tf

from cnnlab.errors import RequestError
from cnnlab.lessons.convolution import correlate, flipped, pool, products, relu
from cnnlab.lessons.gradients import gradients
from cnnlab.lessons.operation import Operation
from cnnlab.lessons.pools import Pool

SEEDS = range(12)


def random_case(seed):
    """An image, kernels, a stride and a padding of random sizes that fit."""
    random = np.random.default_rng(seed)
    height, width, cin, cout = (int(random.integers(5, 10)), int(random.integers(5, 10)), *random.integers(1, 4, 2))
    kernel = int(random.integers(1, 5)), int(random.integers(1, 5))
    stride, padding = int(random.integers(1, 4)), ["valid", "same", 1, 2][int(random.integers(4))]
    return (
        random.normal(size=(height, width, cin)),
        random.normal(size=(*kernel, cin, cout)),
        random.normal(size=cout),
        stride,
        padding,
    )


def tf_padding(padding):
    return padding.upper() if isinstance(padding, str) else [[0, 0], [padding] * 2, [padding] * 2, [0, 0]]


def tf_convolution(image, kernels, bias, stride, padding):
    return tf.nn.conv2d(image[None], kernels, stride, tf_padding(padding))[0] + bias


@pytest.mark.parametrize("seed", SEEDS)
def test_sums_are_those_of_tensorflow(seed):
    case = random_case(seed)
    np.testing.assert_allclose(correlate(*case), tf_convolution(*case), atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_products_add_up_to_the_sums(seed):
    image, kernels, _, stride, padding = random_case(seed)
    terms = products(image, kernels, stride, padding)
    np.testing.assert_allclose(terms.sum(axis=(2, 3, 4)), correlate(image, kernels, None, stride, padding), atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_kernel_of_two_axes_sees_each_channel_as_a_depthwise_convolution(seed):
    image, kernels, _, stride, padding = random_case(seed)
    kernels = kernels[:, :, :1]
    ours = Operation([kernels], stride=stride, padding=padding).sums(image)
    repeated = np.repeat(kernels, image.shape[2], axis=2)
    theirs = tf.nn.depthwise_conv2d(image[None], repeated, [1, stride, stride, 1], tf_padding(padding))[0]
    filters = kernels.shape[3]  # theirs is channel by channel, ours filter by filter
    in_our_order = tf.reshape(theirs, (*theirs.shape[:2], -1, filters)).numpy().swapaxes(2, 3).reshape(ours.shape)
    np.testing.assert_allclose(ours, in_our_order, atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", [Pool.MAX, Pool.AVERAGE])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_pooling_is_that_of_tensorflow(seed, kind, padding):
    image, _, _, stride, _ = random_case(seed)
    size = 1 + seed % 4
    theirs = {Pool.MAX: tf.nn.max_pool2d, Pool.AVERAGE: tf.nn.avg_pool2d}[kind]
    expected = theirs(image[None], size, stride, padding.upper())[0]
    np.testing.assert_allclose(pool(image, kind, size, stride, padding), expected, atol=1e-12)


def test_global_pooling_has_one_value_per_channel():
    image = random_case(0)[0]
    np.testing.assert_allclose(pool(image, Pool.GLOBAL_MAX)[0, 0], tf.reduce_max(image, (0, 1)))
    np.testing.assert_allclose(pool(image, Pool.GLOBAL_AVERAGE)[0, 0], tf.reduce_mean(image, (0, 1)))


def test_pooling_across_channels_takes_the_largest_of_all_or_of_groups():
    image = np.array([[[1.0, 5.0, 7.0, -2.0]]])
    assert pool(image, Pool.CHANNELS).tolist() == [[[7]]]
    assert pool(image, Pool.CHANNELS, size=2).tolist() == [[[5, 7]]]
    with pytest.raises(RequestError, match="a divisor of the input's 4"):
        pool(image, Pool.CHANNELS, size=3)


@pytest.mark.parametrize("seed", SEEDS)
def test_gradients_are_those_of_a_tape(seed):
    image, kernels, bias, stride, padding = (
        tf.constant(part) if isinstance(part, np.ndarray) else part for part in random_case(seed)
    )
    with tf.GradientTape() as tape:
        tape.watch([image, kernels, bias])
        sums = tf_convolution(image, kernels, bias, stride, padding)
        upstream = np.random.default_rng(seed).normal(size=sums.shape)
        error = tf.reduce_sum(sums * upstream)
    expected = tape.gradient(error, [kernels, image, bias])
    found = gradients(image.numpy(), kernels.numpy(), upstream, stride, padding)
    for ours, theirs in zip((found.kernels, found.image, found.bias), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_true_convolution_is_that_of_scipy():
    from scipy.signal import convolve2d

    image, kernels, *_ = random_case(3)
    ours = correlate(image[:, :, :1], flipped(kernels[:, :, :1, :1]))[:, :, 0]
    np.testing.assert_allclose(ours, convolve2d(image[:, :, 0], kernels[:, :, 0, 0], mode="valid"), atol=1e-12)


def test_relu_has_no_negative_values():
    assert relu(np.array([-1.0, 0.0, 2.0])).tolist() == [0, 0, 2]


def test_a_dense_gradient_of_another_shape_is_refused():
    with pytest.raises(RequestError, match=r"dE/dh has the shape \[1, 2\]; expected .* \[2, 2\]"):
        gradients(np.ones((3, 3, 1)), np.ones((2, 2, 1, 1)), np.ones((1, 2, 1)))


@pytest.mark.parametrize("seed", SEEDS)
def test_sums_by_fourier_transforms_are_the_same(seed, monkeypatch):
    case = random_case(seed)
    expected = correlate(*case)
    monkeypatch.setattr("cnnlab.lessons.convolution.MOST_DIRECT", 0)
    np.testing.assert_allclose(correlate(*case), expected, rtol=0, atol=1e-12)


def test_sums_of_whole_numbers_by_fourier_transforms_are_exact(monkeypatch):
    random = np.random.default_rng(0)
    image, kernels = random.integers(-9, 9, (40, 50, 2)) * 1.0, random.integers(-9, 9, (21, 21, 2, 3)) * 1.0
    expected = correlate(image, kernels)
    monkeypatch.setattr("cnnlab.lessons.convolution.MOST_DIRECT", 0)
    assert (correlate(image, kernels) == expected).all()


def test_a_large_kernel_on_a_large_image_takes_no_minutes():
    image = np.random.default_rng(0).random((1000, 1000, 1))
    start = time.monotonic()
    output = correlate(image, np.full((101, 101, 1, 1), 1 / 101**2))
    assert time.monotonic() - start < 5  # 30 s, one place of the kernel after the other
    np.testing.assert_allclose(output[3, 5, 0], image[3:104, 5:106].mean(), atol=1e-12)


@pytest.mark.parametrize("kind", [Pool.MAX, Pool.AVERAGE])
def test_pooling_of_large_windows_takes_no_minutes(kind):
    image = np.random.default_rng(0).random((600, 600, 1))
    start = time.monotonic()
    output = pool(image, kind, 200, 1)
    assert time.monotonic() - start < 5
    window = image[7:207, 9:209]
    assert np.isclose(output[7, 9, 0], window.max() if kind is Pool.MAX else window.mean())


def test_gradients_of_many_sums_take_no_minutes():
    image, upstream = np.ones((1500, 1500, 1)), np.ones((1498, 1498, 1))
    start = time.monotonic()
    found = gradients(image, np.ones((3, 3, 1, 1)), upstream)
    assert time.monotonic() - start < 3
    assert (found.kernels == 1498**2).all()
    assert found.image[700, 700, 0] == 9
