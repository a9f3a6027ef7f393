import keras
import numpy as np
import pytest
import safetensors.numpy

from cnnlab.config.load import load
from cnnlab.config.overrides import parse_set
from cnnlab.data import Examples
from cnnlab.errors import ConfigError, RunError
from cnnlab.experiment.losses import CrossEntropy, MeanSquaredError
from cnnlab.models import weights
from cnnlab.models.build import attach_optimizer, build
from cnnlab.models.inference import ForwardPass


def model_of(name, *changes):
    experiment = load(name, [parse_set(change) for change in changes])
    return build(experiment.model, (28, 28, 1), 10, name="model")


def test_layers_are_named_by_kind_and_position():
    assert [layer.name for layer in model_of("fc").layers] == ["image", "flatten_0", "dense_1"]


def test_truncated_normal_matches_the_slides():
    keras.utils.set_random_seed(0)
    kernel = model_of("fc").layers[-1].kernel.numpy()
    assert np.abs(kernel).max() <= 0.2 + 1e-6  # truncated at two standard deviations of 0.1
    assert kernel.std() == pytest.approx(
        0.088, abs=0.003
    )  # std of a normal distribution truncated at two standard deviations: 0.88 of the original


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("model.layers[7].dense.units=12", "model.layers: the network ends in (12,); expected (10,), one output per class"),
        ("model.layers[2].conv2d.kernel_size=15", "model.layers[2].conv2d: empty output: its window of 15×15 is larger than its input (14, 14, 6)"),
        ("model.layers=[dense: 10]", "model.layers[0].dense: expected (features,), got an image (28, 28, 1); put flatten before it"),
        ("model.layers=[flatten, {max_pool2d: 2}]", "model.layers[1].max_pool2d: expected an image (height, width, channels), got (784,); move it before flatten"),
    ],
)  # fmt: skip
def test_incompatible_layers_are_named(change, message):
    with pytest.raises(ConfigError) as caught:
        model_of("lenet", change)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_round_trip(tmp_path):
    model, other = model_of("lenet"), model_of("lenet")
    weights.save(model, tmp_path / "w.safetensors")
    weights.assign(other, weights.read(tmp_path / "w.safetensors"), tmp_path)
    for mine, loaded in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), loaded.numpy())


def save_as(dtype, path):
    arrays = {name: array.astype(dtype) for name, array in safetensors.numpy.load_file(path).items()}
    path.write_bytes(safetensors.numpy.save(arrays))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "missing"),
        (lambda path: path.write_bytes(b""), "damaged"),
        (lambda path: path.write_bytes(path.read_bytes()[:1000]), "damaged"),
        (lambda path: path.write_bytes((2**60).to_bytes(8, "little") + b"{}"), "damaged"),
        (lambda path: save_as(np.int32, path), "conv2d_0/bias is int32 (6,), expected float32 (6,)"),
        (lambda path: weights.save(model_of("fc"), path), "not the weights of this run's network: conv2d_0/bias is missing"),
        (lambda path: weights.save(model_of("lenet", "model.layers[5].dense.units=121"), path), "dense_5/bias is float32 (121,), expected float32 (120,)"),
    ],
)  # fmt: skip
def test_an_invalid_weights_file_is_named(tmp_path, damage, message):
    path = tmp_path / "w.safetensors"
    weights.save(model_of("lenet"), path)
    damage(path)
    with pytest.raises(RunError) as caught:
        weights.assign(model_of("lenet"), weights.read(path), path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize("count", [1, 255, 256, 257, 600])
def test_forward_covers_every_example_for_any_last_batch(count):
    random = np.random.default_rng(count)
    examples = Examples(
        random.integers(0, 256, (count, 28, 28, 1), dtype=np.uint8), np.arange(count, dtype=np.int32) % 10
    )
    model = model_of("fc")
    outcome = ForwardPass(model, CrossEntropy())(examples)
    logits = model.predict(examples.images.astype(np.float32) / 255, verbose=0)
    expected = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(np.log(outcome.scores), expected, atol=1e-5)
    np.testing.assert_allclose(outcome.losses, -expected[np.arange(count), examples.labels], atol=1e-5)


def test_mse_is_the_mean_over_classes_of_the_squared_error():
    model = model_of("fc")
    examples = Examples(np.full((2, 28, 28, 1), 255, np.uint8), np.array([3, 9], np.int32))
    outputs = model(np.ones((2, 28, 28, 1), np.float32)).numpy()
    outcome = ForwardPass(model, MeanSquaredError())(examples)
    np.testing.assert_allclose(outcome.losses, ((outputs - np.eye(10)[[3, 9]]) ** 2).mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(outcome.scores, outputs, rtol=1e-5)


def test_model_keras_works_in_other_tools(tmp_path):
    model = model_of("lenet")
    attach_optimizer(model, load("lenet").train)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    images = np.random.default_rng(0).random((5, 28, 28, 1), np.float32)
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), model.predict(images, verbose=0))
    loss, _ = loaded.evaluate(images, np.arange(5), verbose=0)
    assert np.isfinite(loss)


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        ("sgd", None),
        ("{sgd: {weight_decay: 0.1}}", 0.1),
        ("adamw", 0.004),
        ("{adamw: {weight_decay: 0}}", 0),
        ("adam", None),
    ],
)
def test_weight_decay_matches_the_file(optimizer, expected):
    train = load("fc", [parse_set(f"train.optimizer={optimizer}")]).train
    model = model_of("fc")
    attach_optimizer(model, train)
    assert model.optimizer.weight_decay == expected


def test_a_network_of_maximum_depth_can_be_built():
    layers = (
        "[{repeat: {times: 124, layers: [residual: {activation: relu, layers: [batch_norm]}]}}, flatten, {dense: 10}]"
    )
    with pytest.raises(ConfigError, match="622 layers with all repeats"):
        model_of("fc", f"model.layers={layers}")
    assert model_of("fc", f"model.layers={layers.replace('124', '99')}").output_shape == (None, 10)
    layers = "[{repeat: {times: 498, layers: [activation: relu]}}, flatten, {dense: 10}]"
    assert model_of("fc", f"model.layers={layers}").output_shape == (None, 10)
