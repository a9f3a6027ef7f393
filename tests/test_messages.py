import pytest

from cnnlab.messages import did_you_mean, join_names
from cnnlab.paths import value_at


@pytest.mark.parametrize(
    ("names", "options", "text"),
    [
        ([], {}, ""),
        (["a"], {}, "a"),
        (["a", "b"], {}, "a and b"),
        (["a", "b", "c"], {"conjunction": "or"}, "a, b or c"),
        (["a", "b", "c"], {"most": 3}, "a, b and c"),
        (list("abcdefg"), {"most": 3}, "a, b, c and 4 more"),
        (map(str, range(1235)), {"most": 1}, "0 and 1,234 more"),
    ],
)
def test_names_are_joined(names, options, text):
    assert join_names(names, **options) == text


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("sobel", "did you mean 'sobel-x' or 'sobel-y'?"),
        ("sobelx", "did you mean 'sobel-x'?"),
        ("so", "expected one of sobel-x, sobel-y"),
    ],
)
def test_all_names_that_begin_with_the_word_are_proposed(word, text):
    assert did_you_mean(word, ["sobel-x", "sobel-y"]) == text


DATA = {"layers": ["flatten", {"dense": {"units": 10}}], "seed": None}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((), DATA),
        (("layers", 1, "dense", "units"), 10),
        (("seed",), None),
        (("layers", 0, 0), "missing"),
        (("layers", 2), "missing"),
        (("layers", "0"), "missing"),
        (("seed", "x"), "missing"),
        (("x",), "missing"),
    ],
)
def test_the_value_at_a_path(path, value):
    assert value_at(DATA, path, "missing") == value
