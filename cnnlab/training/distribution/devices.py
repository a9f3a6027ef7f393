"""From `train.devices` and the environment to a strategy of `tf.distribute`.

One device has TensorFlow's default strategy, several of one machine `MirroredStrategy`, several machines
`MultiWorkerMirroredStrategy`, a TPU its own. To the engine they are all the same.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Literal

import tensorflow as tf

from cnnlab.errors import RequestError, TrainingError
from cnnlab.experiment.layers.backbone import Backbone
from cnnlab.experiment.layers.pooling import MaxPool2D
from cnnlab.experiment.schema import THREAD_VARIABLES, Experiment
from cnnlab.experiment.summary import gains_from_xla, summarize_experiment
from cnnlab.models.graph import compiled
from cnnlab.terminal import warn
from cnnlab.training.distribution import cluster

Setting = Literal["auto", "cpu", "gpu"] | int
MAX_CPU_PARTS = 64  # for trying: each is another copy of the network in one graph


@cache
def strategy_for(setting: Setting, threads: int | None = None) -> tf.distribute.Strategy:
    """The strategy for `train.devices`, computing with `train.threads`.

    Once per process, before anything is computed: it sets the devices up.

    Raises RequestError where there are no such devices, or `TF_CONFIG` describes no cluster.
    """
    if not os.environ.get("TF_CONFIG"):
        os.environ.pop("TF_CONFIG", None)  # an empty one is none to us, and no JSON to TensorFlow
    set_threads(threads)
    workers = cluster.from_environment()  # first: under Slurm it says which GPUs are this task's
    gpus = tf.config.list_physical_devices("GPU")
    if setting == "gpu" and not gpus:
        raise RequestError("train.devices: gpu: TensorFlow finds no GPU here; `auto` takes what there is")
    if isinstance(setting, int) and gpus and setting > len(gpus):
        raise RequestError(f"train.devices: {setting}: TensorFlow finds {len(gpus)} GPUs here; `auto` takes them all")
    used = [] if setting == "cpu" else gpus[:setting] if isinstance(setting, int) else gpus
    if used != gpus:
        tf.config.set_visible_devices(used, "GPU")
    if workers:
        return _multi_worker_strategy(workers, setting, bool(used))
    if setting in ("auto", "gpu") and not used and _has_tpu():
        return _tpu_strategy()
    if len(used) > 1:
        return tf.distribute.MirroredStrategy()
    if isinstance(setting, int) and setting > 1:
        if setting > MAX_CPU_PARTS:
            raise RequestError(
                f"train.devices: {setting}: there is no GPU here, and a CPU is divided into {MAX_CPU_PARTS} at most"
            )
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * setting)
        return tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(setting)])
    tf.config.list_logical_devices()
    return tf.distribute.get_strategy()


@cache
def set_threads(threads: int | None) -> None:
    """Have TensorFlow compute with so many threads; None leaves it to its variables or the cores.

    Once per process, before anything is computed.
    """
    if threads is None:
        return
    for name in THREAD_VARIABLES:
        if (value := os.environ.get(name)) not in (None, "", "0", f"{threads}"):
            warn(f"train.threads: {threads} goes before {name}={value}")
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def _multi_worker_strategy(workers: cluster.Cluster, setting: Setting, has_gpus: bool) -> tf.distribute.Strategy:
    if isinstance(setting, int) and setting > 1 and not has_gpus:
        raise RequestError(f"train.devices: {setting}: a worker without a GPU trains on its CPU as one; leave it out")
    with _waiting_for(workers):
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    # Every 30 seconds by default: who waits for a worker that is gone would hear of it only after two minutes.
    strategy.extended._check_health_interval = 10
    return strategy


@contextmanager
def _waiting_for(workers: cluster.Cluster) -> Iterator[None]:
    """Say whom TensorFlow waits for, and have Ctrl-C end the wait, which is not Python's."""
    others = ", ".join(address for number, address in enumerate(workers.workers) if number != workers.index)
    print(f"worker {workers.index} of {len(workers.workers)} waits for {others}", file=sys.stderr, flush=True)
    in_main_thread = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.SIG_DFL) if in_main_thread else None
    try:
        yield
    finally:
        if in_main_thread:
            signal.signal(signal.SIGINT, before)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)  # TensorFlow takes it for itself, and ends nothing then


def _has_tpu() -> bool:
    return bool(os.environ.get("TPU_NAME") or tf.config.list_physical_devices("TPU"))


def _tpu_strategy() -> tf.distribute.Strategy:
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=os.environ.get("TPU_NAME", "local"))
    tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
    return tf.distribute.TPUStrategy(resolver)


def num_workers(strategy: tf.distribute.Strategy) -> int:
    """How many processes train synchronized_exit, this one among them."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 1
    return sum(map(len, strategy.cluster_resolver.cluster_spec().as_dict().values()))


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes the files and prints the result: one of several workers does."""
    return bool(strategy.extended.should_checkpoint)


def has_gpu() -> bool:
    """Whether there is a GPU to train on."""
    return bool(tf.config.list_logical_devices("GPU"))


def has_only_cpus() -> bool:
    """Whether the current strategy trains on CPUs alone."""
    return not has_gpu() and not isinstance(tf.distribute.get_strategy(), tf.distribute.TPUStrategy)


def uses_xla(experiment: Experiment) -> bool:
    """Whether `train.jit` means that XLA compiles the step.

    By itself on GPUs, but not where there is max pooling: XLA has no gradient of it that repeats itself. On a CPU as
    one device, for dense networks alone.
    """
    if experiment.train.jit != "auto":
        return experiment.train.jit == "on"
    summary = summarize_experiment(experiment)
    if has_gpu():
        return not any(isinstance(line.spec, MaxPool2D | Backbone) for line in summary.lines)
    return tf.distribute.get_strategy().num_replicas_in_sync == 1 and gains_from_xla(experiment)


def mean_of_workers(strategy: tf.distribute.Strategy, value: float) -> float:
    """The mean of what every worker calls this with, at the same time: each waits for the others."""
    if num_workers(strategy) == 1:
        return value
    values = strategy.experimental_distribute_values_from_function(lambda context: tf.constant(value, tf.float32))
    return float(_mean_of_replicas(strategy, values))


@compiled
def _mean_of_replicas(strategy: tf.distribute.Strategy, values: tf.distribute.DistributedValues) -> tf.Tensor:
    """Compiled: eagerly, TensorFlow starts threads for it, and a lost worker's failure leaves their pool open.

    Such a pool writes a traceback when the interpreter ends.
    """
    return strategy.reduce(tf.distribute.ReduceOp.MEAN, values, axis=None)


def signal_of_any(strategy: tf.distribute.Strategy, number: int) -> int:
    """The signal that came to any of the workers, SIGTERM before Ctrl-C; 0 where none did. As `mean_of_workers`."""
    if num_workers(strategy) == 1:
        return number
    mean = mean_of_workers(strategy, {0: 0.0, signal.SIGINT: 1.0}.get(number, 1e6))
    return signal.SIGTERM if mean > 1 else signal.SIGINT if mean else 0


@contextmanager
def synchronized_exit(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Have no worker leave what is inside before all do: the others would take it for dead.

    Raises TrainingError where one is lost.
    """
    try:
        yield
        mean_of_workers(strategy, 0.0)
    except tf.errors.OpError as error:
        if num_workers(strategy) == 1 or isinstance(error, tf.errors.ResourceExhaustedError):
            raise
        raise TrainingError(
            "another worker was lost, and training cannot continue without it; see its output; `cnnlab resume RUN` in "
            "all workers continues after the last checkpoint"
        ) from error
