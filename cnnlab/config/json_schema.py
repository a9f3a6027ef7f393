"""The JSON Schema of experiment files, by which editors complete and check them."""

from collections.abc import Iterator
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from cnnlab.config import yaml
from cnnlab.config.documentation import documentation
from cnnlab.experiment.choice import Choice, Strict, plain
from cnnlab.experiment.schema import Experiment

FILE = "experiment.schema.json"
MODELINE = f"# yaml-language-server: $schema={FILE}"


class _Generator(GenerateJsonSchema):
    def encode_default(self, dft: Any) -> Any:
        """A default as a file would write it."""
        return plain(dft)


def json_schema() -> dict[str, Any]:
    """The schema of an experiment file, JSON Schema 2020-12."""
    schema = Experiment.model_json_schema(schema_generator=_Generator)
    definitions = schema["$defs"]
    for model in _models(Strict):
        found = schema if model is Experiment else definitions.get(model.__name__)
        if found is not None:
            _document(found, model)
        if found is not None and issubclass(model, Choice):
            _accept_aliases(found, model)
    schema["properties"]["extends"] = {
        "type": "string",
        "description": "The file that this one overrides: one in the same folder, or the name of a shipped experiment.",
        "examples": ["lenet"],
    }
    schema["anyOf"] = [{"required": ["extends"]}, {"required": ["data", "model"]}]
    del schema["required"]  # the name defaults to that of the file
    # A file that extends another may set single options of its data without the name.
    data = schema["properties"].pop("data")
    schema["if"] = {"required": ["extends"]}
    schema["then"] = {"properties": {"data": {"type": ["object", "string"], "description": data["description"]}}}
    schema["else"] = {"properties": {"data": data}}
    schema["properties"]["data"] = {}  # allowed in both cases
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _models(base: type[Strict]) -> Iterator[type[Strict]]:
    for model in base.__subclasses__():
        yield model
        yield from _models(model)


def _document(schema: dict[str, Any], model: type[Strict]) -> None:
    """Add the docstrings where editors look for them."""
    document = documentation(model)
    schema["description"] = document.text
    if model.usage:
        examples = [yaml.parse(example, "Example").data for example in model.usage]
        schema["examples"] = [
            example if issubclass(model, Choice) else next(iter(example.values())) for example in examples
        ]
    for options in _options(schema, set(document.options)):
        for name, text in document.options.items():
            options[name]["description"] = text


def _accept_aliases(schema: dict[str, Any], model: type[Choice]) -> None:
    """Accept Keras's names too, without having editors suggest them."""
    forms = schema.get("anyOf", [schema])
    place = f"#/$defs/{model.__name__}" + ("/anyOf/0" if "anyOf" in schema else "")
    for alias in model.aliases():
        forms[0]["properties"][alias] = {"$ref": f"{place}/properties/{model.kind}", "doNotSuggest": True}
    if model.aliases():
        del forms[0]["required"]
        forms[0] |= {"minProperties": 1, "maxProperties": 1}
        if len(forms) > 1:
            forms.append({"enum": model.aliases(), "doNotSuggest": True})


def _options(schema: Any, names: set[str]) -> Iterator[dict[str, Any]]:
    """The `properties` inside `schema` that have exactly these names."""
    if isinstance(schema, dict):
        properties = schema.get("properties")
        if isinstance(properties, dict) and names and properties.keys() == names:
            yield properties
        else:
            for inner in schema.values():
                yield from _options(inner, names)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _options(inner, names)
