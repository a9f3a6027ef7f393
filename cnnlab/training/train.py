"""The recipe: data, network, engine, run folder."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from cnnlab.config.batch_norm import batch_of_one
from cnnlab.config.load import to_dict, to_yaml
from cnnlab.data import fingerprint
from cnnlab.errors import CnnlabError, Diverged, Interrupted, TrainingError
from cnnlab.evaluation.evaluate import check_same_data
from cnnlab.experiment.schema import Experiment
from cnnlab.experiment.summary import summarize
from cnnlab.messages import count
from cnnlab.runs import Run, files, lock
from cnnlab.runs.claim import claimed
from cnnlab.runs.folder import now
from cnnlab.runs.recorded import digest
from cnnlab.terminal import warn
from cnnlab.training import environment
from cnnlab.training import run_status as ending
from cnnlab.training.callbacks import user as own_callbacks
from cnnlab.training.distribution import devices
from cnnlab.training.finish import finish
from cnnlab.training.fit import fit
from cnnlab.training.interrupts import Interrupts
from cnnlab.training.resume import checkpoint as checkpoints
from cnnlab.training.resume.checkpoint import Checkpoint
from cnnlab.training.resume.plan import ResumePlan
from cnnlab.training.trainer import Trainer

Done = tuple[Run, dict[str, Any] | None]
"""A finished run and its evaluation on the test set, if that was measured."""


def train(
    experiments: Sequence[tuple[Experiment, str | None]], runs: Path, *, console: Console | None = None
) -> Iterator[Done]:
    """Train experiments, each into a new run folder in `runs` of its name or else a numbered one.

    Gives each run as it is finished, and its evaluation on the test set, None where that is never measured.
    Those that differ in the seed alone share their data, network and compiled graph, and have their folders from the
    first one's start on.
    Of several workers the chief alone has folders, writes and prints; the others give nothing.
    Progress goes to `console`, if there is one. Nothing is left behind where the data or the network are wrong;
    after that, run.json says how a run ended. One that diverges does not keep the others from being trained.
    """
    rest = list(experiments)
    failed = 0
    while rest:
        trainer = Trainer.of(rest[0][0])
        _warn_of_batch_norm(trainer)
        group = [rest.pop(0)]
        while rest and trainer.can_train(rest[0][0]):
            group.append(rest.pop(0))
        with new_runs(trainer, group, runs) as claimed_runs:
            for (experiment, _), run in zip(group, claimed_runs, strict=True):
                try:
                    done = train_one(trainer, experiment, run, console=console, all_runs=claimed_runs)
                except Diverged as error:
                    if len(experiments) == 1:
                        raise
                    warn(str(error))
                    failed += 1
                else:
                    if done:
                        yield done
    if failed:
        raise TrainingError(f"{failed} of {len(experiments)} runs diverged; the others are done")


def resume(resumptions: Sequence[ResumePlan], *, console: Console | None = None) -> Iterator[Done]:
    """Go on with runs that did not finish, each where its last checkpoint is, else from its beginning; as `train`.

    Raises RunError where the data are not those that a run was trained on, and RequestError where another process is
    or was at work on it. Of several, one that cannot go on does not keep the others from it.
    """
    trainer = None
    failed = 0
    for resumption in resumptions:
        try:
            if trainer is None or not trainer.can_train(resumption.experiment):
                trainer = Trainer.of(resumption.experiment)
            done = _resume_one(trainer, resumption, console)
        except CnnlabError as error:
            if len(resumptions) == 1 or isinstance(error, Interrupted):
                raise
            warn(str(error))
            failed += 1
        else:
            if done:
                yield done
    if failed:
        raise TrainingError(f"{failed} of {len(resumptions)} runs could not be finished; the others are done")


def _resume_one(trainer: Trainer, resumption: ResumePlan, console: Console | None) -> Done | None:
    run, experiment = resumption.run, resumption.experiment
    check_same_data(run, resumption.record, trainer.dataset)
    if not trainer.is_chief:
        return train_one(trainer, experiment, None, _checkpoint_of(trainer, resumption, set_aside=False))
    with lock.held(run.path):
        resumption.check_unchanged()
        for folder in (run.path, run.checkpoints, run.path / "evaluation"):
            files.remove_left_overs(folder)
        checkpoint = _checkpoint_of(trainer, resumption)
        _take_up(trainer, resumption, checkpoint)
        return train_one(trainer, experiment, run, checkpoint, console)


def _checkpoint_of(trainer: Trainer, resumption: ResumePlan, *, set_aside: bool = True) -> Checkpoint | None:
    """Where the run goes on. Raises RunError where that cannot be a place in it."""
    checkpoint = checkpoints.load(resumption.run, resumption.experiment, set_aside=set_aside)
    if checkpoint:
        size, steps = len(trainer.dataset.train), trainer.engine.steps_per_epoch
        checkpoint.check_fits(resumption.experiment, size, steps)
    return checkpoint


def _take_up(trainer: Trainer, resumption: ResumePlan, checkpoint: Checkpoint | None) -> None:
    """Have the run's files say that it goes on, and what is not as it was."""
    run, record = resumption.run, resumption.record
    here = environment.environment(trainer.strategy)
    changed = environment.changes(record, here)
    if changed:
        warn(f"{run.path}: {'; '.join(changed)}; its numbers may differ from those of a run that was not interrupted")
    if resumption.is_raised:
        run.write_config(to_yaml(resumption.experiment))
    entry = {"after": str(checkpoint.place) if checkpoint else None, "when": now(), "changed": changed}
    run.update(
        {
            "status": "running",
            "process": environment.process(),
            **_experiment_record(resumption.experiment),
            "resumed": [*record.get("resumed", []), entry],
            "error": None,
            "finished": None,
        }
    )


def train_one(
    trainer: Trainer,
    experiment: Experiment,
    run: Run | None,
    checkpoint: Checkpoint | None = None,
    console: Console | None = None,
    all_runs: Sequence[Run | None] = (),
) -> Done | None:
    """Train to the end and, where there is a `run`, write all that it holds.

    A second signal ends the process at once, and `all_runs` are interrupted then.
    """
    started = time.perf_counter()
    strategy = trainer.strategy
    console = console if run else None  # of several workers, the chief alone tells

    def agreed(number: int) -> int:
        return devices.signal_of_any(strategy, number)

    def told(line: str) -> None:
        if console:
            console.print(line)

    with (
        Interrupts(lambda: ending.at_once(run, all_runs), agreed=agreed, told=told) as interrupts,
        ending.told_of(run, experiment.train.batch_size),
        devices.together(strategy),
    ):
        trainer.begin(experiment)
        if console:
            console.print(_summary(trainer))
            if weights := _class_weights(trainer):
                said = ", ".join(f"{name} {weight:.4g}" for name, weight in weights.items())
                console.print(f"class weights: {said}")
            if checkpoint:
                console.print(f"goes on after {checkpoint.place}")
        own = own_callbacks.make(trainer.own, run)
        with own_callbacks.told_of(own):
            results = fit(trainer, own=own, run=run, console=console, checkpoint=checkpoint, interrupts=interrupts)
        if run is None:
            return None
        before = sum(row["seconds"] or 0.0 for row in checkpoint.state.rows) if checkpoint else 0.0
        return run, finish(trainer, run, results, before + time.perf_counter() - started)


def _summary(trainer: Trainer) -> str:
    """One line on what is about to be trained."""
    sizes = ", ".join(f"{len(examples):,} {split}" for split, examples in trainer.dataset.splits().items())
    return (
        f"{trainer.experiment.name}: {trainer.model.count_params():,} parameters; {trainer.dataset.name}: {sizes} "
        f"examples from {trainer.dataset.origin.place}, {trainer.placement.why}; on "
        f"{environment.device_names(trainer.strategy)}"
        + (f", {count(threads, 'thread')}" if (threads := trainer.experiment.train.threads) else "")
    )


def _warn_of_batch_norm(trainer: Trainer) -> None:
    """What `validate` warns of where the number of examples or of replicas is known only now."""
    experiment, replicas = trainer.experiment, trainer.strategy.num_replicas_in_sync
    lines = summarize(experiment.model.layers, experiment.input_shape).lines
    size, said = experiment.train.batch_size, experiment.train.devices
    known = batch_of_one(lines, size, said if isinstance(said, int) else 1, experiment.data.train_size())
    found = batch_of_one(lines, size, replicas, len(trainer.dataset.train))
    if found and not known and trainer.is_chief:
        warn(f"train.batch_size: {found[0]}; set batch_size: {found[1]}")


def _class_weights(trainer: Trainer) -> dict[str, float] | None:
    """What the loss of each class is multiplied by in the gradient, by its name."""
    if trainer.class_weights is None:
        return None
    return {
        name: float(weight) for name, weight in zip(trainer.dataset.class_names, trainer.class_weights, strict=True)
    }


@contextmanager
def new_runs(
    trainer: Trainer, group: Sequence[tuple[Experiment, str | None]], runs: Path
) -> Iterator[Sequence[Run | None]]:
    """A run folder for each; those whose turn has not come when the work ends are interrupted too."""
    if not trainer.is_chief:
        yield [None] * len(group)
        return
    with ExitStack() as stack:
        claimed_runs = []
        for experiment, name in group:
            record, config = _record(trainer, experiment), to_yaml(experiment)
            run = stack.enter_context(claimed(runs, experiment.name, name, record, config))
            stack.callback(ending.interrupted, run)
            claimed_runs.append(run)
        yield claimed_runs


def _record(trainer: Trainer, experiment: Experiment) -> dict[str, Any]:
    test_uses = [{"by": "validation", "when": now()}] if experiment.data.validation == "test" else []
    return {
        "status": "running",
        "started": now(),
        "process": environment.process(),
        **_experiment_record(experiment),
        "parameters": trainer.model.count_params(),
        "multiplications": summarize(experiment.model.layers, experiment.input_shape).cost.multiplications,
        "data": fingerprint.record(trainer.dataset),
        **({"class_weights": weights} if (weights := _class_weights(trainer)) else {}),
        "input_pipeline": trainer.placement.kind,
        "test_uses": test_uses,
        **environment.environment(trainer.strategy),
        "git_commit": environment.git_commit(),
    }


def _experiment_record(experiment: Experiment) -> dict[str, Any]:
    return {"experiment": to_dict(experiment), "experiment_sha256": digest(experiment)}
