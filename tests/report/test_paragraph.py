"""The paragraph on methods and result states what the runs record, and nothing else."""

import json
import re

import pytest

from cnnlab.analysis.significance import estimate
from cnnlab.config.load import to_dict
from cnnlab.experiment.schema import Experiment
from cnnlab.report.build import of_one
from cnnlab.report.paragraph import paragraph
from tests.conftest import assert_one_line, make_run

EXPERIMENT = {
    "name": "tiny",
    "data": {
        "name": "folder",
        "path": "hands",
        "image_size": 8,
        "num_classes": 10,
        "group": {"rounds": "IMG_([0-9]+)"},
    },
    "preprocessing": {"augmentation": ["horizontal_flip"]},
    "model": {"layers": ["flatten", {"dense": 10}]},
    "train": {"epochs": 7, "optimizer": {"adam": 0.004}, "class_weights": "balanced"},
    "seed": 3,
}
MEASURED = {"accuracy": 0.75, "loss": 1.0, "balanced_accuracy": 0.7, "macro_f1": 0.7125, "weighted_f1": 0.7}


def finished(folder, name="tiny-1", seed=3, accuracy=0.75, **data):
    """A finished run of the experiment, tested on 40 images."""
    given = {**EXPERIMENT, "seed": seed, "data": {**EXPERIMENT["data"], **data}}
    record = {
        "status": "finished",
        "experiment": to_dict(Experiment.model_validate(given)),
        "parameters": 650,
        "multiplications": 640,
        "data": {
            "place": "/photos/hands",
            "resolved": {"groups": {"train": 12, "test": 4}},
            "splits": {"train": {"examples": 120}, "test": {"examples": 40}},
        },
        "results": {"test_accuracy": accuracy, "test_loss": 1.0},
        "test_uses": [{"by": "train"}],
        "versions": {"cnnlab": "9.8.7", "keras": "3.0"},
    }
    return make_run(folder, "tiny", name, record)


def test_it_states_data_network_training_result_and_versions(tmp_path):
    run = finished(tmp_path)
    classes = [{"class": str(n), "precision": 1.0, "recall": 1.0, "f1": 1.0, "examples": 4} for n in range(10)]
    found = {**MEASURED, "examples": 40, "accuracy_interval": [0.6, 0.9], "classes": classes}
    (run.path / "evaluation").mkdir()
    (run.path / "evaluation/test.json").write_text(json.dumps({**found, "confusion_matrix": [[0] * 10] * 10}))
    text = paragraph([run.record()])
    for part in (
        "The data set 'hands' has 160 images in 10 classes, of 8×8 pixels",
        "Of them 120 are for training and 40 are for testing.",
        "in 16 groups (rounds(pattern=IMG_([0-9]+))), none of which is divided between splits: 12 in train and 4 in test",
        "changed at random in every epoch: horizontal_flip",
        "flatten, dense (units 10)",
        "650 parameters and needs 640 multiplications",
        "for 7 epochs, with adam (learning rate 0.004), in batches of 128 images, to minimize cross-entropy",
        "The random seed was 3.",
        "train: class_weights=balanced",
        "The accuracy on 40 test images was 75.00 % (95 % interval 60.00 % to 90.00 %",
        "macro F1 was 0.7125",
        "The test set was used once.",
        "cnnlab 9.8.7 and Keras 3.0",
    ):
        assert part in text
    assert "/photos" not in text


def test_several_seeds_have_a_mean_with_its_interval(tmp_path):
    values = [0.7, 0.75, 0.8]
    runs = [finished(tmp_path, f"tiny-{n}", seed=n, accuracy=value) for n, value in enumerate(values)]
    mean, text = estimate(values), paragraph([run.record() for run in runs])
    assert f"75.00 % ± {mean.std:.2%}".replace("%", " %").replace("  ", " ") in text
    assert f"over 3 seeds, 95 % interval of the mean {100 * mean.low:.2f} % to {100 * mean.high:.2f} %" in text
    assert "The random seeds were 0, 1 and 2." in text


def test_folds_are_no_test_set(tmp_path):
    runs = [
        finished(tmp_path, f"tiny-{n}", accuracy=0.7 + n / 100, fold={"number": n, "of": 3, "seed": 0})
        for n in (1, 2, 3)
    ]
    text = paragraph([run.record() for run in runs])
    assert "divided into 3 folds, each group in one fold" in text
    mean = estimate([0.71, 0.72, 0.73], folds=3)
    assert (
        f"over 3 folds, 95 % interval of the mean {100 * mean.low:.2f} % to {100 * mean.high:.2f} %, corrected" in text
    )
    assert "The test set was used" not in text


def test_little_that_is_recorded_makes_a_short_paragraph(tmp_path):
    record = make_run(tmp_path, "tiny", "tiny-0", {"status": "finished"}).record()
    text = paragraph([record])
    assert "trained for 2 epochs" in text
    assert "accuracy" not in text
    assert not re.search("None|nan", text)


def test_the_page_has_it_where_the_run_is_finished(tmp_path):
    keys = [section.key for section in of_one(finished(tmp_path).record()).sections]
    assert keys.index("paragraph") < keys.index("checklist")
    unfinished = make_run(tmp_path, "tiny", "tiny-2", {"status": "interrupted"}).record()
    assert "paragraph" not in [section.key for section in of_one(unfinished).sections]


def test_it_is_printed(cnnlab, tmp_path):
    finished(tmp_path)
    assert cnnlab("report", "tiny-1", "--format", "text").stdout.startswith("The data set 'hands' has 160 images")
    refused = cnnlab("report", "tiny-1", "--format", "text", "--out", "x.txt")
    assert_one_line(refused, 2, "--out: not with --format text, which is printed")
    make_run(tmp_path / "other", "tiny", "tiny-2", {"status": "interrupted"})
    assert_one_line(cnnlab("report", "other", "--format", "text"), 1, "other: no finished run")


@pytest.mark.parametrize("layers", [12, 13])
def test_many_layers_are_only_counted(tmp_path, layers):
    run = finished(tmp_path)
    raw = run.record().raw
    model = {"layers": [{"dense": {"units": 10}}] * layers}
    run.create({**raw, "experiment": {**raw["experiment"], "model": model}})
    assert ("The network consists of 13 dense." in paragraph([run.record()])) == (layers == 13)
