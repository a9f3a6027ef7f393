"""What determines a run's numbers besides the experiment: versions, devices, the code's commit."""

import os
import platform
import subprocess
from typing import Any

import keras
import numpy
import tensorflow as tf

import cnnlab
from cnnlab.training.devices import num_workers


def versions() -> dict[str, str]:
    """The versions of everything that computes."""
    return {
        "cnnlab": cnnlab.__version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": numpy.__version__,
        "python": platform.python_version(),
    }


def devices(strategy: tf.distribute.Strategy) -> dict[str, Any]:
    """The strategy, and what it computes on."""
    return {
        "strategy": type(strategy).__name__.lstrip("_"),
        "workers": num_workers(strategy),
        "replicas": strategy.num_replicas_in_sync,
        "devices": [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices()],
        "platform": platform.platform(),
        "cores": os.cpu_count(),
    }


def device_names(strategy: tf.distribute.Strategy) -> str:
    """What one is training on, such as `GPU:0`, `CPU:0, CPU:1` or `CPU:0 of each of 2 workers`."""
    if strategy.num_replicas_in_sync > 1:
        specs = map(tf.DeviceSpec.from_string, strategy.extended.worker_devices)
        names = ", ".join(f"{spec.device_type}:{spec.device_index}" for spec in specs)
    else:
        kinds = {device.device_type for device in tf.config.list_logical_devices()}
        names = next(f"{kind}:0" for kind in ("TPU", "GPU", "CPU") if kind in kinds)
    workers = num_workers(strategy)
    return names if workers == 1 else f"{names} of each of {workers} workers"


def git_commit() -> str | None:
    """The commit that the working directory is at; None outside a git repository."""
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def process() -> dict[str, Any]:
    """Who trains: this process, on this machine."""
    return {"pid": os.getpid(), "host": platform.node()}


def is_alive(process: Any) -> bool:
    """Whether what `process` recorded is a process of this machine that is still there."""
    if not isinstance(process, dict) or process.get("host") != platform.node() or type(process.get("pid")) is not int:
        return False
    try:
        os.kill(process["pid"], 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
