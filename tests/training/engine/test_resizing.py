"""Training on resized images in the compiled epoch."""

import keras
import numpy as np
import tensorflow as tf

from cnnlab.config.load import load
from cnnlab.config.overrides import parse_set
from cnnlab.experiment.adversarial import Adversarial
from cnnlab.experiment.losses import CrossEntropy
from cnnlab.models.build import attach_optimizer, build
from cnnlab.models.inference import to_input
from cnnlab.training.engine.engine import Engine
from tests.training.engine.test_engine import examples, last, weights_of  # noqa: F401

LAYERS = "[{conv2d: {filters: 4, kernel_size: 3}}, batch_norm, {activation: relu}, {max_pool2d: 2}, global_avg_pool2d, {dense: 10}]"
SCALING = 2.0, -1.0


def model_for(side, padding=0):
    experiment = load("lenet", [parse_set(f"model.layers={LAYERS}")])
    keras.utils.set_random_seed(0)
    model = build(experiment.model, (side, side, 1), 10, name="model", zero_padding=padding, scaling=SCALING)
    attach_optimizer(model, experiment.train)
    model.optimizer = keras.optimizers.SGD(0.1)
    model.optimizer.build(model.trainable_variables)
    return model


def test_an_epoch_equals_training_by_keras_on_images_that_were_resized_before(examples):  # noqa: F811
    ours = model_for(28)
    engine = Engine(ours, CrossEntropy(), examples, batch_size=64, seed=3)
    progress = last(engine.epoch(0, size=(20, 21)))

    small = keras.layers.Resizing(20, 21, interpolation="bilinear")(to_input(examples.images))
    order = tf.random.experimental.stateless_shuffle(tf.range(150), tf.constant([3, 0], tf.int64)).numpy()
    theirs = model_for(20)
    loss, losses = keras.losses.SparseCategoricalCrossentropy(from_logits=True), []
    for begin in range(0, 150, 64):
        batch = order[begin : begin + 64]
        with tf.GradientTape() as tape:
            outputs = theirs.call(tf.gather(small, batch), training=True)
            value = loss(examples.labels[batch], outputs)
        theirs.optimizer.apply(tape.gradient(value, theirs.trainable_variables), theirs.trainable_variables)
        losses.append(float(value) * len(batch))
    np.testing.assert_allclose(progress.loss, sum(losses) / 150, rtol=1e-5)
    for one, other in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_images_are_resized_after_padding(examples):  # noqa: F811
    resized, padded = model_for(28, padding=2), model_for(28, padding=2)
    engine = Engine(resized, CrossEntropy(), examples, batch_size=64, seed=3)
    full = last(Engine(padded, CrossEntropy(), examples, batch_size=64, seed=3).epoch(0))
    assert last(engine.epoch(0, size=(32, 32))).loss == full.loss  # the size that they have already
    for one, other in zip(resized.weights, padded.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_sizes_may_follow_one_another_and_images_keep_theirs_where_none_is_given(examples):  # noqa: F811
    def trained(sizes, first_call):
        model = model_for(28)
        engine = Engine(model, CrossEntropy(), examples, batch_size=64, seed=0)
        for epoch, size in enumerate(sizes):
            engine._steps_per_call = first_call
            last(engine.epoch(epoch, size=size))
        return weights_of(model)

    sizes = [(14, 14), (14, 14), (20, 20), None]
    for one, other in zip(trained(sizes, 1), trained(sizes, 3), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not all(np.array_equal(*pair) for pair in zip(trained(sizes, 1), trained([None] * 4, 1), strict=True))


def test_perturbations_are_those_of_the_network_on_small_images(examples):  # noqa: F811
    def loss(adversarial):
        model = model_for(28)
        model.optimizer.learning_rate = 1e-30
        engine = Engine(model, CrossEntropy(), examples, batch_size=64, seed=0, adversarial=adversarial)
        return last(engine.epoch(0, size=(20, 20))).loss

    plain = loss(None)
    assert loss(Adversarial(epsilon=0.2, steps=3)) > 1.01 * plain


def test_the_model_can_be_saved_after_it(examples, tmp_path):  # noqa: F811
    model = model_for(28)
    last(Engine(model, CrossEntropy(), examples, batch_size=64, seed=0).epoch(0, size=(20, 20)))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]
    images = to_input(examples.images[:5])
    np.testing.assert_array_equal(loaded(images), model(images))
