import numpy as np
import pytest

from cnnlab.data import Examples, digits, load
from cnnlab.data.splits import split
from cnnlab.errors import ConfigError
from cnnlab.experiment.data import Digits

# SHA-256 over the decoded examples of the default split: it changes only when the data set does.
FINGERPRINT = "82477b80888aab17da0a100ebefe339c322135adc324267df2047a8b507b6868"


@pytest.fixture(scope="module")
def source():
    return digits.load()


def test_digits_have_the_shape_of_mnist(source):
    assert source.train.images.shape == (1437, 28, 28, 1)
    assert source.test.images.shape == (360, 28, 28, 1)
    assert source.train.images.dtype == np.uint8
    assert (source.train.images.min(), source.train.images.max()) == (0, 255)
    assert source.train.labels.dtype == np.int32


def test_digits_test_set_is_stratified(source):
    assert set(np.bincount(source.test.labels)) <= {35, 36, 37}


def test_digits_are_the_same_everywhere():
    assert load(Digits(name="digits")).fingerprint() == FINGERPRINT


def test_validation_is_held_out_and_nothing_is_lost(source):
    dataset = load(Digits(name="digits", validation=100))
    assert (len(dataset.train), len(dataset.validation)) == (1337, 100)
    together = np.concatenate([dataset.train.images, dataset.validation.images])
    assert sorted(map(bytes, together)) == sorted(map(bytes, source.train.images))
    assert np.ptp(np.bincount(dataset.validation.labels)) <= 1


@pytest.mark.parametrize(("validation", "count"), [(0, None), (0.0, None), (0.25, 359), ("test", 360)])
def test_validation_as_fraction_none_or_test(validation, count):
    dataset = load(Digits(name="digits", validation=validation))
    assert (len(dataset.validation) if dataset.validation else None) == count
    assert len(dataset.train) == 1437 - (count if validation == 0.25 else 0)


def test_limit_keeps_the_first_examples_of_every_split():
    whole, limited = load(Digits(name="digits")), load(Digits(name="digits", limit=50))
    for name, examples in limited.splits().items():
        assert len(examples) == 50
        np.testing.assert_array_equal(examples.images, whole.splits()[name].images[:50])


def test_more_validation_than_data_is_refused():
    with pytest.raises(ConfigError, match=r"data.validation: 5,000 examples to hold out, but digits has 1,437"):
        load(Digits(name="digits", validation=5000))


def test_split_works_where_a_class_is_too_small_to_stratify():
    examples = Examples(np.zeros((5, 1, 1, 1), np.uint8), np.array([0, 0, 0, 0, 1], np.int32))
    rest, chosen = split(examples, 2)
    assert (len(rest), len(chosen)) == (3, 2)


def test_fingerprint_sees_every_pixel_label_and_the_split():
    base = load(Digits(name="digits", limit=20))
    changed = base.train.images.copy()
    changed[3, 5, 5, 0] ^= 1
    relabelled = base.train.labels.copy()
    relabelled[3] += 1
    variants = [
        type(base)(base.name, Examples(changed, base.train.labels), base.validation, base.test, base.class_names),
        type(base)(base.name, Examples(base.train.images, relabelled), base.validation, base.test, base.class_names),
        type(base)(base.name, base.train, None, base.test, base.class_names),
    ]
    assert len({base.fingerprint(), *(variant.fingerprint() for variant in variants)}) == 4
