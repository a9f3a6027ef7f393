"""The protocol of a contestant process, and parsing shared by all. Imports only NumPy."""

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Scale = tuple[float, float]


def read_task() -> tuple[dict[str, Any], NDArray[np.uint8], NDArray[np.int32]]:
    """The experiment, images and labels given on the command line."""
    with np.load(sys.argv[2]) as data:
        return json.loads(sys.argv[1]), data["images"], data["labels"]


def scale_of(experiment: dict[str, Any]) -> Scale:
    """The factor and offset applied to pixels in [0, 1], which are random, uniform."""
    standardize = (12**0.5, -(3**0.5))
    scales = {"zero_one": (1.0, 0.0), "minus_one_one": (2.0, -1.0), "standardize": standardize}
    return scales[experiment["preprocessing"]["scale"]]


def kind_and_options(choice: Any) -> tuple[str, dict[str, Any]]:
    """The kind and options of `{kind: options}` or `kind`."""
    return next(iter(choice.items())) if isinstance(choice, dict) else (choice, {})


def serve(run_epoch: Callable[[], float]) -> None:
    """Answer each line of standard input with the seconds and loss of one epoch, and its end with the peak memory."""
    for _ in sys.stdin:
        started = time.perf_counter()
        loss = run_epoch()
        print(time.perf_counter() - started, loss, flush=True)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, flush=True)
