"""The weight updates of the engine: gradients as in Keras's `fit`, and overflow on one replica."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from cnnlab.config.load import load
from cnnlab.config.overrides import parse_set
from cnnlab.data import Examples
from cnnlab.experiment.losses import CrossEntropy
from cnnlab.models.build import attach_optimizer, build
from cnnlab.training.engine.batch import batch_of, order_of
from cnnlab.training.engine.engine import Engine

ROOT = Path(__file__).parents[3]
TWO_REPLICAS = """
import json, numpy as np, tensorflow as tf
from cnnlab.training.distribution.devices import strategy_for
strategy = strategy_for(2)
from cnnlab.data import Examples
from cnnlab.experiment.losses import CrossEntropy
from cnnlab.training.engine.engine import Engine
from tests.training.engine.test_gradients import network

class Overflowing(Engine):
    # inf in the gradients of the last replica, in the steps that `when` says.
    when = tf.Variable(False, trainable=False)

    def _agreeing(self, gradients):
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        bad = self.when.read_value() & (replica == 1)
        first = tf.where(bad, tf.constant(np.inf), gradients[0])
        return super()._agreeing([first, *gradients[1:]])

random = np.random.default_rng(0)
examples = Examples(random.integers(0, 256, (8, 8, 8, 1), dtype=np.uint8), random.integers(0, 10, 8, dtype=np.int32))
with strategy.scope():
    Overflowing.when = tf.Variable(False, trainable=False)
    model = network("train.precision=mixed_float16", "train.optimizer={sgd: {learning_rate: 0.1, momentum: 0.9}}")
    engine = Overflowing(model, CrossEntropy(), examples, batch_size=8, seed=0)
    def state():
        optimizer = model.optimizer
        every = [*model.trainable_variables, *optimizer.inner_optimizer.variables]
        weights = [[part.numpy().ravel().tolist() for part in strategy.experimental_local_results(one.value)] for one in every]
        scales = strategy.experimental_local_results(optimizer.dynamic_scale.value)
        return {"weights": weights, "scales": [float(scale.numpy()) for scale in scales]}
    states = [state()]
    for epoch, bad in enumerate([False, True, False]):
        Overflowing.when.assign(bad)
        list(engine.epoch(epoch))
        states.append(state())
print(json.dumps(states))
"""


def test_an_overflow_on_one_replica_skips_the_step_on_all_and_halves_the_scale():
    done = subprocess.run([sys.executable, "-c", TWO_REPLICAS], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    states = json.loads(done.stdout)
    start, first, skipped, last = states
    assert first["weights"] != start["weights"]
    assert skipped["weights"] == first["weights"]  # including momentum and iterations
    assert last["weights"] != skipped["weights"]
    for state in states:
        assert all(copy == copies[0] for copies in state["weights"] for copy in copies)
        assert np.isfinite(np.concatenate([copies[0] for copies in state["weights"]])).all()
    scales = [set(state["scales"]) for state in states]
    assert scales == [{32768.0}, {32768.0}, {16384.0}, {16384.0}]


def network(*changes):
    experiment = load(
        "digits",
        [
            parse_set(change)
            for change in (
                "model.layers=[{conv2d: {filters: 4, kernel_size: 3, strides: 2, activation: tanh}}, flatten, {dense: {units: 10}}]",
                "train.optimizer={sgd: 1.0}",
                *changes,
            )
        ],
    )
    keras.utils.set_random_seed(0)
    model = build(experiment.model, (8, 8, 1), 10, name="model", precision=experiment.train.precision)
    attach_optimizer(model, experiment.train)
    return model


@pytest.mark.parametrize(
    "changes",
    [
        (),
        ("model.layers[0].conv2d.kernel_regularizer={l2: 0.1}",),
        ("model.layers[2].dense.kernel_regularizer={l1: 0.1}",),
    ],
    ids=["plain", "l2", "l1"],
)
def test_gradients_match_keras_fit(changes):
    random = np.random.default_rng(1)
    examples = Examples(
        random.integers(0, 256, (37, 8, 8, 1), dtype=np.uint8), random.integers(0, 10, 37, dtype=np.int32)
    )
    ours, theirs = network(*changes), network(*changes)
    theirs.compile(keras.optimizers.SGD(1.0), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    start = [variable.numpy() for variable in ours.trainable_variables]
    list(Engine(ours, CrossEntropy(), examples, batch_size=37, seed=4).epoch(0))
    order = order_of(37, 4, 0).numpy()
    images = examples.images[order].astype(np.float32) / 255
    theirs.fit(images, examples.labels[order], batch_size=37, shuffle=False, verbose=0)
    for before, mine, expected in zip(start, ours.trainable_variables, theirs.trainable_variables, strict=True):
        assert np.abs(mine.numpy() - before).max() > 1e-3
        np.testing.assert_allclose(mine.numpy() - before, expected.numpy() - before, atol=1e-6)


@pytest.mark.parametrize("step", ["mixup", "cutmix"])
def test_mixing_weights_each_label_by_its_part_of_the_image(step):
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (8, 8, 8, 1), dtype=np.uint8)
    examples = Examples(images, np.arange(8, dtype=np.int32))
    changes = (f"preprocessing.augmentation=[{{{step}: 1.0}}]", "train.batch_size=8", "seed=6")
    experiment = load("digits", [parse_set(change) for change in changes])
    model = network("train.optimizer={sgd: 1.0e-9}")
    engine = Engine(
        model, CrossEntropy(), examples, batch_size=8, seed=6, augmentation=experiment.preprocessing.augmentation
    )
    *_, progress = engine.epoch(0)
    batch = batch_of(experiment, examples, 0)
    labels, parts = examples.labels[batch.numbers], batch.part.numpy()
    losses = [
        keras.losses.sparse_categorical_crossentropy(some, model(batch.inputs), from_logits=True).numpy()
        for some in (labels, labels[::-1])
    ]
    assert progress.loss == pytest.approx(float(np.mean(parts * losses[0] + (1 - parts) * losses[1])), rel=1e-5)
    assert progress.loss != pytest.approx(float(np.mean((1 - parts) * losses[0] + parts * losses[1])), rel=1e-4)
    predicted = np.argmax(model(batch.inputs), axis=-1)
    main = np.where(parts < 0.5, labels[::-1], labels)
    assert step == "mixup" or not np.array_equal(main, labels)
    assert progress.accuracy == pytest.approx(np.mean(predicted == main))
