"""A trained network from its run folder."""

from dataclasses import dataclass
from functools import cached_property

import keras
import numpy as np

from cnnlab import data
from cnnlab.data import Dataset, fingerprint
from cnnlab.errors import RunError
from cnnlab.experiment.data import num_outputs
from cnnlab.experiment.schema import Experiment, Precision
from cnnlab.models import weights
from cnnlab.models.build import Inputs, build_for
from cnnlab.models.determinism import make_deterministic
from cnnlab.models.inference import ForwardPass
from cnnlab.runs import Run
from cnnlab.runs.experiment import BYTES, HEADERS, check_finished, experiment_of, parameters_of
from cnnlab.runs.record import RECORD, RunRecord
from cnnlab.terminal import note


@dataclass(frozen=True)
class LoadedModel:
    """A trained network: `model` takes images (n, height, width, channels) float32 in [0, 1]."""

    record: RunRecord
    experiment: Experiment
    model: keras.Model
    class_names: tuple[str, ...]
    forward: ForwardPass

    @cached_property
    def gives_probabilities(self) -> bool:
        """Whether the scores of an image sum to 1, by those of a black one; otherwise they may be any numbers."""
        black = np.zeros((1, *self.experiment.data.image_shape), np.uint8)
        return self.forward.are_probabilities(self.forward.scores(black))


def load_model(run: Run, precision: Precision | None = None, *, averages: bool = True) -> LoadedModel:
    """The network of a finished run, with its final weights, from the run folder alone.

    It computes in `precision`, by default that of its training. Unless it `averages`, its scores are those of images as
    they are, also where the experiment has `test_time`, which is said. The data set is read only for runs of version
    0.1.0 with `scale: standardize`, whose record lacks the statistics of the pixels. Raises RunError where the run did
    not finish or its files are damaged or contradict each other.
    """
    record = run.record()
    check_finished(record)
    experiment = experiment_of(run)
    parameters = parameters_of(run, experiment)
    arrays = weights.read(run.weights, 2 * BYTES * parameters + HEADERS)
    if parameters > 2 * (size := sum(array.size for array in arrays.values())):  # before memory is taken for them
        raise RunError(f"{run.weights}: {size:,} weights; the network of config.yaml has {parameters:,}")
    class_names = record.data.class_names
    if len(class_names) != (expected := num_outputs(experiment.data)):
        raise RunError(f"{run.path}: run.json: damaged: {len(class_names)} classes; config.yaml has {expected}")
    make_deterministic(experiment.seed)
    if precision is not None:
        train = experiment.train.model_copy(update={"precision": precision})
        experiment = experiment.model_copy(update={"train": train})
    model = build_for(experiment, _inputs(record, experiment))
    weights.assign(model, arrays, run.weights)
    test_time = experiment.test_time if averages else None
    if experiment.test_time and not averages:
        note(f"{run.path}: shown without test_time: for images as they are, not the mean of their views")
    forward = ForwardPass(model, experiment.train.loss, test_time)
    return LoadedModel(record, experiment, model, class_names, forward)


def load_dataset(record: RunRecord, experiment: Experiment) -> Dataset:
    """The data set that a run was trained on. Raises RunError where it is another one by now."""
    dataset = data.load(experiment.data)
    check_same_data(record, dataset)
    return dataset


def load_test_examples(record: RunRecord, experiment: Experiment) -> Dataset:
    """The data set with the test examples of a run, but not with its other splits, which takes longer.

    Raises RunError where the test examples are others by now.
    """
    # Validating on the test set holds nothing out, which needs scikit-learn: a second.
    dataset = data.load(experiment.data.model_copy(update={"validation": "test", "train_sizes": None}))
    check_same_test_examples(record, dataset)
    return dataset


def check_same_test_examples(record: RunRecord, dataset: Dataset) -> None:
    """Raise RunError where the test examples of `dataset` are not those of the run, saying how they differ."""
    now = fingerprint.record(Dataset(dataset.name, dataset.test, None, dataset.test, dataset.class_names))
    then, here = (raw["splits"]["test"] for raw in (record.data.raw, now))
    is_same = all(then[key] == here[key] for key in ("pictures", "labels"))
    recorded = {**record.data.raw, "splits": {"test": then}, "fingerprint": now["fingerprint"] if is_same else ""}
    _raise_differences(record, dataset, fingerprint.differences(recorded, {**now, "splits": {"test": here}}))


def check_same_data(record: RunRecord, dataset: Dataset) -> None:
    """Raise RunError where `dataset` is not what the run was trained on, saying how it differs."""
    _raise_differences(record, dataset, fingerprint.differences(record.data.raw, fingerprint.record(dataset)))


def _raise_differences(record: RunRecord, dataset: Dataset, differences: list[str]) -> None:
    if not differences:
        return
    then, here = record.data.place, dataset.origin.place
    advice = "set CNNLAB_DATA_DIR to the data of the run" + (f", which were in {then}" if then else "")
    if then == here:
        advice = f"put those back into {then}"
    raise RunError(
        f"{record.run.path}: was trained on other examples of {dataset.name} than are here: {'; '.join(differences)}; "
        f"{advice}"
    )


def _inputs(record: RunRecord, experiment: Experiment) -> Inputs:
    shape, classes = experiment.data.image_shape, num_outputs(experiment.data)
    if experiment.preprocessing.scale != "standardize":
        return Inputs(shape, classes)
    path, statistics = record.run.path, record.pixel_statistics
    if statistics is None:
        note(f"{path}: run.json has no pixel statistics, as of version 0.1.0; they are measured on the data set")
        return Inputs.from_dataset(load_dataset(record, experiment), experiment.preprocessing)
    if not len(statistics.mean) == len(statistics.std) == shape[-1]:
        raise RunError(
            f"{path / RECORD}: damaged: 'pixel_statistics' is of {len(statistics.mean)} channels; expected {shape[-1]}"
        )
    return Inputs(shape, classes, statistics.mean, statistics.std)
