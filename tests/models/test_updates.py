import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnlab.config.load import load
from cnnlab.config.overrides import parse_set
from cnnlab.data import Examples
from cnnlab.experiment.losses import CrossEntropy
from cnnlab.models import updates
from cnnlab.models.build import attach_optimizer, build
from cnnlab.training.engine.batch import order_of
from cnnlab.training.engine.engine import Engine

ROOT = Path(__file__).parents[2]
OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1),
    "sgd with decay": lambda: keras.optimizers.SGD(0.1, weight_decay=0.1),
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "nesterov": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "nesterov with decay": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "adam": lambda: keras.optimizers.Adam(0.01),
    "adam, other betas": lambda: keras.optimizers.Adam(0.01, beta_1=0.5, beta_2=0.9, epsilon=0.1),
    "amsgrad": lambda: keras.optimizers.Adam(0.01, amsgrad=True),
    "adamw": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "changing rate": lambda: keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.5)),
    "clipped": lambda: keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=1.0),
    "averaged": lambda: keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9),
}
# TensorFlow's kernel takes 1 - beta_2 in float32, where that of 0.999 is off by 1.3e-5.
OF_ADAM = ("adam", "adam, other betas", "amsgrad", "adamw", "changing rate")
TOLERANCES = {
    name: {"rtol": 3e-5, "atol": 5e-6} if name in OF_ADAM else {"rtol": 1e-5, "atol": 1e-7} for name in OPTIMIZERS
}
SHAPES = [(3, 3, 1, 4), (7, 5), (5,), ()]


def steps_of(optimizer, *, fused, steps=20):
    """The variables, and those of the optimizer by name, after steps of random gradients."""
    random = np.random.default_rng(0)
    variables = [
        keras.Variable(random.normal(size=shape).astype(np.float32), name=f"v{len(shape)}") for shape in SHAPES
    ]
    optimizer.build(variables)
    if fused:
        updates.fuse(optimizer)
    step = tf.function(lambda gradients: optimizer.apply(gradients, variables))
    for _ in range(steps):
        step([tf.constant(random.normal(size=shape), tf.float32) for shape in SHAPES])
    return [variable.numpy() for variable in [*variables, *optimizer.variables]]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_fused_optimizer_changes_variables_and_slots_as_keras_does(name):
    ours, theirs = (steps_of(OPTIMIZERS[name](), fused=fused) for fused in (True, False))
    start = steps_of(OPTIMIZERS[name](), fused=False, steps=0)
    assert len(ours) == len(theirs) > len(SHAPES)
    for mine, keras_own in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, keras_own, **TOLERANCES[name])
    for moved, before in zip(ours[: len(SHAPES)], start[: len(SHAPES)], strict=True):
        assert np.abs(moved - before).max() > 0.01


@pytest.mark.parametrize(
    ("name", "kernel"),
    [
        ("sgd", "ResourceApplyGradientDescent"),
        ("momentum", "ResourceApplyKerasMomentum"),
        ("nesterov", "ResourceApplyKerasMomentum"),
        ("adam", "ResourceApplyAdam"),
        ("adamw", "ResourceApplyAdam"),
        ("amsgrad", None),
        ("rmsprop", None),
    ],
)
def test_one_kernel_updates_where_there_is_one(name, kernel):
    optimizer = OPTIMIZERS[name]()
    variable = keras.Variable(np.ones(3, np.float32))
    optimizer.build([variable])
    updates.fuse(optimizer)
    graph = tf.function(lambda: optimizer.apply([tf.ones(3)], [variable])).get_concrete_function().graph
    kinds = {operation.type for operation in graph.get_operations()}
    assert [kind for kind in kinds if kind.startswith("ResourceApply")] == ([kernel] if kernel else [])


def test_a_fused_optimizer_is_still_keras_own_to_whoever_saves_it(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.optimizer.build(model.trainable_variables)
    updates.fuse(model.optimizer)
    x, y = np.ones((4, 3), np.float32), np.ones((4, 2), np.float32)
    model.train_on_batch(x, y)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is keras.optimizers.Adam
    for mine, again in zip(model.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(mine.numpy(), again.numpy())
    model.train_on_batch(x, y)
    loaded.train_on_batch(x, y)
    for mine, again in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_allclose(mine.numpy(), again.numpy(), rtol=1e-5, atol=1e-7)


def scaled(start=1024.0):
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.5, momentum=0.9), initial_scale=start)
    variable = keras.Variable(np.ones(3, np.float32))
    optimizer.build([variable])
    updates.fuse(optimizer)
    return optimizer, variable


def test_loss_scaling_around_a_fused_optimizer_skips_a_step_that_overflows_and_halves_the_scale():
    optimizer, variable = scaled()
    step = tf.function(lambda gradient: optimizer.apply([gradient], [variable]))
    step(tf.fill([3], 1024.0))
    np.testing.assert_allclose(variable.numpy(), 0.5)
    before = [slot.numpy() for slot in optimizer.inner_optimizer.variables]
    for bad in (np.inf, np.nan, -np.inf):
        step(tf.constant([1.0, bad, 1.0]))
    np.testing.assert_allclose(variable.numpy(), 0.5)
    for slot, value in zip(optimizer.inner_optimizer.variables, before, strict=True):
        np.testing.assert_array_equal(slot.numpy(), value)
    assert float(optimizer.dynamic_scale) == 128.0


TWO_REPLICAS = """
import json, keras, numpy as np, tensorflow as tf
from cnnlab.models import updates
from cnnlab.training.distribution.devices import strategy_of
strategy = strategy_of(2)
from cnnlab.data import Examples
from cnnlab.experiment.losses import CrossEntropy
from cnnlab.training.engine.engine import Engine
from tests.models.test_updates import OPTIMIZERS, SHAPES, network
found = {}
for name in ("sgd with decay", "momentum", "nesterov", "adam", "adamw", "rmsprop"):
    results = []
    for fused in (True, False):
        random = np.random.default_rng(0)
        with strategy.scope():
            optimizer = OPTIMIZERS[name]()
            variables = [keras.Variable(random.normal(size=shape).astype(np.float32)) for shape in SHAPES]
            optimizer.build(variables)
            if fused:
                updates.fuse(optimizer)

        def replica_step(gradients):
            replica = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.float32)
            optimizer.apply([gradient * (replica + 1) for gradient in gradients], variables)

        step = tf.function(lambda gradients: strategy.run(replica_step, (gradients,)))
        for _ in range(20):
            step([tf.constant(random.normal(size=shape), tf.float32) for shape in SHAPES])
        every = [*variables, *optimizer.variables]
        copies = [[part.numpy() for part in strategy.experimental_local_results(one.value)] for one in every]
        results.append([[copy.ravel().tolist() for copy in one] for one in copies])
    found[name] = results

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
print(json.dumps({"updates": found, "states": states}))
"""


@pytest.fixture(scope="module")
def two_replicas():
    done = subprocess.run([sys.executable, "-c", TWO_REPLICAS], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ["sgd with decay", "momentum", "nesterov", "adam", "adamw", "rmsprop"])
def test_on_two_replicas_a_fused_optimizer_changes_variables_and_slots_as_keras_does(two_replicas, name):
    ours, theirs = two_replicas["updates"][name]
    assert len(ours) == len(theirs) > len(SHAPES)
    for mine, keras_own in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine[0], keras_own[0], **TOLERANCES[name])
        assert all(copy == mine[0] for copy in mine)
    assert len(ours[0]) == 2  # a copy of each variable on both


def test_where_one_replica_overflows_all_skip_the_step_and_the_scale_halves(two_replicas):
    start, first, skipped, last = two_replicas["states"]
    assert first["weights"] != start["weights"]
    assert skipped["weights"] == first["weights"]  # momentum and count of steps too
    assert last["weights"] != skipped["weights"]
    for state in two_replicas["states"]:
        assert all(copy == copies[0] for copies in state["weights"] for copy in copies)
        assert np.isfinite(np.concatenate([copies[0] for copies in state["weights"]])).all()
    scales = [set(state["scales"]) for state in two_replicas["states"]]
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
def test_the_engines_gradients_are_those_of_keras_fit(changes):
    random = np.random.default_rng(1)
    examples = Examples(
        random.integers(0, 256, (37, 8, 8, 1), dtype=np.uint8), random.integers(0, 10, 37, dtype=np.int32)
    )
    ours, theirs = network(*changes), network(*changes)
    theirs.compile(keras.optimizers.SGD(1.0), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    start = [variable.numpy() for variable in ours.trainable_variables]
    list(Engine(ours, CrossEntropy(), examples, batch_size=37, seed=4).epoch(0))
    order = order_of(37, 4, 0).numpy()
    pictures = examples.images[order].astype(np.float32) / 255
    theirs.fit(pictures, examples.labels[order], batch_size=37, shuffle=False, verbose=0)
    for before, mine, keras_own in zip(start, ours.trainable_variables, theirs.trainable_variables, strict=True):
        assert np.abs(mine.numpy() - before).max() > 1e-3
        np.testing.assert_allclose(mine.numpy() - before, keras_own.numpy() - before, atol=1e-6)
