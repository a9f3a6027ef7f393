import pytest

from cnnlab.config import shipped
from cnnlab.config.load import load, load_file, to_dict, to_yaml
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
    ("file", "name"),
    [("my file (1)", "my-file-1"), ("Übung 3", "Ubung-3"), ("..x", "x"), ("猫", "mine"), ("a" * 120, "a" * 100)],
)
def test_an_invalid_file_name_is_reported_with_a_valid_one(tmp_path, file, name):
    path = tmp_path / f"{file}.yaml"
    path.write_text(GOOD + "sed: 1\n")
    with pytest.raises(ConfigError) as caught:
        load(str(path))
    missing, unknown = caught.value.problems
    assert missing.startswith(f"{path}: name: missing, and the file name '")
    assert missing.endswith(f"add `name: {name}`")
    assert "sed: unknown key" in unknown
    path.write_text(GOOD + f"name: {name}\n")
    assert load(str(path)).name == name
    path.write_text(GOOD)
    assert load(str(path), [parse_set("name=other")]).name == "other"


def test_all_problems_are_reported_together(tmp_path):
    lines = problems(tmp_path, "data: {validation: 2.5, name: mnist}\nmodel: {layers: []}\nsed: 1\n")
    assert lines == [
        "./x.yaml:1:20: data.validation: expected a count such as 5000, a fraction such as 0.1, or 'test', got 2.5",
        "./x.yaml:2:17: model.layers: no entries; expected at least 1",
        "./x.yaml:3:1: sed: unknown key; did you mean 'seed'?",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("train.epochs=many", "--set train.epochs=many: train.epochs: expected an integer, got 'many'"),
        ("train.epoch=3", "--set train.epoch=3: train.epoch: unknown key; did you mean 'epochs'?"),
        ("model.layers[1].dense.unit=3", "--set model.layers[1].dense.unit=3: model.layers[1].dense.unit: unknown key; did you mean 'units'?"),
        ("model.layers[2].dense.units=3", "--set model.layers[2].dense.units=3: model.layers: has 2 entries, [0] to [1]; [2] does not exist"),
        ("model.layers.dense=3", "--set model.layers.dense=3: model.layers: is a list; name an entry as [0] to [1]"),
        ("train.optimizer.adam.beta_3=0", "--set train.optimizer.adam.beta_3=0: train.optimizer.adam.beta_3: unknown key; did you mean 'beta_2'?"),
        ("model.layers[1].conv2d.filters=12", "--set model.layers[1].conv2d.filters=12: model.layers[1]: expected one kind, got 'dense' and 'conv2d'; keep one; --set replaces a layer by its whole value: --set 'model.layers[1]={kind: {option: value}}'"),
        ("train.callbacks[0].patience=1", "--set train.callbacks[0].patience=1: train.callbacks: is an empty list; [0] does not exist"),
        ("seed[0]=3", "--set seed[0]=3: seed: is not a list; [0] does not exist"),
        ("train.epochs", "--set train.epochs: expected key=value, such as --set train.epochs=3"),
        ("train..epochs=3", "--set train..epochs=3: expected a key such as train.epochs or model.layers[0].conv2d.filters"),
        ("train.epochs=[3", "--set train.epochs=[3:1:3: not YAML: expected ',' or ']', but got '<stream end>'"),
    ],
)  # fmt: skip
def test_invalid_changes_name_the_option(tmp_path, change, message):
    assert problems(tmp_path, GOOD, change) == [message]


def test_set_reaches_defaults_and_short_forms(tmp_path):
    (tmp_path / "x.yaml").write_text(GOOD)
    changes = [
        "model.layers[1].dense.units=12",
        "train.optimizer.sgd.momentum=0.9",
        "train.schedule={exponential: 0.5}",
    ]
    data = to_dict(load(str(tmp_path / "x.yaml"), [parse_set(change) for change in changes]))
    assert data["model"]["layers"][1]["dense"]["units"] == 12
    assert data["train"]["optimizer"] == {
        "sgd": {
            "use_ema": False,
            "ema_momentum": 0.99,
            "learning_rate": 0.01,
            "momentum": 0.9,
            "nesterov": False,
            "weight_decay": 0.0,
        }
    }
    assert data["train"]["schedule"] == {"exponential": {"decay": 0.5, "warmup": 0.0}}


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
def test_files_that_are_not_an_experiment_are_rejected(tmp_path, text, message):
    (tmp_path / "x.yaml").write_bytes(text)
    with pytest.raises(ConfigError) as caught:
        load(str(tmp_path / "x.yaml"))
    assert str(caught.value).replace(str(tmp_path), ".") == message


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("lenett", "lenett: no such file or shipped experiment; did you mean 'lenet'?"),
        ("a/lenet.yaml", "a/lenet.yaml: no such file; the shipped experiment is called lenet"),
        ("a/b.yaml", "a/b.yaml: no such file; `cnnlab configs` lists the shipped experiments"),
        (".", ".: is a folder; expected an experiment file (.yaml)"),
        ("n" * 300, "n: File name too long"),
    ],
)
def test_missing_files_are_reported(config, message):
    with pytest.raises(ConfigError) as caught:
        load(config)
    assert str(caught.value).endswith(message)


def test_a_folder_with_the_same_name_is_ignored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lenet").mkdir()
    assert load("lenet").name == "lenet"


def test_a_large_file_is_rejected_before_it_is_read_completely(tmp_path):
    (tmp_path / "x.yaml").write_text("- a\n" * 200_000)
    with pytest.raises(ConfigError, match=r"x\.yaml:20000:3: too many values, or nested too deeply, for an experiment"):
        load(str(tmp_path / "x.yaml"))


def test_set_of_another_kind_replaces_the_previous_one(tmp_path):
    (tmp_path / "x.yaml").write_text(GOOD + "train: {optimizer: {sgd: {momentum: 0.9}}}\n")
    changes = ["train.optimizer.adam.beta_1=0.5", "train.optimizer.adam.learning_rate=0.01"]
    optimizer = load(str(tmp_path / "x.yaml"), [parse_set(change) for change in changes]).train.optimizer
    assert (optimizer.kind, optimizer.beta_1, optimizer.learning_rate) == ("adam", 0.5, 0.01)


def test_set_reaches_into_blocks():
    change = parse_set("model.layers[3].repeat.layers[0].residual.layers[0].conv2d.filters=12")
    data = to_dict(load("resnet20", [change]))
    assert data["model"]["layers"][3]["repeat"]["layers"][0]["residual"]["layers"][0]["conv2d"]["filters"] == 12


def test_set_works_on_the_short_form_of_a_block(tmp_path):
    (tmp_path / "x.yaml").write_text(HEAD + "    - parallel: [[residual: [conv2d: {filters: 1, kernel_size: 1}]]]\n")
    change = parse_set("model.layers[0].parallel[0][0].residual[0].conv2d.filters=7")
    data = to_dict(load(str(tmp_path / "x.yaml"), [change]))
    block = data["model"]["layers"][0]["parallel"]["branches"][0][0]["residual"]
    assert block["layers"][0]["conv2d"]["filters"] == 7


def test_data_dir_is_relative_to_its_file_and_overrides_neighbouring_folders(tmp_path, monkeypatch):
    for folder in ("proj/pets", "shared/pets"):
        (tmp_path / folder).mkdir(parents=True)
    path = tmp_path / "proj" / "x.yaml"
    text = "data: {name: folder, path: pets, dir: DIR, image_size: 4, num_classes: 2}\nmodel: {layers: [flatten, dense: 2]}\n"
    for here in (tmp_path, tmp_path / "proj"):
        monkeypatch.chdir(here)
        path.write_text(text.replace("DIR", "../shared"))
        data = load_file(path).data
        assert (data.dir, data.path) == (str(tmp_path / "shared"), "pets")
        path.write_text(text.replace("DIR", "nowhere"))
        assert (load_file(path).data.dir, load_file(path).data.path) == (
            "nowhere",
            "pets",
        )  # rejected when the data are loaded
