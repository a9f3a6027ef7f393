"""What training needs and is built once: the data on the devices and the compiled graph, the same for every seed."""

from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnlab import data
from cnnlab.config.batch_norm import batch_of_one
from cnnlab.data import Dataset
from cnnlab.data.balance import class_weights
from cnnlab.errors import ConfigError, DownloadError
from cnnlab.experiment.callbacks import EarlyStopping, StopAt, UserCallback
from cnnlab.experiment.progressive_resizing import ImageSize
from cnnlab.experiment.schedules import Monitor, ReduceOnPlateau
from cnnlab.experiment.schema import Experiment
from cnnlab.experiment.summary import Summary, summarize_experiment
from cnnlab.models import backbone, pretrained, whitening
from cnnlab.models.build import Inputs, attach_optimizer, build_for
from cnnlab.models.determinism import make_deterministic
from cnnlab.models.inference import ForwardPass
from cnnlab.models.inspection import Inspector
from cnnlab.models.losses import loss_function, weighted
from cnnlab.models.weights import Arrays
from cnnlab.terminal import warn
from cnnlab.training.callbacks import user
from cnnlab.training.callbacks.metrics_table import columns_for
from cnnlab.training.distribution import devices
from cnnlab.training.engine.engine import Engine
from cnnlab.training.engine.frozen import choose_frozen
from cnnlab.training.engine.input_pipeline import Placement, choose_placement
from cnnlab.training.resume.checkpoint import variables_of


@dataclass(frozen=True)
class Trainer:
    """A network on its devices, the data set, and the compiled functions that train and measure it.

    `class_weights` (classes,) multiply the losses in the gradient; `user_callbacks` make the callbacks that the
    experiment names by import path. `initial_scalars` are those of the optimizer before the first step, by name.
    """

    experiment: Experiment
    dataset: Dataset
    inputs: Inputs
    model: keras.Model
    placement: Placement
    engine: Engine
    forward: ForwardPass
    strategy: tf.distribute.Strategy
    initial_scalars: dict[str, NDArray[np.generic]]
    class_weights: NDArray[np.float32] | None = None
    user_callbacks: Sequence[user.Factory] = ()
    pretrained: Arrays | None = None
    """The weights that the experiment starts from; None where these are random, or a resumed run does without."""
    first_kernel: NDArray[np.float32] | None = None
    """The kernel that the first layer begins with, where it comes from the images."""
    about_frozen: str = ""
    """What is done with the layers that are frozen at the beginning of the network; empty where there are none."""

    @classmethod
    def from_experiment(cls, experiment: Experiment, *, resumed: bool = False) -> Self:
        """Load the data and build the network, for the experiment's seed, on the devices that it asks for.

        A `resumed` experiment continues from a checkpoint: the weights that it started from may be gone.
        Raises DataError, ConfigError and RequestError as these do.
        """
        strategy = devices.strategy_for(experiment.train.devices, experiment.train.threads)
        dataset = data.load(experiment.data)
        _check_monitors(experiment, dataset)
        user_callbacks = user.factories(experiment.train.callbacks)
        start, paths = None, dict[str, Path]()
        with suppress(ConfigError, DownloadError) if resumed else nullcontext():
            start, paths = pretrained.read(experiment), backbone.files(experiment)
        make_deterministic(experiment.seed, deterministic=experiment.train.deterministic)
        inputs = Inputs.from_dataset(dataset, experiment.preprocessing)
        with strategy.scope():
            model = build_for(experiment, inputs)
            pretrained.freeze(model, experiment)
            attach_optimizer(model, experiment.train)
            pretrained.slow_down(model, experiment)
            kernel = whitening.kernel_for(model, experiment, dataset.train)
            if kernel is not None:
                whitening.assign(model, kernel)
            if paths:
                start = {**backbone.load(model, paths), **(start or {})}
            if start is not None:
                pretrained.assign(model, experiment, start)
            trainer = cls.from_model(model, experiment, dataset, inputs, user_callbacks)
            trainer = replace(trainer, pretrained=start, first_kernel=kernel)
        if trainer.is_chief:
            trainer._warn_of_precision()
            trainer._warn_of_batch_norm()
        return trainer

    @classmethod
    def from_model(
        cls,
        model: keras.Model,
        experiment: Experiment,
        dataset: Dataset,
        inputs: Inputs | None = None,
        user_callbacks: Sequence[user.Factory] = (),
    ) -> Self:
        """A trainer of a model that has its optimizer, under the current strategy."""
        settings = experiment.train
        frozen, about_frozen = choose_frozen(model, experiment)
        nbytes = frozen.nbytes(len(dataset.train)) if frozen else dataset.train.images.nbytes
        placement = choose_placement(settings.input_pipeline, nbytes, f" of {frozen.last}" if frozen else "")
        weights = class_weights(settings.class_weights, dataset.train.labels, dataset.class_names)
        engine = Engine(
            model,
            settings.loss,
            dataset.train,
            batch_size=settings.batch_size,
            seed=experiment.seed,
            augmentation=experiment.preprocessing.augmentation,
            class_weights=weights,
            adversarial=settings.adversarial,
            placement=placement.kind,
            frozen=frozen,
            jit=devices.uses_xla(experiment),
        )
        scalars = {
            name: keras.ops.convert_to_numpy(variable)
            for name, variable in variables_of(model).items()
            if name.startswith("optimizer/") and variable.ndim == 0
        }
        return cls(
            experiment,
            dataset,
            inputs or Inputs.from_dataset(dataset, experiment.preprocessing),
            model,
            placement,
            engine,
            ForwardPass(model, settings.loss, experiment.test_time),
            tf.distribute.get_strategy(),
            scalars,
            weights,
            user_callbacks,
            about_frozen=about_frozen,
        )

    def reset(self, experiment: Experiment) -> Self:
        """A trainer for an experiment that shares this one's graph, whose weights and optimizer begin anew.

        The variables are shared with this trainer, which is not to be used any more.
        """
        make_deterministic(experiment.seed, deterministic=experiment.train.deterministic)
        with self.strategy.scope():
            fresh = build_for(experiment, self.inputs)
            for layer, same in zip(self.model.layers, fresh.layers, strict=True):
                for variable, value in zip(layer.variables, same.variables, strict=True):
                    variable.assign(value)
            if self.first_kernel is not None:
                whitening.assign(self.model, self.first_kernel)
            if self.pretrained is not None:
                pretrained.assign(self.model, experiment, self.pretrained)
            for name, variable in variables_of(self.model).items():
                if name.startswith("optimizer/"):  # slots begin with zeros in every optimizer of Keras
                    variable.assign(self.initial_scalars.get(name, tf.zeros_like(variable)))
        return replace(self, experiment=experiment, engine=self.engine.with_seed(experiment.seed))

    def size_in(self, epoch: int) -> ImageSize | None:
        """(height, width) that the first layer sees in an epoch, counted from 0; None where images keep their size."""
        size = self.experiment.training_size(epoch)
        return None if size == self.experiment.input_shape[:2] else size

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of metrics.csv."""
        return columns_for(self.dataset, _monitors(self.experiment))

    @property
    def named_class_weights(self) -> dict[str, float]:
        """The weight of each class by its name; empty without class weights."""
        weights = [] if self.class_weights is None else self.class_weights.tolist()
        return dict(zip(self.dataset.class_names, weights, strict=False))

    @cached_property
    def summary(self) -> Summary:
        """The layers and what they cost."""
        return summarize_experiment(self.experiment)

    @cached_property
    def inspector(self) -> Inspector:
        """Outputs and gradients of the network's layers, of the loss that is minimized."""
        loss = weighted(loss_function(self.experiment.train.loss), self.class_weights)
        return Inspector(self.model, loss, self.strategy)

    def check_start(self) -> None:
        """Raise ConfigError where training cannot begin: the weights that it starts from are missing."""
        if self.pretrained is None:
            pretrained.read(self.experiment)
            backbone.files(self.experiment)

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the files."""
        return devices.is_chief(self.strategy)

    def _warn_of_precision(self) -> None:
        if self.experiment.train.precision == "mixed_float16" and not devices.has_gpu():
            warn("train.precision: mixed_float16 is for GPUs; on a CPU it is slower than float32")

    def _warn_of_batch_norm(self) -> None:
        """Warn as `validate` does, where the number of examples or of replicas is known only now."""
        experiment, replicas = self.experiment, self.strategy.num_replicas_in_sync
        size, setting = experiment.train.batch_size, experiment.train.devices
        devices_asked = setting if isinstance(setting, int) else 1
        known = batch_of_one(self.summary.lines, size, devices_asked, experiment.data.train_size())
        found = batch_of_one(self.summary.lines, size, replicas, len(self.dataset.train))
        if found and not known:
            warn(f"train.batch_size: {found[0]}; set batch_size: {found[1]}")


def shares_graph(first: Experiment, second: Experiment) -> bool:
    """Whether a trainer of the first experiment, after `reset`, trains the second.

    It does where they differ only in the seed or in what is read anew for every run; not with user callbacks, which may
    change the network.
    """
    has_user_callbacks = any(isinstance(callback, UserCallback) for callback in second.train.callbacks)
    return not has_user_callbacks and _compiled_part(first) == _compiled_part(second)


def _compiled_part(experiment: Experiment) -> Experiment:
    per_run: dict[str, Any] = {"epochs": 1, "schedule": None, "callbacks": [], "keep": 1, "checkpoint_minutes": 1.0}
    train = experiment.train.model_copy(update=per_run)
    return experiment.model_copy(update={"seed": 0, "name": "", "published": None, "train": train})


def _monitors(experiment: Experiment) -> list[Monitor]:
    """The columns of metrics.csv that something watches."""
    schedule, callbacks = experiment.train.schedule, experiment.train.callbacks
    monitors = [spec.monitor for spec in callbacks if isinstance(spec, EarlyStopping | StopAt)]
    return [*monitors, schedule.monitor] if isinstance(schedule, ReduceOnPlateau) else monitors


def _check_monitors(experiment: Experiment, dataset: Dataset) -> None:
    """Raise ConfigError where validation is watched and data of a size unknown until now leave none for it."""
    watched = [column for column in _monitors(experiment) if column.startswith("val_")]
    if dataset.validation is None and watched:
        raise ConfigError(
            f"data.validation: {experiment.data.validation} of {len(dataset.train):,} examples holds out none, "
            f"and {watched[0]} is watched; hold out more, or watch loss"
        )
