"""The initializer `whitening`."""

import numpy as np
import pytest

from cnnlab.data import Examples
from cnnlab.experiment.preprocessing import Preprocessing
from cnnlab.experiment.schema import Experiment
from cnnlab.models.build import Inputs, build_for
from cnnlab.models.inference import to_input
from cnnlab.models.whitening import assign, kernel_for


def experiment(kernel_initializer="whitening", filters=24, **sections):
    layers = [{"conv2d": {"filters": filters, "kernel_size": 2, "kernel_initializer": kernel_initializer}}, "flatten", {"dense": 3}]  # fmt: skip
    data = {"name": "synthetic", "image_shape": [8, 8, 3], "num_classes": 3}
    return Experiment.model_validate({"name": "white", "data": data, "model": {"layers": layers}, **sections})


@pytest.fixture
def examples():
    """Images whose neighbouring pixels and channels are alike."""
    draw = np.random.default_rng(1)
    rough = draw.integers(0, 256, (400, 3, 3, 1)).repeat(4, axis=1).repeat(4, axis=2)[:, :8, :8]
    images = np.clip(rough + draw.integers(-20, 21, (400, 8, 8, 3)), 0, 255).astype(np.uint8)
    return Examples(images, np.arange(400, dtype=np.int32) % 3)


def outputs(chosen, examples):
    """What the first layer makes of the images, (windows, filters)."""
    inputs = Inputs((8, 8, 3), 3, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    model = build_for(chosen, inputs)
    kernel = kernel_for(model, chosen, examples)
    assign(model, kernel)
    assert kernel.shape == (2, 2, 3, chosen.model.layers[0].filters)
    layer = model.get_layer("conv2d_0")
    scaled = (to_input(examples.images) - 0.5) / 0.25
    return np.asarray(layer(scaled)).reshape(-1, kernel.shape[-1])


def test_outputs_are_uncorrelated_and_of_variance_one(examples):
    found = outputs(experiment(preprocessing={"scale": "standardize"}), examples)
    products = found[:, :12].T @ found[:, :12] / len(found)
    np.testing.assert_allclose(products, np.eye(12), atol=0.12)  # EPSILON makes those of small variance smaller
    np.testing.assert_allclose(products - np.diag(np.diag(products)), 0, atol=1e-3)
    np.testing.assert_allclose(found[:, 12:], -found[:, :12], atol=1e-4)


def test_fewer_filters_are_those_of_largest_variance(examples):
    preprocessing = {"preprocessing": {"scale": "standardize"}}
    few = outputs(experiment(filters=5, **preprocessing), examples)
    all = outputs(experiment(**preprocessing), examples)
    np.testing.assert_allclose(few, all[:, :5], atol=1e-5)
    first, last = (np.std(all[:, column]) for column in (0, 11))
    assert first >= last


def test_other_experiments_have_none(examples):
    chosen = experiment("he_normal")
    model = build_for(chosen, Inputs((8, 8, 3), 3))
    assert kernel_for(model, chosen, examples) is None
    assert Preprocessing().scale == "zero_one"


CONFIG = """\
data: {{name: synthetic, image_shape: [8, 8, 3], num_classes: 3}}
model:
  layers:
    - {layer}
    - flatten
    - dense: 3
"""


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("conv2d: {filters: 25, kernel_size: 2, kernel_initializer: whitening}", "model.layers[0].conv2d.filters: 25, and windows of 2×2×3 have 12 components to whiten; expected at most twice as many filters, 24"),
        ("depthwise_conv2d: {kernel_size: 2, kernel_initializer: whitening}", "model.layers[0].depthwise_conv2d.kernel_initializer: whitening: expected at a conv2d that is the first layer"),
        ("batch_norm\n    - conv2d: {filters: 4, kernel_size: 2, kernel_initializer: whitening}", "model.layers[1].conv2d.kernel_initializer: whitening: expected at a conv2d that is the first layer"),
    ],
)  # fmt: skip
def test_where_it_cannot_be_is_an_error(cnnlab, tmp_path, layer, message):
    (tmp_path / "x.yaml").write_text(CONFIG.format(layer=layer))
    done = cnnlab("validate", "x.yaml")
    assert done.returncode == 2
    assert message in done.stderr + done.stdout


def test_a_seed_begins_with_the_same_first_kernel(cnnlab, tmp_path):
    """Also the second one, for which the network is not built anew."""
    import safetensors.numpy

    (tmp_path / "x.yaml").write_text(
        CONFIG.format(layer="conv2d: {filters: 24, kernel_size: 2, kernel_initializer: whitening, use_bias: false}")
        + "train: {epochs: 1, optimizer: {sgd: 1e-30}}\n"
    )
    done = cnnlab("train", "x.yaml", "--seeds", "2", "--quiet")
    assert done.returncode == 0, done.stderr
    first, second = (safetensors.numpy.load_file(tmp_path / f"runs/x-{n}/weights.safetensors") for n in (1, 2))
    np.testing.assert_array_equal(first["conv2d_0/kernel"], second["conv2d_0/kernel"])
    assert not np.array_equal(first["dense_2/kernel"], second["dense_2/kernel"])
