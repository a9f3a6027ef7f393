import pytest

from cnnlab.config import shipped
from cnnlab.config.load import load, to_data, to_yaml
from cnnlab.config.overrides import parse_set
from cnnlab.errors import ConfigError

HEAD = "data: {name: digits}\nmodel:\n  layers:\n"
GOOD = HEAD + "    - flatten\n    - dense: 10\n"


def problems(tmp_path, text, *changes):
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(str(path), [parse_set(change) for change in changes])
    return [problem.replace(str(tmp_path), ".") for problem in caught.value.problems]


@pytest.mark.parametrize("name", shipped.paths())
def test_shipped_configs_load_and_their_resolved_form_is_the_same_experiment(name, tmp_path):
    experiment = load(name)
    (tmp_path / "resolved.yaml").write_text(to_yaml(experiment))
    assert load(str(tmp_path / "resolved.yaml")) == experiment


def test_short_forms(tmp_path):
    (tmp_path / "x.yaml").write_text("data: digits\nmodel: {layers: [flatten, dense: 10]}\ntrain: {optimizer: adam}\n")
    experiment = load(str(tmp_path / "x.yaml"), [parse_set("model.layers.1.dense.units=12")])
    assert experiment.data.name == "digits"
    assert experiment.model.layers[1].units == 12
    assert experiment.train.optimizer.kind == "adam"


def test_name_defaults_to_the_file(tmp_path):
    (tmp_path / "mine.yaml").write_text(GOOD)
    assert load(str(tmp_path / "mine.yaml")).name == "mine"


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("conv2d: {filtres: 6, filters: 6, kernel_size: 5}", "./x.yaml:4:16: model.layers[0].conv2d.filtres: unknown key; did you mean 'filters'?"),
        ("conv2d: {kernel_size: 5}", "./x.yaml:4:7: model.layers[0].conv2d.filters: missing; this key is required"),
        ("conv2d: {filters: 6, kernel_size: [5]}", "./x.yaml:4:41: model.layers[0].conv2d.kernel_size: expected an integer from 1 to 1024 or a pair [height, width] of them, got [5]"),
        ("conv2d: {filters: 6, kernel_size: 5, activation: rleu}", "./x.yaml:4:56: model.layers[0].conv2d.activation: expected 'linear', 'relu', 'sigmoid', 'tanh' or 'softmax', got 'rleu'; did you mean 'relu'?"),
        ("MaxPooling2D: 2", "./x.yaml:4:7: model.layers[0]: unknown kind 'MaxPooling2D'; did you mean 'max_pool2d'?"),
        ("dense: {units: 10, activation: softmax}", "./x.yaml:4:38: model.layers[0].dense.activation: softmax, which the loss cross_entropy applies itself; leave the activation out"),
        ("conv3d: {a: 1}", "./x.yaml:4:7: model.layers[0]: unknown kind 'conv3d'; did you mean 'conv2d'?"),
        ("conv2d:\n      filters: 3", "./x.yaml:4:7: model.layers[0]: expected one kind, got 'conv2d' and 'filters'; indent 'filters' under 'conv2d'"),
        ("dense: ten", "./x.yaml:4:7: model.layers[0].dense.units: expected an integer, got 'ten'"),
        ("dense: -1", "./x.yaml:4:7: model.layers[0].dense.units: expected a value greater than 0, got -1"),
        ("dense: true", "./x.yaml:4:7: model.layers[0].dense.units: expected an integer, got true"),
        ("flatten: 3", "./x.yaml:4:16: model.layers[0].flatten: expected no options, got 3"),
        ("dropout: 1", "./x.yaml:4:7: model.layers[0].dropout.rate: expected a value less than 1, got 1"),
        ("3", "./x.yaml:4:7: model.layers[0]: expected a kind such as 'kind' or 'kind: {option: value}', got 3"),
        ("dense: {units: 1, kernel_initializer: {truncated_normal: {sttdev: 1}}}", "./x.yaml:4:65: model.layers[0].dense.kernel_initializer.truncated_normal.sttdev: unknown key; did you mean 'stddev'?"),
    ],
)  # fmt: skip
def test_bad_layers(tmp_path, layer, message):
    assert problems(tmp_path, f"{HEAD}    - {layer}\n") == [message]


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("train: {epochs: 1.5}", "./x.yaml:6:17: train.epochs: expected an integer, got 1.5"),
        ("train: {batch_size: 0}", "./x.yaml:6:21: train.batch_size: expected a value greater than 0, got 0"),
        ("train: {optimizer: {sgd: {learning_rate: fast}}}", "./x.yaml:6:42: train.optimizer.sgd.learning_rate: expected a number, got 'fast'"),
        ("train: {optimizer: {sgd: {learning_rate: .inf}}}", "./x.yaml:6:42: train.optimizer.sgd.learning_rate: expected a finite number, got inf"),
        ("train: {optimizer: sdg}", "./x.yaml:6:20: train.optimizer: unknown kind 'sdg'; did you mean 'sgd'?"),
        ("train: {loss: sparse_categorical_crossentropy}", "./x.yaml:6:15: train.loss: expected 'cross_entropy' or 'mse', got 'sparse_categorical_crossentropy'; did you mean 'cross_entropy'?"),
        ("train: {loss: mae}", "./x.yaml:6:15: train.loss: expected 'cross_entropy' or 'mse', got 'mae'; did you mean 'mse'?"),
        ("train: 3", "./x.yaml:6:8: train: expected a map of keys, got 3"),
        ("name: a/b", "./x.yaml:6:7: name: expected at most 100 letters, digits, '.', '_' and '-', got 'a/b'"),
        ("seed: -1", "./x.yaml:6:7: seed: expected a value greater than or equal to 0, got -1"),
        ("trian: {}", "./x.yaml:6:1: trian: unknown key; did you mean 'train'?"),
    ],
)  # fmt: skip
def test_bad_settings(tmp_path, rest, message):
    assert problems(tmp_path, f"{GOOD}{rest}\n") == [message]


def test_all_problems_are_told_at_once(tmp_path):
    lines = problems(tmp_path, "data: {name: mnits, validation: 2.5}\nmodel: {layers: []}\nsed: 1\n")
    assert lines == [
        "./x.yaml:1:14: data.name: expected 'digits' or 'mnist', got 'mnits'; did you mean 'mnist'?",
        "./x.yaml:1:33: data.validation: expected a count such as 5000, a fraction such as 0.1, or 'test', got 2.5",
        "./x.yaml:2:17: model.layers: empty; expected at least one entry",
        "./x.yaml:3:1: sed: unknown key; did you mean 'seed'?",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("train.epochs=many", "--set train.epochs=many: train.epochs: expected an integer, got 'many'"),
        ("train.epoch=3", "--set train.epoch=3: train.epoch: unknown key; did you mean 'epochs'?"),
        ("model.layers[1].dense.unit=3", "--set model.layers[1].dense.unit=3: model.layers[1].dense.unit: unknown key; did you mean 'units'?"),
        ("model.layers[2].dense.units=3", "--set model.layers[2].dense.units=3: model.layers: has 2 entries, [0] to [1]; [2] is not one of them"),
        ("model.layers.dense=3", "--set model.layers.dense=3: model.layers: is a list; name an entry as [0] to [1]"),
        ("train.optimizer.adam.beta_1=0", "--set train.optimizer.adam.beta_1=0: train.optimizer: expected one kind, got 'sgd' and 'adam'; keep one; --set replaces a kind by its whole value: --set 'train.optimizer={kind: {option: value}}'"),
        ("seed[0]=3", "--set seed[0]=3: seed: is not a list; [0] is not one of them"),
        ("train.epochs", "--set train.epochs: expected key=value, such as --set train.epochs=3"),
        ("train..epochs=3", "--set train..epochs=3: expected a key such as train.epochs or model.layers[0].conv2d.filters"),
        ("train.epochs=[3", "--set train.epochs=[3:1:3: not YAML: expected ',' or ']', but got '<stream end>'"),
    ],
)  # fmt: skip
def test_bad_changes_name_the_option(tmp_path, change, message):
    assert problems(tmp_path, GOOD, change) == [message]


def test_set_reaches_defaults_and_short_forms(tmp_path):
    (tmp_path / "x.yaml").write_text(GOOD)
    changes = [
        "model.layers[1].dense.units=12",
        "train.optimizer.sgd.momentum=0.9",
        "train.schedule={exponential: 0.5}",
    ]
    data = to_data(load(str(tmp_path / "x.yaml"), [parse_set(change) for change in changes]))
    assert data["model"]["layers"][1]["dense"]["units"] == 12
    assert data["train"]["optimizer"] == {"sgd": {"learning_rate": 0.01, "momentum": 0.9, "nesterov": False}}
    assert data["train"]["schedule"] == {"exponential": {"decay": 0.5}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "./x.yaml: empty; an experiment needs at least data and model (see `cnnlab configs`)"),
        (b"# only a comment\n", "./x.yaml: empty; an experiment needs at least data and model (see `cnnlab configs`)"),
        (b"just words", "./x.yaml:1:1: the experiment: expected a map of keys, got 'just words'"),
        (b"\xff\xfe\x00", "./x.yaml: not a text file in UTF-8 (byte 0)"),
        (b"#" * 1_000_001, "./x.yaml: 1,000,001 bytes; an experiment file has at most 1,000,000"),
    ],
)
def test_files_that_are_no_experiment(tmp_path, text, message):
    (tmp_path / "x.yaml").write_bytes(text)
    with pytest.raises(ConfigError) as caught:
        load(str(tmp_path / "x.yaml"))
    assert str(caught.value).replace(str(tmp_path), ".") == message


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("lenett", "lenett: no such file or shipped experiment; did you mean 'lenet'?"),
        ("a/lenet.yaml", "a/lenet.yaml: no such file; the experiment that comes with cnnlab is called lenet"),
        ("a/b.yaml", "a/b.yaml: no such file; `cnnlab configs` lists the experiments that come with cnnlab"),
        (".", ".: is a folder; expected an experiment file (.yaml)"),
    ],
)
def test_files_that_are_not_there(config, message):
    with pytest.raises(ConfigError) as caught:
        load(config)
    assert str(caught.value) == message
