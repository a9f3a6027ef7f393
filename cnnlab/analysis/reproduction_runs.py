"""Which runs of an experiment there are in a folder, and which are still to be trained. No TensorFlow here."""

from collections.abc import Sequence
from pathlib import Path

from cnnlab.analysis.groups import Group, group
from cnnlab.analysis.results import recipe_of
from cnnlab.errors import CnnlabError, RequestError, RunError
from cnnlab.experiment.schema import Experiment
from cnnlab.runs import Run
from cnnlab.runs.experiment import recorded_experiment
from cnnlab.runs.find import find
from cnnlab.runs.record import RunRecord
from cnnlab.runs.status import RESUMABLE, status_of
from cnnlab.terminal import proposed, warn
from cnnlab.training.resume.plan import ResumePlan, plan


def finished_runs(experiment: Experiment, seeds: Sequence[int], runs: Path) -> Group | None:
    """The finished runs, the newest of each seed; None if no run is finished."""
    groups = group(_runs_of(experiment, seeds, runs), by=lambda record: record.data.fingerprint).groups
    if len(groups) > 1:
        names = "; ".join(", ".join(one.runs) for one in groups)
        raise RunError(f"{runs}: runs of {experiment.name} saw different examples: {names}; remove those of one kind")
    return groups[0] if groups else None


def resumable_runs(experiment: Experiment, seeds: Sequence[int], runs: Path) -> list[ResumePlan]:
    """Plans for resuming unfinished runs of seeds without a finished run."""
    done = _seeds(experiment, seeds, runs)
    found = []
    for record in _runs_of(experiment, seeds, runs):
        seed = record.experiment.seed
        if seed not in done and status_of(record) in RESUMABLE:
            found.append(plan(record.run))
            done.add(seed)
    return found


def missing_experiments(experiment: Experiment, seeds: Sequence[int], runs: Path) -> list[Experiment]:
    """The experiment for every seed that has not finished and is not being trained."""
    done = _seeds(experiment, seeds, runs)
    for record in _runs_of(experiment, [seed for seed in seeds if seed not in done], runs):
        if status_of(record) == "running":
            warn(f"{record.run.path} skipped: another command is training it")
            done.add(record.experiment.seed)
    return [experiment.model_copy(update={"seed": seed}) for seed in seeds if seed not in done]


def _seeds(experiment: Experiment, seeds: Sequence[int], runs: Path) -> set[int]:
    found = finished_runs(experiment, seeds, runs)
    return set(found.seeds) if found else set()


def _inside(runs: Path) -> list[Run]:
    try:
        return list(find([runs]))
    except RequestError:  # none yet
        return []


def _runs_of(experiment: Experiment, seeds: Sequence[int], runs: Path) -> list[RunRecord]:
    """The runs of the experiment with one of these seeds."""
    recipe, found = recipe_of(experiment), []
    for run in _inside(runs):
        try:
            record = run.record()
            recorded = recorded_experiment(record)
        except CnnlabError as error:
            warn(f"{error}; skipped")
            continue
        if recorded.seed not in seeds or recipe_of(recorded) != recipe:
            continue
        if record.status == "finished" and "test_accuracy" not in record.results:
            warn(f"{run.path}: its test set was never measured; {proposed('evaluate', run.path)} does it; skipped")
            continue
        found.append(record)
    return found
