"""What training needs and is built once: for every seed the same data on the devices and the same compiled graph."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnlab import data
from cnnlab.data import Dataset, Examples
from cnnlab.data.balance import class_weights
from cnnlab.errors import ConfigError
from cnnlab.experiment.callbacks import EarlyStopping, UserCallback
from cnnlab.experiment.schedules import Monitor, ReduceOnPlateau
from cnnlab.experiment.schema import Experiment
from cnnlab.models.build import attach_optimizer, build_for
from cnnlab.models.determinism import make_deterministic
from cnnlab.models.inference import Outcome, compile_forward
from cnnlab.models.inspection import Probe
from cnnlab.models.losses import loss_function, weighted
from cnnlab.training.callbacks import user as own_callbacks
from cnnlab.training.callbacks.metrics_table import columns_for
from cnnlab.training.distribution import devices
from cnnlab.training.engine.engine import Engine
from cnnlab.training.engine.input_pipeline import Placement, place
from cnnlab.training.resume.checkpoint import variables_of


@dataclass
class Trainer:
    """A network on its devices, what it is trained on, and the compiled functions that train and measure it."""

    experiment: Experiment
    dataset: Dataset
    model: keras.Model
    placement: Placement
    engine: Engine
    forward: Callable[[Examples], Outcome]
    strategy: tf.distribute.Strategy
    class_weights: NDArray[np.float32] | None = None
    """What the losses of each class are multiplied by in the gradient, (classes,)."""
    own: list[own_callbacks.Factory] = field(default_factory=list)
    """What makes the callbacks of a user's own."""
    _scalars: dict[str, NDArray[np.generic]] = field(default_factory=dict)
    _is_new: bool = True

    @classmethod
    def of(cls, experiment: Experiment) -> Self:
        """Load the data and build the network, for the experiment's seed, on the devices that it asks for.

        Raises DataError, ConfigError and RequestError as these do.
        """
        strategy = devices.strategy_of(experiment.train.devices, experiment.train.threads)
        dataset = data.load(experiment.data)
        _check_monitors(experiment, dataset)
        own = own_callbacks.find(experiment.train.callbacks)
        make_deterministic(experiment.seed, deterministic=experiment.train.deterministic)
        with strategy.scope():
            model = build_for(experiment, dataset)
            attach_optimizer(model, experiment.train)
            trainer = cls.around(model, experiment, dataset)
        trainer.own = own
        return trainer

    @classmethod
    def around(cls, model: keras.Model, experiment: Experiment, dataset: Dataset) -> Self:
        """The same for a network that has its optimizer, under the strategy of the moment."""
        settings = experiment.train
        placement = place(settings.input_pipeline, dataset.train)
        weights = class_weights(settings.class_weights, dataset.train.labels, dataset.class_names)
        engine = Engine(
            model,
            settings.loss,
            dataset.train,
            batch_size=settings.batch_size,
            seed=experiment.seed,
            augmentation=experiment.preprocessing.augmentation,
            class_weights=weights,
            placement=placement.kind,
            jit=devices.compiles(settings.jit, model),
        )
        forward = compile_forward(model, settings.loss)
        scalars = {
            name: keras.ops.convert_to_numpy(variable)
            for name, variable in variables_of(model).items()
            if name.startswith("optimizer/") and variable.ndim == 0
        }
        strategy = tf.distribute.get_strategy()
        return cls(
            experiment, dataset, model, placement, engine, forward, strategy, class_weights=weights, _scalars=scalars
        )

    def can_train(self, experiment: Experiment) -> bool:
        """Whether `begin` does for it: it differs in the seed alone, or in what the trainer does not look at.

        Not with callbacks of a user's own, which may do anything to the network.
        """
        own = any(isinstance(callback, UserCallback) for callback in experiment.train.callbacks)
        return not own and _fixed(self.experiment) == _fixed(experiment)

    def begin(self, experiment: Experiment) -> None:
        """Bring the network to where a new one of that experiment's seed begins."""
        as_built = self._is_new and experiment.seed == self.experiment.seed
        self.experiment, self._is_new = experiment, False
        if as_built:
            return
        self.engine.seed = experiment.seed
        make_deterministic(experiment.seed, deterministic=experiment.train.deterministic)
        with self.strategy.scope():
            fresh = build_for(experiment, self.dataset)
            for layer, same in zip(self.model.layers, fresh.layers, strict=True):
                for variable, value in zip(layer.variables, same.variables, strict=True):
                    variable.assign(value)
            for name, variable in variables_of(self.model).items():
                if name.startswith("optimizer/"):  # slots begin with zeros in every optimizer of Keras
                    variable.assign(self._scalars[name] if name in self._scalars else tf.zeros_like(variable))

    @property
    def columns(self) -> tuple[str, ...]:
        """Those of the table of epochs."""
        return columns_for(self.dataset, _monitors(self.experiment))

    @cached_property
    def probe(self) -> Probe:
        """What looks at the network without changing it."""
        loss = weighted(loss_function(self.experiment.train.loss), self.class_weights)
        return Probe(self.model, loss, self.strategy)

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the files."""
        return devices.is_chief(self.strategy)


def _monitors(experiment: Experiment) -> list[Monitor]:
    """The columns of the table that something watches."""
    schedule, callbacks = experiment.train.schedule, experiment.train.callbacks
    monitors = [spec.monitor for spec in callbacks if isinstance(spec, EarlyStopping)]
    return [*monitors, schedule.monitor] if isinstance(schedule, ReduceOnPlateau) else monitors


def _check_monitors(experiment: Experiment, dataset: Dataset) -> None:
    """Raise ConfigError where validation is watched and, of data whose size was not known before, none are left."""
    watched = [column for column in _monitors(experiment) if column.startswith("val_")]
    if dataset.validation is None and watched:
        raise ConfigError(
            f"data.validation: {experiment.data.validation} of {len(dataset.train):,} examples holds out none, "
            f"and {watched[0]} is watched; hold out more, or watch loss"
        )


def _fixed(experiment: Experiment) -> Experiment:
    """What must be the same: all but the seed, the name, and what the loop over the epochs reads anew for every run."""
    looped: dict[str, Any] = {"epochs": 1, "schedule": None, "callbacks": [], "keep": 1, "checkpoint_minutes": 1.0}
    train = experiment.train.model_copy(update=looped)
    return experiment.model_copy(update={"seed": 0, "name": "", "published": None, "train": train})
