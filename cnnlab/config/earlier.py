"""What an experiment meant when it was written by an earlier version, where a default has changed since."""

from typing import Any

MEANT_THEN = {"folder": {"class_order": "text"}}
"""By data set, options that earlier versions did not have, with what they did."""


def as_meant(experiment: Any) -> Any:
    """The plain experiment of a run, complete, with what is not at today's default where it says nothing."""
    data = experiment.get("data") if isinstance(experiment, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("name"), str):
        return experiment
    return {**experiment, "data": {**MEANT_THEN.get(data["name"], {}), **data}}
