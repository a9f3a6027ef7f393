"""Which process of a sweep trains what: everything once, whoever is killed."""

import collections
import csv
import json
import shutil
import typing
from dataclasses import replace

import pytest

from cnnlab.errors import DataError, RequestError, RunError, TrainingError
from cnnlab.experiment.search import Search as SearchSpec
from cnnlab.jobs.cores import Shares
from cnnlab.jobs.pool import Assignment, Later
from cnnlab.runs import Run
from cnnlab.sweep import study as states
from cnnlab.sweep.folder import SweepFolder
from cnnlab.sweep.run import check_any, outcome_of, space_of, work_on
from cnnlab.sweep.work import MOST_LOSSES
from tests.sweep.fakes import Worker, accuracy, make_space, write_run

GRID = """\
sampler: grid
finalists: 2
seeds: 3
space:
  train.optimizer.sgd.learning_rate: [0.01, 0.03, 0.1]
  train.batch_size: [16, 32]
"""
SAMPLERS = typing.get_args(SearchSpec.model_fields["sampler"].annotation)
PRUNERS = typing.get_args(SearchSpec.model_fields["pruner"].annotation)
RANGES = """\
finalists: 1
seeds: 2
space:
  train.optimizer.sgd.learning_rate: {log: [0.001, 1.0]}
  train.batch_size: {log_integer: [8, 64]}
  model.layers: [[flatten, {dense: 10}], [flatten, {dense: 4}, {dense: 10}]]
"""


@pytest.fixture
def sweep(tmp_path):
    """Makes a worker on the sweep of a section."""

    def make(section=GRID, **options):
        return Worker(tmp_path / "sweep", make_space(tmp_path, section), **options)

    return make


def names(assignments):
    return [assignment.name for assignment in assignments]


def test_trials_leave_the_test_set_alone_and_finals_measure_it_on_fresh_seeds(sweep):
    trained = sweep().serve()
    trials, finals = trained[:6], trained[6:]
    assert names(trials) == [f"trial-{number:04d}" for number in range(6)]
    assert {(run.experiment.train.test, run.experiment.seed) for run in trials} == {("never", 0)}
    assert names(finals) == [f"final-{number:04d}-seed-{seed}" for number in (3, 2) for seed in (1, 2, 3)]
    assert {run.experiment.train.test for run in finals} == {"end"}


def test_the_winner_is_the_best_by_validation(sweep):
    worker = sweep()
    worker.serve()
    outcome = outcome_of(worker.folder, worker.space)
    assert outcome.candidates == 6
    assert [one.trial for one in outcome.finalists] == [3, 2]
    assert outcome.winner.point == {"train.optimizer.sgd.learning_rate": 0.03, "train.batch_size": 32}
    assert outcome.winner.optimism == pytest.approx(0.0, abs=1e-12)
    assert outcome.comparison.reference.experiment.train["batch_size"] == 32
    rows = list(csv.DictReader(worker.folder.trials.read_text().splitlines()))
    assert [row["state"] for row in rows] == ["complete"] * 6
    assert [float(row["train.optimizer.sgd.learning_rate"]) for row in rows] == [0.01, 0.01, 0.03, 0.03, 0.1, 0.1]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_trains_every_trial_once_with_several_processes(sweep, sampler):
    section = GRID if sampler == "grid" else f"sampler: {sampler}\ntrials: 12\n{RANGES}"
    workers = [sweep(section), sweep(section)]
    trained = []
    for turn in range(100):
        taken = workers[turn % 2].work.take()
        if isinstance(taken, Assignment):
            workers[turn % 2].finish(taken)
            trained.append(taken.name)
    count = 6 if sampler == "grid" else 12
    assert max(collections.Counter(trained).values()) == 1
    assert sum(name.startswith("trial") for name in trained) == count
    assert [trial.state for trial in workers[0].search.trials()] == [states.COMPLETE] * count


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_that_is_gone_on_with_has_the_points_of_one_that_was_not_interrupted(sweep, tmp_path, sampler):
    section = GRID if sampler == "grid" else f"sampler: {sampler}\ntrials: 14\n{RANGES}"
    whole = sweep(section)
    whole.serve()
    parts = Worker(tmp_path / "parts", whole.space)
    while parts.serve(most=3):
        parts.die()
        parts = Worker(tmp_path / "parts", whole.space)
    points = [[trial.point for trial in worker.search.trials()] for worker in (whole, parts)]
    assert points[0] == points[1]


def test_tpe_finds_better_points_than_chance_does(tmp_path):
    def mean_of_the_last(sampler):
        worker = Worker(tmp_path / sampler, make_space(tmp_path, f"sampler: {sampler}\ntrials: 40\n{RANGES}"))
        worker.serve()
        return sum(trial.value for trial in worker.search.trials()[-20:]) / 20

    assert mean_of_the_last("tpe") > mean_of_the_last("random") + 0.02


def test_a_trial_whose_process_is_gone_is_resumed_by_another(sweep):
    lost, other = sweep(), sweep()
    first = lost.work.take()
    write_run(lost.folder.path, first.name, first.experiment, status="interrupted")
    assert other.work.take().name == "trial-0001"
    lost.die()
    taken = other.work.take()
    assert (taken.name, taken.resumes.path) == (first.name, lost.folder.path / first.name)
    assert taken.experiment == first.experiment


def test_a_trial_that_was_lost_before_its_folder_was_complete_is_begun_anew(sweep):
    lost, other = sweep(), sweep()
    first = lost.work.take()
    (lost.folder.path / first.name).mkdir()
    lost.die()
    taken = other.work.take()
    assert (taken.name, taken.resumes) == (first.name, None)
    assert not (lost.folder.path / first.name).exists()


def test_a_trial_that_finished_when_its_process_was_killed_is_not_trained_again(sweep):
    lost, other = sweep(), sweep()
    first = lost.work.take()
    write_run(lost.folder.path, first.name, first.experiment, val_accuracy=0.123)
    lost.die()
    assert other.work.take().name == "trial-0001"
    assert other.search.trials()[0].value == 0.123


def test_no_final_is_begun_before_all_trials_have_ended(sweep):
    slow, other = sweep(), sweep()
    last = slow.work.take()
    other.serve()
    assert isinstance(other.work.take(), Later)
    slow.finish(last)
    assert other.work.take().name == "final-0003-seed-1"


def test_finals_of_a_process_that_is_gone_are_gone_on_with(sweep):
    lost, other = sweep(), sweep()
    lost.serve(most=6)
    first = lost.work.take()
    assert other.work.take().name != first.name
    lost.die()
    assert other.work.take().name == first.name


def test_the_same_command_goes_on_also_with_more_trials(sweep, tmp_path):
    section = f"sampler: random\ntrials: 3\n{RANGES}"
    worker = sweep(section)
    worker.serve()
    worker.die()
    given = make_space(tmp_path, section.replace("trials: 3", "trials: 5"))
    assert space_of(worker.folder, given).search.trials == 5
    more = Worker(worker.folder.path, given)
    assert names(more.serve())[:2] == ["trial-0003", "trial-0004"]
    assert len(more.search.trials()) == 5


def test_another_space_is_refused_with_what_differs(sweep, tmp_path):
    worker = sweep()
    other = make_space(tmp_path, GRID.replace("[16, 32]", "[16, 64]"))
    with pytest.raises(RequestError, match=r"another space: search.space.train.batch_size.choice\[1\]: 64, was 32"):
        space_of(worker.folder, other)
    assert space_of(worker.folder, None).search == worker.space.search


def test_the_frozen_space_is_the_space(sweep):
    worker = sweep(f"sampler: tpe\ntrials: 3\n{RANGES}")
    frozen = worker.folder.read_space()
    assert (frozen.base, frozen.search) == (worker.space.base, worker.space.search)


def test_a_process_that_is_lost_is_replaced_and_its_trial_resumed(sweep, capsys):
    worker = sweep()
    taken = worker.work.take()
    write_run(worker.folder.path, taken.name, taken.experiment, status="interrupted")
    assert worker.work.lost(taken, 1, Run(taken.folder / taken.name), "was ended by SIGKILL")
    again = worker.work.take()
    assert (again.name, again.resumes.path.name) == (taken.name, taken.name)
    assert "process 1 was ended by SIGKILL; another one goes on with trial-0000" in capsys.readouterr().err


def test_a_trial_that_loses_its_process_again_and_again_fails(sweep):
    worker = sweep()
    for _ in range(MOST_LOSSES):
        taken = worker.work.take()
        assert taken.name == "trial-0000"
        worker.work.lost(taken, 1, Run(taken.folder / taken.name), "was ended by SIGKILL")
    assert worker.work.take().name == "trial-0001"
    assert worker.search.trials()[0].state == states.FAILED
    assert f"was lost {MOST_LOSSES} times without a further epoch" in worker.search.trials()[0].reason


def test_a_trial_that_diverges_fails_and_the_others_go_on(sweep):
    worker = sweep()
    taken = worker.work.take()
    worker.work.ended(taken, {"event": "failed", "error": "Diverged", "message": "diverged in epoch 1"})
    assert worker.search.trials()[0].reason == "diverged in epoch 1"
    assert len(worker.serve()) == 5 + 6


def test_another_error_ends_the_sweep_and_leaves_the_trial_to_be_gone_on_with(sweep):
    worker = sweep()
    taken = worker.work.take()
    worker.work.ended(taken, {"event": "failed", "error": "DataError", "message": "no data"})
    assert worker.work.stops
    with pytest.raises(DataError, match="no data"):
        worker.work.check([])
    worker.die()
    assert sweep().work.take().name == taken.name


def test_networks_that_are_too_large_are_none_of_the_trials(sweep):
    section = "sampler: tpe\ntrials: 4\nmax_parameters: 9000\nfinalists: 0\n"
    rates = "train.optimizer.sgd.learning_rate: {log: [0.001, 1.0]}"
    worker = sweep(f"{section}space:\n  preprocessing.zero_padding: {{integer: [0, 4]}}\n  {rates}")
    worker.serve()
    kept = [trial for trial in worker.search.trials() if not trial.is_left_out]
    assert len(kept) == 4
    assert {trial.point["preprocessing.zero_padding"] for trial in kept} == {0}
    assert len(list(csv.DictReader(worker.folder.trials.read_text().splitlines()))) == 4


@pytest.mark.parametrize("pruner", PRUNERS)
def test_a_pruner_ends_trials_that_others_are_ahead_of(sweep, pruner):
    worker = sweep(f"sampler: sobol\ntrials: 30\npruner: {pruner}\n{RANGES}")
    epochs = 0
    while isinstance(taken := worker.work.take(), Assignment) and taken.name.startswith("trial"):
        assert taken.asks == (pruner != "none")
        goes_on = True
        for epoch in range(1, 33):
            epochs += 1
            row = {"epoch": epoch, "val_accuracy": accuracy(taken.experiment) * (1 - 1 / (epoch + 1))}
            goes_on = not taken.asks or worker.work.goes_on(taken, row)
            if not goes_on:
                break
        if goes_on:
            worker.finish(taken)
        else:
            worker.work.ended(taken, {"event": "pruned", "message": "pruned"})
    pruned = [trial for trial in worker.search.trials() if trial.state == states.PRUNED]
    assert (len(pruned) > 5) == (pruner != "none")
    assert (epochs < 0.8 * 30 * 32) == (pruner != "none")


def test_a_storage_of_optuna_takes_the_place_of_the_journal_and_is_remembered(sweep, tmp_path):
    url = f"sqlite:///{tmp_path / 'search.db'}"
    worker = sweep(storage=url)
    assert len(worker.serve(most=5)) == 5
    worker.die()
    assert len(sweep().serve()) == 7
    assert not worker.folder.journal.exists()
    assert sweep(storage=url).serve() == []
    with pytest.raises(RequestError, match="this sweep began with sqlite:"):
        sweep(storage="sqlite:///another.db")


def test_a_storage_that_cannot_be_opened_is_one_line(sweep):
    with pytest.raises(RequestError, match="--storage nosuch://x: cannot be opened"):
        sweep(storage="nosuch://x")


def test_a_line_of_the_journal_that_was_not_written_to_its_end_is_cut_off(sweep):
    worker = sweep()
    worker.serve(most=2)
    worker.die()
    with worker.folder.journal.open("ab") as file:
        file.write(b'{"op_code": 5, "wor')
    assert len(sweep().serve()) == 4 + 6


@pytest.mark.parametrize("damage", [b"not json\n", b'{"op_code": 99}\n', b"[]\n", b"\xff\xfe\n"])
def test_a_damaged_journal_is_one_line_and_loses_nothing(sweep, damage):
    worker = sweep()
    worker.serve(most=2)
    worker.die()
    lines = worker.folder.journal.read_bytes().splitlines(keepends=True)
    content = b"".join([*lines[:3], damage, *lines[3:]])
    worker.folder.journal.write_bytes(content)
    with pytest.raises(RunError) as error:
        sweep()
    for part in ("journal.log", "damaged", "the runs of its trials remain"):
        assert part in str(error.value)
    assert worker.folder.journal.read_bytes() == content


def test_a_folder_of_something_else_is_not_taken_for_a_sweep(tmp_path, sweep):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "thesis.tex").write_text("precious")
    with pytest.raises(RequestError, match=r"is not the folder of a sweep: it has no sweep.yaml"):
        sweep()


def test_an_outcome_that_is_lost_is_made_anew_from_the_runs(sweep):
    worker = sweep()
    worker.serve()
    worker.die()
    worker.folder.outcome.unlink()
    again = sweep()
    assert again.serve() == []
    assert outcome_of(again.folder, again.space).winner.trial == 3


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_space_that_has_no_more_points_is_tried_completely_and_each_once(sweep, sampler):
    worker = sweep(f"sampler: {sampler}\ntrials: 50\nfinalists: 0\nspace: {{train.batch_size: [16, 32, 64]}}")
    assert len(worker.serve()) == 3
    assert outcome_of(worker.folder, worker.space).candidates == 3


@pytest.mark.parametrize("sampler", ["tpe", "cmaes"])
def test_a_sampler_that_learns_tries_no_point_twice(sweep, sampler):
    worker = sweep(f"sampler: {sampler}\ntrials: 20\nfinalists: 0\nspace: {{train.batch_size: {{integer: [1, 24]}}}}")
    assert len(worker.serve()) == 20
    points = [trial.point["train.batch_size"] for trial in worker.search.trials() if not trial.is_left_out]
    assert len(points) == len(set(points)) == 20


@pytest.mark.parametrize("finalist", [{"trial": 77}, {"trial": 0}, {"value": 0.99}])
def test_an_outcome_that_contradicts_the_trials_is_made_anew(sweep, finalist):
    worker = sweep()
    worker.serve()
    worker.die()
    outcome = json.loads(worker.folder.outcome.read_text())
    outcome["finalists"][0] |= finalist
    worker.folder.outcome.write_text(json.dumps(outcome))
    again = sweep()
    assert again.serve() == []
    assert [one.trial for one in outcome_of(again.folder, again.space).finalists] == [3, 2]


def test_processes_that_are_lost_before_they_begin_are_an_error_that_says_how_to_go_on(sweep):
    worker = sweep()
    taken = worker.work.take()
    worker.work.give_back(taken)
    with pytest.raises(TrainingError, match=r"lost before they had begun; `cnnlab sweep --join .*` goes on"):
        worker.work.check([])


def test_threads_and_the_number_of_trials_make_no_other_space(sweep, tmp_path):
    worker = sweep()
    train = worker.space.base.train.model_copy(update={"threads": 1})
    base = worker.space.base.model_copy(update={"train": train})
    frozen = replace(worker.space, config=replace(worker.space.config, experiment=base))
    (tmp_path / "other").mkdir()
    folder = SweepFolder(tmp_path / "other")
    folder.create(frozen)
    for section in (GRID, f"trials: 3\n{GRID}"):
        assert space_of(folder, make_space(tmp_path, section)).base.train.threads == 1


def test_the_table_is_right_in_the_end_though_a_process_was_killed_before_it_wrote_it(sweep):
    lost, other = sweep(), sweep()
    lost.serve(most=6)
    rows = lost.folder.trials.read_text()
    lost.folder.trials.write_text(rows.replace("complete", "running"))
    lost.die()
    other.serve()
    assert other.folder.trials.read_text() == rows


def test_of_two_that_begin_at_once_the_second_takes_the_space_of_the_first(sweep, tmp_path):
    """Both found no folder; the second must not mix another space, or other threads, in."""
    first = sweep()
    shares = Shares([{}], 1, "")
    other = make_space(tmp_path, GRID.replace("[16, 32]", "[16, 64]"))
    with pytest.raises(RequestError, match="is a sweep of another space"):
        work_on(first.folder, other, None, shares, storage=None, quiet=True)


def test_all_diverged_is_an_error(sweep):
    worker = sweep()
    while isinstance(taken := worker.work.take(), Assignment):
        worker.work.ended(taken, {"event": "failed", "error": "Diverged", "message": "diverged in epoch 1"})
    with pytest.raises(TrainingError, match="none of 6 trials finished; the first: diverged in epoch 1"):
        check_any(worker.search.trials(), worker.folder)


def test_a_sweep_folder_can_be_moved(sweep, tmp_path):
    worker = sweep()
    worker.serve(most=3)
    worker.die()
    shutil.move(worker.folder.path, tmp_path / "moved")
    moved = Worker(tmp_path / "moved", SweepFolder(tmp_path / "moved").read_space())
    assert names(moved.serve())[0] == "trial-0003"
