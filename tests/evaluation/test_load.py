import numpy as np
import pytest

from cnnlab import data
from cnnlab.config.load import load
from cnnlab.config.overrides import parse_set
from cnnlab.errors import RunError
from cnnlab.evaluation.load import load_dataset, load_model
from cnnlab.models.inference import ForwardPass
from cnnlab.runs import Run
from cnnlab.training.tasks import NewRun
from cnnlab.training.train import train

CHANGES = (
    "model.layers=[{conv2d: {filters: 2, kernel_size: 5, strides: 4}}, flatten, {dense: 10}]",
    "preprocessing.scale=standardize",
    "train.epochs=1",
    "data.limit=200",
)


@pytest.fixture(scope="module")
def standardized(tmp_path_factory):
    """A run with `scale: standardize`."""
    experiment = load("digits", [parse_set(change) for change in CHANGES])
    return train([NewRun(experiment, "run")], tmp_path_factory.mktemp("runs"))[0].run


@pytest.fixture
def without_data(monkeypatch):
    """Make loading a data set fail."""

    def refuse(*_, **__):
        raise AssertionError("the data set was loaded")

    monkeypatch.setattr(data, "load", refuse)


def test_a_network_is_loaded_from_its_run_folder_without_data(standardized, without_data):
    loaded = load_model(standardized)
    assert loaded.class_names == tuple("0123456789")
    assert loaded.experiment.seed == 0
    images = np.random.default_rng(0).integers(0, 256, (300, 28, 28, 1), dtype=np.uint8)
    scores = loaded.forward.scores(images)
    assert scores.shape == (300, 10)
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(loaded.forward.scores(images[256:]), scores[256:])


def test_a_loaded_network_gives_the_saved_accuracy(standardized):
    loaded = load_model(standardized)
    outcome = loaded.forward(load_dataset(loaded.record, loaded.experiment).test)
    assert outcome.accuracy == standardized.record().results["test_accuracy"]
    assert outcome.loss == standardized.record().results["test_loss"]
    assert isinstance(loaded.forward, ForwardPass)


def test_statistics_missing_in_an_older_record_are_computed_from_the_data(standardized, capsys):
    statistics = standardized.record().raw["pixel_statistics"]
    images = np.random.default_rng(1).integers(0, 256, (8, 28, 28, 1), dtype=np.uint8)
    expected = load_model(standardized).forward.scores(images)
    standardized.update({"pixel_statistics": None})
    try:
        found = load_model(standardized).forward.scores(images)
    finally:
        standardized.update({"pixel_statistics": statistics})
    np.testing.assert_array_equal(found, expected)
    assert "measured on the data set" in capsys.readouterr().err


@pytest.mark.parametrize("damaged", [{"mean": [0.5, 0.5], "std": [0.2, 0.2]}, {"mean": [0.5], "std": ["x"]}])
def test_damaged_statistics_are_an_error_that_names_them(standardized, damaged):
    statistics = standardized.record().raw["pixel_statistics"]
    content = (standardized.path / "run.json").read_bytes()
    try:
        standardized.create({**standardized.record().raw, "pixel_statistics": damaged})
        with pytest.raises(RunError, match=r"run\.json: damaged: 'pixel_statistics"):
            load_model(Run(standardized.path))
    finally:
        (standardized.path / "run.json").write_bytes(content)
    assert standardized.record().raw["pixel_statistics"] == statistics
