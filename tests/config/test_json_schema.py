"""The language as editors and readers see it: the JSON Schema, the reference, a new file."""

import json
from pathlib import Path

import jsonschema
import pytest

from cnnlab.config import shipped, yaml
from cnnlab.config import template as start
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


def words(base=Strict):
    """Every map and kind of the language."""
    for model in base.__subclasses__():
        if model.model_fields or hasattr(model, "kind"):
            yield model
        yield from words(model)


def accepts(data):
    return jsonschema.Draft202012Validator(SCHEMA).is_valid(data)


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_shipped_schema_is_the_one_that_the_code_makes():
    shipped_schema = json.loads((shipped.folder() / FILE).read_text(encoding="utf-8"))
    assert shipped_schema == json.loads(json.dumps(SCHEMA)), "run `make docs`"


@pytest.mark.parametrize("name", shipped.paths())
def test_shipped_files_are_accepted_short_and_written_out(name):
    path = shipped.paths()[name]
    assert MODELINE in path.read_text(encoding="utf-8").splitlines()
    jsonschema.validate(yaml.parse(path.read_text(encoding="utf-8"), "x").data, SCHEMA)
    jsonschema.validate(to_dict(load(name)), SCHEMA)


@pytest.mark.parametrize("text", [text for text, _ in IN_LAYERS + IN_SETTINGS])
def test_what_cnnlab_refuses_editors_refuse(text):
    # But for what takes more than a look at one value: sums over the file.
    beyond = ("times: 300", "factors: [1]}", "boundaries: [5, 3]", "[[1, 0.9]]", "train:\n")
    if not any(part in text for part in beyond):
        assert not accepts(yaml.parse(text, "x").data)


def test_a_file_that_extends_another_need_not_say_everything():
    assert accepts({"extends": "lenet", "train": {"epochs": 3}, "data": {"validation": 0}})
    assert not accepts({"train": {"epochs": 3}})
    assert not accepts({"extends": "lenet", "trian": {"epochs": 3}})


@pytest.mark.parametrize(
    "model", [m for m in words() if m not in (Choice, LayerSpec, Leaf, Weighted, DataSpec, PadShortcut)], ids=str
)
def test_every_word_is_documented_and_its_examples_are_right(model):
    document = documentation(model)
    assert document.text
    assert all(document.options.values())
    for example in document.examples:
        value = yaml.parse(example, "example").data
        model.model_validate(value["data"] if issubclass(model, DataSpec) else value)


def test_hovering_tells_what_a_key_is():
    conv2d = json.dumps(SCHEMA["$defs"]["Conv2D"])
    assert "how many kernels there are" in conv2d
    assert "`same` puts zeros around the picture" in conv2d
    assert SCHEMA["$defs"]["Conv2D"]["examples"][0]["conv2d"]["filters"] == 6


def test_the_reference_in_docs_is_the_one_that_the_code_makes():
    page = Path(__file__).parents[2] / "docs/experiment.md"
    assert page.read_text(encoding="utf-8") == markdown(), "run `make docs`"


def test_the_reference_names_every_kind_and_option():
    page = markdown()
    for model in words():
        if issubclass(model, Choice) and hasattr(model, "kind") and model.kind != "pad_shortcut":
            assert f"### `{model.kind}`" in page
            assert all(f"| `{name}` |" in page for name in model.model_fields)


@pytest.mark.parametrize("like", shipped.paths())
def test_a_new_file_is_the_experiment_that_it_starts_from(tmp_path, like):
    target = tmp_path / "mine.yaml"
    assert start.write(str(tmp_path / "mine"), like) == [target, tmp_path / FILE]
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
    assert "# what a picture goes through, in order, to one output a class" in text
    assert json.loads((tmp_path / FILE).read_text(encoding="utf-8"))


def test_a_new_file_from_ones_own_is_what_that_means_however_it_is_laid_out(tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text('--- {"name": "own", data: digits, model: {layers: [flatten, dense: 10]},\n "seed": 3}\n')
    start.write(str(tmp_path / "mine"), str(own))
    assert load_file(tmp_path / "mine.yaml") == load_file(own).model_copy(update={"name": "mine"})


def test_a_new_file_never_overwrites(tmp_path):
    start.write(str(tmp_path / "mine.yaml"), "lenet")
    before = (tmp_path / "mine.yaml").read_text(encoding="utf-8")
    with pytest.raises(RequestError, match=r"mine\.yaml: exists, and is not overwritten"):
        start.write(str(tmp_path / "mine"), "fc")
    assert (tmp_path / "mine.yaml").read_text(encoding="utf-8") == before
    (tmp_path / FILE).write_text("mine")
    assert start.write(str(tmp_path / "other"), "fc") == [tmp_path / "other.yaml"]
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
def test_a_new_file_that_cannot_be_is_told(tmp_path, monkeypatch, name, like, error):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error):
        start.write(name, like)
    assert list(tmp_path.iterdir()) == []
