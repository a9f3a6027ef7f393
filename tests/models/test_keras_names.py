"""Keras's names in experiment files: every kind with a Keras class accepts its name and has its meaning."""

import inspect

import jsonschema
import keras
import pytest

from cnnlab.config import yaml
from cnnlab.config.json_schema import json_schema
from cnnlab.config.load import load
from cnnlab.config.overrides import parse_set
from cnnlab.config.schema_lookup import kinds_by_name, models_at
from cnnlab.experiment.choice import Strict, plain
from cnnlab.models.build import INITIALIZERS, LAYERS, OPTIMIZERS, REGULARIZERS

CHOICES = {  # path of the choice: (module of the Keras classes, our classes by kind)
    ("model", "layers", 0): (keras.layers, LAYERS),
    ("model", "layers", 0, "dense", "kernel_initializer"): (keras.initializers, INITIALIZERS),
    ("model", "layers", 0, "dense", "kernel_regularizer"): (keras.regularizers, REGULARIZERS),
    ("train", "optimizer"): (keras.optimizers, OPTIMIZERS),
    ("train", "loss"): (keras.losses, {"mse": keras.losses.MeanSquaredError}),
    ("train", "schedule"): (keras.callbacks, {"reduce_on_plateau": keras.callbacks.ReduceLROnPlateau}),
    ("train", "callbacks", 0): (keras.callbacks, {"early_stopping": keras.callbacks.EarlyStopping}),
    ("preprocessing", "augmentation", 0): (keras.layers, {"brightness": keras.layers.RandomBrightness}),
}
ELSEWHERE = {  # same name, different meaning
    "RandomCrop": "crops to a size; ours shifts and keeps the size",
    "MixUp": "the part of the image itself may be the smaller one",
    "CutMix": "draws the part from a uniform distribution",
    "RandomErasing": "has sides that are independent, and pixels that are normal",
    "RandAugment": "draws the same operations for a whole batch",
    "GaussianNoise": "leaves the range of pixels",
    "TensorBoard": "has other options",
    "Callback": "the base class of all",
}
CASES = [
    (path, kind, name)
    for path, (module, classes) in CHOICES.items()
    for kind, found in classes.items()
    for name in dir(module)
    if inspect.isclass(found) and getattr(module, name) is found
]


def choices(model=Strict, path=()):
    """The paths in the language with a choice between kinds."""
    for name in model.model_fields:
        for at in ((*path, name), (*path, name, 0)):
            if kinds_by_name(at):
                yield at


def test_every_choice_of_the_language_is_covered():
    found = {
        at for path in ((), ("model",), ("train",), ("preprocessing",)) for at in choices(models_at(path)[0], path)
    }
    found |= set(choices(models_at(("model", "layers", 0, "dense"))[0], ("model", "layers", 0, "dense")))
    assert found == set(CHOICES)


@pytest.mark.parametrize(("path", "kind", "name"), CASES, ids=[case[-1] for case in CASES])
def test_a_kind_is_known_by_every_name_of_its_keras_class(path, kind, name):
    assert kinds_by_name(path).get(name) == kind


@pytest.mark.parametrize("path", CHOICES, ids=str)
def test_a_keras_class_with_the_name_of_a_kind_is_that_kind_or_a_known_exception(path):
    module, _ = CHOICES[path]
    kinds = {kind.replace("_", "") for kind in kinds_by_name(path).values()}
    alike = [name for name in dir(module) if inspect.isclass(getattr(module, name)) and name.lower() in kinds]
    assert [name for name in alike if (name in kinds_by_name(path)) == (name in ELSEWHERE)] == []


@pytest.mark.parametrize(
    ("path", "kind"), sorted({(path, kind) for path, kind, _ in CASES}, key=str), ids=lambda part: str(part)
)
def test_defaults_match_keras(path, kind):
    """Otherwise the same file would have another meaning in Keras."""
    (model,) = models_at((*path, kind))
    theirs = inspect.signature(CHOICES[path][1][kind]).parameters
    renamed = {"min_learning_rate": "min_lr"}
    same = {None: ("linear", 0.0, None)}  # our values equivalent to None in Keras
    ours_alone = ("warmup", "kernel_initializer", "kernel_regularizer")  # in Keras each kernel has its own
    for name, field in model.model_fields.items():
        expected = theirs[renamed.get(name, name)].default if name not in ours_alone else inspect.Parameter.empty
        if field.is_required() or expected is inspect.Parameter.empty:
            continue
        default = field.get_default(call_default_factory=True)
        assert default in same.get(expected, (expected, (expected, expected))), name


def test_names_are_unambiguous():
    for path in CHOICES:
        names = [name for model in models_at(path) for name in (model.kind, *model.aliases())]
        assert len(names) == len(set(names))


def test_files_options_and_editors_accept_keras_names_and_ours_are_printed(tmp_path):
    text = (
        "data: digits\nmodel: {layers: [Conv2D: {filters: 4, kernel_size: 3, kernel_initializer: HeNormal}, "
        "residual: [BatchNormalization], MaxPool2D, GlobalAveragePooling2D, Dense: 10]}\n"
        "train: {optimizer: {SGD: {momentum: 0.9}}, loss: mean_squared_error, schedule: ReduceLROnPlateau}\n"
    )
    (tmp_path / "base.yaml").write_text(text)
    (tmp_path / "x.yaml").write_text("extends: base.yaml\ntrain: {optimizer: {sgd: {nesterov: true}}}\n")
    sets = ["train.optimizer.SGD.learning_rate=0.5", "model.layers[1].residual[0].BatchNormalization.momentum=0.5"]
    experiment = load(str(tmp_path / "x.yaml"), [parse_set(text) for text in sets])
    optimizer = experiment.train.optimizer
    assert (optimizer.momentum, optimizer.nesterov, optimizer.learning_rate) == (0.9, True, 0.5)
    assert [next(iter(layer)) if isinstance(layer, dict) else layer for layer in plain(experiment.model.layers)] == [
        "conv2d", "residual", "max_pool2d", "global_avg_pool2d", "dense",
    ]  # fmt: skip
    assert experiment.model.layers[1].layers[0].momentum == 0.5
    editor = jsonschema.Draft202012Validator(json_schema())
    assert editor.is_valid(yaml.parse(text, "x").data)
    assert not editor.is_valid(yaml.parse(text.replace("momentum: 0.9", "momentun: 0.9"), "x").data)
    assert not editor.is_valid(yaml.parse(text.replace("{SGD: {momentum: 0.9}}", "{SGD: 1, adam: 1}"), "x").data)
