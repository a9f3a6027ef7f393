"""Whether a run can be resumed, and as what. No TensorFlow here: a refusal does not wait for it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cnnlab.config.differences import brief, differing_keys
from cnnlab.config.load import to_dict
from cnnlab.config.overrides import Override
from cnnlab.errors import CnnlabError, RequestError, RunError
from cnnlab.experiment.callbacks import EarlyStopping, StopAt
from cnnlab.experiment.optimizers import lower_learning_rate
from cnnlab.experiment.schema import Experiment, Train
from cnnlab.runs import Run
from cnnlab.runs.checkpoints import positions
from cnnlab.runs.experiment import check_imports, experiment_of, recorded_experiment
from cnnlab.runs.find import find
from cnnlab.runs.metrics import count_epochs
from cnnlab.runs.record import RunRecord, without_place
from cnnlab.runs.status import RESUMABLE, check_idle, status_of
from cnnlab.terminal import proposed, warn

EPOCHS = "train.epochs"


@dataclass(frozen=True)
class ResumePlan:
    """A run that can be resumed, and its experiment, perhaps of more epochs than before; `record` is its run.json."""

    run: Run
    record: RunRecord
    experiment: Experiment
    is_raised: bool

    def check_unchanged(self) -> None:
        """Raise RequestError where another process has taken the run up since."""
        now = self.run.record()
        if (now.status, now.resumed) != (self.record.status, self.record.resumed):
            raise RequestError(f"{self.run.path}: another process has gone on with it meanwhile")


def plan(
    run: Run, changes: Sequence[Override] = (), experiment: Experiment | None = None, *, trust: bool = False
) -> ResumePlan:
    """How `run` is resumed: by its config.yaml with `changes`, or as `experiment`, which may only have more epochs.

    Raises RequestError where it is trained at the moment, has nothing left to do, or would become another experiment,
    and RunError where its config has code imported without `trust`.
    """
    record = run.record()
    check_idle(run, record.process)
    was = recorded_experiment(record)
    wanted = experiment or experiment_of(run, changes)
    wanted = wanted.model_copy(update={"name": was.name, "published": was.published})
    raised = _check_changes(run, was, wanted)
    if record.status == "diverged":
        raise RequestError(
            f"{run.path}: diverged, and would again: the same seed gives the same numbers; train it anew, such as "
            f"{proposed('train', run.config, '--set', lower_learning_rate(was.train.optimizer))}"
        )
    if not trust:
        check_imports(run, wanted, "if you trust whoever made this folder, add --trust")
    if record.status == "finished":
        _check_unfinished(record, was.train, raised=raised, trust=trust)
    if raised and was.train.spans_training and (count_epochs(run.metrics) or positions(run)):
        schedule, other = f"schedule, {was.train.schedule.kind},", "other learning rates"
        if not was.train.schedule.spans_training:
            schedule, other = "progressive resizing", "images of other sizes"
        raise RequestError(
            f"{run.path}: its {schedule} runs over all {was.train.epochs} epochs: with "
            f"{wanted.train.epochs} the ones that are done would have had {other}; train it anew: "
            f"{proposed('train', run.config, '--epochs', f'{wanted.train.epochs}')}"
        )
    return ResumePlan(run, record, wanted, raised)


def plan_all(folders: Sequence[Path], changes: Sequence[Override], *, trust: bool = False) -> Iterator[ResumePlan]:
    """How the unfinished runs in `folders` are resumed; one that cannot be is skipped with a warning."""
    for run in unfinished(folders):
        try:
            yield plan(run, changes, trust=trust)
        except CnnlabError as error:
            for line in str(error).splitlines():
                warn(f"{line}; skipped")


def unfinished(folders: Sequence[Path]) -> Iterator[Run]:
    """The runs in `folders` that can be resumed; others are skipped with a warning."""
    for run in find(folders):
        try:
            record = run.record()
        except RunError as error:
            warn(f"{error}; skipped")
            continue
        status = status_of(record)
        if status in RESUMABLE:
            yield run
        elif status != "finished":
            warn(f"{run.path}: {status}; skipped")


def _check_unfinished(record: RunRecord, was: Train, *, raised: bool, trust: bool) -> None:
    """Raise RequestError where the training of a finished run, whose settings these are, has nothing left to do."""
    run = record.run
    if record.stopped_early:
        has_target = any(isinstance(spec, StopAt) for spec in was.callbacks)
        changes = [
            f"train.callbacks[{index}].early_stopping.patience={2 * spec.patience}"
            for index, spec in enumerate(was.callbacks)
            if isinstance(spec, EarlyStopping) and not has_target
        ]
        sets = [word for change in changes or ["train.callbacks=[]"] for word in ("--set", change)]
        raise RequestError(
            f"{run.path}: {'early stopping' if changes else 'a callback'} ended it after epoch "
            f"{count_epochs(run.metrics)} of {was.epochs}, and would do so with more epochs; train it anew, such as "
            f"{proposed('train', run.config, *sets)}"
        )
    if raised:
        return
    more = "--epochs", f"{2 * was.epochs}"
    if was.spans_training:
        advice = f"to train longer, train it anew: {proposed('train', run.config, *more)}"
    else:
        advice = f"{proposed('resume', run.path, *more, *(['--trust'] if trust else []))} would train it on"
    raise RequestError(f"{run.path}: has finished; there is nothing to resume; {advice}")


def _check_changes(run: Run, was: Experiment, wanted: Experiment) -> bool:
    """Whether there are more epochs. Raises RequestError where anything else differs."""
    differing = differing_keys([without_place(to_dict(was)), without_place(to_dict(wanted))])
    then, now = differing.get(EPOCHS, (0, 0))
    if now < then:
        raise RequestError(f"{run.path}: {EPOCHS}: {now}, and it is trained for {then}; it may be raised only")
    rest = {key: brief(key, values) for key, values in differing.items() if key != EPOCHS}
    if rest:
        changed = "; ".join(f"{key}: {values[1]}, was {values[0]}" for key, values in rest.items())
        raise RequestError(
            f"{run.path}: would become another experiment: {changed}; only {EPOCHS} may be raised; train it as a new "
            "run"
        )
    return bool(now > then)
