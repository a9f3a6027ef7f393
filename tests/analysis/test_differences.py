from cnnlab.config.differences import brief, differing_keys


def test_differences_are_nested_only_as_far_as_the_structures_match():
    def experiment(layers, optimizer):
        return {"model": {"layers": layers}, "train": {"optimizer": optimizer}, "published": {"accuracy": len(layers)}}

    small = experiment(["flatten", {"dense": {"units": 10}}], {"sgd": {"learning_rate": 0.1}})
    wide = experiment(["flatten", {"dense": {"units": 12}}], {"sgd": {"learning_rate": 0.2}})
    deep = experiment(
        ["flatten", {"dense": {"units": 9}}, {"dense": {"units": 10}}], {"adam": {"learning_rate": 0.1, "beta_1": 0.9}}
    )
    assert differing_keys([small, small]) == {}
    assert differing_keys([small, wide]) == {
        "model.layers[1].dense.units": [10, 12],
        "train.optimizer.sgd.learning_rate": [0.1, 0.2],
    }
    assert differing_keys([small, deep]) == {
        "model.layers": [small["model"]["layers"], deep["model"]["layers"]],
        "train.optimizer": [{"sgd": {"learning_rate": 0.1}}, {"adam": {"learning_rate": 0.1, "beta_1": 0.9}}],
    }


def test_settings_are_labelled_with_the_fewest_distinguishing_words():
    sgd, heavy = ({"sgd": {"learning_rate": 0.1, "momentum": momentum}} for momentum in (0.0, 0.9))
    adam = {"adam": {"learning_rate": 0.1, "beta_1": 0.9}}
    assert brief("train.optimizer", [sgd, adam]) == ["sgd(0.1)", "adam(0.1)"]
    assert brief("train.optimizer", [sgd, heavy]) == ["sgd(learning_rate=0.1)", "sgd(learning_rate=0.1, momentum=0.9)"]
    small = ["flatten", {"dense": {"units": 10, "activation": "linear"}}]
    wide = ["flatten", {"dense": {"units": 12, "activation": "linear"}}]
    deep = ["flatten", {"dense": {"units": 9}}, {"dense": {"units": 10}}]
    assert brief("model.layers", [small, deep, small]) == ["flatten, dense", "flatten, 2 dense", "flatten, dense"]
    assert brief("model.layers", [small, wide, deep]) == [
        "flatten, dense(10)",
        "flatten, dense(12)",
        "flatten, dense(9), dense(10)",
    ]
    assert brief("train.x", [0.1, None, 1]) == [0.1, None, 1]
    assert brief("data.image_shape", [[48, 48, 1], None]) == ["[48, 48, 1]", None]
    schedules = [
        {"constant": {"warmup": 0.0}},
        {"constant": {"warmup": 1.0}},
        {"exponential": {"decay": 0.5, "warmup": 0.0}},
    ]
    assert brief("train.schedule", schedules) == ["constant", "constant(1.0)", "exponential(0.5)"]
    repeated = ["flatten", {"repeat": {"times": 3, "layers": [{"dense": {"units": 9}}, "batch_norm"]}}]
    assert brief("model.layers", [small, repeated]) == ["flatten, dense", "flatten, repeat(dense, batch_norm)"]


def test_experiments_of_other_versions_can_be_compared():
    assert differing_keys([{}, {"seed": 1, "train": {"epochs": 2}}]) == {
        "seed": [None, 1],
        "train": [None, {"epochs": 2}],
    }
