"""What determines a run's numbers besides the experiment: versions, devices, the code's commit."""

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy
import tensorflow as tf

import cnnlab
from cnnlab.errors import printable
from cnnlab.training.distribution.devices import num_workers

PARTS = ("versions", "devices", "cpu", "threads", "variables")
"""What of run.json is the environment."""
INSTRUCTIONS = re.compile(r"sse4_[12]|avx.*|fma|f16c|amx.*|asimd.*|sve.*|bf16|i8mm")
VARIABLES = re.compile(r"TF_ENABLE_ONEDNN_OPTS|TF_NUM_\w+_THREADS|ONEDNN_\w+|DNNL_\w+|OMP_NUM_THREADS|XLA_FLAGS")


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


def cpu() -> dict[str, Any]:
    """The processor, and which of its instructions kernels may choose by; empty where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {"model": platform.processor() or platform.machine()}
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = fields.get("flags", fields.get("Features", "")).split()
    instructions = sorted(flag for flag in flags if INSTRUCTIONS.fullmatch(flag))
    return {"model": fields.get("model name", platform.machine()), "instructions": instructions}


def threads() -> dict[str, int]:
    """How many threads compute: within an operation and beside each other, and on how many cores."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    config = tf.config.threading
    within = config.get_intra_op_parallelism_threads() or int(os.environ.get("TF_NUM_INTRAOP_THREADS") or available)
    beside = config.get_inter_op_parallelism_threads() or int(os.environ.get("TF_NUM_INTEROP_THREADS") or available)
    return {"within_operations": within, "between_operations": beside, "cores": available}


def variables() -> dict[str, str]:
    """The environment's variables by which TensorFlow and oneDNN choose other kernels."""
    return {name: value for name, value in sorted(os.environ.items()) if VARIABLES.fullmatch(name)}


def environment(strategy: tf.distribute.Strategy) -> dict[str, Any]:
    """All of that, as run.json keeps it."""
    return {
        "versions": versions(),
        "devices": devices(strategy),
        "cpu": cpu(),
        "threads": threads(),
        "variables": variables(),
    }


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """How the environment `now` differs from what run.json recorded `then`: `tensorflow 2.20.0 then, 2.21.0 now`."""
    found = []
    for part in PARTS:
        recorded, here = then.get(part), now[part]
        if not isinstance(recorded, dict):
            found.append(f"{part} not recorded")
            continue
        for key in [*here, *(key for key in recorded if key not in here)]:
            if key != "cores" and recorded.get(key) != here.get(key):  # cores matter by the threads that they get
                found.append(f"{key} {_format_value(recorded, key)} then, {_format_value(here, key)} now")
    return [printable(line) for line in found]


def _format_value(part: Mapping[str, Any], key: str) -> str:
    value = part.get(key, "none")
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
