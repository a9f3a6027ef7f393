"""Kernels by name."""

import math

import numpy as np
import pytest

from cnnlab.errors import RequestError
from cnnlab.lessons.convolution import correlate
from cnnlab.lessons.kernels import KERNELS, named


def applied(name, image):
    return correlate(np.asarray(image, float)[:, :, None], named(name)[:, :, None, None])[:, :, 0]


RAMP = np.tile(np.arange(7.0), (7, 1))  # brighter to the right by 1 per pixel


@pytest.mark.parametrize("name", ["identity", "box-blur", "gaussian-blur", "sharpen", "emboss"])
def test_these_keep_an_even_brightness(name):
    np.testing.assert_allclose(applied(name, np.full((9, 9), 0.7)), 0.7)


@pytest.mark.parametrize("name", ["sobel-x", "sobel-y", "laplacian"])
def test_these_see_nothing_in_an_even_brightness(name):
    np.testing.assert_allclose(applied(name, np.full((9, 9), 0.7)), 0, atol=1e-12)


def test_sobel_measures_the_slope_of_its_direction():
    assert set(applied("sobel-x", RAMP).flat) == {8}
    assert set(applied("sobel-x", RAMP.T).flat) == {0}
    assert set(applied("sobel-y", RAMP.T).flat) == {8}


def test_the_laplacian_of_a_parabola_is_its_second_derivative():
    assert set(applied("laplacian", RAMP**2).flat) == {2}


def test_a_gaussian_has_the_standard_deviation_that_it_is_given():
    kernel = named("gaussian-blur:size=31,sigma=2")
    across = kernel.sum(axis=0)
    assert math.isclose((across * (np.arange(31) - 15) ** 2).sum(), 4, rel_tol=1e-6)


def test_gabor_is_the_formula_of_goodfellow():
    kernel = named("gabor:size=5,alpha=2,beta_x=.1,beta_y=.3,f=1.5,phi=.4,x0=1,y0=-1,tau=.6")
    for x in range(-2, 3):
        for y in range(-2, 3):
            along = (x - 1) * math.cos(0.6) + (y + 1) * math.sin(0.6)
            across = -(x - 1) * math.sin(0.6) + (y + 1) * math.cos(0.6)
            expected = 2 * math.exp(-0.1 * along**2 - 0.3 * across**2) * math.cos(1.5 * along + 0.4)
            assert math.isclose(kernel[y + 2, x + 2], expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sobelx", "did you mean 'sobel-x'"),
        ("gabor:teta=1", "gabor has no parameter 'teta'"),
        ("sharpen:size=3", "has no parameter 'size'; expected none"),
        ("box-blur:size=4", "size is '4'; expected an odd number up to 101"),
        ("box-blur:size=1001", "expected an odd number"),
        ("gaussian-blur:sigma=-1", "expected a positive number"),
        ("gabor:f=inf", "f is 'inf'; expected a number"),
        ("gabor:beta_x=-1e9", "numbers beyond 1e+100"),
        ("gabor:f", "f is ''; expected a number"),
        ("gabor:size=3,size=5", "size is given twice"),
        ("sobel", "did you mean 'sobel-x' or 'sobel-y'?"),
    ],
)
def test_what_is_no_kernel_is_refused(text, message):
    with pytest.raises(RequestError) as refused:
        named(text)
    assert message in str(refused.value)


def test_every_name_is_described():
    assert all(kernel.__doc__ for kernel in KERNELS.values())
