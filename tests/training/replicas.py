"""Trains small experiments; run as a process of its own, for devices are set up once a process.

`python -m tests.training.replicas DEVICES OUT`: every experiment, the noisy ones but for several workers, under the strategy of `train.devices`
and `TF_CONFIG`; the chief writes what came of it to OUT, an .npz file.
"""

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from cnnlab import data
from cnnlab.config.load import load
from cnnlab.config.overrides import parse_set
from cnnlab.models.build import attach_optimizer, build_for
from cnnlab.models.inference import compile_forward
from cnnlab.training.distribution import devices
from cnnlab.training.trainer import Trainer

EPOCHS = 3
# 151 examples in batches of 50: the last batch is one example, which one of two replicas has to do without.
BASE = (
    "data.limit=151",
    "train.batch_size=50",
    "train.schedule=constant",
    "model.layers=[{conv2d: {filters: 4, kernel_size: 3, strides: 2, activation: relu}}, {max_pool2d: 2}, flatten,"
    " {dense: {units: 16, activation: tanh}}, {dense: 10}]",
)
SGD, MOMENTUM = "train.optimizer={sgd: 0.2}", "train.optimizer={sgd: {learning_rate: 0.05, momentum: 0.9}}"
ADAM = "train.optimizer={adam: 0.005}"
REMAINDER = "data.limit=163"  # 13: the replicas have 6 and 7
NOISY = (
    "train.optimizer={adam: 0.01}",
    "data.limit=null",
    "model.layers=[flatten, {dense: {units: 48, activation: relu}}, batch_norm, {dropout: 0.3}, {dense: 10}]",
)
EXPERIMENTS = {
    "sgd": (SGD,),
    "momentum": (MOMENTUM, REMAINDER),
    "nesterov": ("train.optimizer={sgd: {learning_rate: 0.05, momentum: 0.9, nesterov: true, weight_decay: 0.01}}",),
    "adam": (ADAM, REMAINDER),
    "regularizers": (
        MOMENTUM,
        "model.layers[0].conv2d.kernel_regularizer={l1: 0.01}",
        "model.layers[3].dense.kernel_regularizer={l2: 0.1}",
    ),
    "mixup": (SGD, REMAINDER, "preprocessing.augmentation=[{random_crop: 1}, {rotation: 10}, {mixup: 0.4}]"),
    "class-weights": (
        SGD,
        REMAINDER,
        "preprocessing.augmentation=[{mixup: 0.4}]",
        "train.class_weights={'0': 5, '3': 0.1}",
    ),
    "streamed": (ADAM, REMAINDER, "train.input_pipeline=streamed"),
    "sum-of-squares": ("train.optimizer={sgd: 0.002}", REMAINDER, "train.loss=sum_of_squares"),
    "rates": (MOMENTUM,),
    "tiny-batches": (SGD, "data.limit=9", "train.batch_size=1"),  # one replica never has an example
    "bfloat16": (MOMENTUM, "train.precision=mixed_bfloat16"),
    "float16": (ADAM, "train.precision=mixed_float16"),
    "dropout": (SGD, "model.layers=[flatten, {dropout: 0.5}, {dense: 10}]"),
    **{f"noisy-{seed}": (*NOISY, f"seed={seed}") for seed in range(2)},
}


def train(name, changes, strategy):
    """Losses and accuracies of the epochs, the accuracy on test examples, and the weights."""
    experiment = load("digits", [parse_set(change) for change in (*BASE, *changes)])
    dataset = data.load(experiment.data)
    settings = experiment.train
    keras.utils.set_random_seed(experiment.seed)
    with devices.together(strategy), strategy.scope():
        model = build_for(experiment, dataset)
        attach_optimizer(model, settings)
        engine = Trainer.around(model, experiment, dataset).engine
        rates = np.linspace(0.1, 0.01, engine.steps_per_epoch, dtype=np.float32) if name == "rates" else None
        epochs = [list(engine.epoch(epoch, rates))[-1] for epoch in range(EPOCHS)]
    found = {
        "losses": [progress.loss for progress in epochs],
        "accuracies": [progress.accuracy for progress in epochs],
        "test": compile_forward(model, settings.loss)(dataset.test).accuracy if devices.is_chief(strategy) else 0.0,
        "weights": np.concatenate([variable.numpy().ravel() for variable in model.trainable_variables]),
        "replicas": strategy.num_replicas_in_sync,
    }
    return {f"{name}/{key}": value for key, value in found.items()}


def main(setting, out):
    strategy = devices.strategy_of(int(setting) if setting.isdecimal() else setting)
    tf.config.experimental.enable_op_determinism()
    found = {}
    for name, changes in EXPERIMENTS.items():
        if name.startswith("noisy") and devices.num_workers(strategy) > 1:
            continue  # too slow
        found |= train(name, changes, strategy)
    if devices.is_chief(strategy):
        np.savez(Path(out), **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
