"""The worked examples against what the lectures print."""

import numpy as np
import pytest
import tensorflow as tf

from cnnlab.lessons import toy
from cnnlab.lessons.lesson import Step, image
from cnnlab.lessons.lessons import LESSONS

# Lessons whose lecture prints no numbers that could be compared.
WITHOUT_NUMBERS = {"intel-same", "intel-kernels", "ucsb-channels", "ucsb-padding", "ucsb-flip"}
WITHOUT_NUMBERS |= {"tf-convolution", "tf-products"}


@pytest.mark.parametrize("name", LESSONS)
def test_every_number_is_as_the_lecture_prints_it(name):
    results = [step.agrees for step in LESSONS[name].work()]
    assert False not in results
    assert (True in results) == (name not in WITHOUT_NUMBERS)


def outputs(name):
    """By title, without channels where there is one."""
    return {step.title: step.values.squeeze().tolist() for step in LESSONS[name].work()}


def lines(name, title):
    (step,) = [step for step in LESSONS[name].work() if step.title == title]
    return list(step.lines)


def test_intel_prints_every_product_and_the_sum():
    terms = "(3*-1)+(2*0)+(1*1)+(1*-2)+(2*0)+(3*2)+(1*-1)+(1*0)+(1*1)"
    assert lines("intel-3x3", "output") == [f"[0, 0] {terms} = 2"]


def test_intel_over_the_larger_input():
    plain, strided, same = (outputs(name)["output"] for name in ("intel-5x5", "intel-stride", "intel-same"))
    assert plain[0][0] == strided[0][0] == -2
    assert strided == [row[::2] for row in plain[::2]]
    assert [row[1:4] for row in same[1:4]] == plain


def test_ucsb_pools_and_turns_the_kernel():
    assert outputs("ucsb-max")["output of max pooling 2×2, stride 2"] == [[20, 30], [112, 37]]
    assert outputs("ucsb-average")["output of average pooling 2×2, stride 2"] == [[13, 8], [79, 19.5]]
    flip = outputs("ucsb-flip")
    assert flip["convolution of mathematics"] == -flip["cross-correlation, which networks compute"] == -2


def test_ucsb_pads_with_zeros():
    found = outputs("ucsb-padding")
    assert np.shape(found["input with zero padding 2"]) == (8, 8)
    assert found["output at stride 2 with zero padding 1"] == [[52, 64], [336, 262]]


def test_neuron_layer_and_batch_agree():
    found = outputs("tf-products")
    batch = found["a layer on a batch: a matrix-matrix product"]
    assert found["a layer on one input: a matrix-vector product"] == batch[0] == [0.5, 7]
    assert found["one neuron on one input: a scalar product"] == batch[0][0]


def test_kth_filter_answers_6600_on_the_curve_and_0_elsewhere():
    found = [step.values.item() for step in LESSONS["kth-curve"].work() if step.title == "sum of products"]
    assert found == [6600, 0]


def test_kth_toy_agrees_with_tensorflow():
    maps, positive, pooled = toy.layers(toy.LETTER_X)
    theirs = tf.nn.conv2d(toy.LETTER_X[None], toy.FILTERS, 1, "VALID") / 9
    np.testing.assert_allclose(maps, theirs[0], atol=1e-12)
    np.testing.assert_allclose(positive, tf.nn.relu(theirs)[0], atol=1e-12)
    np.testing.assert_allclose(pooled, tf.nn.max_pool2d(tf.nn.relu(theirs), 2, 2, "SAME")[0], atol=1e-12)


def test_kth_toy_votes_for_the_right_letter():
    for_x, for_o = toy.votes(toy.layers(toy.LETTER_X)[2])
    assert for_x > for_o
    for_x, for_o = toy.votes(toy.layers(toy.LETTER_O)[2])
    assert for_x < for_o


def test_kth_backward_writes_each_term():
    expected = "dE/dw12 = dE/dh11*x12 + dE/dh12*x13 + dE/dh21*x22 + dE/dh22*x23 = (1*2)+(-1*3)+(2*5)+(0.5*6) = 12"
    assert lines("kth-backward", "dE/dw")[1] == expected
    assert lines("kth-backward", "dE/dx")[4].startswith(
        "dE/dx22 = dE/dh11*w22 + dE/dh12*w21 + dE/dh21*w12 + dE/dh22*w11 = "
    )


def test_kth_backward_agrees_with_a_tape():
    found = outputs("kth-backward")
    x, kernel, upstream = (
        np.array(found[name]) for name in ("input x (values ours)", "kernel w", "dE/dh, from the next layer")
    )
    weights = tf.Variable(kernel[:, :, None, None])
    with tf.GradientTape() as tape:
        sums = tf.nn.conv2d(x[None, :, :, None], weights, 1, "VALID")
        error = tf.reduce_sum(sums * upstream[None, :, :, None])
    expected = tape.gradient(error, weights).numpy().squeeze()
    assert found["dE/dw"] == expected.tolist()
    np.testing.assert_allclose(found["w_next = w - 0.1 dE/dw"], kernel - 0.1 * expected)


def test_a_number_that_differs_is_noticed():
    assert Step("", image([[1, 2]]), printed=image([[1, 3]])).agrees is False
    assert Step("", image([[7 / 9, -1 / 9]]), printed=image([[0.77, -0.11]]), cut=True).agrees is True
    assert Step("", image([[7 / 9]]), printed=image([[0.78]]), cut=True).agrees is False
    assert Step("", image([[1]]), printed=image([[1, 2]])).agrees is False
    assert Step("", image([[19.5]]), printed=image([[20]]), rounded=True).agrees is True
    assert Step("", image([[19.4]]), printed=image([[20]]), rounded=True).agrees is False
    assert Step("", image([[1]]), printed_shape=(2, 2, 1)).agrees is False


def test_values_of_the_shapes_lesson_differ_from_place_to_place():
    x, output, *_ = LESSONS["kth-shapes"].work()
    assert x.title == "input (values ours)"
    assert all(len(np.unique(array[:, :, 0])) > 3 for array in (x.values, output.values))
