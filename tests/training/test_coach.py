"""Trainings with known problems: each gets one diagnosis, and healthy trainings get none."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.failing_cases import BASE, CASES, HEALTHY, Case
from benchmarks.failing_trainings import changes_in, experiment_of, hint_of, trained
from cnnlab.config.load import load_complete, read_file
from cnnlab.config.overrides import parse_set, parse_sets
from cnnlab.models import weights
from cnnlab.models.inference import Outcome
from cnnlab.training import coach
from cnnlab.training.coach import DIAGNOSES, Diagnosis
from cnnlab.training.coach.evidence import MAX_INSPECTED_BYTES, Evidence, is_at_chance
from cnnlab.training.trainer import Trainer

FIRST_CASES = [next(case for case in CASES if case.diagnosis == name) for name in DIAGNOSES]
GOOD_TABLE = {"loss": [1.0, 0.5, 0.2], "learning_rate": [0.001] * 3}
IMBALANCED = np.arange(800) % 20 == 0
RESULTS = {"epoch": 3, "loss": 0.2, "accuracy": 0.1}


def run_of(case, folder):
    (run,) = trained([experiment_of(case, folder)], folder / "runs")
    return run


def trainer_of(folder, *changes):
    """A trainer with an untrained network."""
    (folder / "failing.yaml").write_text(BASE, encoding="utf-8")
    changes = ["data.limit=300", "train.epochs=3", *changes]
    return Trainer.from_experiment(
        read_file(folder / "failing.yaml", [parse_set(change) for change in changes]).experiment
    )


@pytest.fixture(scope="module")
def trainer(tmp_path_factory):
    return trainer_of(tmp_path_factory.mktemp("trainer"))


def test_of_large_images_only_as_many_are_looked_at_as_fit_into_little_memory(tmp_path):
    large = trainer_of(
        tmp_path,
        "data={name: synthetic, image_shape: [256, 256, 3], train_examples: 300, test_examples: 10}",
        "model.layers=[{conv2d: {filters: 4, kernel_size: 8, strides: 8}}, global_avg_pool2d, {dense: 10}]",
    )
    activations = Evidence(large, {}, {}, None, "").activations
    assert 1 < len(activations["image"]) < 256
    assert sum(values.nbytes for values in activations.values()) <= MAX_INSPECTED_BYTES


def outcome(labels, predictions, classes=10):
    """The outcome of a network with these predictions."""
    labels = np.asarray(labels, np.int32)
    return Outcome(labels, np.eye(classes, dtype=np.float32)[np.asarray(predictions)], np.ones(len(labels), np.float32))


def outcome_with_accuracy(share, classes=10, n=1000):
    labels = np.arange(n) % classes
    return outcome(labels, np.where(np.arange(n) < share * n, labels, (labels + 1) % classes), classes)


def diagnose(trainer, table=None, held_out=None, training=None, **results):
    """The diagnosis for these outcomes on the training split and on held-out examples."""
    seen = replace(trainer, forward=lambda examples: training or outcome_with_accuracy(0.95))
    return coach.diagnose(
        seen, {**GOOD_TABLE, **(table or {})}, {**RESULTS, **results}, held_out, "runs/a b/config.yaml"
    )


@pytest.mark.parametrize("case", FIRST_CASES, ids=[case.name for case in FIRST_CASES])
def test_every_diagnosis_is_given_for_its_failing_trainings(case, tmp_path):
    run = run_of(case, tmp_path)
    record = run.record()
    hint = hint_of(record)
    assert hint.partition(":")[0] == case.diagnosis
    assert len(record.findings) == 1
    changed = load_complete(run.config, parse_sets(changes_in(hint)))
    assert (changed == load_complete(run.config)) == (case.diagnosis == "nothing learned")


def test_every_diagnosis_has_several_cases_and_every_case_a_diagnosis():
    assert {case.diagnosis for case in CASES} == {*DIAGNOSES}
    assert {case.diagnosis for case in HEALTHY} == {""}
    assert len({case.name for case in (*CASES, *HEALTHY)}) == len(CASES) + len(HEALTHY)


@pytest.mark.parametrize("case", HEALTHY[:2], ids=lambda case: case.name)
def test_a_healthy_training_has_no_hint(case, tmp_path):
    assert run_of(case, tmp_path).record().findings == []


def test_the_diagnosis_depends_on_held_out_and_training_accuracy(trainer):
    assert diagnose(trainer, held_out=outcome_with_accuracy(0.94)) is None
    assert diagnose(trainer) is None
    assert diagnose(trainer, held_out=outcome_with_accuracy(0.75)).name == "overfitting"
    assert diagnose(trainer, held_out=outcome_with_accuracy(0.1)).name == "nothing learned"
    assert diagnose(trainer, training=outcome_with_accuracy(0.1)).name == "nothing learned"


def test_early_stopping_is_proposed_only_if_the_validation_loss_rose(trainer, tmp_path):
    rising, falling = {"val_loss": [1.0, 0.5, 0.7]}, {"val_loss": [1.0, 0.6, 0.5]}
    found = diagnose(trainer, rising, held_out=outcome_with_accuracy(0.85))
    assert str(found) == (
        "overfitting: accuracy 0.9500 on training examples, 0.8500 on others, whose loss was lowest in epoch 2 of 3; "
        "try --set 'train.callbacks=[{early_stopping: {patience: 5, restore_best_weights: true}}]'"
    )
    assert diagnose(trainer, falling, held_out=outcome_with_accuracy(0.85)) is None
    assert diagnose(trainer, falling, held_out=outcome_with_accuracy(0.75)).changes == []
    with_callbacks = trainer_of(tmp_path, "train.callbacks=[tensorboard]")
    (change,) = diagnose(with_callbacks, rising, held_out=outcome_with_accuracy(0.85)).changes
    assert change.startswith("train.callbacks=[tensorboard, {early_stopping: ")
    stopped = trainer_of(tmp_path, "train.callbacks=[early_stopping: 2]")
    assert diagnose(stopped, rising, held_out=outcome_with_accuracy(0.85)) is None
    watched = trainer_of(tmp_path, "data.validation=test")
    assert (
        diagnose(watched, rising, held_out=outcome_with_accuracy(0.85)) is None
    )  # the test split is not used for selection


def test_dead_units_are_not_reported_for_an_accurate_network(tmp_path):
    trainer = trainer_of(tmp_path, "train.optimizer.adam.learning_rate=0.01")
    kernel = trainer.model.layers[2].kernel
    kernel.assign(-np.abs(kernel.numpy()))  # pixels are non-negative
    table = {"loss": [2.3, 2.0, 1.9], "learning_rate": [0.01] * 3}
    found = diagnose(trainer, table, held_out=outcome_with_accuracy(0.5), training=outcome_with_accuracy(0.5))
    assert found.name == "learning rate too high"
    assert "64 of 64 units of dense_1 are above 0 on none of 256 training examples" in found.evidence
    assert found.changes == ["train.optimizer.adam.learning_rate=0.001"]
    assert diagnose(trainer, table, held_out=outcome_with_accuracy(0.95)) is None


def test_proposed_changes_are_valid_within_blocks(tmp_path):
    """A layer of a repeated block occurs once in the experiment."""
    block = "repeat: {times: 3, layers: [dense: {units: 16, activation: relu, kernel_initializer: zeros}]}"
    trainer = trainer_of(tmp_path, f"model.layers=[flatten, {block}, dense: 10]")
    found = diagnose(trainer, training=outcome_with_accuracy(0.1), held_out=outcome_with_accuracy(0.1))
    assert found.changes == ["model.layers[1].repeat.layers[0].dense.kernel_initializer=he_normal"]
    read_file(tmp_path / "failing.yaml", parse_sets([f"model.layers=[flatten, {block}, dense: 10]"]))


def test_frozen_layers_have_no_gradients_to_diagnose(tmp_path):
    sigmoid = "activation: sigmoid"
    layers = f"{{conv2d: {{filters: 4, kernel_size: 3, {sigmoid}}}}}, flatten, {{dense: {{units: 8, {sigmoid}}}}}"
    network = f"model.layers=[{layers}, {{dense: 8}}, {{dense: 10}}]"
    source = tmp_path / "source.safetensors"
    weights.save(trainer_of(tmp_path, network).model, source)
    pretrained = f"model.pretrained={{from: {source}, layers: [conv2d_0], freeze: true}}"
    trainer = trainer_of(tmp_path, network, pretrained)
    assert diagnose(trainer, training=outcome_with_accuracy(0.2), accuracy=0.2) is not None


def test_class_weights_are_not_proposed_if_they_are_set(tmp_path):
    labels = IMBALANCED.astype(np.int32)
    never = outcome(labels, np.zeros(800, int), classes=2)
    two = ("model.layers=[flatten, dense: 2]", "data.classes=['0', '1']")
    trainer = trainer_of(tmp_path, *two)
    size = len(trainer.dataset.train)
    counts = np.array([size - 15, 15])
    labels_of = replace(trainer.dataset.train, labels=np.repeat(np.arange(2, dtype=np.int32), counts))
    unequal = replace(trainer, dataset=replace(trainer.dataset, train=labels_of))
    found = diagnose(unequal, training=never, held_out=never)
    assert found.name == "imbalance"
    assert found.evidence == (
        f"class '1' has 15 of {size} training examples, and 0 of 40 are predicted right (balanced accuracy 0.5000, "
        "accuracy 0.9500)"
    )
    weights = unequal.experiment.train.model_copy(update={"class_weights": "balanced"})
    weighted = replace(unequal, experiment=unequal.experiment.model_copy(update={"train": weights}))
    assert diagnose(weighted, training=never, held_out=never).name == "nothing learned"


def test_very_short_trainings_are_not_diagnosed(trainer):
    one_epoch = {name: values[:1] for name, values in GOOD_TABLE.items()}
    assert coach.diagnose(trainer, one_epoch, RESULTS, outcome_with_accuracy(0.1), "config.yaml") is None
    assert coach.diagnose(trainer, {}, RESULTS, outcome_with_accuracy(0.1), "config.yaml") is None


def test_the_message_is_one_line_with_options_to_copy():
    found = Diagnosis(
        "imbalance",
        "few are found",
        ["train.class_weights=balanced", "model.layers[0].dropout.rate=0.2"],
        "config.yaml",
    )
    assert str(found) == (
        "imbalance: few are found; try --set train.class_weights=balanced --set 'model.layers[0].dropout.rate=0.2'"
    )
    assert changes_in(str(found)) == found.changes
    assert str(Diagnosis("nothing learned", "look", [], "config.yaml")) == "nothing learned: look"


def test_hints_about_the_learning_rate_propose_to_find_one():
    found = Diagnosis(
        "learning rate too low", "slow", ["train.optimizer.sgd.learning_rate=0.1"], "my runs/a/config.yaml"
    )
    assert str(found) == (
        "learning rate too low: slow; try --set train.optimizer.sgd.learning_rate=0.1 or "
        "`cnnlab find-rate 'my runs/a/config.yaml'`"
    )
    assert changes_in(str(found)) == found.changes


@pytest.mark.parametrize(
    ("labels", "predictions", "at_chance"),
    [
        (IMBALANCED, IMBALANCED & (np.arange(800) >= 140), False),  # recall 33 of 40, accuracy 0.99
        (IMBALANCED, np.zeros(800, int), True),  # accuracy 0.95
        (np.arange(80) % 2, np.zeros(80, int), True),
        (np.arange(80) % 2, np.arange(80) // 2 % 2, True),
        (np.arange(6) % 2, np.arange(6) % 2, False),  # too few examples
        (np.arange(1000) % 10, np.where(np.arange(1000) % 3 == 0, np.arange(1000) % 10, 0), False),
        (np.zeros(80, int), np.zeros(80, int), False),  # one class
        (IMBALANCED, ~IMBALANCED, True),
    ],
)
def test_chance_level_is_detected_by_the_association_of_predictions_and_labels(labels, predictions, at_chance):
    assert (
        is_at_chance(outcome(labels, np.asarray(predictions, int), classes=2 if max(labels) < 2 else 10)) == at_chance
    )


def test_chance_and_learning_are_rarely_confused():
    random = np.random.default_rng(0)
    guesses = [outcome(np.arange(200) % 10, random.integers(0, 10, 200)) for _ in range(300)]
    assert np.mean([is_at_chance(guess) for guess in guesses]) > 0.99
    assert not is_at_chance(outcome_with_accuracy(0.3, n=200))


W5 = Case(
    "w5",
    "",
    (
        "model.layers=[conv2d: {filters: 16, kernel_size: 3, use_bias: false}, batch_norm, activation: relu, max_pool2d:"
        " 2, conv2d: {filters: 32, kernel_size: 3, use_bias: false}, batch_norm, activation: relu, max_pool2d: 2,"
        " flatten, dense: 10]",
        "data.limit=120",
        "train={epochs: 25, batch_size: 64, optimizer: {adam: 0.003}}",
    ),
)


def test_unsettled_batch_normalization_is_not_overfitting_and_its_change_fixes_it(tmp_path):
    run = run_of(W5, tmp_path)
    hint = hint_of(run.record())
    assert hint.startswith(
        "batch normalization not settled: accuracy 1.0000 in training mode, 0.5500 on the same images in inference "
        "mode: 50 steps with a momentum of 0.99 leave 0.61 of the running averages as they started; try --set "
    )
    assert run.record().results["test_accuracy"] < 0.5
    changed = load_complete(run.config, parse_sets(changes_in(hint)))
    (again,) = trained([changed], tmp_path / "again")
    assert again.record().results["test_accuracy"] > 0.85
    assert "batch normalization" not in hint_of(again.record())


@pytest.mark.parametrize("first", [1e-6, 0.001, 0.01, 0.1, 1.0])
def test_repeated_learning_rate_proposals_terminate(trainer, first):
    """Even without progress, no rate is proposed twice."""
    flat = {"loss": [2.303, 2.3025, 2.302], "learning_rate": [0.01] * 3}
    rate, seen = first, set()
    while rate not in seen:
        seen.add(rate)
        optimizer = trainer.experiment.train.optimizer.model_copy(update={"learning_rate": rate})
        train = trainer.experiment.train.model_copy(update={"optimizer": optimizer})
        other = replace(trainer, experiment=trainer.experiment.model_copy(update={"train": train}))
        found = diagnose(other, flat, held_out=outcome_with_accuracy(0.1), training=outcome_with_accuracy(0.1))
        proposed = [change for change in found.changes if "learning_rate" in change]
        if not proposed:
            break
        rate = float(proposed[0].partition("=")[2])
        assert rate not in seen
    assert len(seen) > 1 or first == 0.01


def test_single_example_batches_are_reported_at_the_start_when_the_data_size_was_unknown(tmp_path, capsys):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (33, 8, 8, 1), dtype=np.uint8)
    labels = np.arange(33) % 3
    np.savez(tmp_path / "few.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    data = f"data={{name: npz, file: {tmp_path / 'few.npz'}, image_shape: [8, 8, 1], num_classes: 3, validation: 0}}"
    case = Case("few", "", (data, "model.layers=[flatten, batch_norm, dense: 3]", "train={epochs: 1, batch_size: 16}"))
    run_of(case, tmp_path)
    assert (
        "cnnlab: warning: train.batch_size: the last batch of 33 examples is 1, which batch_norm_1 normalizes to 0 "
        "whatever the image; set batch_size: 17\n"
    ) in capsys.readouterr().err
