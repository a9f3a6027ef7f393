"""The stages of `cnnlab train` up to the end of the first epoch, each with its seconds and the memory after it.

`python -m benchmarks.contestants.stages EXPERIMENT` prints one JSON list of rows.
"""

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

STARTED = time.perf_counter()


def main() -> None:
    """Go through the stages."""
    rows: list[dict[str, Any]] = []
    last = STARTED, 0.0

    def stage(name: str) -> None:
        nonlocal last
        usage = resource.getrusage(resource.RUSAGE_SELF)
        now = time.perf_counter(), usage.ru_utime + usage.ru_stime
        rows.append({"stage": name, "seconds": now[0] - last[0], "processor_seconds": now[1] - last[1], **memory()})
        last = now

    from cnnlab.config.load import load
    from cnnlab.jobs.cores import for_one_process

    experiment = for_one_process(load(sys.argv[1]))
    stage("read the experiment")
    from cnnlab.cli.tensorflow import import_tensorflow

    import_tensorflow(experiment.train.devices, experiment.train.threads)
    stage("import TensorFlow and Keras")
    from cnnlab.training.trainer import Trainer

    stage("import cnnlab's training")
    trainer = Trainer.from_experiment(experiment)
    stage("read the data, build the network")
    epoch = trainer.engine.epoch(0)
    next(epoch)
    stage("compile, first step")
    for _ in epoch:
        pass
    stage("first epoch")
    from cnnlab.evaluation.metrics import evaluation

    evaluation("test", trainer.forward(trainer.dataset.test), trainer.dataset.class_names)
    stage("evaluate on the test set")
    print(json.dumps(rows))


def memory() -> dict[str, int]:
    """Resident bytes of this process: of its own, and of files such as libraries."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    kilobytes = {
        key: int(value.split()[0]) for key, _, value in (line.partition(":") for line in lines) if "Rss" in key
    }
    return {"own_memory": 1024 * kilobytes["RssAnon"], "file_memory": 1024 * kilobytes["RssFile"]}


if __name__ == "__main__":
    main()
