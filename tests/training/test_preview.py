"""What `cnnlab data preview --augment` shows of each step."""

import numpy as np
import pytest
from pydantic import TypeAdapter

from cnnlab.config.load import load
from cnnlab.config.overrides import parse_set
from cnnlab.data import Dataset, Examples
from cnnlab.experiment.augmentation import Augmentation
from cnnlab.training.preview import DRAWN, each_step

STEPS = {
    "random_crop: 2": ("up to 2 pixels up or down, and 2 left or right", ["2 down, 2 right", "2 up, 2 left"]),
    "translation: 0.25": ("up to 4 pixels up or down, and 2 left or right", ["4 down, 2 right", "4 up, 2 left"]),
    "horizontal_flip": ("with probability 0.5", ["mirrored"]),
    "rotation: 15": ("-15.0° to +15.0°", ["-15.0°", "+15.0°"]),
    "zoom: 0.2": ("×1.25 to ×0.83", ["×1.25", "×0.83"]),
    "brightness: 0.2": ("-0.20 to +0.20", ["-0.20", "+0.20"]),
    "contrast: 0.3": ("×0.70 to ×1.30", ["×0.70", "×1.30"]),
    "saturation: 0.5": ("×0.50 to ×1.50", ["×0.50", "×1.50"]),
    "gaussian_noise: 0.1": ("standard deviation 0.1", []),
    "cutout: 4": ("4×4 pixels, centred anywhere", ["", ""]),
    "random_erasing: 0.5": (
        "2% to 33% of the area, ratio of height to width 0.3 to 3.3, with probability 0.5",
        ["1×3", "3×1", "5×10", "13×4"],
    ),
    "rand_augment: 9": ("2 of 14 operations at magnitude 9", None),
    "mixup: 1": ("50% to 100% of the image itself, alpha 1", ["50%", "100%"]),
    "cutmix: 1": ("0% to 100% of the image itself, alpha 1", ["0%", "52%"]),
}


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    images = random.integers(60, 200, (30, 16, 10, 3), dtype=np.uint8)
    examples = Examples(images, random.integers(0, 10, 30, dtype=np.int32))
    return Dataset("some", examples, None, examples, tuple("0123456789"))


def shown(dataset, *steps, epoch=1):
    experiment = load("digits", [parse_set("train.batch_size=8")])
    preprocessing = experiment.preprocessing.model_copy(
        update={"augmentation": TypeAdapter(list[Augmentation]).validate_python(list(steps))}
    )
    return each_step(experiment.model_copy(update={"preprocessing": preprocessing}), dataset, epoch)


def spec(text):
    kind, _, value = text.partition(": ")
    return {kind: float(value) if "." in value else int(value)} if value else kind


@pytest.mark.parametrize("text", STEPS)
def test_a_step_is_shown_with_its_range_its_ends_and_drawn_examples(dataset, text):
    expected, ends = STEPS[text]
    (step,) = shown(dataset, spec(text))
    assert step.range == expected
    assert len(step.images) == len(step.titles)
    assert step.titles[0] == "unchanged"
    assert [title.startswith("drawn") for title in step.titles].count(True) == DRAWN
    if ends is not None:
        first = 2 if "the other image" in step.titles else 1
        assert step.titles[first:-DRAWN] == ends
    changed = [not np.array_equal(image, step.images[0]) for image in step.images[1:]]
    assert any(changed)
    again = shown(dataset, spec(text), epoch=2)[0]
    assert not np.array_equal(step.images[-DRAWN:], again.images[-DRAWN:])


def test_every_step_is_shown_with_the_random_numbers_that_it_has_in_training(dataset):
    first, second = shown(dataset, {"brightness": 0.2}, {"brightness": 0.2})
    assert first.titles[:3] == second.titles[:3]
    assert first.titles[-DRAWN:] != second.titles[-DRAWN:]


def test_every_kind_of_augmentation_is_covered():
    from tests.training.distribution.every_word import words_at

    kinds = {word for word in words_at(Augmentation) if isinstance(word, str)}
    assert kinds - {spec(text) if isinstance(spec(text), str) else next(iter(spec(text))) for text in STEPS} == {
        "vertical_flip",
        "alternating_flip",
    }
