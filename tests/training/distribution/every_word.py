"""Small experiments that together contain every word of the language, and a function to train them.

`python -m tests.training.distribution.every_word FOLDER` trains them in a worker of the cluster in `TF_CONFIG`.
"""

import contextlib
import itertools
import os
import sys
import typing
from pathlib import Path

import numpy as np
import safetensors.numpy
from PIL import Image

from cnnlab.cli import main
from cnnlab.config import shipped
from cnnlab.config.load import load_file, to_yaml
from cnnlab.experiment.choice import Choice, Strict
from cnnlab.experiment.data import num_outputs
from cnnlab.experiment.data.user import Synthetic
from cnnlab.experiment.layers.base import Activation
from cnnlab.experiment.schema import Experiment

# 49 training examples in batches of 16: the last batch has one example, so one of two replicas gets none.
DATA = {"name": "synthetic", "image_shape": [8, 8, 2], "num_classes": 3, "train_examples": 61, "test_examples": 20, "validation": 12}  # fmt: skip
SMALL = ["flatten", {"dense": {"units": 6, "activation": "tanh"}}, {"dense": 3}]
WRITERS = [
    {"callback": {"path": "keras.callbacks.CSVLogger", "arguments": {"filename": "{run}/log.csv"}}},
    {"callback": {"path": "keras.callbacks.ModelCheckpoint", "arguments": {"filepath": "{run}/best.keras", "save_best_only": True}}},
    {"callback": {"path": "keras.callbacks.TensorBoard", "arguments": {"log_dir": "{run}/events", "histogram_freq": 1}}},
]  # fmt: skip
WATCHERS = [
    {"callback": {"path": "keras.callbacks.ReduceLROnPlateau", "arguments": {"monitor": "loss", "min_delta": 9.0, "patience": 1}}},
    {"callback": "keras.callbacks.TerminateOnNaN"},
    {"callback": {"path": "tests.training.distribution.every_word.scheduler"}},
]  # fmt: skip
INITIALIZERS = [
    "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal", "xavier", "he",
    "truncated_normal", "random_normal", "random_uniform", "orthogonal", "zeros", "ones",
    "dirac",
]  # fmt: skip
EVERY_LAYER = [
    {"rescale": {"scale": 2.0, "offset": -1.0}},
    {"zero_padding2d": 1},
    {"conv2d": {"filters": 4, "kernel_size": 3, "padding": "same", "use_bias": False}},
    {"separable_conv2d": {"filters": 4, "kernel_size": 3}},
    {"depthwise_conv2d": {"kernel_size": 3, "padding": "same"}},
    {"avg_pool2d": {"pool_size": 2, "padding": "same"}},
    {"residual": {"layers": [{"conv2d": {"filters": 6, "kernel_size": 3, "padding": "same"}}], "shortcut": "projection"}},
    {"residual": {"layers": [{"conv2d": {"filters": 8, "kernel_size": 3, "padding": "same"}}], "shortcut": "pad"}},
    {"repeat": {"times": 2, "layers": [{"activation": "elu"}]}},
    {"channel_max_pool": 2},
    {"max_pool2d": 2},
    {"parallel": [["global_avg_pool2d"], ["global_max_pool2d"], ["flatten"]]},
    {"dense": 3},
]  # fmt: skip
RESIZED_LAYERS = [
    *(layer for layer in EVERY_LAYER[:-2] if layer != {"channel_max_pool": 2}),
    {"parallel": [["global_avg_pool2d"], ["global_max_pool2d"], ["global_avg_pool2d", {"channel_max_pool": 2}]]},
    {"dense": 3},
]
"""Every layer whose weights do not depend on the size of the image."""
NOISY_LAYERS = [
    "flatten",
    {"dense": 8},
    "batch_norm",
    {"batch_norm": {"center": False, "scale": False}},
    {"dropout": 0.3},
    {"dense": 3},
]
NORMALIZED_LAYERS = [
    {"conv2d": {"filters": 16, "kernel_size": 3}},
    "batch_norm",
    {"activation": "relu"},
    {"conv2d": {"filters": 32, "kernel_size": 3}},
    {"batch_norm": {"center": False, "scale": False}},
    "flatten",
    {"dense": 3},
]
"""With as many channels as the fused kernel is for."""

STARTED = [
    {"conv2d": {"filters": 4, "kernel_size": 3}},
    "batch_norm",
    {"activation": "relu"},
    {"conv2d": {"filters": 4, "kernel_size": 3}},
    "flatten",
    {"dense": 3},
]
SOURCE = "source.safetensors"
"""What networks of STARTED start from, beside their files: weights of all layers but the last."""

GROUPED = {"name": "folder", "path": "grouped", "image_size": 8, "channels": 1, "num_classes": 3, "group": "^(p[0-9]+)_", "validation": 0.2, "test": 0.2}  # fmt: skip
"""Images of people, beside the files of experiments: `write_grouped`."""
EXCLUDED = "excluded.csv"
"""Images of GROUPED that are left out, beside it."""
COLOR = {**DATA, "image_shape": [32, 32, 3], "train_examples": 45}
FEATURES = ["global_avg_pool2d", {"dense": 3}]

EXPERIMENTS = {
    "cosine": {
        "preprocessing": {"scale": "minus_one_one"},
        "model": {"layers": EVERY_LAYER},
        "train": {
            "schedule": {"cosine": {"warmup": 1}},
            "optimizer": {"sgd": {"learning_rate": 0.05, "momentum": 0.9}},
            "callbacks": [{"early_stopping": {"patience": 9, "monitor": "val_balanced_accuracy"}}, {"stop_at": 0.999}],
        },
    },
    "one-cycle": {
        "model": {"layers": ["flatten", {"parallel": [[{"dense": {"units": 2, "activation": name}}] for name in typing.get_args(Activation)]}, {"dense": {"units": 3, "activation": "softmax"}}]},
        "train": {
            "schedule": {"one_cycle": {"warmup": 1}},
            "optimizer": {"sgd": {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01, "use_ema": True, "ema_momentum": 0.8}},
            "loss": {"cross_entropy": {"from_logits": False}},
            "callbacks": [{"early_stopping": {"patience": 9, "monitor": "val_accuracy", "restore_best_weights": True}}],
        },
    },
    "constant": {
        "model": {"layers": [
            "flatten",
            {"parallel": [[{"dense": {"units": 2, "kernel_initializer": name}}] for name in INITIALIZERS]},
            {"dense": {"units": 6, "kernel_regularizer": {"l1": 0.01}}},
            {"dense": {"units": 6, "kernel_regularizer": {"l2": 0.01}}},
            {"dense": {"units": 3, "kernel_regularizer": {"l1_l2": {"l1": 0.01, "l2": 0.01}}}},
        ]},
        "train": {
            "schedule": {"constant": {"warmup": 1.5}},
            "optimizer": "adam",
            "callbacks": [{"early_stopping": {"patience": 1, "monitor": "loss", "min_delta": 9.0, "restore_best_weights": False}}],
        },
    },
    "exponential": {"train": {"schedule": {"exponential": {"decay": 0.5, "warmup": 0.5}}, "optimizer": "adamw", "class_weights": "balanced", "callbacks": ["tensorboard"]}},
    "step": {"train": {"schedule": {"step": {"every": 1, "warmup": 1}}, "optimizer": "rmsprop", "loss": "mse", "callbacks": WRITERS}},
    "piecewise": {"train": {"schedule": {"piecewise": {"boundaries": [1], "factors": [1, 0.1], "warmup": 0.5}}, "optimizer": {"rmsprop": {"momentum": 0.5, "centered": True}}, "loss": {"cross_entropy": {"label_smoothing": 0.1}}, "callbacks": WATCHERS}},
    "plateau": {"train": {"schedule": {"reduce_on_plateau": {"monitor": "val_loss", "patience": 1, "min_delta": 9.0, "warmup": 1}}, "optimizer": {"sgd": 0.001}, "loss": "sum_of_squares", "input_pipeline": "resident"}},
    "plateau-of-accuracy": {"train": {"schedule": {"reduce_on_plateau": {"monitor": "accuracy", "patience": 1}}, "deterministic": False, "test": "never", "jit": "on"}},
    "bfloat16": {"train": {"precision": "mixed_bfloat16", "schedule": "cosine"}},
    "float16": {"train": {"precision": "mixed_float16", "schedule": "cosine", "optimizer": "adam"}},
    "augmentation": {
        "test_time": {"flip": True, "translate": 1},
        "preprocessing": {"zero_padding": 1, "scale": "standardize", "augmentation": [{"random_crop": 1}, "horizontal_flip", "alternating_flip", {"rotation": 15}, {"translation": 0.2}, {"cutout": 3}, {"mixup": 0.4}]},
        "train": {"jit": "off", "schedule": "cosine", "input_pipeline": "streamed", "class_weights": {"0": 5, "2": 0.1}},
    },
    "augmentation-affine": {
        "preprocessing": {"augmentation": ["vertical_flip", {"zoom": {"factor": 0.3, "fill": "reflect"}}, {"rotation": {"degrees": 15, "fill": "reflect"}}, {"translation": {"fraction": 0.2, "fill": "nearest"}}, "rand_augment", "cutmix"]},
        "train": {"schedule": "cosine"},
    },
    "augmentation-colors": {
        "data": {**DATA, "image_shape": [8, 8, 3]},
        "preprocessing": {"augmentation": ["brightness", "contrast", "saturation", "gaussian_noise", {"random_erasing": {"max_area": 0.4}}, "mixup", {"cutmix": 0.5}]},
        "train": {"schedule": "cosine", "input_pipeline": "streamed"},
    },
    "bias-rate": {"model": {"layers": [*RESIZED_LAYERS[:-1], {"dense": {"units": 3, "kernel_initializer": "dirac"}}]}, "train": {"bias_learning_rate_factor": 16, "optimizer": {"sgd": {"momentum": 0.9, "weight_decay": 0.1}}}},
    "averages": {"train": {"optimizer": {"adam": {"use_ema": True, "ema_momentum": 0.9}}}},
    "adversarial": {"train": {"schedule": "cosine", "adversarial": {"epsilon": 0.1, "steps": 2}}},
    "adversarial-l2": {"preprocessing": {"augmentation": [{"mixup": 0.4}]}, "train": {"schedule": "cosine", "adversarial": {"epsilon": 1.0, "steps": 2, "norm": "l2", "random_start": False, "warmup": 1}}},
    "pretrained": {"model": {"layers": STARTED, "pretrained": {"from": SOURCE, "freeze": ["conv2d_0", "batch_norm_1"], "learning_rate_factor": 0.1}}, "train": {"optimizer": {"adamw": {"weight_decay": 0.1}}, "input_pipeline": "streamed"}},
    "frozen": {"model": {"layers": STARTED, "pretrained": {"from": SOURCE, "freeze": True}}, "train": {"precision": "mixed_bfloat16"}},
    "frozen-until": {"model": {"layers": STARTED, "pretrained": {"from": SOURCE, "freeze": {"until": "activation_2"}, "learning_rate_factor": 0.5}}, "train": {"optimizer": {"sgd": {"momentum": 0.9, "weight_decay": 0.1, "use_ema": True}}}},
    "started": {"model": {"layers": [STARTED[0], "flatten", {"dense": 3}], "pretrained": {"from": SOURCE}}},
    "fold": {"data": {**DATA, "fold": {"number": 2, "of": 5, "seed": 3}, "validation": 0.25}},
    "group": {"data": GROUPED},
    "exclude": {"data": {**GROUPED, "exclude": EXCLUDED}},
    "backbone": {"data": COLOR, "model": {"layers": [{"backbone": {"name": "resnet50", "freeze": True}}, *FEATURES]}, "train": {"epochs": 1}},
    "backbone-bfloat16": {"data": COLOR, "model": {"layers": [{"backbone": {"name": "efficientnet_v2_b0", "freeze": True}}, *FEATURES]}, "train": {"epochs": 1, "precision": "mixed_bfloat16"}},
    "backbone-trained": {"data": COLOR, "model": {"layers": [{"backbone": {"name": "mobilenet_v2", "freeze": False}}, *FEATURES]}, "train": {"epochs": 1}},
    "whitening": {"preprocessing": {"zero_padding": 1, "scale": "standardize"}, "model": {"layers": [{"conv2d": {"filters": 16, "kernel_size": 2, "kernel_initializer": "whitening"}}, "flatten", {"dense": 3}]}},
    "normalized": {"data": {**DATA, "train_examples": 58}, "model": {"layers": NORMALIZED_LAYERS}},
    "normalized-bfloat16": {"model": {"layers": NORMALIZED_LAYERS}, "train": {"precision": "mixed_bfloat16"}},
    "resizing": {
        "preprocessing": {"zero_padding": 1, "augmentation": ["alternating_flip", {"mixup": 0.4}]},
        "model": {"layers": RESIZED_LAYERS},
        "train": {"progressive_resizing": {"initial_scale": 0.5, "delay_fraction": 0.3, "finetune_fraction": 0.3, "size_increment": 1}, "adversarial": {"epsilon": 0.1, "steps": 2}},
    },
    "resizing-streamed": {
        "model": {"layers": [{"conv2d": {"filters": 16, "kernel_size": 3, "kernel_regularizer": {"l2": 0.01}}}, "global_max_pool2d", {"dense": 3}]},
        "train": {"progressive_resizing": {"delay_fraction": 0.3}, "input_pipeline": "streamed", "precision": "mixed_bfloat16", "schedule": "cosine"},
    },
    "wide-bfloat16": {"model": {"layers": [{"conv2d": {"filters": 64, "kernel_size": 3}}, {"conv2d": {"filters": 128, "kernel_size": 3, "use_bias": False}}, "flatten", {"dense": 3}]}, "train": {"precision": "mixed_bfloat16"}},
    "noisy": {"data": {**DATA, "train_examples": 58}, "model": {"layers": NOISY_LAYERS}, "train": {"schedule": "cosine"}},
}  # fmt: skip
"""Sections of experiments, completed by `experiment`; together they contain every word of the language."""


def scheduler():
    """A user callback that changes the learning rate."""
    import keras

    return keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9)


def experiment(name):
    """The experiment with this name in EXPERIMENTS."""
    sections = {"model": {"layers": SMALL}, "data": DATA, **EXPERIMENTS[name]}
    train = {"epochs": 3, "batch_size": 16, **sections.get("train", {})}
    return Experiment.model_validate({"name": name, **sections, "train": train})


def shipped_experiments():
    """Every shipped experiment with a few synthetic examples."""
    for name, path in shipped.paths().items():
        found = load_file(path)
        data = Synthetic(
            name="synthetic",
            image_shape=found.data.image_shape,
            num_classes=num_outputs(found.data),
            train_examples=24,
            test_examples=8,
            validation=8,
        )
        train = found.train.model_copy(update={"epochs": 1, "batch_size": 8, "test": "never"})
        yield found.model_copy(update={"name": f"shipped-{name}", "data": data, "train": train})


def words_of(value):
    """The words in a part of an experiment: kinds, enumerated option values and sections."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from words_of(item)
    if isinstance(value, Strict):
        if isinstance(value, Choice):
            yield value.kind
        for name, field in type(value).model_fields.items():
            option = getattr(value, name)
            if option in _values(field.annotation):
                yield name, option
            if isinstance(option, Strict) and not isinstance(option, Choice):
                yield name
            yield from words_of(option)


def words_at(annotation, seen=None):
    """The words allowed by the schema at `annotation`."""
    seen = set() if seen is None else seen
    for part in _parts(annotation):
        if isinstance(part, type) and issubclass(part, Strict) and part not in seen:
            seen.add(part)
            if issubclass(part, Choice):
                yield part.kind
            for name, field in part.model_fields.items():
                yield from ((name, value) for value in _values(field.annotation))
                if any(_is_section(inner) for inner in _parts(field.annotation)):
                    yield name
                yield from words_at(field.annotation, seen)


def _is_section(part):
    return isinstance(part, type) and issubclass(part, Strict) and not issubclass(part, Choice)


def _parts(annotation):
    yield annotation
    if typing.get_origin(annotation) is not typing.Literal:
        for part in typing.get_args(annotation):
            yield from _parts(part)


def _values(annotation):
    """The values of an enumerated `annotation`."""
    values = [
        value
        for part in _parts(annotation)
        if typing.get_origin(part) is typing.Literal
        for value in typing.get_args(part)
    ]
    return [*values, *([False, True] if bool in _parts(annotation) else [])]


def write_source(folder):
    """Write the weights that experiments start from; of several workers each its own."""
    shapes = {
        "conv2d_0/kernel": (3, 3, 2, 4),
        "conv2d_0/bias": (4,),
        "conv2d_3/kernel": (3, 3, 4, 4),
        "conv2d_3/bias": (4,),
    }
    shapes |= {f"batch_norm_1/{name}": (4,) for name in ("gamma", "beta", "moving_mean", "moving_variance")}
    draw = np.random.default_rng(0)
    arrays = {name: draw.uniform(0.1, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    partial = folder / f"{SOURCE}-of-{os.getpid()}"
    safetensors.numpy.save_file(arrays, partial)
    partial.replace(folder / SOURCE)


def write_grouped(folder):
    """Write images of 12 people, one to three per class, and a list of some; of several workers the first is used."""
    draw = np.random.default_rng(0)
    partial = folder / f"grouped-of-{os.getpid()}"
    for person in range(12):
        for label, number in itertools.product("abc", range(1 + person % 3)):
            path = partial / label / f"p{person}_{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draw.integers(0, 256, (8, 8), dtype=np.uint8)).save(path)
    with contextlib.suppress(OSError):
        partial.rename(folder / GROUPED["path"])
    listed = folder / f"{EXCLUDED}-of-{os.getpid()}"
    listed.write_text("split,file,label\n" + "".join(f"train,{label}/p4_0.png,{label}\n" for label in "abc"))
    listed.replace(folder / EXCLUDED)


def train(experiments, devices, folder):
    """Train each experiment with `cnnlab train --devices` into the run folder of its name."""
    folder.mkdir(exist_ok=True)
    write_source(folder)
    write_grouped(folder)
    for one in experiments:
        config = folder / f"{one.name}-of-{os.getpid()}.yaml"
        config.write_text(to_yaml(one))
        options = ["--devices", devices, "--runs", str(folder), "--name", one.name, "--quiet"]
        assert main(["train", str(config), *options]) == 0


if __name__ == "__main__":
    experiments = {"words": map(experiment, EXPERIMENTS), "shipped": shipped_experiments()}
    train(experiments[sys.argv[2]], "auto", Path(sys.argv[1]))
