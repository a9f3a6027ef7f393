"""The JSON Schema for editors, the reference, and the files written by `cnnlab init`."""

import json
from pathlib import Path

import jsonschema
import pytest

from cnnlab.config import shipped, template, yaml
from cnnlab.config.documentation import documentation
from cnnlab.config.json_schema import FILE, MODELINE, json_schema
from cnnlab.config.lint import lint
from cnnlab.config.load import load, load_file, read_file, to_dict
from cnnlab.config.reference import markdown
from cnnlab.errors import ConfigError, RequestError
from cnnlab.experiment.choice import Choice, Strict
from cnnlab.experiment.data import DataSpec
from cnnlab.experiment.layers.base import LayerSpec, Leaf, Weighted
from cnnlab.experiment.layers.elementwise import PadShortcut
from tests.config.test_bad_configs import IN_LAYERS, IN_SETTINGS

SCHEMA = json_schema()


def models(base=Strict):
    """All models of the experiment language."""
    for model in base.__subclasses__():
        if model.model_fields or hasattr(model, "kind"):
            yield model
        yield from models(model)


VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def accepts(data):
    return VALIDATOR.is_valid(data)


def test_the_schema_is_a_valid_json_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_shipped_schema_is_up_to_date():
    shipped_schema = json.loads((shipped.folder() / FILE).read_text(encoding="utf-8"))
    assert shipped_schema == json.loads(json.dumps(SCHEMA)), "run `make docs`"


@pytest.mark.parametrize("name", shipped.paths())
def test_the_schema_accepts_shipped_files_short_and_complete(name):
    path = shipped.paths()[name]
    assert MODELINE in path.read_text(encoding="utf-8").splitlines()
    VALIDATOR.validate(yaml.parse(path.read_text(encoding="utf-8"), "x").data)
    VALIDATOR.validate(to_dict(load(name)))


@pytest.mark.parametrize("text", [text for text, _ in IN_LAYERS + IN_SETTINGS])
def test_the_schema_rejects_what_cnnlab_rejects(text):
    # Except rules on several values.
    beyond = ("times: 300", "factors: [1]}", "boundaries: [5, 3]", "[[1, 0.9]]", "train:\n")
    if not any(part in text for part in beyond):
        assert not accepts(yaml.parse(text, "x").data)


def test_a_file_that_extends_another_may_omit_required_keys():
    assert accepts({"extends": "lenet", "train": {"epochs": 3}, "data": {"validation": 0}})
    assert not accepts({"train": {"epochs": 3}})
    assert not accepts({"extends": "lenet", "trian": {"epochs": 3}})


@pytest.mark.parametrize(
    "model", [m for m in models() if m not in (Choice, LayerSpec, Leaf, Weighted, DataSpec, PadShortcut)], ids=str
)
def test_every_model_is_documented_with_valid_examples(model):
    document = documentation(model)
    assert document.text
    assert all(document.options.values())
    for example in model.usage:
        value = yaml.parse(example, "example").data
        model.model_validate(value if issubclass(model, Choice) else next(iter(value.values())))


def test_descriptions_and_examples_are_in_the_schema():
    conv2d = json.dumps(SCHEMA["$defs"]["Conv2D"])
    assert "Number of kernels" in conv2d
    assert "`same` pads the image with zeros" in conv2d
    assert SCHEMA["$defs"]["Conv2D"]["examples"][0]["conv2d"]["filters"] == 6


def test_the_reference_in_docs_is_up_to_date():
    page = Path(__file__).parents[2] / "docs/experiment.md"
    assert page.read_text(encoding="utf-8") == markdown(), "run `make docs`"


def test_the_reference_names_every_kind_and_option():
    page = markdown()
    for model in models():
        if issubclass(model, Choice) and hasattr(model, "kind") and model.kind != "pad_shortcut":
            assert f"### `{model.kind}`" in page
            assert all(f"| `{name}` |" in page for name in model.model_fields)


@pytest.mark.parametrize("like", shipped.paths())
def test_a_new_file_equals_the_experiment_it_is_based_on(tmp_path, like):
    target = tmp_path / "mine.yaml"
    assert template.write(str(tmp_path / "mine"), like) == [target, tmp_path / FILE]
    mine, original = load_file(target), load(like)
    assert mine.name == "mine"
    assert (mine.data, mine.model, mine.train, mine.seed) == (
        original.data,
        original.model,
        original.train,
        original.seed,
    )
    assert mine.published is None
    assert {finding.rule for finding in lint(read_file(target))} <= {"test-as-validation"}
    text = target.read_text(encoding="utf-8")
    assert "# Layers in order, from the image to one output per class" in text
    assert json.loads((tmp_path / FILE).read_text(encoding="utf-8"))


def test_a_new_file_based_on_a_user_file_equals_it_in_any_layout(tmp_path):
    user_file = tmp_path / "own.yaml"
    user_file.write_text('--- {"name": "own", data: digits, model: {layers: [flatten, dense: 10]},\n "seed": 3}\n')
    template.write(str(tmp_path / "mine"), str(user_file))
    assert load_file(tmp_path / "mine.yaml") == load_file(user_file).model_copy(update={"name": "mine"})


def test_init_never_overwrites(tmp_path):
    template.write(str(tmp_path / "mine.yaml"), "lenet")
    before = (tmp_path / "mine.yaml").read_text(encoding="utf-8")
    with pytest.raises(RequestError, match=r"mine\.yaml: exists, and is not overwritten"):
        template.write(str(tmp_path / "mine"), "fc")
    assert (tmp_path / "mine.yaml").read_text(encoding="utf-8") == before
    (tmp_path / FILE).write_text("mine")
    assert template.write(str(tmp_path / "other"), "fc") == [tmp_path / "other.yaml"]
    assert (tmp_path / FILE).read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "like", "error"),
    [
        ("a b", "lenet", RequestError),
        ("a", "lenett", ConfigError),
        ("", "lenet", RequestError),
        (".", "lenet", RequestError),
    ],
)
def test_an_impossible_new_file_is_an_error(tmp_path, monkeypatch, name, like, error):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error):
        template.write(name, like)
    assert list(tmp_path.iterdir()) == []
