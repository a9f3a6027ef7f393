import itertools
import json
import os
import re
import shlex
import shutil
import signal

import pytest

from cnnlab.config.load import load, to_yaml
from cnnlab.config.overrides import parse_set
from cnnlab.errors import RequestError, RunError
from cnnlab.experiment.schema import Experiment
from cnnlab.runs import Run, checkpoints, lock
from cnnlab.runs.experiment import experiment_of
from cnnlab.training.resume.plan import plan, unfinished
from tests.cli.killed_training import (
    Kills,
    assert_same_files,
    is_trained_by,
    run_to_completion,
    start,
    train_and_kill,
    wait_until,
)
from tests.conftest import TINY, assert_one_line

EXPERIMENT = """\
name: long
data: {name: digits, limit: 600}
preprocessing: {augmentation: [translation: 0.1]}
model:
  layers:
    - conv2d: {filters: 4, kernel_size: 3, strides: 2, activation: relu}
    - batch_norm
    - dropout: 0.3
    - flatten
    - dense: 10
train:
  epochs: 120
  batch_size: 8
  optimizer: {adam: 0.002}
  schedule: {reduce_on_plateau: {patience: 1}}
  callbacks: [tensorboard: {histograms: 20}, early_stopping: {monitor: val_accuracy, patience: 25, restore_best_weights: true}]
  checkpoint_minutes: 0.002
"""


@pytest.fixture(scope="module")
def resumed_folder(tmp_path_factory):
    """A folder with a run that was killed and resumed, and the same run uninterrupted."""
    import random

    folder = tmp_path_factory.mktemp("resumed_folder")
    (folder / "long.yaml").write_text(EXPERIMENT)
    kills = Kills()
    train_and_kill(folder, "long.yaml", "killed", 1, random.Random(5), kills)
    assert kills.total == 1, "it was done before it could be killed"
    run_to_completion(folder, "train", "long.yaml", "--name", "uninterrupted")
    return folder


def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(resumed_folder):
    assert_same_files(resumed_folder / "runs" / "killed", resumed_folder / "runs" / "uninterrupted")


def test_run_json_records_where_it_was_resumed(resumed_folder):
    record = json.loads((resumed_folder / "runs" / "killed" / "run.json").read_text())
    assert record["status"] == "finished"
    (entry,) = record["resumed"]
    assert entry["changed"] == []
    assert "resumed" not in json.loads((resumed_folder / "runs" / "uninterrupted" / "run.json").read_text())


def test_a_run_ended_by_early_stopping_is_not_continued(tmp_path, resumed_folder):
    run = tmp_path / "runs" / "uninterrupted"
    shutil.copytree(resumed_folder / "runs" / "uninterrupted", run)
    change(run, status="interrupted")
    (run / "weights.safetensors").unlink()
    before = (run / "metrics.csv").read_text()
    assert len(before.splitlines()) < 121
    run_to_completion(tmp_path, "resume", "runs/uninterrupted")
    assert (run / "metrics.csv").read_text() == before
    uninterrupted = resumed_folder / "runs" / "uninterrupted"
    assert (run / "weights.safetensors").read_bytes() == (uninterrupted / "weights.safetensors").read_bytes()


def change(run, **changes):
    record = json.loads((run / "run.json").read_text()) | changes
    (run / "run.json").write_text(json.dumps(record))


@pytest.fixture
def run(tmp_path, trained, monkeypatch):
    """The run of the tiny experiment, interrupted after its two epochs."""
    shutil.copytree(trained / "runs", tmp_path / "runs")
    change(tmp_path / "runs" / "tiny-1", status="interrupted")
    monkeypatch.chdir(tmp_path)
    return Run(tmp_path / "runs" / "tiny-1")


def epochs(count):
    return [parse_set(f"train.epochs={count}")]


def test_an_interrupted_run_is_resumed_without_changes(run):
    resumption = plan(run)
    assert (resumption.experiment.train.epochs, resumption.is_raised) == (2, False)


def test_a_run_in_training_is_rejected_by_name(run):
    change(run.path, status="running", process={"pid": 7, "host": os.uname().nodename})
    with lock.held(run.path), pytest.raises(RequestError, match=r"is being trained by process 7 on .*; end that first"):
        plan(run)
    assert plan(run).record.status == "running"  # crashed


def test_a_finished_run_is_continued_only_with_more_epochs(run):
    change(run.path, status="finished")
    with pytest.raises(
        RequestError, match=r"has finished; there is nothing to resume; `cnnlab resume .* --epochs 4` would"
    ):
        plan(run)
    assert plan(run, epochs(5)).is_raised


@pytest.mark.parametrize(("stopped_early", "more"), [(True, 60), (True, None), (False, 60), (False, None)])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("callbacks", [[], [{"early_stopping": 3}, {"early_stopping": 5}]], ids=len)
def test_a_completed_run_gives_the_reason_and_a_valid_command(run, stopped_early, more, schedule, callbacks):
    # Every reason to end before the last epoch, with both kinds of schedules, with and without more epochs.
    train = run.record().experiment.train | {"schedule": schedule, "callbacks": callbacks}
    experiment = run.record().raw["experiment"] | {"train": train}
    change(run.path, status="finished", stopped_early=stopped_early, experiment=experiment)
    run.write_config(to_yaml(Experiment.model_validate(experiment)))
    if not stopped_early and more and schedule == "constant":
        assert plan(run, epochs(more)).is_raised
        return
    with pytest.raises(RequestError) as refused:
        plan(run, epochs(more) if more else [])
    cause = ("early stopping ended it after epoch 2" if callbacks else "a callback ended it") if stopped_early else ""
    assert cause in str(refused.value)
    command = shlex.split(re.search("`(.*)`", str(refused.value))[1])
    assert command[:2] == ["cnnlab", "resume" if not stopped_early and schedule == "constant" else "train"]
    if command[1] == "resume":
        assert plan(run, epochs(int(command[4]))).is_raised
        return
    sets = [parse_set(text) for option, text in itertools.pairwise(command) if option == "--set"]
    again = load(command[2], sets + [parse_set(f"train.epochs={command[4]}")] * ("--epochs" in command))
    if callbacks or not stopped_early:  # otherwise a callback was removed from config.yaml
        assert again != experiment_of(run)
    if stopped_early and callbacks:
        assert [one.patience for one in again.train.callbacks] == [6, 10]


def test_fewer_epochs_are_rejected(run):
    with pytest.raises(RequestError, match=r"train.epochs: 1, and it is trained for 2; it may be raised only"):
        plan(run, epochs(1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("train.batch_size=32", "train.batch_size: 32, was 64"),
        ("seed=1", "seed: 1, was 0"),
        ("train.optimizer={adam: 0.1}", r"train.optimizer: adam\(.*\), was sgd\(0.1\)"),
        ("data.limit=100", "data.limit: 100, was 200"),
        ("train.keep=9", "train.keep: 9, was 2"),
        ("model.layers=[flatten, {dense: 10}]", "model.layers: flatten, dense, was conv2d, max_pool2d, flatten, dense"),
    ],
)
def test_any_other_change_is_rejected_with_the_difference(run, change, message):
    with pytest.raises(
        RequestError, match=f"would become another experiment: {message}; only train.epochs may be raised"
    ):
        plan(run, [parse_set(change)])
    run.write_config(run.config.read_text())
    with pytest.raises(RequestError, match=message):
        plan(run, experiment=load(str(run.config), [*epochs(3), parse_set(change)]))


def test_a_change_in_the_config_of_the_run_is_detected(run):
    run.write_config(run.config.read_text().replace("batch_size: 64", "batch_size: 16"))
    with pytest.raises(RequestError, match=r"train.batch_size: 16, was 64"):
        plan(run)


def test_all_differences_are_reported_together(run):
    with pytest.raises(RequestError, match=r"train.batch_size: 32, was 64; seed: 3, was 0;"):
        plan(run, [parse_set("train.batch_size=32"), parse_set("seed=3")])


def test_a_schedule_over_all_epochs_cannot_be_extended(cnnlab, tiny, tmp_path):
    done = cnnlab("train", tiny, "--quiet", "--set", "train.schedule=cosine")
    assert done.returncode == 0, done.stderr
    done = cnnlab("resume", "runs/tiny-1", "--epochs", "3")
    assert_one_line(
        done, 2, "its schedule, cosine, runs over all 2 epochs: with 3 the ones that are done", "train it anew"
    )


def test_user_code_is_not_imported_without_trust(run):
    config = run.config.read_text().replace("callbacks: []", "callbacks: [callback: evil.Callback]")
    run.write_config(config)
    change(run.path, experiment=complete_config_of(run))
    with pytest.raises(RunError, match=r"imports code: evil.Callback; if you trust .*, add --trust"):
        plan(run)
    assert plan(run, trust=True)


def complete_config_of(run):
    from cnnlab.config.load import load_complete, to_dict

    return to_dict(load_complete(run.config))


def test_unfinished_runs_are_those_that_can_be_resumed(run, tmp_path, capsys):
    runs = tmp_path / "runs"
    for name, status in {"a": "finished", "b": "failed", "c": "diverged", "d": "running", "e": "running"}.items():
        shutil.copytree(run.path, runs / name)
        change(runs / name, status=status)
    shutil.copytree(run.path, runs / "f")
    (runs / "f" / "run.json").write_text("{")
    with lock.held(runs / "e"):
        found = [one.path.name for one in unfinished([runs])]
    assert found == ["b", "d", "tiny-1"]
    warned = capsys.readouterr().err.splitlines()
    assert [line.partition(": ")[2].partition(str(runs))[2][:3] for line in warned] == ["/c:", "/e:", "/f/"]


def test_several_runs_are_resumed_in_one_process_and_all_results_are_reported(cnnlab, run):
    shutil.copytree(run.path, run.path.with_name("tiny-2"))
    done = cnnlab("resume", "runs", "--all", "--epochs", "3", "--quiet", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert [result["run"] for result in json.loads(done.stdout)] == ["runs/tiny-1", "runs/tiny-2"]
    tables = [(run.path.with_name(name) / "metrics.csv").read_text().splitlines() for name in ("tiny-1", "tiny-2")]
    assert [len(table) for table in tables] == [4, 4]
    assert_one_line(cnnlab("resume", "runs", "--all"), 2, "runs: no run here can be resumed")


def test_one_run_that_cannot_be_resumed_does_not_block_the_others(cnnlab, run):
    for name, change_of in {
        "a-damaged": lambda path: (path / "config.yaml").write_text("x: ["),
        "b-diverges": lambda path: set_learning_rate(path, "1.0e+30"),
        "c-cosine": lambda path: None,
    }.items():
        path = run.path.with_name(name)
        shutil.copytree(run.path, path)
        change_of(path)
    done = cnnlab("resume", "runs", "--all", "--epochs", "3", "--quiet", "--format", "json")
    assert done.returncode == 1
    assert [result["run"] for result in json.loads(done.stdout)] == ["runs/c-cosine", "runs/tiny-1"]
    damaged, diverged, last = done.stderr.splitlines()
    assert "runs/a-damaged/config.yaml:1:" in damaged
    assert damaged.endswith("; skipped")
    assert "runs/b-diverges: diverged" in diverged
    assert last == "cnnlab: 1 of 3 runs failed; the others finished"


def set_learning_rate(path, rate):
    config = path / "config.yaml"
    config.write_text(config.read_text().replace("learning_rate: 0.1", f"learning_rate: {rate}"))
    change(path, experiment=complete_config_of(Run(path)))
    shutil.rmtree(path / "checkpoints")


def test_a_schedule_over_all_epochs_cannot_be_extended_within_the_first_epoch(run):
    run.write_config(run.config.read_text().replace("exponential: {decay: 0.5}", "x"))
    text = run.config.read_text()
    start = text.index("  schedule:")
    end = text.index("  callbacks:")
    run.write_config(text[:start] + "  schedule: one_cycle\n" + text[end:])
    change(run.path, experiment=complete_config_of(run))
    run.metrics.unlink()
    with pytest.raises(RequestError, match="its schedule, one_cycle, runs over all 2 epochs"):
        plan(run, epochs(3))
    shutil.rmtree(run.checkpoints)
    assert plan(run, epochs(3)).is_raised


def test_progressive_resizing_cannot_be_extended(cnnlab, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = TINY.replace("    - max_pool2d: 2\n    - flatten\n", "    - global_max_pool2d\n")
    (tmp_path / "tiny.yaml").write_text(
        text + "  progressive_resizing: {delay_fraction: 0.3, finetune_fraction: 0.5}\n"
    )
    assert cnnlab("train", "tiny.yaml", "--quiet").returncode == 0
    done = cnnlab("resume", "runs/tiny-1")
    assert_one_line(done, 2, "there is nothing to resume", "cnnlab train runs/tiny-1/config.yaml --epochs 4")
    done = cnnlab("resume", "runs/tiny-1", "--epochs", "4")
    assert_one_line(
        done,
        2,
        "its progressive resizing runs over all 2 epochs: with 4 the ones that are done would have had images of other sizes",
    )


def test_train_resumes_with_the_experiment_file(cnnlab, run, tiny):
    done = cnnlab("train", "--resume", "runs/tiny-1", "--epochs", "3", "--quiet")
    assert done.returncode == 0, done.stderr
    done = cnnlab("train", "tiny.yaml", "--resume", "runs/tiny-1", "--epochs", "4")
    assert done.returncode == 0, done.stderr
    assert "resumed after epoch 3" in done.stderr
    assert len(run.metrics.read_text().splitlines()) == 5
    assert json.loads((run.path / "run.json").read_text())["experiment"]["train"]["epochs"] == 4
    tiny.write_text(tiny.read_text().replace("filters: 4", "filters: 5"))
    refused = cnnlab("train", "tiny.yaml", "--resume", "runs/tiny-1", "--epochs", "5")
    assert_one_line(refused, 2, "model.layers[0].conv2d.filters: 5, was 4")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--resume", "runs/tiny-1", "--seeds", "3"], "--seeds: not with --resume"),
        (["train", "--resume", "runs/tiny-1", "--name", "x"], "--name: not with --resume"),
        (["train", "--resume", "runs/tiny-1", "--smoke"], "--smoke: not with --resume"),
        (["train", "--resume", "runs/none"], "runs/none: no such folder"),
        (["resume", "runs"], "runs: not a run folder; it contains runs, such as runs/tiny-1"),
        (["resume", "runs/tiny-1", "--epochs", "0"], "--epochs 0: train.epochs: expected a value greater than 0"),
    ],
)
def test_runs_that_cannot_be_resumed_are_one_line_errors(cnnlab, run, arguments, message):
    assert_one_line(cnnlab(*arguments), 2, message)


def test_a_damaged_checkpoint_is_set_aside_with_a_warning_and_the_previous_one_is_used(cnnlab, run, trained):
    content = (run.checkpoints / "epoch-00002.safetensors").read_bytes()
    (run.checkpoints / "epoch-00002.safetensors").write_bytes(content[: len(content) // 2])
    done = cnnlab("resume", "runs/tiny-1")
    assert done.returncode == 0, done.stderr
    warning = next(line for line in done.stderr.splitlines() if line.startswith("cnnlab: warning"))
    assert "epoch-00002.safetensors: damaged" in warning
    assert "it is set aside as epoch-00002.safetensors.damaged, and the one before is used" in warning
    assert "resumed after epoch 1" in done.stderr
    before = trained / "runs" / "tiny-1"
    assert run.weights.read_bytes() == (before / "weights.safetensors").read_bytes()
    assert [str(place) for place in checkpoints.positions(run)] == ["epoch 2", "epoch 1"]


def test_a_second_resume_is_rejected_until_the_first_ends(cnnlab, tmp_path, run):
    process = start(tmp_path, "resume", "runs/tiny-1", "--epochs", "3000")
    assert wait_until(process, lambda: is_trained_by(run.path, process.pid))
    refused = cnnlab("resume", "runs/tiny-1", "--epochs", "3000", "--quiet")
    assert process.poll() is None
    assert_one_line(refused, 2, f"is being trained by process {process.pid} on ", "end that first")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=300)
    assert process.returncode == 130
    assert len(run.record().raw["resumed"]) == 1
