import pytest

from cnnlab.config.load import load, read, to_dict, to_yaml
from cnnlab.errors import ConfigError

BASE = """\
name: base
data: {name: mnist, validation: 5000}
model:
  layers:
    - flatten
    - dense: 10
train:
  epochs: 3
  optimizer: {sgd: 0.1}
  schedule: {exponential: 0.5}
published: {source: somewhere, accuracy: 0.5}
"""


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return str(tmp_path / name)

    write("base.yaml", BASE)
    return write


def test_maps_are_merged_and_other_keys_are_inherited(write):
    experiment = load(write("x.yaml", "extends: base.yaml\ntrain: {epochs: 9}\n"))
    assert (experiment.train.epochs, experiment.train.schedule.decay) == (9, 0.5)
    assert (experiment.data.name, experiment.data.validation) == ("mnist", 5000)


def test_an_extending_file_does_not_inherit_the_published_results(write):
    experiment = load(write("x.yaml", "extends: base.yaml\n"))
    assert experiment.name == "x"
    assert experiment.published is None


def test_lists_are_replaced(write):
    experiment = load(write("x.yaml", "extends: base.yaml\nmodel: {layers: [flatten, dense: 20, dense: 10]}\n"))
    assert [layer.kind for layer in experiment.model.layers] == ["flatten", "dense", "dense"]


def test_options_of_a_short_form_are_merged(write):
    optimizer = load(
        write("x.yaml", "extends: base.yaml\ntrain: {optimizer: {sgd: {momentum: 0.9}}}\n")
    ).train.optimizer
    assert (optimizer.learning_rate, optimizer.momentum) == (0.1, 0.9)


def test_another_kind_replaces_the_value_entirely(write):
    experiment = load(
        write("x.yaml", "extends: base.yaml\ntrain: {optimizer: {adam: {beta_1: 0.5}}}\ndata: {name: digits}\n")
    )
    assert (experiment.train.optimizer.kind, experiment.train.optimizer.learning_rate) == ("adam", 0.001)
    assert experiment.data.validation == 0.1  # not the 5,000 of MNIST


@pytest.mark.parametrize("name", ["lenet", "lenet.yaml"])
def test_a_shipped_experiment_can_be_extended_by_name(write, name):
    experiment = load(write("x.yaml", f"extends: {name}\nseed: 3\n"))
    expected = {**to_dict(load("lenet")), "name": "x", "seed": 3}
    del expected["published"]
    assert to_dict(experiment) == expected


def test_a_file_in_the_same_folder_takes_precedence_over_a_shipped_one(write):
    write("lenet.yaml", BASE)
    assert load(write("x.yaml", "extends: lenet.yaml\n")).train.epochs == 3


def test_chains_resolve_to_a_self_contained_experiment(write, tmp_path):
    write("y.yaml", "extends: base.yaml\ntrain: {epochs: 9, batch_size: 7}\n")
    experiment = load(write("x.yaml", "extends: y.yaml\ntrain: {epochs: 2}\n"))
    assert (experiment.train.epochs, experiment.train.batch_size) == (2, 7)
    resolved = to_yaml(experiment)
    assert "extends" not in resolved
    assert load(write("resolved.yaml", resolved)) == experiment


def test_a_mistake_in_the_base_is_reported_at_its_place(write, tmp_path):
    write("base.yaml", BASE.replace("dense: 10", "dense: ten").replace("epochs", "epoch"))
    with pytest.raises(ConfigError) as caught:
        load(write("x.yaml", "extends: base.yaml\nseed: -1\n"))
    assert [problem.replace(f"{tmp_path}/", "") for problem in caught.value.problems] == [
        "base.yaml:6:14: model.layers[1].dense.units: expected an integer, got 'ten'",
        "base.yaml:8:3: train.epoch: unknown key; did you mean 'epochs'?",
        "x.yaml:2:7: seed: expected a value greater than or equal to 0, got -1",
    ]


def test_places_refer_to_the_file_that_defines_the_value(write, tmp_path):
    config = read(write("x.yaml", "extends: base.yaml\ntrain: {batch_size: 7}\n"))
    assert config.place(("train", "batch_size")) == f"{tmp_path}/x.yaml:2:9"
    assert config.place(("train", "epochs")) == f"{tmp_path}/base.yaml:8:3"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"x.yaml": "extends: y.yaml", "y.yaml": "extends: z.yaml", "z.yaml": "extends: y.yaml"},
         "z.yaml:1:10: extends: circular: x.yaml extends y.yaml extends z.yaml extends y.yaml"),
        ({"x.yaml": "extends: ./x.yaml"}, "x.yaml:1:10: extends: circular: x.yaml extends x.yaml"),
        ({"x.yaml": "seed: 1\nextends: nowhere.yaml"}, "x.yaml:2:10: extends: no file nowhere.yaml, and no such shipped experiment; expected one of "),
        ({"x.yaml": "extends: [a, b]"}, "x.yaml:1:10: extends: expected a file or the name of a shipped experiment, got ['a', 'b']"),
        ({"x.yaml": "extends:"}, "x.yaml:1:9: extends: expected a file or the name of a shipped experiment, got nothing"),
        ({"x.yaml": "extends: y.yaml", "y.yaml": "- 1"}, "x.yaml:1:10: extends: y.yaml is not an experiment: expected a map of keys"),
        ({"x.yaml": "extends: y.yaml", "y.yaml": ""}, "y.yaml: empty; an experiment needs at least data and model"),
        ({"x.yaml": "extends: y.yaml", "y.yaml": "a: [1"}, "y.yaml:1:6: not YAML"),
        ({"x.yaml": "extends: ."}, "x.yaml:1:10: extends: no file "),
        ({f"x{i or ''}.yaml": f"extends: x{i + 1}.yaml" for i in range(30)}, "extends: a chain of more than 20 files"),
    ],
)  # fmt: skip
def test_invalid_extends_are_reported(write, tmp_path, monkeypatch, files, message):
    monkeypatch.chdir(tmp_path)
    for name, text in files.items():
        write(name, text)
    with pytest.raises(ConfigError) as caught:
        load("x.yaml")
    (problem,) = caught.value.problems
    assert message in problem
