"""Costs published by the course, and the shapes of blocks."""

import pytest

from cnnlab.config import shipped
from cnnlab.config.load import load
from cnnlab.experiment.description import Description, side_by_side
from cnnlab.experiment.network import LayerError
from cnnlab.experiment.schema import Model
from cnnlab.experiment.summary import summarize


def summary(layers, image_shape=(28, 28, 1)):
    return summarize(Model.model_validate({"layers": layers}).layers, image_shape)


def test_lenet_has_the_parameters_published_by_intel():
    lines = Description.from_experiment(load("lenet")).rows()
    assert [row["parameters"] for row in lines if row["parameters"]] == [156, 2_416, 48_120, 10_164, 850]
    assert Description.from_experiment(load("lenet")).total()["parameters"] == 61_706


def test_the_first_networks_have_the_published_costs():
    mlp, conv = (Description.from_experiment(load(name), weights_only=True).totals() for name in ("mlp-mse", "conv"))
    assert (mlp["forward_multiplications"], mlp["forward_additions"]) == (315_218, 315_218)
    assert (conv["forward_multiplications"], conv["forward_additions"]) == (59_584, 59_584)
    assert f"{mlp['weight_memory']}" == "1.26 MB"
    assert f"{conv['weight_memory']}" == "125.58 kB"
    assert Description.from_experiment(load("fc"), weights_only=True).totals()["weight_memory"] == 31_360


def change(this, other, quantity):
    rows = side_by_side(
        Description.from_experiment(load(other), weights_only=True),
        Description.from_experiment(load(this), weights_only=True),
    )
    return f"{next(row['change'] for row in rows if row['quantity'] == quantity)}"


def test_the_percentages_match_the_slides():
    assert change("conv", "mlp-mse", "forward_multiplications") == "-81.1 %"
    assert change("conv", "mlp-mse", "weight_memory") == "-90.0 %"
    assert change("conv-pool", "conv", "forward_multiplications") == "-39.5 %"
    assert change("conv-pool", "conv", "weight_memory of dense") == "-75.0 %"


@pytest.mark.parametrize("name", shipped.paths())
def test_published_costs_in_shipped_files_match_the_network(name):
    experiment = load(name)
    weights, everything = (
        Description.from_experiment(experiment, weights_only=only).totals() for only in (True, False)
    )
    computed = {
        "parameters": everything["parameters"],
        "weights": weights["parameters"],
        "multiplications": everything["forward_multiplications"],
        "additions": everything["forward_additions"],
        "weight_memory": weights["weight_memory"],
    }
    published = {} if experiment.published is None else dict(experiment.published)
    printed = {key: published[key] for key in computed if published.get(key) is not None}
    assert printed == {key: computed[key] for key in printed}


def test_a_strided_convolution_matches_the_lecture():
    # KTH: [7, 7, 3] through two 3x3 filters at stride 2.
    (line,) = summary([{"conv2d": {"filters": 2, "kernel_size": 3, "strides": 2}}], (7, 7, 3)).lines
    assert line.output_shape == (3, 3, 2)


def test_cnn_32_64_has_the_shapes_of_the_lecture():
    shapes = [line.output_shape for line in summarize(load("cnn-32-64").model.layers, (28, 28, 1)).lines]
    assert shapes == [(28, 28, 32), (14, 14, 32), (14, 14, 64), (7, 7, 64), (3136,), (1024,), (10,)]


def test_resnet20_has_two_projection_shortcuts():
    network = load("resnet20").model
    assert summarize(network.layers, (32, 32, 3)).cost.trainable == 272_474
    padded = [
        layer.model_copy(update={"shortcut": "pad"}) if layer.kind == "residual" else layer for layer in network.layers
    ]
    assert summarize(padded, (32, 32, 3)).cost.trainable == 269_722


def test_layer_names_contain_their_position():
    lines = summary(
        [
            {"repeat": {"times": 2, "layers": [{"residual": {"layers": [{"conv2d": {"filters": 2, "kernel_size": 3, "padding": "same"}}, "batch_norm"], "activation": "relu"}}]}},
            {"parallel": [[], [{"max_pool2d": {"pool_size": 3, "strides": 1, "padding": "same"}}]]},
            "flatten",
        ]
    ).lines  # fmt: skip
    assert [line.place.name for line in lines] == [
        "conv2d_0.0.0.0", "batch_norm_0.0.0.1", "conv2d_0.0.0.shortcut", "batch_norm_0.0.0.shortcut", "add_0.0.0", "activation_0.0.0",
        "conv2d_0.1.0.0", "batch_norm_0.1.0.1", "add_0.1.0", "activation_0.1.0", "max_pool2d_1.1.0", "concatenate_1", "flatten_2",
    ]  # fmt: skip
    assert lines[-2].output_shape == (28, 28, 4)
    assert lines[0].place.path == ("model", "layers", 0, "repeat", "layers", 0, "residual", "layers", 0, "conv2d")


def test_receptive_fields_match_the_literature():
    conv = {"conv2d": {"filters": 1, "kernel_size": [3, 1]}}
    lines = summary([conv, {"max_pool2d": 2}, conv, "global_avg_pool2d"], (100, 100, 1)).lines
    # Araujo et al. 2019: r = r + (k - 1) * jump, jump = jump * stride.
    assert [line.receptive_field for line in lines] == [(3, 1), (4, 2), (8, 2), (100, 100)]


def test_training_costs_three_passes_and_two_for_the_first_layer():
    summed = summary(["flatten", {"dense": 5}, {"dense": 10}])
    first, second = 784 * 5, 5 * 10
    assert summed.cost.multiplications == first + second
    assert summed.training.multiplications == 2 * first + 3 * second
    totals = Description.from_experiment(load("fc")).totals()
    assert totals["epoch_multiplications"] == 60_000 * 2 * 7840
    assert totals["steps_per_epoch"] == 469


def test_activation_memory_is_the_size_of_the_outputs():
    described = Description.from_experiment(load("conv"))
    # 30·30 + 28·28·4 + 10 values of 4 bytes, 128 images; flatten reuses the memory of its input.
    assert described.total()["activation_memory"] == 128 * 4 * (30 * 30 + 28 * 28 * 4 + 10)


@pytest.mark.parametrize(
    ("layers", "path", "reason"),
    [
        ([{"conv2d": {"filters": 1, "kernel_size": 29}}], ("model", "layers", 0, "conv2d"), "29×29 is larger than its input (28, 28, 1)"),
        ([{"repeat": {"times": 9, "layers": [{"max_pool2d": 2}]}}], ("model", "layers", 0, "repeat", "layers", 0, "max_pool2d"), "its input (1, 1, 1)"),
        ([{"residual": ["flatten"]}], ("model", "layers", 0, "residual"), "an image cannot be added to features"),
        (["flatten", {"residual": {"layers": [{"dense": 3}], "shortcut": "pad"}}], ("model", "layers", 1, "residual"), "only images have shortcut: pad"),
        ([{"conv2d": {"filters": 3, "kernel_size": 1}}, {"residual": {"layers": [{"conv2d": {"filters": 2, "kernel_size": 1}}], "shortcut": "pad"}}], ("model", "layers", 1, "residual"), "cannot remove channels"),
    ],
)  # fmt: skip
def test_a_shape_mismatch_names_the_layer(layers, path, reason):
    with pytest.raises(LayerError, match=r".") as caught:
        summary(layers)
    assert caught.value.path == path
    assert reason in str(caught.value)
