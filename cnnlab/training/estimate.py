"""How long an experiment will take, from a few of its steps."""

import time

from cnnlab.experiment.schema import Experiment
from cnnlab.training.trainer import Trainer

BUDGET = 2.0  # seconds of steps, after which the measurement ends


def measure(experiment: Experiment) -> tuple[float, float]:
    """Seconds until the first step has ended, most of them compilation, and seconds per epoch of training after it.

    Trains some steps, at most an epoch, and writes nothing.
    """
    started = time.perf_counter()
    trainer = Trainer.from_experiment(experiment)
    engine, most = trainer.engine, trainer.engine.steps_per_epoch
    with trainer.strategy.scope():
        for _ in engine.epoch(0, steps=1):
            pass
        start = time.perf_counter() - started
        steps, seconds = 1, 0.0
        while steps < most and seconds < BUDGET / 2:
            steps = min(most, steps * 4)
            began = time.perf_counter()
            for _ in engine.epoch(1, steps=steps):
                pass
            seconds = time.perf_counter() - began
    return start, seconds * most / steps if seconds else start
