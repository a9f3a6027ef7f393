"""What an experiment meant when an earlier version wrote it out, with every default of then."""

from typing import Any

ARRAYS = {"label_offset": 0}
DATA: dict[str, dict[str, Any]] = {
    "folder": {"class_order": "text", "on_error": "fail"},
    "npz": ARRAYS,
    "idx": ARRAYS,
    "raw": ARRAYS,
}
"""By data set, the options that version 0.1.0 did not have, with what it did. Those that are None are not written."""


TRAIN = {"test": "end"}
"""The same of `train`."""


def upgrade(experiment: Any) -> Any:
    """The plain experiment of a run with the options that there were not when it was written."""
    if not isinstance(experiment, dict):
        return experiment
    data, train = experiment.get("data"), experiment.get("train")
    meant = dict(experiment)
    if isinstance(data, dict) and isinstance(data.get("name"), str):
        meant["data"] = {**DATA.get(data["name"], {}), **data}
    if isinstance(train, dict):
        meant["train"] = {**TRAIN, **train}
    return meant
