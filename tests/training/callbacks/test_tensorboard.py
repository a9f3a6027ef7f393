"""Contents of event files, read with TensorBoard's reader; test_exact_resume.py checks that resuming neither repeats nor
loses events."""

import io

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from cnnlab.config.load import load
from cnnlab.config.overrides import parse_set
from cnnlab.experiment.callbacks import TensorBoard
from cnnlab.runs import Run
from cnnlab.training.callbacks.tensorboard import Events
from cnnlab.training.engine.batch import batch_of
from cnnlab.training.tasks import NewRun
from cnnlab.training.train import train
from cnnlab.training.trainer import Trainer

LAYERS = "[{conv2d: {filters: 4, kernel_size: 3, strides: 2, activation: relu}}, flatten, {dropout: 0.5}, {dense: 10}]"


def experiment_of(*changes):
    base = ("data.limit=200", f"model.layers={LAYERS}", "train.epochs=3", "train.schedule={exponential: 0.5}")
    return load("digits", [parse_set(change) for change in (*base, *changes)])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    changes = (
        "train.callbacks=[tensorboard: {histograms: 2, images: 3}]",
        "preprocessing.augmentation=[{rotation: 10}]",
    )
    return train([NewRun(experiment_of(*changes), "one")], runs)[0].run


def events_of(run, split):
    found = EventAccumulator(str(run.tensorboard / split), size_guidance=dict.fromkeys(("histograms", "images"), 0))
    return found.Reload()


def test_scalars_match_the_tables(run):
    header, *rows = [line.split(",") for line in run.metrics.read_text().splitlines()]
    table = [dict(zip(header, row, strict=True)) for row in rows]
    for split, prefix in (("train", ""), ("validation", "val_")):
        events = events_of(run, split)
        for tag in ("loss", "accuracy"):
            scalars = events.Scalars(tag)
            assert [scalar.step for scalar in scalars] == [1, 2, 3]
            assert [scalar.value for scalar in scalars] == pytest.approx([float(row[prefix + tag]) for row in table])
    rates = [scalar.value for scalar in events_of(run, "train").Scalars("learning_rate")]
    assert rates == pytest.approx([float(row["learning_rate"]) for row in table])


def test_weights_gradients_and_activations_are_written_at_the_epoch_interval(run):
    events = events_of(run, "train")
    weights = ["conv2d_0/bias", "conv2d_0/kernel", "dense_3/bias", "dense_3/kernel"]
    names = [f"{kind}/{name}" for kind in ("gradients", "weights") for name in weights]
    assert sorted(events.Tags()["tensors"]) == names
    for name in names:
        (histogram,) = events.Tensors(name)
        assert histogram.step == 2
        counts = make_ndarray(histogram.tensor_proto)[:, 2].sum()
        sizes = {"kernel": {"conv2d_0": 36, "dense_3": 13 * 13 * 4 * 10}, "bias": {"conv2d_0": 4, "dense_3": 10}}
        _, layer, weight = name.split("/")
        assert counts == sizes[weight].get(layer) or counts > 0
    shares = {tag: events.Scalars(tag)[0].value for tag in events.Tags()["scalars"] if tag.startswith("non_zero/")}
    assert sorted(shares) == [f"non_zero/{name}" for name in ("conv2d_0", "dense_3", "dropout_2", "flatten_1")]
    assert 0 < shares["non_zero/conv2d_0"] < 1
    assert (
        shares["non_zero/conv2d_0"] == shares["non_zero/flatten_1"] == shares["non_zero/dropout_2"]
    )  # without dropout


def test_the_graph_and_the_first_training_images_are_written(run):
    events = events_of(run, "train")
    assert any(node.op == "Conv2D" for node in events.Graph().node)
    tags = sorted(events.Tags()["images"])
    experiment = load(str(run.config))
    from cnnlab import data

    dataset = data.load(experiment.data)
    batch = batch_of(experiment, dataset.train, 0, most=3)
    labels = dataset.train.labels[batch.numbers]
    assert tags == [f"examples/{number:02} {label}" for number, label in enumerate(labels, start=1)]
    (image,) = events.Images(tags[0])
    pixels = np.asarray(Image.open(io.BytesIO(image.encoded_image_string)))
    assert np.abs(pixels / 255 - batch.inputs.numpy()[0, :, :, 0]).max() <= 0.5 / 255 + 1e-6


def test_writing_events_changes_no_number(tmp_path, run):
    plain = train([NewRun(experiment_of("preprocessing.augmentation=[{rotation: 10}]"), "plain")], tmp_path)[0].run
    assert plain.weights.read_bytes() == run.weights.read_bytes()
    assert plain.predictions("test").read_bytes() == run.predictions("test").read_bytes()
    assert not plain.tensorboard.exists()


def test_shares_of_non_zero_outputs_match_the_layers(tmp_path):
    trainer = Trainer.from_experiment(experiment_of())
    images = trainer.dataset.train.images[:32]
    shares = {
        value.tag: value.simple_value for value in Events(TensorBoard(examples=32), trainer, Run(tmp_path))._inspect()
    }
    first = trainer.model.layers[1]
    expected = float(np.mean(first(images.astype(np.float32) / 255).numpy() != 0))
    assert 0 < expected < 1
    assert shares[f"non_zero/{first.name}"] == pytest.approx(expected)
