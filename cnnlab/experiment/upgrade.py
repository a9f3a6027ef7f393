"""Experiments written by earlier versions, with the options that were added since."""

from typing import Any

ARRAYS = {"label_offset": 0}
DATA: dict[str, dict[str, Any]] = {
    "folder": {"class_order": "text", "on_error": "fail"},
    "npz": ARRAYS,
    "idx": ARRAYS,
    "raw": ARRAYS,
}
"""By data set, the options that version 0.1.0 lacked, with its behaviour. Options that are None are not written."""


TRAIN = {"test": "end", "bias_learning_rate_factor": 1.0}
"""The same for `train`."""

OPTIMIZER = {"use_ema": False, "ema_momentum": 0.99}
"""The same for every optimizer."""

FILLED = ("random_crop", "rotation", "translation")
"""Steps of the augmentation that earlier filled with black: `fill: constant`."""


def upgrade(experiment: Any) -> Any:
    """The experiment of a run as data, with the options that were added since it was written."""
    if not isinstance(experiment, dict):
        return experiment
    data, train, preprocessing = (experiment.get(key) for key in ("data", "train", "preprocessing"))
    upgraded = dict(experiment)
    if isinstance(data, dict) and isinstance(data.get("name"), str):
        upgraded["data"] = {**DATA.get(data["name"], {}), **data}
    if isinstance(train, dict):
        upgraded["train"] = {**TRAIN, **train}
        optimizer = train.get("optimizer")
        if isinstance(optimizer, dict) and all(isinstance(options, dict) for options in optimizer.values()):
            upgraded["train"]["optimizer"] = {kind: {**OPTIMIZER, **options} for kind, options in optimizer.items()}
    if isinstance(preprocessing, dict) and isinstance(preprocessing.get("augmentation"), list):
        upgraded["preprocessing"] = {
            **preprocessing,
            "augmentation": [_filled(step) for step in preprocessing["augmentation"]],
        }
    return upgraded


def _filled(step: Any) -> Any:
    if not isinstance(step, dict):
        return step
    return {
        kind: {"fill": "constant", **options} if kind in FILLED and isinstance(options, dict) else options
        for kind, options in step.items()
    }
