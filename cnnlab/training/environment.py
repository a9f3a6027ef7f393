"""What determines a run's numbers besides the experiment: versions, devices, the code's commit."""

import os
import platform
import subprocess
from typing import Any

import keras
import numpy
import tensorflow as tf

import cnnlab


def versions() -> dict[str, str]:
    """The versions of everything that computes."""
    return {
        "cnnlab": cnnlab.__version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": numpy.__version__,
        "python": platform.python_version(),
    }


def devices() -> dict[str, Any]:
    """The strategy, and what it computes on."""
    strategy = tf.distribute.get_strategy()
    return {
        "strategy": type(strategy).__name__.lstrip("_"),
        "replicas": strategy.num_replicas_in_sync,
        "devices": device_names(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
    }


def device_names() -> list[str]:
    """What TensorFlow computes on, such as `GPU:0`; the CPU where there is nothing else."""
    names = [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices()]
    return [name for name in names if not name.startswith("CPU")] or names


def git_commit() -> str | None:
    """The commit that the working directory is at; None outside a git repository."""
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
