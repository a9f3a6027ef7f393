"""Networks that start from the weights of another run."""

import shutil

import keras
import numpy as np
import pytest
import safetensors.numpy

from cnnlab.cli import main
from cnnlab.config.load import load_file, read_file
from cnnlab.config.overrides import parse_set
from cnnlab.models import weights
from cnnlab.runs import Run
from cnnlab.training.trainer import Trainer

LAYERS = "[{conv2d: {filters: 4, kernel_size: 3}}, batch_norm, {activation: relu}, {conv2d: {filters: 4, kernel_size: 3}}, flatten, {dense: %d}]"
EXPERIMENT = """\
data: {name: synthetic, image_shape: [8, 8, 1], num_classes: %d, train_examples: 60, test_examples: 20, validation: 12}
model:
  layers: %s
  %s
train: {epochs: 1, batch_size: 16, optimizer: {sgd: {learning_rate: 0.05, momentum: 0.9, weight_decay: 0.1}}}
"""


def write(path, pretrained="", classes=3):
    path.write_text(EXPERIMENT % (classes, LAYERS % classes, pretrained and f"pretrained: {pretrained}"))
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The run that others start from, of five classes, and the folder of experiments beside it."""
    folder = tmp_path_factory.mktemp("pretrained")
    path = write(folder / "source.yaml", classes=5)
    assert main(["train", str(path), "--runs", str(folder / "runs"), "--name", "source", "-q"]) == 0
    return Run(folder / "runs/source")


def trainer_of(source, pretrained, *changes):
    path = write(source.path.parents[1] / "target.yaml", pretrained)
    return Trainer.from_experiment(read_file(path, [parse_set(change) for change in changes]).experiment)


def values(trainer):
    return {name: weight.numpy() for name, weight in weights.named(trainer.model).items()}


def test_layers_that_match_start_from_the_weights_and_others_at_random(source):
    there = weights.read(source.weights)
    trainer = trainer_of(source, "{from: runs/source}")
    here = values(trainer)
    for name in there:
        if not name.startswith("dense_5"):
            np.testing.assert_array_equal(here[name], there[name])
    scratch = values(trainer_of(source, ""))
    np.testing.assert_array_equal(here["dense_5/kernel"], scratch["dense_5/kernel"])
    again = values(trainer.reset(trainer.experiment.model_copy(update={"seed": 1})))
    np.testing.assert_array_equal(again["conv2d_0/kernel"], there["conv2d_0/kernel"])
    assert not np.array_equal(again["dense_5/kernel"], scratch["dense_5/kernel"])


def trained(trainer):
    before = values(trainer)
    list(trainer.engine.epoch(0))
    after = values(trainer)
    return {name: after[name] - before[name] for name in before}


def test_frozen_layers_keep_their_weights_and_the_state_of_their_batch_normalization(source):
    changes = trained(trainer_of(source, "{from: runs/source, freeze: {until: batch_norm_1}}"))
    frozen = {name for name, change in changes.items() if not change.any()}
    assert frozen == {name for name in changes if name.startswith(("conv2d_0", "batch_norm_1"))}
    assert {
        n for n, c in trained(trainer_of(source, "{from: runs/source, freeze: [conv2d_3]}")).items() if not c.any()
    } == {
        "conv2d_3/kernel",
        "conv2d_3/bias",
    }


def test_frozen_batch_normalization_computes_as_in_inference(source):
    model = trainer_of(source, "{from: runs/source, freeze: true}").model
    images = np.random.default_rng(0).random((4, 8, 8, 1), np.float32)
    np.testing.assert_array_equal(model(images, training=True), model(images, training=False))


@pytest.mark.parametrize(
    "optimizer",
    ["{sgd: {momentum: 0.9, weight_decay: 0.1}}", "{adamw: {weight_decay: 0.1}}", "{rmsprop: {momentum: 0.5}}"],
)
def test_the_factor_multiplies_the_whole_step_of_the_layers_that_match(source, optimizer):
    step = f"train.optimizer={optimizer}", "train.batch_size=49"
    usual = trained(trainer_of(source, "{from: runs/source}", *step))
    slowed = trained(trainer_of(source, "{from: runs/source, learning_rate_factor: 0.25}", *step))
    for name in ("conv2d_0/kernel", "batch_norm_1/gamma", "conv2d_3/kernel"):
        np.testing.assert_allclose(slowed[name], 0.25 * usual[name], rtol=2e-3, atol=3e-8)
    np.testing.assert_allclose(slowed["dense_5/kernel"], usual["dense_5/kernel"], rtol=1e-6)


def test_what_starts_from_what_is_said_and_recorded(source, cnnlab, tmp_path):
    config = write(
        source.path.parents[1] / "said.yaml", "{from: runs/source, freeze: [conv2d_0], learning_rate_factor: 0.1}"
    )
    code, _, err = cnnlab("train", config, "--runs", tmp_path, "--name", "said")
    assert code == 0
    assert (
        f"3 of 4 layers with weights (204 of 399 parameters) start from {source.path}; 1 of them frozen; learning rate × 0.1 for 2"
        in " ".join(err.split())
    )
    assert "dense_5 starts from random weights: bias is (5,) there, (3,) here" in err
    recorded = Run(tmp_path / "said").record().experiment.raw["model"]["pretrained"]
    assert recorded["from"] == str(source.path)
    assert recorded["layers"] == ["conv2d_0", "batch_norm_1", "conv2d_3"]
    assert len(recorded["sha256"]) == 64
    keras.models.load_model(tmp_path / "said/model.keras")  # with the classes that Keras knows
    assert "parameters: 351 trainable, 48 not" in cnnlab("describe", config)[1]


def test_a_run_outlives_its_source_but_cannot_be_trained_again_without_it(source, cnnlab, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(source.path, moved)
    config = write(tmp_path / "target.yaml", "{from: moved}")
    for number in ("a", "b"):
        assert cnnlab("train", config, "--runs", tmp_path / "runs", "--name", number, "-q")[0] == 0
        renamed = tmp_path / number / "moved"
        renamed.parent.mkdir()
        if number == "a":
            shutil.move(moved, renamed)
            config = write(tmp_path / "target.yaml", "{from: a/moved}")
    run = tmp_path / "runs/a"
    assert cnnlab("evaluate", run)[0] == 0
    out = cnnlab("compare", tmp_path / "runs")[1]
    assert "runs/b is the same experiment with the same seed" in " ".join(out.split())  # weights in another place
    code, _, err = cnnlab("verify", run)
    assert code != 0
    assert f"{moved}: no such run folder or file" in err
    assert cnnlab("verify", tmp_path / "runs/b")[0] == 0


PROBLEMS = {
    "{from: nowhere}": "nowhere: no such run folder or file; expected such as runs/lenet-1",
    "{from: source.yaml}": "not a safetensors file",
    "{from: runs}": "has no weights.safetensors",
    "{from: runs/source, freeze: [conv2d_9]}": "the network has no layer 'conv2d_9'; did you mean",
    "{from: runs/source, freeze: [dense_5]}": "dense_5 does not start from pretrained weights",
    "{from: runs/source, freeze: {until: nothing}}": "the network has no layer 'nothing'",
    "{from: runs/source, freeze: [conv2d_0, batch_norm_1, conv2d_3], learning_rate_factor: 0.1}": "every layer that matches is frozen",
    "{from: runs/source, freeze: 3}": "expected true, false, a list of layers",
    "{from: runs/source, freeze: true, learning_rate_factor: 0.1}": "has no effect with freeze: true",
    "{from: runs/source, layers: [dense_5]}": "dense_5: bias is (5,) there, (3,) here",
    "{from: other.safetensors}": "no layer of the network matches",
    "{from: runs/source, sha256: " + 64 * "0" + "}": "it is not the file that this experiment started from",
}


@pytest.mark.parametrize("pretrained", PROBLEMS)
def test_a_wrong_start_is_an_error_of_one_line(source, cnnlab, pretrained):
    folder = source.path.parents[1]
    safetensors.numpy.save_file({"conv2d_0/kernel": np.zeros((5, 5, 1, 4), np.float32)}, folder / "other.safetensors")
    config = write(folder / "wrong.yaml", pretrained)
    code, _, err = cnnlab("train", config, "--runs", folder / "none")
    assert code == 2
    assert PROBLEMS[pretrained] in err
    assert len(err.splitlines()) == 1
    assert not (folder / "none").exists()


def test_changes_of_a_search_space_match_anew(source):
    from cnnlab.config.load import changed

    config = read_file(write(source.path.parents[1] / "space.yaml", "{from: runs/source}"))
    other = changed(config, [parse_set("model.layers[3].conv2d.filters=6")])
    assert other.experiment.model.pretrained.layers == ["conv2d_0", "batch_norm_1"]
    assert changed(config, [parse_set("model.pretrained=null")]).experiment.model.pretrained is None
    assert load_file(config.path) == config.experiment
