import os
import resource
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from pydantic import TypeAdapter

from cnnlab import memory
from cnnlab.config.load import load
from cnnlab.config.overrides import parse_set
from cnnlab.data import Dataset, Examples
from cnnlab.experiment.augmentation import Augmentation
from cnnlab.experiment.losses import CrossEntropy
from cnnlab.models.build import Inputs, attach_optimizer, build, build_for
from cnnlab.training.distribution.devices import strategy_for
from cnnlab.training.engine import input_pipeline
from cnnlab.training.engine.engine import Engine
from cnnlab.training.engine.input_pipeline import batches, choose_placement
from cnnlab.training.preview import first_batch

STEPS = TypeAdapter(list[Augmentation])
ALL = STEPS.validate_python(
    [
        "horizontal_flip",
        "alternating_flip",
        {"random_crop": 2},
        {"translation": 0.1},
        {"rotation": 20},
        {"zoom": 0.2},
        {"random_crop": {"padding": 2, "fill": "reflect"}},
        "brightness",
        "contrast",
        "gaussian_noise",
        {"cutout": 8},
        "random_erasing",
        {"rand_augment": {"magnitude": 5}},
        {"mixup": 0.4},
        "cutmix",
    ]
)


def random_examples(count=150, shape=(28, 28, 1)):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, *shape), dtype=np.uint8)
    return Examples(images, random.integers(0, 10, count, dtype=np.int32))


def losses_and_weights(examples, epochs=2, **options):
    """The default batch size leaves a short last batch."""
    experiment = load("lenet")
    keras.utils.set_random_seed(0)
    model = build(experiment.model, (28, 28, 1), 10, name="model")
    attach_optimizer(model, experiment.train)
    engine = Engine(model, CrossEntropy(), examples, batch_size=64, seed=3, **options)
    losses = [[progress.loss for progress in engine.epoch(epoch)][-1] for epoch in range(epochs)]
    return losses, [variable.numpy() for variable in model.trainable_variables]


@pytest.mark.parametrize("augmentation", [[], ALL], ids=["plain", "augmented"])
def test_streamed_images_give_the_same_bits_as_resident_ones(augmentation):
    examples = random_examples()
    resident = losses_and_weights(examples, augmentation=augmentation, placement="resident")
    streamed = losses_and_weights(examples, augmentation=augmentation, placement="streamed")
    assert resident[0] == streamed[0]
    for one, other in zip(resident[1], streamed[1], strict=True):
        np.testing.assert_array_equal(one, other)


def test_augmentation_changes_the_training():
    examples = random_examples()
    assert losses_and_weights(examples, epochs=1)[0] != losses_and_weights(examples, epochs=1, augmentation=ALL)[0]


def test_batches_are_in_order_and_contain_every_image_once():
    examples = random_examples(50)
    order = np.random.default_rng(1).permutation(50).astype(np.int32)
    parts = [batch.numpy() for batch in batches(examples.images, order, 16, [])]
    assert [len(part) for part in parts] == [16, 16, 16, 2]
    np.testing.assert_array_equal(np.concatenate(parts), examples.images[order])


@pytest.fixture(scope="module")
def one_device_result():
    return losses_and_weights(random_examples(), augmentation=ALL)[0]


@pytest.mark.parametrize("placement", ["resident", "streamed"])
def test_two_replicas_see_the_same_augmented_images_as_one(one_device_result, placement):
    with strategy_for(2, None).scope():
        losses = losses_and_weights(random_examples(), augmentation=ALL, placement=placement)[0]
    assert losses == pytest.approx(one_device_result, rel=1e-5)


@pytest.mark.parametrize(
    ("setting", "room", "kind"),
    [
        ("auto", None, "resident"),
        ("auto", 300_000, "resident"),
        ("auto", 200_000, "streamed"),
        ("resident", 1, "resident"),
        ("streamed", None, "streamed"),
    ],
)
def test_images_are_resident_if_they_fit_in_half_of_the_memory(monkeypatch, setting, room, kind):
    monkeypatch.setattr(input_pipeline, "_device_memory", lambda: room)
    placement = choose_placement(setting, random_examples().images.nbytes)  # 117,600
    assert placement.kind == kind
    assert kind in placement.why


def test_a_limit_on_the_process_counts_as_available_memory():
    limited = "import resource; resource.setrlimit(resource.RLIMIT_DATA, (10**9, 10**9)); from cnnlab import memory; print(memory.available())"
    assert int(subprocess.check_output([sys.executable, "-c", limited])) == 10**9
    assert memory.available() > 10**9


# Inputs of the network


def dataset_of(examples):
    return Dataset("some", examples, None, examples, tuple("0123456789"))


def inputs_of(model, images):
    """The input of the first layer of the experiment."""
    first = keras.Model(model.inputs[0], model.get_layer("conv2d_0").input)
    return first(images.astype(np.float32) / 255).numpy()


def experiment_with(*changes):
    return load("lenet", [parse_set(change) for change in changes])


def network(*changes, examples):
    experiment = experiment_with(*changes)
    return build_for(experiment, Inputs.from_dataset(dataset_of(examples), experiment.preprocessing))


def test_scaling_and_padding_are_part_of_the_network():
    examples = random_examples(shape=(24, 24, 1))
    padded = network("preprocessing.zero_padding=2", "preprocessing.scale=minus_one_one", examples=examples)
    inputs = inputs_of(padded, examples.images)
    assert inputs.shape == (150, 28, 28, 1)
    assert (inputs[:, :2] == -1).all()  # black
    np.testing.assert_allclose(inputs[:, 2:-2, 2:-2], examples.images / 127.5 - 1, atol=1e-6)


def test_standardized_training_images_have_mean_0_and_std_1_per_channel():
    random = np.random.default_rng(0)
    images = (random.random((200, 28, 28, 3)) * [255, 100, 20]).astype(np.uint8)
    examples = Examples(images, random.integers(0, 10, 200, dtype=np.int32))
    inputs = inputs_of(network("preprocessing.scale=standardize", examples=examples), images)
    np.testing.assert_allclose(inputs.mean(axis=(0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(inputs.std(axis=(0, 1, 2)), 1, atol=1e-4)


def test_a_constant_channel_is_only_centred():
    images = np.full((150, 28, 28, 1), 51, np.uint8)
    examples = Examples(images, random_examples().labels)
    inputs = inputs_of(network("preprocessing.scale=standardize", examples=examples), images)
    np.testing.assert_allclose(inputs, 0, atol=1e-6)


def test_a_preview_shows_the_training_inputs_of_the_engine(monkeypatch):
    """The images of the first step, recorded at the input of the network."""
    examples = random_examples()
    experiment = experiment_with("train.batch_size=64", "seed=3").model_copy()
    preprocessing = experiment.preprocessing.model_copy(update={"augmentation": ALL})
    experiment = experiment.model_copy(update={"preprocessing": preprocessing})
    seen = first_batch(experiment, dataset_of(examples), epoch=2)
    caught = []

    class Catch(keras.layers.Layer):
        def call(self, inputs):
            tf.py_function(lambda batch: caught.append(batch.numpy()), [inputs], [])
            return inputs

    inputs = keras.Input((28, 28, 1))
    model = keras.Model(inputs, keras.layers.Dense(10)(keras.layers.Flatten()(Catch()(inputs))))
    attach_optimizer(model, experiment.train)
    engine = Engine(model, CrossEntropy(), examples, batch_size=64, seed=3, augmentation=ALL)
    list(engine.epoch(1))
    np.testing.assert_allclose(seen.images / 255, caught[0], atol=0.5 / 255 + 1e-6)
    assert any("%" in title for title in seen.titles)


# Data larger than memory

SIDE, IMAGES = 256, 6_000  # 1.2 GB decoded
LIMIT = 1_022_400_000
LARGE = f"""\
name: large
data: {{name: folder, path: images, image_size: {SIDE}, num_classes: 2, test: 100, validation: 100}}
model:
  layers:
    - conv2d: {{filters: 4, kernel_size: 8, strides: 8}}
    - global_avg_pool2d
    - dense: 2
train: {{epochs: 1, batch_size: 32, optimizer: {{adam: 0.01}}}}
"""


@pytest.mark.slow
def test_a_folder_larger_than_the_memory_is_trained_on(tmp_path):
    for label in range(2):
        place = tmp_path / f"images/class{label}"
        place.mkdir(parents=True)
        for number in range(IMAGES // 2):
            file = place / f"{number:05}.jpg"
            if number >= 10:
                os.link(place / f"{number % 10:05}.jpg", file)
            else:
                Image.new("RGB", (SIDE, SIDE), (200 * label, 10 * number, 0)).save(file)
    (tmp_path / "large.yaml").write_text(LARGE)
    done = subprocess.run(
        [sys.executable, "-m", "cnnlab", "train", "large.yaml"],
        cwd=tmp_path,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT)),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "streamed: more than half of the device's 1,022.4 MB" in done.stderr
    assert "test accuracy 1.0000" in done.stdout
