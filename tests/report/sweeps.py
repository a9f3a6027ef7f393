"""Folders of sweeps made by hand: the space, the table of trials, the outcome and runs of finalists, without training."""

import json
import math
import random

from cnnlab.config import yaml
from cnnlab.config.space import read_space
from cnnlab.runs.metrics import write_rows
from cnnlab.sweep.folder import SweepFolder, frozen, write_outcome
from cnnlab.sweep.trials import _cell
from tests.conftest import complete

SMALL = [{"flatten": {}}, {"dense": 10}]
LARGE = [{"conv2d": {"filters": 4, "kernel_size": 3, "activation": "relu"}}, {"flatten": {}}, {"dense": 10}]
SPACE = {
    "train.optimizer": {"choice": [{"sgd": {"learning_rate": 0.1}}, {"adam": {"learning_rate": 0.001}}]},
    "train.optimizer.sgd.learning_rate": {"log": [1e-4, 1e-1], "when": {"train.optimizer": "sgd"}},
    "train.batch_size": [32, 64, 128],
    "model.layers": {"choice": [SMALL, LARGE]},
    "train.loss.cross_entropy.label_smoothing": {"linear": [0.0, 0.2]},
    "train.epochs": {"integer": [2, 20], "step": 2},
}
"""Keys of every kind: whole maps and layer lists, a log range that depends on another key, numbers."""
WITHOUT_LOSS = {key: values for key, values in SPACE.items() if "loss" not in key}
"""For the metric val_loss."""


def space_of(folder, space=SPACE, **search):
    """The space of a sweep of so many keys, in a file."""
    path = folder / "space.yaml"
    experiment = {
        "name": "tiny",
        "data": {"name": "digits", "validation": 0.1},
        "model": {"layers": SMALL},
        "train": {"optimizer": {"sgd": {"learning_rate": 0.1}}},
        "search": {"sampler": "random", "trials": 60, "finalists": 2, "seeds": 3, **search, "space": space},
    }
    path.write_text(yaml.dump(experiment), encoding="utf-8")
    return read_space(str(path))


def value_of(point, chance):
    """An accuracy that depends on the learning rate and the layers, on no other key."""
    rate = point.get("train.optimizer.sgd.learning_rate", 1e-2)
    layers = 0.03 if point.get("model.layers") == LARGE else 0.0
    return 0.95 - 0.05 * abs(math.log10(rate) + 2) + layers + 0.004 * chance.gauss(0, 1)


def row_of(space, number, state, chance):
    """A row of the table of trials, at a random point."""
    point = space.complete({one.key: one.at(chance.random()) for one in space.dimensions})
    value = value_of(point, chance)
    if space.search.metric == "val_loss":
        value = 10 ** (3 - 3 * value)
    return {
        "trial": number,
        "state": state,
        space.search.metric: value if state in ("complete", "pruned") else None,
        "epochs": {"complete": 20, "pruned": 4, "failed": 1}.get(state),
        "seconds": round(2 + 3 * chance.random(), 3) if state in ("complete", "pruned", "failed") else None,
        "parameters": 650 if state != "waiting" else None,
        "run": f"trial-{number:04d}",
        "reason": "diverged: the loss is nan" if state == "failed" else None,
        **{one.key: _cell(point.get(one.key)) for one in space.dimensions},
    }, point


def write_sweep(path, trials=60, *, pruned=0, failed=0, running=0, space=SPACE, has_outcome=True, seeds=3, **search):
    """The folder of a sweep; `seeds` is the number of runs of each finalist that have finished."""
    path.mkdir(parents=True)
    found, chance = space_of(path, space, **search), random.Random(5)
    (path / "space.yaml").unlink()
    folder = SweepFolder(path)
    folder.space.write_text(frozen(found), encoding="utf-8")
    states = ["complete"] * (trials - pruned - failed - running) + ["pruned"] * pruned + ["failed"] * failed
    chance.shuffle(states)
    states += ["running"] * running
    made = [row_of(found, number, state, chance) for number, state in enumerate(states)]
    rows = [row for row, _ in made]
    write_rows(folder.trials, rows, list(rows[0]))
    if has_outcome:
        metric = found.search.metric
        sign = 1 if metric == "val_loss" else -1
        done = [(row, point) for row, point in made if row["state"] == "complete"]
        best = sorted(done, key=lambda pair: sign * pair[0][metric])[: found.search.finalists]
        finalists = [{"trial": row["trial"], "value": row[metric], "point": point} for row, point in best]
        outcome = {"trials": trials, "candidates": len(done), "metric": metric, "finalists": finalists, "claims": {}}
        write_outcome(folder, outcome)
        for rank, one in enumerate(finalists):
            for seed in range(1, 1 + seeds):
                write_final(folder, one, rank, seed, chance)
    return folder


def write_final(folder, finalist, rank, seed, chance):
    """The finished run of a finalist on a fresh seed: less good than its trial, and better than the next finalist."""
    run = folder.final(finalist["trial"], seed)
    run.path.mkdir()
    accuracy = 0.94 - 0.02 * rank + 0.002 * chance.gauss(0, 1)
    record = {
        "status": "finished",
        "experiment": {
            "name": "tiny",
            "seed": seed,
            "train": {"epochs": 2, "test": "end", "batch_size": 32 + rank},
        },
        "data": {"splits": {"test": {"examples": 1000}, "validation": {"examples": 500}}},
        "results": {
            "test_accuracy": accuracy,
            "test_loss": 0.2,
            "val_accuracy": accuracy + 0.002,
            "val_loss": 0.2,
            "accuracy": 0.99,
            "loss": 0.01,
        },
        "seconds": 9.0,
        "parameters": 650,
    }
    (run.path / "run.json").write_text(json.dumps(complete(record)))
    epochs = ["epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds"]
    epochs += [f"{epoch},1.0,0.5,0.9,{accuracy - 0.1 / epoch},0.1,1.0" for epoch in (1, 2)]
    run.metrics.write_text("\n".join(epochs) + "\n")
