"""Time to accuracy in Keras's `fit`, tuned: the same experiment, a cached `tf.data` pipeline, many steps per call."""

import time

import numpy as np

from benchmarks.contestants.racing import Attempt, read_race, serve
from cnnlab.cli.tensorflow import import_tensorflow

STEPS_PER_EXECUTION = 64


def main() -> None:
    """Train from each seed on request."""
    import_tensorflow()
    import keras
    import tensorflow as tf

    from cnnlab.experiment.schema import Experiment
    from cnnlab.models.build import attach_optimizer, build

    race = read_race()
    train, validation = race.train, race.validation
    experiment = Experiment.model_validate(race.experiment, strict=False)
    settings = experiment.train
    rates = tf.constant(race.rates)

    @keras.saving.register_keras_serializable()
    class Schedule(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
        """The experiment's learning rate of each step."""

        def __call__(self, step: tf.Tensor) -> tf.Tensor:
            return tf.gather(rates, tf.minimum(tf.cast(step, tf.int32), len(race.rates) - 1))

    def fresh(seed: int) -> keras.Model:
        keras.utils.set_random_seed(seed)
        model = build(experiment.model, train.images.shape[1:], 10, name="model", precision=settings.precision)
        attach_optimizer(model, settings)
        return model

    model = fresh(0)
    config = model.optimizer.get_config() | {"learning_rate": Schedule()}
    model.compile(type(model.optimizer)(**config), model.loss, steps_per_execution=STEPS_PER_EXECUTION)
    data = tf.data.Dataset.from_tensor_slices((train.images, train.labels)).cache().shuffle(len(train.labels))
    data = data.batch(settings.batch_size, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

    def run(seed: int) -> Attempt:
        model.set_weights(fresh(seed).get_weights())
        for variable in model.optimizer.variables:
            variable.assign(tf.zeros_like(variable))
        seconds, epochs, accuracy = 0.0, 0, 0.0
        while epochs < settings.epochs and accuracy < race.target:
            started = time.perf_counter()
            model.fit(data, epochs=1, verbose=0, shuffle=False)
            seconds += time.perf_counter() - started
            outputs = [model.predict(view, batch_size=1000, verbose=0) for view in validation.images]
            found = np.tensordot(race.views, np.stack(outputs), 1).argmax(axis=1)
            accuracy = float(np.mean(found == validation.labels))
            epochs += 1
        return Attempt(seconds, epochs, accuracy)

    serve(run)


if __name__ == "__main__":
    main()
