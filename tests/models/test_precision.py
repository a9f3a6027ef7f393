import json

import keras
import numpy as np
import pytest

from cnnlab import data
from cnnlab.config.load import load
from cnnlab.config.overrides import parse_set
from cnnlab.models.build import Inputs, attach_optimizer, build, build_for
from cnnlab.models.inference import ForwardPass
from cnnlab.training.engine.engine import Engine
from tests.conftest import invoke

HALF = {"mixed_bfloat16": "bfloat16", "mixed_float16": "float16"}
TOLERANCES = {
    "mixed_bfloat16": 0.05,
    "mixed_float16": 0.2,
}  # the first steps overflow in float16: the initial loss scale is too large
LAYERS = (
    "model.layers=[{conv2d: {filters: 8, kernel_size: 3, activation: relu}}, batch_norm, {max_pool2d: 2},"
    " {residual: [{conv2d: {filters: 8, kernel_size: 3, padding: same}}]}, flatten, {dropout: 0.1},"
    " {dense: {units: 16, activation: relu}}, {dense: 10}]"
)
CHANGES = (LAYERS, "preprocessing.scale=minus_one_one", "preprocessing.zero_padding=1", "train.optimizer={adam: 0.005}")


def experiment_of(precision, *changes):
    return load("digits", [parse_set(change) for change in (*CHANGES, f"train.precision={precision}", *changes)])


def model_of(precision, *changes):
    experiment = experiment_of(precision, *changes)
    keras.utils.set_random_seed(0)
    return build(
        experiment.model, (8, 8, 1), 10, name="model", zero_padding=1, scaling=(2.0, -1.0), precision=precision
    )


@pytest.mark.parametrize("precision", HALF)
def test_hidden_layers_compute_in_half_precision_and_everything_else_in_float32(precision):
    model = model_of(precision)
    assert {variable.dtype for variable in model.weights} == {"float32"}
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    first, *hidden, last = layers
    kinds = {layer.name: layer.compute_dtype for layer in hidden}
    assert kinds.pop("input_scaling") == first.compute_dtype == "float32"
    assert len(kinds) >= 7
    assert set(kinds.values()) == {HALF[precision]}
    assert isinstance(last, keras.layers.Dense)
    assert last.compute_dtype == "float32"
    assert model.output.dtype == "float32"
    outputs = model(np.random.default_rng(0).random((3, 8, 8, 1), np.float32))
    assert outputs.dtype == "float32"
    # Half precision would leave the last bits of each number zero.
    rounded = keras.ops.cast(keras.ops.cast(outputs, HALF[precision]), "float32")
    assert (rounded.numpy() != outputs.numpy()).mean() > 0.9


def test_full_precision_uses_no_half_precision():
    assert {layer.compute_dtype for layer in model_of("float32").layers} == {"float32"}


@pytest.mark.parametrize("precision", HALF)
def test_the_same_seed_gives_the_same_weights_in_every_precision(precision):
    for mine, other in zip(model_of(precision).weights, model_of("float32").weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), other.numpy())


@pytest.mark.parametrize("precision", HALF)
def test_a_last_layer_that_is_not_dense_is_in_float32_too(precision):
    changes = "model.layers=[{conv2d: {filters: 10, kernel_size: 3}}, global_avg_pool2d]"
    model = model_of(precision, changes)
    assert [layer.compute_dtype for layer in model.layers[-2:]] == [HALF[precision], "float32"]
    assert model.output.dtype == "float32"


def test_only_float16_scales_the_loss():
    for precision, scales in {"float32": False, "mixed_bfloat16": False, "mixed_float16": True}.items():
        model = model_of(precision)
        attach_optimizer(model, experiment_of(precision).train)
        assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) is scales
        assert {variable.dtype for variable in model.optimizer.variables} <= {"float32", "int32", "int64"}


def losses_of(precision):
    experiment = experiment_of(precision, "data.limit=500")
    dataset = data.load(experiment.data)
    keras.utils.set_random_seed(0)
    model = build_for(experiment, Inputs.from_dataset(dataset, experiment.preprocessing))
    attach_optimizer(model, experiment.train)
    engine = Engine(model, experiment.train.loss, dataset.train, batch_size=50, seed=0)
    losses = [list(engine.epoch(epoch))[-1].loss for epoch in range(4)]
    return losses, ForwardPass(model, experiment.train.loss)(dataset.test)


@pytest.fixture(scope="module")
def full_precision_losses():
    return losses_of("float32")


@pytest.mark.parametrize("precision", HALF)
def test_training_in_half_precision_is_close_to_full_precision(full_precision_losses, precision):
    losses, outcome = losses_of(precision)
    assert losses[0] != full_precision_losses[0][0]
    np.testing.assert_allclose(losses, full_precision_losses[0], rtol=TOLERANCES[precision])
    assert losses[-1] < 0.5 * losses[0]
    assert outcome.accuracy == pytest.approx(full_precision_losses[1].accuracy, abs=0.1)


@pytest.mark.parametrize("precision", ["mixed_bfloat16"])
def test_a_saved_run_is_evaluated_in_its_precision(tiny, tmp_path, precision):
    done = invoke("train", tiny, "--precision", precision, "--quiet", "--format", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    trained = json.loads(done.stdout)
    record = json.loads((tmp_path / "runs/tiny-1/run.json").read_text())
    assert record["experiment"]["train"]["precision"] == precision
    again = invoke("evaluate", "runs/tiny-1", "--format", "json", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    measured = json.loads(again.stdout)
    assert (measured["accuracy"], measured["loss"]) == (trained["accuracy"], trained["loss"])
    saved = keras.models.load_model(tmp_path / "runs/tiny-1/model.keras", compile=False)
    assert saved.layers[1].compute_dtype == HALF[precision]
    assert {variable.dtype for variable in saved.weights} == {"float32"}
