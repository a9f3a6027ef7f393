"""Runs killed with `kill -9` at random moments and resumed have the same bytes as uninterrupted ones.

These tests are slow; test_resume.py has a short one.
"""

import random

import pytest

from tests.cli.killed_training import Kills, assert_same_files, run_to_completion, train_and_kill

KILLS = 20
EXPERIMENT = """\
name: long
data: {name: digits}
preprocessing: {augmentation: AUGMENTATION}
model:
  layers:
    - conv2d: {filters: 6, kernel_size: 3, strides: 2, activation: relu}
    - batch_norm
    - dropout: DROPOUT
    - flatten
    - dense: 10
train:
  epochs: 120
  batch_size: 16
  optimizer: OPTIMIZER
  schedule: SCHEDULE
  callbacks: CALLBACKS
  precision: PRECISION
  input_pipeline: PIPELINE
  checkpoint_minutes: 0.002
"""
DEFAULTS = {
    "AUGMENTATION": "[]",
    "DROPOUT": "0.0",
    "OPTIMIZER": "{sgd: 0.05}",
    "SCHEDULE": "constant",
    "CALLBACKS": "[]",
    "PRECISION": "float32",
    "PIPELINE": "resident",
}
CASES = {
    "momentum": {"OPTIMIZER": "{sgd: {learning_rate: 0.02, momentum: 0.9}}"},
    "adam": {"OPTIMIZER": "{adam: 0.002}", "CALLBACKS": "[tensorboard]"},
    "dropout": {"DROPOUT": "0.3"},
    "augmentation": {"AUGMENTATION": "[{translation: 0.1}, {rotation: 10}, {mixup: 0.2}]"},
    "early stopping": {
        "OPTIMIZER": "{adam: 0.0005}",
        "CALLBACKS": "[early_stopping: {patience: 30, restore_best_weights: true, monitor: val_accuracy}]",
    },
    "plateau": {"SCHEDULE": "{reduce_on_plateau: {patience: 2, factor: 0.7, min_learning_rate: 0.0001}}"},
    "float16": {"PRECISION": "mixed_float16", "OPTIMIZER": "{adam: 0.001}"},
    "bfloat16": {"PRECISION": "mixed_bfloat16", "OPTIMIZER": "{adam: 0.001}"},
    "streamed": {"PIPELINE": "streamed"},
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_run_killed_at_twenty_random_moments_equals_an_uninterrupted_one(tmp_path, case):
    text = EXPERIMENT
    for word, value in (DEFAULTS | CASES[case]).items():
        text = text.replace(word, value)
    (tmp_path / "long.yaml").write_text(text)
    run_to_completion(tmp_path, "train", "long.yaml", "--name", "uninterrupted")
    draw = random.Random(case)
    kills = Kills()
    while kills.total < KILLS:
        name = f"killed-{kills.trainings}"
        train_and_kill(tmp_path, "long.yaml", name, KILLS - kills.total, draw, kills)
        assert_same_files(tmp_path / "runs" / name, tmp_path / "runs" / "uninterrupted")
    assert kills.while_writing >= 1
    print(
        f"\n{case}: {kills.all} kills in {kills.trainings} trainings, {kills.while_writing} while writing: {kills.places}"
    )
