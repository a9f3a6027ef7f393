import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnlab.config.load import load
from cnnlab.config.overrides import parse_set
from cnnlab.data import Examples
from cnnlab.experiment.losses import CrossEntropy, MeanSquaredError, SumOfSquares
from cnnlab.models.build import attach_optimizer, build
from cnnlab.models.inference import ForwardPass
from cnnlab.training.engine.engine import Engine


@pytest.fixture(scope="module")
def examples():
    """150 examples: in batches of 64, the last batch has 22."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (150, 28, 28, 1), dtype=np.uint8)
    return Examples(images, random.integers(0, 10, 150, dtype=np.int32))


def new_model(name="lenet", optimizer=None, changes=()):
    experiment = load(name, [parse_set(change) for change in changes])
    keras.utils.set_random_seed(0)
    model = build(experiment.model, (28, 28, 1), 10, name="model")
    attach_optimizer(model, experiment.train)
    if optimizer:
        optimizer.build(model.trainable_variables)
        model.optimizer = optimizer
    return model


def weights_of(model):
    return [variable.numpy() for variable in model.trainable_variables]


def last(iterator):
    *_, final = iterator
    return final


OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1),
    "momentum": lambda: keras.optimizers.SGD(0.05, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(0.001),
}


@pytest.mark.parametrize(("optimizer", "size"), [*((name, 150) for name in OPTIMIZERS), ("sgd", 129)])
def test_an_epoch_equals_keras_fit_on_the_same_order(examples, optimizer, size):
    examples = examples.take(slice(0, size))  # of 129, the last batch has one
    ours = new_model(optimizer=OPTIMIZERS[optimizer]())
    engine = Engine(ours, CrossEntropy(), examples, batch_size=64, seed=3)
    progress = last(engine.epoch(0))

    order = tf.random.experimental.stateless_shuffle(tf.range(size), tf.constant([3, 0], tf.int64)).numpy()
    theirs = new_model()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    theirs.compile(OPTIMIZERS[optimizer](), loss, metrics=["accuracy"])
    history = theirs.fit(
        examples.images[order].astype(np.float32) / 255,
        examples.labels[order],
        batch_size=64,
        shuffle=False,
        verbose=0,
    ).history
    assert progress.loss == pytest.approx(history["loss"][0], rel=1e-5)
    assert progress.accuracy == pytest.approx(history["accuracy"][0])
    for mine, keras_own in zip(weights_of(ours), weights_of(theirs), strict=True):
        np.testing.assert_allclose(mine, keras_own, atol=2e-6)


@pytest.mark.parametrize(
    ("name", "loss"), [("lenet", CrossEntropy()), ("fc", MeanSquaredError()), ("fc", SumOfSquares())]
)
def test_every_example_counts_exactly_once(examples, name, loss):
    model = new_model(name, keras.optimizers.SGD(1e-30))  # too small to change the weights
    progress = last(Engine(model, loss, examples, batch_size=64, seed=0).epoch(0))
    outcome = ForwardPass(model, loss)(examples)
    assert progress.examples == 150
    assert progress.loss == pytest.approx(outcome.loss, rel=1e-6)
    assert progress.accuracy == outcome.accuracy


def test_the_order_is_a_permutation_determined_by_seed_and_epoch(examples, monkeypatch):
    orders = []
    monkeypatch.setattr(
        Engine, "_replica_step", lambda self, batch, *_: orders.append(batch.numpy()) or tf.zeros(2, tf.float64)
    )
    tf.config.run_functions_eagerly(True)
    try:
        for seed, epoch in [(0, 0), (0, 1), (1, 0), (0, 0), (2**32 - 1, 0)]:
            list(Engine(new_model("fc"), MeanSquaredError(), examples, batch_size=64, seed=seed).epoch(epoch))
    finally:
        tf.config.run_functions_eagerly(False)
    assert [len(batch) for batch in orders[:3]] == [64, 64, 22]
    epochs = [tuple(np.concatenate(orders[i : i + 3])) for i in range(0, len(orders), 3)]
    assert all(sorted(epoch) == list(range(150)) for epoch in epochs)
    assert epochs[0] == epochs[3]
    assert len(set(epochs)) == 4


def test_results_do_not_depend_on_the_steps_per_graph_call(examples):
    results = []
    for steps_per_call in (1, 2, 100):
        model = new_model()
        engine = Engine(model, CrossEntropy(), examples, batch_size=16, seed=0)
        engine._resize_call = lambda steps, seconds: None
        engine._steps_per_call = steps_per_call
        progress = last(engine.epoch(0))
        results.append((progress.loss, progress.accuracy, *map(bytes, weights_of(model))))
    assert results[0] == results[1] == results[2]


def test_progress_grows_to_the_complete_epoch(examples):
    engine = Engine(new_model("fc"), MeanSquaredError(), examples, batch_size=1, seed=0)
    seen = [progress.examples for progress in engine.epoch(0)]
    assert seen[0] == 1  # the first call includes tracing and is short
    assert seen == sorted(set(seen))
    assert seen[-1] == 150


def test_regularizers_are_trained_as_in_fit_and_excluded_from_loss_and_accuracy(examples):
    changes = ["model.layers[1].dense.kernel_regularizer.l2=0.05", "train.optimizer.adamw.learning_rate=0.01"]
    experiment = load("fc", [parse_set(change) for change in changes])

    def regularized():
        keras.utils.set_random_seed(0)
        model = build(experiment.model, (28, 28, 1), 10, name="model")
        attach_optimizer(model, experiment.train)
        return model

    ours, theirs = regularized(), regularized()
    progress = last(Engine(ours, MeanSquaredError(), examples, batch_size=150, seed=0).epoch(0))
    x, y = examples.images.astype(np.float32) / 255, keras.utils.to_categorical(examples.labels, 10)
    history = theirs.fit(x, y, batch_size=150, shuffle=False, verbose=0).history
    for mine, keras_own in zip(weights_of(ours), weights_of(theirs), strict=True):
        np.testing.assert_allclose(mine, keras_own, atol=2e-6)
    added = 0.05 * float((regularized().layers[-1].kernel.numpy() ** 2).sum())
    assert progress.loss + added == pytest.approx(history["loss"][0], rel=1e-4)


def test_the_gradient_of_a_sum_loss_is_summed_over_the_batch(examples):
    # Summed over 10 classes and 50 examples, the loss and its gradient are 500 times the mean.
    sums, means = (new_model("fc", keras.optimizers.SGD(rate)) for rate in (1e-4, 0.05))
    last(Engine(sums, SumOfSquares(), examples, batch_size=50, seed=0).epoch(0))
    last(Engine(means, MeanSquaredError(), examples, batch_size=50, seed=0).epoch(0))
    for mine, other in zip(weights_of(sums), weights_of(means), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-6)


def test_a_learning_rate_per_step_is_used_and_the_last_one_stays(examples):
    rates = np.array([0.1, 0.0, 0.05], np.float32)
    ours, theirs = new_model("fc", keras.optimizers.SGD(1.0)), new_model("fc", keras.optimizers.SGD(0.1))
    last(Engine(ours, MeanSquaredError(), examples, batch_size=64, seed=0).epoch(0, rates))
    assert float(ours.optimizer.learning_rate) == pytest.approx(0.05)

    order = tf.random.experimental.stateless_shuffle(tf.range(150), tf.constant([0, 0], tf.int64)).numpy()
    x, y = examples.images[order].astype(np.float32) / 255, keras.utils.to_categorical(examples.labels[order], 10)
    for rate, part in zip(rates, (slice(64), slice(64, 128), slice(128, None)), strict=True):
        theirs.optimizer.learning_rate = rate
        theirs.train_on_batch(x[part], y[part])
    for mine, keras_own in zip(weights_of(ours), weights_of(theirs), strict=True):
        np.testing.assert_allclose(mine, keras_own, atol=2e-6)


def test_batch_normalization_updates_its_moving_averages(examples):
    model = build(
        load("fc", [parse_set("model.layers=[batch_norm, flatten, {dense: 10}]")]).model, (28, 28, 1), 10, name="m"
    )
    attach_optimizer(model, load("fc").train)
    last(Engine(model, MeanSquaredError(), examples, batch_size=150, seed=0).epoch(0))
    mean = model.get_layer("batch_norm_0").moving_mean.numpy()
    np.testing.assert_allclose(mean, 0.01 * (examples.images / 255).mean(), rtol=1e-4)
