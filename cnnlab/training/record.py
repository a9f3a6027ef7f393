"""What run.json says of a run that is trained."""

from collections.abc import Sequence
from typing import Any

from cnnlab.config.load import to_dict
from cnnlab.data import fingerprint
from cnnlab.data.statistics import mean_border_brightness
from cnnlab.experiment.schema import Experiment
from cnnlab.runs.checkpoints import Position
from cnnlab.runs.experiment import digest
from cnnlab.runs.folder import now
from cnnlab.training import environment
from cnnlab.training.resume.plan import ResumePlan
from cnnlab.training.trainer import Trainer


def for_new_run(trainer: Trainer, experiment: Experiment) -> dict[str, Any]:
    """The first record of a run of `experiment`, which `trainer` is about to train."""
    test_uses = [{"by": "validation", "when": now()}] if experiment.data.validation == "test" else []
    inputs, weights = trainer.inputs, trainer.named_class_weights
    return {
        "status": "running",
        "started": now(),
        "process": environment.process(),
        **_experiment(experiment),
        "parameters": trainer.model.count_params(),
        "multiplications": trainer.summary.cost.multiplications,
        "data": fingerprint.record(trainer.dataset),
        **({"pixel_statistics": {"mean": inputs.mean, "std": inputs.std}} if inputs.mean else {}),
        "border_brightness": mean_border_brightness(trainer.dataset.train),
        **({"class_weights": weights} if weights else {}),
        "input_pipeline": trainer.placement.kind,
        "test_uses": test_uses,
        **environment.environment(trainer.strategy),
        "git_commit": environment.git_commit(),
    }


def for_resumed_run(plan: ResumePlan, after: Position | None, changed: Sequence[str]) -> dict[str, Any]:
    """What changes in the record of a resumed run; None removes a key."""
    entry = {"after": str(after) if after else None, "when": now(), "changed": changed}
    return {
        "status": "running",
        "process": environment.process(),
        **_experiment(plan.experiment),
        "resumed": [*plan.record.resumed, entry],
        "error": None,
        "finished": None,
    }


def _experiment(experiment: Experiment) -> dict[str, Any]:
    return {"experiment": to_dict(experiment), "experiment_sha256": digest(experiment)}
