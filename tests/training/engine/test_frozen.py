"""The outputs of frozen layers are computed once, with the results of computing them in every step."""

from pathlib import Path

import numpy as np
import pytest

from cnnlab.config.pretrained import completed
from cnnlab.errors import DataError
from cnnlab.experiment.schema import Experiment
from cnnlab.models import weights
from cnnlab.training import trainer as trainers
from cnnlab.training.trainer import Trainer

CONV = {"conv2d": {"filters": 4, "kernel_size": 3}}
DATA = {"name": "synthetic", "image_shape": [32, 32, 3], "num_classes": 3, "train_examples": 61, "test_examples": 8, "validation": 12}  # fmt: skip
BACKBONE = {"backbone": {"name": "mobilenet_v2", "freeze": True}}


def experiment_of(layers, **sections):
    train = {"batch_size": 16, "optimizer": {"adam": 0.01}, **sections.pop("train", {})}
    plain = {"name": "x", "data": DATA, "model": {"layers": layers}, "train": train, **sections}
    return completed(Experiment.model_validate(plain), [Path()])


def trained(experiment, epochs=2, trainer=None):
    trainer = trainer or Trainer.from_experiment(experiment)
    losses = [list(trainer.engine.epoch(epoch))[-1].loss for epoch in range(epochs)]
    return trainer, losses, {name: weight.numpy() for name, weight in weights.named(trainer.model).items()}


LAYERS = [
    CONV,
    {"activation": "relu"},
    {"max_pool2d": 2},
    {"conv2d": {"filters": 8, "kernel_size": 3}},
    "global_avg_pool2d",
    {"dense": 3},
]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "source.safetensors"
    weights.save(trained(experiment_of(LAYERS), epochs=1)[0].model, path)
    return path


def started(source, freeze, layers=LAYERS, **sections):
    model = {
        "layers": layers,
        "pretrained": {"from": str(source), "freeze": freeze, "layers": ["conv2d_0", "conv2d_3"]},
    }
    return experiment_of(layers, model=model, **sections)


@pytest.mark.parametrize("devices", [1, 2])
def test_results_are_those_without_the_cache(source, monkeypatch, devices):
    layers = [*LAYERS[:-1], {"dropout": 0.2}, LAYERS[-1]] if devices == 1 else LAYERS
    experiment = started(source, True, layers, train={"devices": devices})
    cached, losses, found = trained(experiment)
    assert cached.engine._frozen.last == "global_avg_pool2d_4"
    monkeypatch.setattr(trainers, "choose_frozen", lambda *arguments: (None, ""))
    uncached, expected_losses, expected = trained(experiment)
    assert uncached.engine._frozen is None
    assert losses == pytest.approx(expected_losses, rel=1e-5)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-5, err_msg=name)


def test_the_next_seed_has_the_features_of_its_own_weights():
    layers = [BACKBONE, "global_avg_pool2d", {"dense": 3}]
    first, losses, _ = trained(experiment_of(layers), epochs=1)
    again = first.reset(first.experiment.model_copy(update={"seed": 1}))
    _, others, found = trained(again.experiment, epochs=1, trainer=again)
    _, expected, values = trained(experiment_of(layers, seed=1), epochs=1)
    assert others == expected != losses
    np.testing.assert_array_equal(found["dense_2/kernel"], values["dense_2/kernel"])


def test_features_streamed_from_a_file_give_the_same_bits_as_resident_ones(source, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    results = [
        trained(started(source, True, train={"input_pipeline": where, "batch_size": 20}))
        for where in ("resident", "streamed")
    ]
    (resident, losses, found), (streamed, same_losses, same) = results
    assert resident.placement.why == "0.0 MB of global_avg_pool2d_4 resident, as the experiment says"
    assert (resident.engine._streamed is None, streamed.engine._images is None) == (True, True)
    assert losses == same_losses
    for name, values in found.items():
        np.testing.assert_array_equal(same[name], values)
    assert list((tmp_path / "cnnlab").iterdir()) == []


def test_a_folder_that_cannot_have_the_features_is_an_error(source, tmp_path, monkeypatch):
    (tmp_path / "cnnlab").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    trainer = Trainer.from_experiment(started(source, True, train={"input_pipeline": "streamed"}))
    with pytest.raises(DataError, match=r"cnnlab: no file of 0.0 MB for the outputs of global_avg_pool2d_4: "):
        list(trainer.engine.epoch(0))


@pytest.mark.parametrize(
    ("freeze", "sections", "about"),
    [
        (True, {}, "frozen up to global_avg_pool2d_4: its outputs, 8 per example, are computed once, before"),
        (
            ["conv2d_0"],
            {},
            "frozen up to max_pool2d_2: its outputs, 15 × 15 × 4 per example, are computed once, before",
        ),
        (["conv2d_3"], {}, ""),
        (
            True,
            {"preprocessing": {"augmentation": ["horizontal_flip"]}},
            "frozen up to global_avg_pool2d_4: its outputs are computed in every step, since augmentation changes",
        ),
        (
            True,
            {"train": {"adversarial": {"epsilon": 0.1}}},
            "frozen up to global_avg_pool2d_4: its outputs are computed in every step, since adversarial training changes",
        ),
    ],
)
def test_whether_they_are_computed_once_is_said(source, freeze, sections, about):
    trainer = Trainer.from_experiment(started(source, freeze, **sections))
    assert trainer.about_frozen.startswith(about)
    assert (trainer.engine._frozen is not None) == ("computed once" in about)


def test_outputs_much_larger_than_the_images_are_not_kept(source):
    network = [{"conv2d": {"filters": 99, "kernel_size": 3, "padding": "same"}}, "flatten", {"dense": 3}]
    path = source.with_name("large.safetensors")
    weights.save(trained(experiment_of(network), epochs=1)[0].model, path)
    pretrained = {"from": str(path), "freeze": True, "layers": ["conv2d_0"]}
    trainer = Trainer.from_experiment(experiment_of(network, model={"layers": network, "pretrained": pretrained}))
    assert trainer.about_frozen.endswith("every step, since they take more than 16 times the memory of the images")


def test_a_network_without_frozen_layers_says_nothing():
    trainer = Trainer.from_experiment(experiment_of(LAYERS))
    assert trainer.about_frozen == ""
    assert trainer.engine._frozen is None
