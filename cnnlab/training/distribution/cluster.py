"""Whether this process is one of several workers, as its environment says, and which.

`TF_CONFIG` is TensorFlow's own interface; `cnnlab launch`, Kubeflow and others set it. Where it is not set, Slurm's
variables of a step with several tasks are read.
"""

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cnnlab.errors import RequestError, printable

EXAMPLE = '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'


@dataclass(frozen=True)
class Cluster:
    """The addresses of all workers, the chief first, and this process's number among them."""

    workers: tuple[str, ...]
    index: int

    @property
    def is_chief(self) -> bool:
        """Whether this worker writes the files and prints the result."""
        return self.index == 0


def from_environment(environment: Mapping[str, str] = os.environ) -> Cluster | None:
    """The cluster that `TF_CONFIG` or Slurm describes; None where this process works alone.

    Raises RequestError where `TF_CONFIG` describes none.
    """
    if text := environment.get("TF_CONFIG"):
        cluster = _parse(text)
    elif "SLURM_PROCID" in environment and environment.get("SLURM_STEP_NUM_TASKS", "1") != "1":
        cluster = _from_slurm()
    else:
        return None
    return cluster if len(cluster.workers) > 1 else None


def _parse(text: str) -> Cluster:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"TF_CONFIG: not JSON: {error}; expected such as {EXAMPLE}") from None
    if not isinstance(config, dict):
        raise RequestError(f"TF_CONFIG: expected a map with a cluster and a task, such as {EXAMPLE}")
    jobs, task = config.get("cluster"), config.get("task")
    if not jobs and not task:
        return Cluster(("localhost",), 0)  # TensorFlow too takes an empty one for none
    if not isinstance(jobs, dict) or not isinstance(task, dict) or not all(map(_is_addresses, jobs.values())):
        raise RequestError(f"TF_CONFIG: expected a cluster of lists of host:port and a task, such as {EXAMPLE}")
    if unknown := sorted({*jobs} - {"chief", "worker"}):
        raise RequestError(f"TF_CONFIG: cluster: cnnlab trains with workers only, got {printable(', '.join(unknown))}")
    chiefs, workers = jobs.get("chief", []), jobs.get("worker", [])
    if len(chiefs) > 1 or len({*chiefs, *workers}) < len(chiefs) + len(workers):
        raise RequestError("TF_CONFIG: cluster: expected one chief at most, and an address of its own for each worker")
    kind, index = task.get("type"), task.get("index")
    if not isinstance(kind, str) or type(index) is not int or not 0 <= index < len(jobs.get(kind, [])):
        places = ", ".join(f"{job} 0 to {len(addresses) - 1}" for job, addresses in jobs.items())
        got = printable(f"{kind} {index}")
        raise RequestError(f"TF_CONFIG: task: got {got}; the cluster has {places}")
    return Cluster((*chiefs, *workers), index + (len(chiefs) if kind == "worker" else 0))


def _is_addresses(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_address, value))


def _is_address(value: Any) -> bool:
    match = re.fullmatch(r"[^\s:/][^\s/]*:(\d{1,5})", value) if isinstance(value, str) else None
    return match is not None and 0 < int(match[1]) < 1 << 16


def _from_slurm() -> Cluster:
    """What Slurm's variables say, through TensorFlow's resolver; `TF_CONFIG` is set to it for the strategy to read."""
    import tensorflow as tf

    # Without GPUs it divides none among the tasks, and fails: here it gets more than enough, and sets nothing.
    without_gpus = {} if shutil.which("nvidia-smi") else {"gpus_per_node": 1 << 16, "gpus_per_task": 1}
    try:
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(auto_set_gpu=not without_gpus, **without_gpus)
        workers = resolver.cluster_spec().as_dict()["worker"]
        _, index = resolver.get_task_info()
        if not isinstance(index, int) or not all(map(_is_address, workers)):
            raise ValueError(f"task {os.environ['SLURM_PROCID']} of {len(workers)}")
    except (RuntimeError, ValueError, LookupError, OSError) as error:
        reason = printable(f"{error}")
        raise RequestError(f"Slurm's variables do not describe a cluster: {reason}; set TF_CONFIG instead") from None
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}})
    return Cluster(tuple(workers), index)
