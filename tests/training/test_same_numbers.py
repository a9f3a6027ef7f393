import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from cnnlab.models.determinism import draw_by_replica
from cnnlab.workers import _free_addresses
from tests.training.processes import ROOT, finish, start
from tests.training.replicas import EXPERIMENTS

REPLICAS = "tests.training.replicas"
OTHERS = ("two replicas", "two workers")
HALF = {"bfloat16": 2e-3, "float16": 5e-4}
NOISY = [name for name in EXPERIMENTS if name.startswith("noisy")]
EXACT = [name for name in EXPERIMENTS if name not in [*HALF, *NOISY, "dropout"]]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What came of every experiment, by where it was trained."""
    folder = tmp_path_factory.mktemp("replicas")
    finish(start(REPLICAS, "auto", folder / "one device.npz"))
    finish(start(REPLICAS, "2", folder / "two replicas.npz"))
    addresses = _free_addresses(2)
    finish(*(start(REPLICAS, "auto", folder / "two workers.npz", addresses, index) for index in (1, 0)))
    return {path.stem: dict(np.load(path)) for path in folder.iterdir()}


def test_there_are_as_many_replicas_as_meant(found):
    counts = {where: {int(values[f"{name}/replicas"]) for name in [*EXACT, *HALF]} for where, values in found.items()}
    assert counts == {"one device": {1}, "two replicas": {2}, "two workers": {2}}


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("name", EXACT)
def test_replicas_give_the_losses_accuracies_and_weights_of_one_device(found, name, other):
    one, many = (
        {key: found[where][f"{name}/{key}"] for key in ("losses", "accuracies", "weights", "test")}
        for where in ("one device", other)
    )
    assert one["losses"].shape == (3,)
    assert len(set(one["losses"])) == 3  # it learns
    np.testing.assert_allclose(many["losses"], one["losses"], rtol=1e-5)
    np.testing.assert_allclose(many["accuracies"], one["accuracies"], rtol=1e-5)
    np.testing.assert_allclose(many["weights"], one["weights"], rtol=1e-4, atol=1e-5)
    assert many["test"] == one["test"]


def test_streamed_pictures_give_the_numbers_of_resident_ones(found):
    for values in found.values():
        for key in ("losses", "accuracies", "weights"):
            np.testing.assert_array_equal(values[f"streamed/{key}"], values[f"adam/{key}"])


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("name", HALF)
def test_replicas_in_half_precision_give_one_devices_losses_but_for_rounding(found, name, other):
    losses = found["one device"][f"{name}/losses"]
    np.testing.assert_allclose(found[other][f"{name}/losses"], losses, rtol=HALF[name])
    weights = found["one device"][f"{name}/weights"]
    np.testing.assert_allclose(found[other][f"{name}/weights"], weights, atol=2e-2)


def test_dropout_and_batch_norm_give_one_devices_accuracy_within_noise(found):
    one, two = (np.array([found[where][f"{name}/test"] for name in NOISY]) for where in ("one device", "two replicas"))
    assert min(one) > 0.8
    np.testing.assert_allclose(two, one, atol=0.06)
    assert two.mean() == pytest.approx(one.mean(), abs=0.03)


def test_dropout_on_two_replicas_has_other_numbers_than_on_one_device(found):
    losses = {where: values["dropout/losses"].tolist() for where, values in found.items()}
    assert losses["two replicas"] == pytest.approx(losses["two workers"], rel=1e-4)  # the same two masks
    assert losses["two replicas"] != pytest.approx(losses["one device"], rel=1e-4)


MASKS = """
import json, keras, tensorflow as tf
from cnnlab.models.determinism import draw_by_replica
from cnnlab.training.distribution.devices import strategy_of
strategy = strategy_of(2)

def masks(prepare):
    with strategy.scope():
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((200,)), keras.layers.Dropout(0.5)])
        prepare(model)
    step = tf.function(lambda: strategy.run(lambda: model(tf.ones((1, 200)), training=True)))
    drawn = [strategy.experimental_local_results(step()) for _ in range(2)]
    return [[(mask.numpy().ravel() > 0).tolist() for mask in masks] for masks in drawn]

print(json.dumps({"own": masks(draw_by_replica), "keras": masks(lambda model: None)}))
"""


@pytest.fixture(scope="module")
def masks():
    """What two replicas drop in two steps, (steps, replicas, 200)."""
    done = subprocess.run([sys.executable, "-c", MASKS], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return {how: np.array(drawn) for how, drawn in json.loads(done.stdout).items()}


def test_every_replica_drops_what_chance_gives_it(masks):
    drawn = masks["own"].reshape(4, 200)
    for number, mask in enumerate(drawn):
        assert 70 < mask.sum() < 130
        for other in drawn[number + 1 :]:
            assert 60 < (mask != other).sum() < 140


def test_keras_alone_gives_every_replica_the_same_mask(masks):
    # If that is no longer so, `draw_by_replica` is needed no more.
    first, second = masks["keras"]
    np.testing.assert_array_equal(first[0], first[1])
    np.testing.assert_array_equal(second[0], second[1])
    assert (first[0] != second[0]).any()


def test_a_single_replica_drops_what_keras_drops():
    masks = []
    for prepare in (draw_by_replica, lambda model: None):
        keras.utils.set_random_seed(5)
        model = keras.Sequential([keras.Input((200,)), keras.layers.Dropout(0.5)])
        prepare(model)
        masks.append([model(np.ones((1, 200), np.float32), training=True).numpy() for _ in range(3)])
    np.testing.assert_array_equal(*masks)
    assert (masks[0][0] != masks[0][1]).any()
