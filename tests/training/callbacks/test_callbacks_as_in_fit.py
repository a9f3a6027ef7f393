from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnlab import data
from cnnlab.errors import Diverged
from cnnlab.experiment.schema import Experiment
from cnnlab.models.build import Inputs, attach_optimizer, build_for
from cnnlab.training.engine.batch import order_of
from cnnlab.training.engine.engine import Engine
from cnnlab.training.fit import fit
from cnnlab.training.trainer import Trainer

SIZE, BATCH_SIZE, STEPS = 180, 32, 6  # the last batch has 20 examples
LAYERS = ["flatten", {"dense": {"units": 16, "activation": "relu"}}, {"dense": 10}]
HOOKS = [
    *(f"on_{phase}_{when}" for phase in ("train", "test") for when in ("begin", "end")),
    *(f"on_{phase}_batch_{when}" for phase in ("train", "test") for when in ("begin", "end")),
    "on_epoch_begin",
    "on_epoch_end",
]


def experiment_of(rate=0.1, **train):
    settings = {"epochs": 3, "batch_size": BATCH_SIZE, "optimizer": {"sgd": rate}, "schedule": "constant", **train}
    return Experiment.model_validate(
        {
            "name": "small",
            "seed": 3,
            "data": {"name": "digits", "limit": SIZE},
            "model": {"layers": LAYERS},
            "train": settings,
        }
    )


@pytest.fixture(scope="module")
def digits():
    dataset = data.load(experiment_of().data)
    assert len(dataset.train) == SIZE
    assert dataset.validation
    return dataset


def new_model(experiment, dataset):
    keras.utils.set_random_seed(0)
    model = build_for(experiment, Inputs.from_dataset(dataset, experiment.preprocessing))
    attach_optimizer(model, experiment.train)
    return model


def targets(experiment, examples):
    """Labels as expected by the Keras loss."""
    if experiment.train.loss.kind == "cross_entropy":
        return examples.labels
    return keras.utils.to_categorical(examples.labels, 10)


def in_floats(examples):
    return examples.images.astype(np.float32) / 255


def as_stream(images, labels, batch_size):
    """Without autotuning, whose threads take seconds to end when many iterators are collected at once."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(batch_size).with_options(options)


def fit_by_cnnlab(experiment, dataset, callbacks):
    model = new_model(experiment, dataset)
    results = fit(Trainer.from_model(model, experiment, dataset), callbacks=callbacks).results
    return SimpleNamespace(model=model, results=results, callbacks=callbacks)


def fit_by_keras(experiment, dataset, callbacks, steps_per_call):
    """The same training with Keras's `fit`, with the example order of cnnlab."""
    model = new_model(experiment, dataset)
    model.steps_per_execution = steps_per_call
    images, labels = in_floats(dataset.train), targets(experiment, dataset.train)
    stream = None
    for epoch in range(experiment.train.epochs):
        order = order_of(SIZE, experiment.seed, epoch).numpy()
        batches = as_stream(images[order], labels[order], BATCH_SIZE)
        stream = stream.concatenate(batches) if stream else batches
    validation = dataset.validation
    scheduler = keras.callbacks.LearningRateScheduler(
        lambda epoch, rate: rate
    )  # adds learning_rate to the logs, as in cnnlab
    model.fit(
        stream,
        steps_per_epoch=STEPS,
        epochs=experiment.train.epochs,
        validation_data=validation and as_stream(in_floats(validation), targets(experiment, validation), SIZE),
        callbacks=[scheduler, *callbacks],
        shuffle=False,
        verbose=0,
    )
    return SimpleNamespace(model=model, callbacks=callbacks)


@pytest.fixture
def both(digits, monkeypatch, tmp_path):
    """Trains with cnnlab and with Keras; `make(folder)` creates the callbacks of each."""

    def run(make, *, steps_per_call=2, dataset=digits, **train):
        initialize = Engine.__init__

        def with_fixed_calls(self, *arguments, **options):
            initialize(self, *arguments, **options)
            self._steps_per_call = steps_per_call

        with monkeypatch.context() as patch:
            patch.setattr(Engine, "__init__", with_fixed_calls)
            patch.setattr(Engine, "_resize_call", lambda self, steps, seconds: None)
            experiment = experiment_of(**train)
            ours = fit_by_cnnlab(experiment, dataset, make(tmp_path / "ours"))
        return ours, fit_by_keras(experiment, dataset, make(tmp_path / "theirs"), steps_per_call)

    return run


class Recorder(keras.callbacks.Callback):
    """Records every call: (hook, epoch or batch, logs, learning rate, iterations)."""

    def __init__(self):
        super().__init__()
        self.calls = []
        self.models = set()

    def note(self, hook, number, logs):
        rate, steps = float(self.model.optimizer.learning_rate), int(self.model.optimizer.iterations)
        self.models.add(id(self.model))
        self.calls.append((hook, number, dict(logs), rate, steps))

    def of(self, hook):
        return [call for call in self.calls if call[0] == hook]

    def numbers(self, hook):
        return [call[1] for call in self.of(hook)]

    def logged(self, name):
        """The values of `name` in the epoch logs."""
        return [call[2][name] for call in self.of("on_epoch_end")]


def _noting(hook):
    if "batch" in hook or "epoch" in hook:
        return lambda self, number, logs=None: self.note(hook, number, logs)
    return lambda self, logs=None: self.note(hook, None, logs)


for _hook in HOOKS:
    setattr(Recorder, _hook, _noting(_hook))


def assert_same_calls(ours, theirs, without="nothing"):
    mine, keras_own = ([call for call in side.calls if without not in call[0]] for side in (ours, theirs))
    assert [call[:2] for call in mine] == [call[:2] for call in keras_own]
    for actual, expected in zip(mine, keras_own, strict=True):
        assert list(actual[2]) == list(expected[2]), actual[0]
        assert [type(value) for value in actual[2].values()] == [type(value) for value in expected[2].values()]
        assert actual[2] == pytest.approx(expected[2], rel=1e-5, abs=1e-7), actual[0]
        assert actual[3:] == pytest.approx(expected[3:]), actual[0]


def assert_same_weights(ours, theirs):
    for mine, keras_own in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, keras_own, atol=1e-5)


# Arguments of hooks


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_a_callback_receives_every_call_of_fit(both, loss):
    ours, theirs = both(lambda folder: [Recorder()], steps_per_call=1, loss=loss)
    (mine,), (keras_own,) = ours.callbacks, theirs.callbacks
    assert mine.numbers("on_train_batch_end") == [*range(STEPS)] * 3
    assert set(HOOKS) == {call[0] for call in mine.calls}
    assert_same_calls(mine, keras_own)
    assert mine.params == keras_own.params == {"epochs": 3, "steps": STEPS, "verbose": 0}
    assert mine.models == {id(ours.model)}
    assert_same_weights(ours.model, theirs.model)


@pytest.mark.parametrize("steps_per_call", [2, 6])
def test_batch_hooks_are_called_once_per_graph_call_as_with_steps_per_execution(both, steps_per_call):
    ours, theirs = both(lambda folder: [Recorder()], steps_per_call=steps_per_call, epochs=2)
    (mine,), (keras_own,) = ours.callbacks, theirs.callbacks
    assert mine.numbers("on_train_batch_begin") == [*range(0, STEPS, steps_per_call)] * 2
    assert_same_calls(mine, keras_own, without="on_test_batch")
    assert mine.numbers("on_test_batch_begin") == mine.numbers("on_test_batch_end") == [0, 0]


def test_a_shorter_last_graph_call_ends_with_the_last_step(both):
    ours, theirs = both(lambda folder: [Recorder()], steps_per_call=4, epochs=1)
    (mine,), (keras_own,) = ours.callbacks, theirs.callbacks
    assert mine.numbers("on_train_batch_begin") == keras_own.numbers("on_train_batch_begin") == [0, 4]
    assert mine.numbers("on_train_batch_end") == [3, 5]
    assert keras_own.numbers("on_train_batch_end") == [3, 7]  # beyond the steps of the epoch
    logs = [[call[2] for call in side.of("on_train_batch_end")] for side in (mine, keras_own)]
    assert [call == pytest.approx(other, rel=1e-5) for call, other in zip(*logs, strict=True)] == [True, True]


def test_without_validation_there_are_no_test_hooks_and_logs(both, digits):
    without = data.Dataset(digits.name, digits.train, None, digits.test, digits.class_names)
    ours, theirs = both(lambda folder: [Recorder()], dataset=without, epochs=2)
    (mine,), (keras_own,) = ours.callbacks, theirs.callbacks
    assert_same_calls(mine, keras_own)
    assert not mine.of("on_test_begin")
    assert list(mine.of("on_epoch_end")[0][2]) == ["accuracy", "loss", "learning_rate"]


class OldNames(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.calls = []

    def on_batch_begin(self, batch, logs=None):
        self.calls.append(("begin", batch))

    def on_batch_end(self, batch, logs=None):
        self.calls.append(("end", batch, sorted(logs)))


class Evaluates(keras.callbacks.Callback):
    """Evaluates the model after every epoch, as callbacks with a separate data set do."""

    def __init__(self, inputs, labels):
        super().__init__()
        self.inputs, self.labels = inputs, labels
        self.measured = []

    def on_epoch_end(self, epoch, logs=None):
        measured = self.model.evaluate(self.inputs, self.labels, verbose=0, return_dict=True)
        predictions = self.model.predict(self.inputs, verbose=0)
        self.measured.append({**measured, "mean": float(predictions.mean())})


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_a_callback_can_evaluate_the_model_without_side_effects(both, digits, loss):
    inputs, labels = in_floats(digits.test), targets(experiment_of(loss=loss), digits.test)
    ours, theirs = both(lambda folder: [Evaluates(inputs, labels), Recorder()], loss=loss, epochs=2)
    measured = [side.callbacks[0].measured for side in (ours, theirs)]
    for mine, keras_own in zip(*measured, strict=True):
        assert mine == pytest.approx(keras_own, rel=1e-4, abs=1e-6)
    assert_same_calls(ours.callbacks[1], theirs.callbacks[1], without="on_test")


class ReadsHistory(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.lengths = []

    def on_epoch_begin(self, epoch, logs=None):
        self.lengths.append(len(self.model.history.history.get("loss", [])))


def test_legacy_hooks_the_history_and_terminate_on_nan_work_as_in_fit(both):
    make = lambda folder: [OldNames(), ReadsHistory(), keras.callbacks.TerminateOnNaN(), Recorder()]  # noqa: E731
    ours, theirs = both(make)
    (named, reads, _, mine), (named_by_keras, read_by_keras, _, keras_own) = ours.callbacks, theirs.callbacks
    assert len(named.calls) == 3 * STEPS
    assert named.calls == named_by_keras.calls
    assert reads.lengths == read_by_keras.lengths == [0, 1, 2]
    assert_same_calls(mine, keras_own, without="on_test_batch")
    assert_same_weights(ours.model, theirs.model)


# Effects of callbacks


class Stops(Recorder):
    def __init__(self, hook, epoch, batch=None):
        super().__init__()
        self.hook, self.epoch, self.batch = hook, epoch, batch

    def note(self, hook, number, logs):
        super().note(hook, number, logs)
        epoch = len(self.of("on_epoch_begin")) - 1
        if hook == self.hook and epoch == self.epoch and self.batch in (None, number):
            self.model.stop_training = True


@pytest.mark.parametrize(
    ("hook", "epoch", "batch", "steps"),
    [
        ("on_train_batch_end", 1, 3, STEPS + 4),
        ("on_train_batch_begin", 1, 2, STEPS + 4),
        ("on_epoch_begin", 1, None, STEPS + 2),
        ("on_epoch_end", 0, None, STEPS),
        ("on_test_end", 0, None, STEPS),
        ("on_train_begin", -1, None, 2),
    ],
)
def test_stop_training_takes_effect_where_it_does_in_fit(both, hook, epoch, batch, steps):
    ours, theirs = both(lambda folder: [Stops(hook, epoch, batch)])
    (mine,), (keras_own,) = ours.callbacks, theirs.callbacks
    assert_same_calls(mine, keras_own, without="on_test_batch")
    assert mine.calls[-1][0] == "on_train_end"
    assert int(ours.model.optimizer.iterations) == steps
    assert_same_weights(ours.model, theirs.model)
    assert ours.results["epoch"] == max(epoch, 0) + 1


class ChangesRate(keras.callbacks.Callback):
    def __init__(self, hook, factor):
        super().__init__()
        change = lambda *_, **__: setattr(self.model.optimizer, "learning_rate", self._rate() * factor)  # noqa: E731
        setattr(self, hook, change)

    def _rate(self):
        return float(self.model.optimizer.learning_rate)


@pytest.mark.parametrize(
    ("hook", "changes", "optimizer"),
    [("on_epoch_end", 2, "sgd"), ("on_train_batch_end", 6, "sgd"), ("on_train_batch_begin", 6, "adam")],
)
def test_a_learning_rate_changed_by_a_callback_is_used(both, hook, changes, optimizer):
    rate = 0.2 if optimizer == "sgd" else 0.01
    ours, theirs = both(
        lambda folder: [ChangesRate(hook, 0.5), Recorder()], epochs=2, optimizer={optimizer: {"learning_rate": rate}}
    )
    assert float(ours.model.optimizer.learning_rate) == pytest.approx(rate * 0.5**changes)
    assert_same_calls(ours.callbacks[1], theirs.callbacks[1], without="on_test_batch")
    assert_same_weights(ours.model, theirs.model)


class ChangesWeights(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        self.model.set_weights([0.5 * weight for weight in self.model.get_weights()])


def test_weights_changed_by_a_callback_are_trained_and_validated(both):
    ours, theirs = both(lambda folder: [ChangesWeights(), Recorder()], epochs=2)
    assert_same_calls(ours.callbacks[1], theirs.callbacks[1], without="on_test_batch")
    assert_same_weights(ours.model, theirs.model)


def test_callbacks_are_called_in_their_order(both):
    # A learning rate changed by the first callback is visible to the second in the same hook.
    ours, theirs = both(lambda folder: [Recorder(), ChangesRate("on_train_batch_end", 0.5), Recorder()], epochs=1)
    for mine, keras_own in zip(ours.callbacks[::2], theirs.callbacks[::2], strict=True):
        assert_same_calls(mine, keras_own, without="on_test_batch")
    before, after = (side.of("on_train_batch_end")[0][3] for side in ours.callbacks[::2])
    assert after == pytest.approx(before / 2)


# Callbacks of Keras


def test_learning_rate_scheduler_equals_fit(both):
    ours, theirs = both(
        lambda folder: [keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.6), Recorder()]
    )
    assert ours.callbacks[1].logged("learning_rate") == pytest.approx([0.1 * 0.6**n for n in (1, 2, 3)])
    assert_same_calls(ours.callbacks[1], theirs.callbacks[1], without="on_test_batch")
    assert_same_weights(ours.model, theirs.model)


@pytest.mark.parametrize(
    ("monitor", "mode", "loss"),
    [("val_accuracy", "auto", "cross_entropy"), ("val_loss", "auto", "mse")],
)
def test_reduce_lr_on_plateau_equals_fit(both, monitor, mode, loss):
    plateau = {"monitor": monitor, "mode": mode, "factor": 0.5, "patience": 1, "min_delta": 0.05}
    ours, theirs = both(
        lambda folder: [keras.callbacks.ReduceLROnPlateau(**plateau), Recorder()], epochs=6, rate=0.5, loss=loss
    )
    rates = ours.callbacks[1].logged("learning_rate")
    assert rates[0] == 0.5
    assert rates[-1] < 0.5
    assert_same_calls(ours.callbacks[1], theirs.callbacks[1], without="on_test_batch")
    assert_same_weights(ours.model, theirs.model)


@pytest.mark.parametrize(
    ("monitor", "loss", "restore"),
    [("val_accuracy", "cross_entropy", True), ("val_loss", "mse", True), ("val_accuracy", "mse", False)],
)
def test_early_stopping_equals_fit(both, monitor, loss, restore):
    settings = {"monitor": monitor, "patience": 2, "min_delta": 0.02, "restore_best_weights": restore}
    ours, theirs = both(
        lambda folder: [keras.callbacks.EarlyStopping(**settings), Recorder()], epochs=15, rate=0.7, loss=loss
    )
    (mine, calls), (keras_own, expected) = ours.callbacks, theirs.callbacks
    last = len(calls.of("on_epoch_end"))
    assert (mine.stopped_epoch, mine.best_epoch, mine.wait) == (keras_own.stopped_epoch, keras_own.best_epoch, 2)
    assert mine.best_epoch + 2 == mine.stopped_epoch == last - 1 < 14
    assert_same_calls(calls, expected, without="on_test_batch")
    assert_same_weights(ours.model, theirs.model)
    assert ours.results["epoch"] == (mine.best_epoch + 1 if restore else last)
    assert ours.results[monitor] == calls.logged(monitor)[ours.results["epoch"] - 1]


def test_results_are_those_of_the_last_epoch_if_early_stopping_restores_nothing(both):
    stop = {"patience": 2, "start_from_epoch": 10, "restore_best_weights": True}
    ours, theirs = both(lambda folder: [keras.callbacks.EarlyStopping(**stop)], epochs=2)
    assert_same_weights(ours.model, theirs.model)
    assert ours.results["epoch"] == 2


def scalars(folder):
    """{(file's folder, tag, step): value} of every scalar in TensorBoard's files."""
    found = {}
    for path in sorted(folder.rglob("events.out.tfevents.*")):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "scalars":
                    key = (str(path.parent.relative_to(folder)), value.tag, event.step)
                    assert key not in found
                    found[key] = float(tf.make_ndarray(value.tensor))
    return found


@pytest.mark.parametrize("update_freq", ["epoch", "batch"])
def test_tensorboard_writes_the_scalars_of_fit(both, tmp_path, update_freq):
    both(lambda folder: [keras.callbacks.TensorBoard(str(folder), update_freq=update_freq)], epochs=2)
    mine, keras_own = scalars(tmp_path / "ours"), scalars(tmp_path / "theirs")
    assert {
        ("train", "epoch_loss", 1),
        ("train", "epoch_accuracy", 0),
        ("train", "epoch_learning_rate", 1),
        ("validation", "epoch_loss", 1),
        ("validation", "evaluation_accuracy_vs_iterations", 2 * STEPS),
    } <= set(mine)
    assert (("train", "batch_loss", 3) in mine) == (update_freq == "batch")
    assert mine == pytest.approx(keras_own, rel=1e-5, abs=1e-7)


def tags(folder):
    return {
        (path.parent.name, value.tag, event.step)
        for path in folder.rglob("events.out.tfevents.*")
        for record in tf.data.TFRecordDataset(str(path))
        for event in [tf.compat.v1.Event.FromString(record.numpy())]
        for value in event.summary.value
    }


def test_tensorboard_writes_the_weights_images_and_speeds_of_fit(both, tmp_path):
    options = {"histogram_freq": 1, "write_images": True, "write_steps_per_second": True}
    both(lambda folder: [keras.callbacks.TensorBoard(str(folder), **options)], epochs=2)
    mine = tags(tmp_path / "ours")
    assert {tag.split("/")[-1] for _, tag, _ in mine} >= {"histogram", "image", "epoch_steps_per_second", "keras"}
    assert mine == tags(tmp_path / "theirs")


def assert_same_checkpoints(tmp_path, names):
    mine, keras_own = (sorted(path.name for path in (tmp_path / side).iterdir()) for side in ("ours", "theirs"))
    assert mine == keras_own
    assert len(mine) == names
    for name in mine:
        ours, theirs = (keras.models.load_model(tmp_path / side / name) for side in ("ours", "theirs"))
        assert_same_weights(ours, theirs)
        assert int(ours.optimizer.iterations) == int(theirs.optimizer.iterations) > 0
        assert ours.loss == theirs.loss or ours.loss.get_config() == theirs.loss.get_config()


def test_model_checkpoint_writes_the_files_of_fit(both, tmp_path):
    both(lambda folder: [keras.callbacks.ModelCheckpoint(folder / "{epoch:02d}-{val_loss:.3f}.keras")], epochs=2)
    assert_same_checkpoints(tmp_path, 2)


def test_model_checkpoint_saves_only_the_best_as_in_fit(both, tmp_path):
    options = {"monitor": "val_accuracy", "save_best_only": True}
    ours, _ = both(
        lambda folder: [keras.callbacks.ModelCheckpoint(folder / "{epoch}.keras", **options), Recorder()],
        epochs=6,
        rate=0.7,
        loss="mse",
    )
    measured = ours.callbacks[1].logged("val_accuracy")
    better = sum(value > max(measured[:epoch], default=-1.0) for epoch, value in enumerate(measured))
    assert better < 6
    assert_same_checkpoints(tmp_path, better)


def test_model_checkpoint_saves_at_batch_intervals_as_in_fit(both, tmp_path):
    # 4 steps, checked every 2: within epochs and across their ends.
    both(
        lambda folder: [keras.callbacks.ModelCheckpoint(folder / "{epoch}-{batch}-{loss:.3f}.keras", save_freq=4)],
        epochs=2,
    )
    assert_same_checkpoints(tmp_path, 3)


def test_model_checkpoint_with_weights_only_can_be_loaded_into_the_model(both, tmp_path):
    options = {"save_weights_only": True}
    ours, theirs = both(
        lambda folder: [keras.callbacks.ModelCheckpoint(folder / "last.weights.h5", **options)],
        optimizer={"adam": {"learning_rate": 0.01}},
        epochs=1,
    )
    for side in (ours, theirs):
        side.model.set_weights([0 * weight for weight in side.model.get_weights()])
        side.model.load_weights(tmp_path / "ours" / "last.weights.h5")
    assert_same_weights(ours.model, theirs.model)
    assert np.abs(ours.model.get_weights()[0]).max() > 0


def test_lambda_callback_equals_fit(both):
    heard = {"ours": [], "theirs": []}

    def make(folder):
        calls = heard[folder.name]

        def noting(hook):
            if hook in ("on_train_begin", "on_train_end"):
                return lambda logs: calls.append((hook, None, logs))
            return lambda number, logs: calls.append((hook, number, logs))

        hooks = [hook for hook in HOOKS if "test" not in hook]
        return [keras.callbacks.LambdaCallback(**{hook: noting(hook) for hook in hooks})]

    both(make, epochs=2)
    mine, keras_own = heard["ours"], heard["theirs"]
    assert len(mine) == 2 + 2 * (2 + STEPS)
    assert [call[:-1] for call in mine] == [call[:-1] for call in keras_own]
    for actual, expected in zip(mine, keras_own, strict=True):
        assert actual[-1] == pytest.approx(expected[-1], rel=1e-5)


def diverging(digits, callbacks):
    """Trains with cnnlab and Keras at a rate at which the loss becomes NaN within the first epoch; cnnlab's error."""
    experiment = experiment_of(rate=1e9, loss="mse")
    ours, theirs = ([*callbacks(), Recorder()] for _ in range(2))
    model = new_model(experiment, digits)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "_resize_call", lambda self, steps, seconds: None)
        with pytest.raises(Diverged) as caught:
            fit(Trainer.from_model(model, experiment, digits), callbacks=ours)
    fit_by_keras(experiment, digits, theirs, steps_per_call=1)
    return ours[-1], theirs[-1], str(caught.value)


def test_cnnlab_ends_a_diverging_training_at_the_batch_where_terminate_on_nan_ends_fit(digits):
    mine, keras_own, message = diverging(digits, lambda: [keras.callbacks.TerminateOnNaN()])
    last = keras_own.numbers("on_train_batch_end")[-1]
    assert 0 < last < STEPS - 1
    assert not np.isfinite(keras_own.of("on_train_batch_end")[-1][2]["loss"])
    assert f"in step {last + 1} of epoch 1;" in message
    assert mine.numbers("on_train_batch_end") == keras_own.numbers("on_train_batch_end")
