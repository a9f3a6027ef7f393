"""The rules for `backbone`, and its file of weights."""

import os
from collections.abc import Iterator, Sequence
from hashlib import file_digest
from pathlib import Path

from cnnlab.config.lint_rule import LintContext, Violation
from cnnlab.experiment.layers.backbone import Backbone
from cnnlab.experiment.schema import Experiment

FIRST = ("model", "layers", 0, "backbone")


def completed(experiment: Experiment, folders: Sequence[Path]) -> Experiment:
    """With the absolute path and the SHA-256 of a local file of weights, as far as it is found in `folders`."""
    first = experiment.model.layers[0]
    if not isinstance(first, Backbone) or first.weights in (None, "imagenet"):
        return experiment
    candidates = [os.path.abspath(folder / os.path.expanduser(str(first.weights))) for folder in folders]
    found = next(filter(os.path.isfile, candidates), None)
    if found is None:
        return experiment
    sha256 = first.sha256
    if sha256 is None:
        with open(found, "rb") as file:
            sha256 = file_digest(file, "sha256").hexdigest()
    layer = first.model_copy(update={"weights": found, "sha256": sha256})
    model = experiment.model.model_copy(update={"layers": [layer, *experiment.model.layers[1:]]})
    return experiment.model_copy(update={"model": model})


def backbone(context: LintContext) -> Iterator[Violation]:
    """A backbone must be the first layer, take pixels as they are, and have its file of weights."""
    experiment = context.experiment
    model = experiment.model
    for line in context.lines:
        if not isinstance(line.spec, Backbone):
            continue
        if line.place.path != FIRST:
            yield line.place.path, "expected as the first layer: it scales pixels itself, as it was trained"
        if experiment.preprocessing.scale != "zero_one":
            scale = experiment.preprocessing.scale
            yield ("preprocessing", "scale"), f"{scale}, and {line.spec.name} scales pixels itself; expected zero_one"
        path = line.spec.weights
        if path not in (None, "imagenet") and not os.path.isfile(os.path.expanduser(str(path))):
            yield (
                (*line.place.path, "weights"),
                f"{path}: no such file; expected imagenet, or a file of weights of keras.applications",
            )
        if path and model.pretrained and line.place.name in (model.pretrained.layers or ()):
            yield (*line.place.path, "weights"), "model.pretrained has weights for it too; remove one of them"


def frozen_at_random(context: LintContext) -> Iterator[Violation]:
    """A backbone that is frozen should not have random weights."""
    pretrained = context.experiment.model.pretrained
    started = (pretrained.layers if pretrained else None) or ()
    for line in context.lines:
        is_random = line.place.name not in started
        if isinstance(line.spec, Backbone) and line.is_frozen and not line.spec.weights and is_random:
            yield (*line.place.path, "freeze"), "its weights are random, and stay so; set weights: imagenet"
