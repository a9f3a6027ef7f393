"""The reference of the experiment file in Markdown, from the docstrings of the schema."""

from collections.abc import Iterator

from cnnlab.config import rules, yaml
from cnnlab.config.documentation import documentation
from cnnlab.config.schema_lookup import models_at
from cnnlab.experiment.adversarial import Adversarial
from cnnlab.experiment.choice import Choice, Strict, options_of, plain
from cnnlab.experiment.data import DataSpec, PluginData, plugin, spec_of
from cnnlab.experiment.data.group import ByColumn, ByFolder, ByName, ByRound, BySequence
from cnnlab.experiment.layers import base
from cnnlab.experiment.preprocessing import Preprocessing
from cnnlab.experiment.pretrained import Pretrained
from cnnlab.experiment.progressive_resizing import ProgressiveResizing
from cnnlab.experiment.schema import Experiment, Model, Published, Train
from cnnlab.experiment.search import Search, Values
from cnnlab.experiment.test_time import TestTime

HEAD = """\
# The experiment file

One YAML file is one experiment. `cnnlab schema --format md` prints this page; `cnnlab show CONFIG` prints an experiment
with every default written out, `cnnlab validate CONFIG` checks it, `cnnlab init NAME` writes a new one.

A kind is written `kind: {option: value}`; often `kind: value` for a single option, and `kind` without options. Where a
Keras class is equivalent, its name is accepted too (`BatchNormalization`, `batch_normalization`). Numbers may be
written `1e-3`; `on`, `off`, `yes` and `no` are strings. An unknown key is an error.

`<<: *name` merges the map with the anchor `&name`, `<<: [*a, *b]` several: the map's keys take precedence, then
those of `a`.

`extends: lenet` (a shipped experiment) or `extends: mine.yaml` (a file in the same folder) inherits everything from
another file except `name` and `published`. Maps merge; lists and other values replace; another kind of optimizer, loss,
schedule or data replaces the inherited one with all its options.
"""


def markdown() -> str:
    """The page."""
    sections = [
        HEAD,
        *_section("The file", [Experiment]),
        *_data(),
        *_section("`data.group`", [ByName, ByFolder, BySequence, ByRound, ByColumn]),
        *_section("`preprocessing`", [Preprocessing]),
        *_section("`preprocessing.augmentation`", models_at(("preprocessing", "augmentation", 0))),
        *_section("`model`", [Model]),
        *_section("`model.pretrained`", [Pretrained]),
        *_section("`model.layers`", models_at(("model", "layers", 0))),
        "Activations: " + ", ".join(f"`{name}`" for name in base.Activation.__args__) + ".\n",  # type: ignore[attr-defined]
        *_section("`kernel_initializer`", models_at(("model", "layers", 0, "dense", "kernel_initializer"))),
        *_section("`kernel_regularizer`", models_at(("model", "layers", 0, "dense", "kernel_regularizer"))),
        *_section("`train`", [Train]),
        *_section("`train.optimizer`", models_at(("train", "optimizer"))),
        *_section("`train.loss`", models_at(("train", "loss"))),
        *_section("`train.adversarial`", [Adversarial]),
        *_section("`train.progressive_resizing`", [ProgressiveResizing]),
        *_section("`train.schedule`", models_at(("train", "schedule"))),
        *_section("`train.callbacks`", models_at(("train", "callbacks", 0))),
        *_section("`test_time`", [TestTime]),
        *_section("`published`", [Published]),
        *_section("`search`", [Search]),
        *_section("`search.space`", [Values]),
        *_rules(),
    ]
    return "\n".join(sections).rstrip() + "\n"


def _section(title: str, models: list[type[Strict]]) -> Iterator[str]:
    yield f"## {title}\n"
    for model in models:
        if len(models) > 1 or issubclass(model, Choice):
            yield f"### `{_name(model)}`\n"
        yield from _described(model, documentation(model).options)


def _described(model: type[Strict], options: dict[str, str]) -> Iterator[str]:
    document = documentation(model)
    yield f"{document.text}\n"
    if issubclass(model, Choice) and model.keras:
        yield f"As in Keras: {', '.join(f'`{name}`' for name in model.aliases())}.\n"
    if options:
        yield "| option | default | |\n|---|---|---|"
        for name, text in options.items():
            yield f"| `{name}` | {_default(model, name)} | {text} |"
        yield ""
    for example in model.usage:
        yield f"    {example}\n"


def _data() -> Iterator[str]:
    """The options that all data sets have, then those of each one."""
    yield "## `data`\n"
    yield "Every data set has these options:\n"
    shared = documentation(DataSpec).options
    yield "| option | default | |\n|---|---|---|"
    for name, text in shared.items():
        default = "required" if name == "name" else _default(DataSpec, name)
        yield f"| `{name}` | {default} | {text} |"
    yield ""
    for model in models_at(("data",)):
        if issubclass(model, DataSpec) and model is not PluginData:
            yield f"### `{_name(model)}`\n"
            options = documentation(model).options
            yield from _described(
                model, {name: text for name, text in options.items() if name != "name" and shared.get(name) != text}
            )
            yield from _published(model)
    yield "### Data sets from plugins\n"
    yield f"{plugin.__doc__}"


def _published(model: type[DataSpec]) -> Iterator[str]:
    """Counts, shape, licence and origin of a published data set."""
    if not model.origin:
        return
    spec = spec_of(_name(model))
    train, test = spec.published_sizes() or (0, 0)
    shape = ", ".join(map(str, spec.image_shape))
    yield (
        f"{train:,} training and {test:,} test images, ({shape}) uint8 in [0, 255]; {spec.num_classes} classes. "
        f"Licence: {model.licence}. Origin: <{model.origin}>.\n"
    )


def _name(model: type[Strict]) -> str:
    return model.kind if issubclass(model, Choice) else str(model.model_fields["name"].annotation.__args__[0])  # type: ignore[union-attr]


def _default(model: type[Strict], name: str) -> str:
    if model is Experiment and name == "name":
        return "name of the file"
    field = options_of(model)[name]
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if isinstance(default, Strict):
        return f"`{default.kind}`" if isinstance(default, Choice) else "see below"
    value = plain(default)
    return "" if value is None else f"`{yaml.dump_inline(value)}`"


def _rules() -> Iterator[str]:
    yield "## Rules of `cnnlab validate`\n"
    yield "Errors:"
    yield "\n| rule | |\n|---|---|"
    yield "| `shape` | Every layer must accept the output of the one before it, and its output must not be empty. |"
    for rule in rules.ERRORS:
        yield f"| `{rules.name_of(rule)}` | {rule.__doc__} |"
    yield "\nWarnings, silenced by a comment `# cnnlab: allow[rule]` on its line or the line above it:"
    yield "\n| rule | |\n|---|---|"
    yield "| `unknown-rule` | A comment must allow an existing rule. |"
    for rule in rules.WARNINGS:
        yield f"| `{rules.name_of(rule)}` | {rule.__doc__} |"
