"""Search spaces: what they contain, and what is refused before anything is trained."""

import itertools
import typing

import pytest

from cnnlab.config.overrides import Override
from cnnlab.config.space import Space, read_space
from cnnlab.config.space_rules import parse_search
from cnnlab.errors import ConfigError
from cnnlab.experiment.search import KINDS, Search
from cnnlab.sweep.points import fixed_points

BASE = """\
name: small
data: {name: digits, validation: 0.2}
model:
  layers:
    - conv2d: {filters: 4, kernel_size: 3}
    - max_pool2d: 2
    - flatten
    - dense: 10
train: {epochs: 2}
search:
"""


@pytest.fixture
def space(tmp_path, monkeypatch):
    """Makes the space of a section `search`."""
    monkeypatch.chdir(tmp_path)

    def make(section, searches=(), changes=()) -> Space:
        indented = "".join(f"  {line}\n" for line in section.strip().splitlines())
        (tmp_path / "s.yaml").write_text(BASE.replace("search:\n", f"search:\n{indented}" if section else ""))
        return read_space("s.yaml", changes, searches)

    return make


BAD = {
    "no section": ("", ["s.yaml: has no section `search`", "--search"]),
    "nothing in the section": ("null", ["s.yaml:10:1: search: empty; expected a map with the key `space`"]),
    "empty section": ("{}", ["s.yaml", "search.space: missing"]),
    "empty space": ("space: {}", ["s.yaml:11:10: search.space: no entries; expected at least 1"]),
    "bounds the wrong way round": (
        "space: {train.batch_size: {integer: [64, 32]}}",
        ["s.yaml:11:", "the range [64, 32] is empty", "swap them: [32, 64]"],
    ),
    "a single value as a range": ("space: {train.batch_size: {integer: [32, 32]}}", ["is empty", "set the key to 32"]),
    "log of zero": (
        "space: {train.optimizer.sgd.learning_rate: {log: [0, 0.1]}}",
        ["a logarithmic range needs positive values, got 0"],
    ),
    "no kind": ("space: {train.batch_size: {step: 2}}", ["expected one of choice, linear", "got none"]),
    "two kinds": ("space: {train.batch_size: {integer: [1, 2], log: [1, 2]}}", ["got log and integer"]),
    "unknown kind": ("space: {train.batch_size: {lgo: [1, 2]}}", ["unknown key; did you mean 'log'?"]),
    "no choices": ("space: {train.batch_size: []}", ["no entries; expected at least 1"]),
    "a choice twice": ("space: {train.batch_size: [32, 32]}", ["duplicate value in the choice; keep one"]),
    "a large step": (
        "space: {train.batch_size: {integer: [1, 4], step: 9}}",
        ["expected a step above 0 and of at most 3, got 9"],
    ),
    "a step of a choice": (
        "space: {train.batch_size: {choice: [1, 4], step: 1}}",
        ["a step is for linear and integer"],
    ),
    "one end": ("space: {train.batch_size: {integer: [1]}}", ["1 entry; expected at least 2"]),
    "a word as an end": ("space: {train.batch_size: {integer: [few, 3]}}", ["expected an integer, got 'few'"]),
    "a key that does not exist": (
        "space: {train.batchsize: [1, 2]}",
        ["s.yaml:11:", "train.batchsize: unknown key; did you mean 'batch_size'?"],
    ),
    "a layer that does not exist": ("space: {'model.layers[9].dense.units': [1, 2]}", ["[9] does not exist"]),
    "no key": ("space: {'..': [1, 2]}", ["expected a key such as train.batch_size"]),
    "the seed": ("space: {seed: [1, 2]}", ["cannot be searched", "finalists get fresh seeds"]),
    "the data": (
        "space: {data.validation: [0.1, 0.2]}",
        ["cannot be searched", "by which examples trials are compared"],
    ),
    "the devices": ("space: {train.devices: [1, 2]}", ["cannot be searched"]),
    "another sampler": ("sampler: lucky\nspace: {train.batch_size: [1]}", ["sampler", "got 'lucky'"]),
    "no trials": ("trials: 0\nspace: {train.batch_size: [1]}", ["search.trials", "got 0"]),
    "a condition on nothing": (
        "space: {train.batch_size: {choice: [1, 2], when: {train.loss: x}}}",
        ["when: train.loss: no such key in the space"],
    ),
    "a condition that never holds": (
        "space: {train.epochs: [1, 2], train.batch_size: {choice: [1, 2], when: {train.epochs: 7}}}",
        ["when: train.epochs never is 7"],
    ),
    "conditions in a circle": (
        "space:\n  train.epochs: {choice: [1, 2], when: {train.batch_size: 1}}\n"
        "  train.batch_size: {choice: [1, 2], when: {train.epochs: 1}}",
        ["train.epochs and train.batch_size depend on one another"],
    ),
    "a value of another type": (
        "space: {train.batch_size: [32, many]}",
        ["s.yaml:11:", "train.batch_size: expected an integer, got 'many'", "(where batch_size=many)"],
    ),
    "a kernel larger than the image in one corner": (
        "space: {'model.layers[0].conv2d.kernel_size': [3, 40], train.batch_size: [16, 32]}",
        ["s.yaml", "(where conv2d.kernel_size=40)"],
    ),
    "a last layer that lint refuses": (
        "space: {'model.layers[3].dense.units': [10, 11]}",
        ["the network ends in (11,), and digits has 10 classes", "(where dense.units=11)"],
    ),
    "a pruner that never prunes": (
        "pruner: halving\nmin_epochs: 2\nspace: {train.batch_size: [16, 32]}",
        ["s.yaml:12:3: search.min_epochs: 2, and a trial has 2 epochs: none would be pruned"],
    ),
    "too few parameters": (
        "max_parameters: 20\nspace: {train.batch_size: [16, 32]}",
        ["s.yaml:11:3: search.max_parameters: no network", "has at most 20 parameters"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_spaces_are_refused_with_their_place(space, case):
    section, parts = BAD[case]
    with pytest.raises(ConfigError) as error:
        space(section).check()
    for part in parts:
        assert part in str(error.value)


@pytest.mark.parametrize("validation", ["test", 0])
def test_trials_need_validation_examples(space, validation):
    with pytest.raises(ConfigError, match=r"data.validation.*--set data.validation=0.1"):
        space("space: {train.batch_size: [16, 32]}", changes=[Override(("data", "validation"), validation, "--set x")])


VALUES = {
    "choice": "[16, 32, 64]",
    "linear": "{linear: [8, 64], step: 8}",
    "log": "{log: [0.001, 0.1]}",
    "integer": "{integer: [16, 64], step: 16}",
    "log_integer": "{log_integer: [8, 512]}",
}
KEYS = {"linear": "train.optimizer.sgd.momentum", "log": "train.optimizer.sgd.learning_rate"}
VALUES["linear"] = "{linear: [0.0, 0.9], step: 0.3}"


def test_every_kind_of_values_has_an_example():
    assert VALUES.keys() == {*KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_within_their_range_and_reach_its_ends(space, kind):
    (one,) = space(f"space: {{{KEYS.get(kind, 'train.batch_size')}: {VALUES[kind]}}}").dimensions
    drawn = [one.at(index / 1000) for index in range(1000)]
    low, high = (one.values.choice[0], one.values.choice[-1]) if kind == "choice" else one.values.ends
    assert min(drawn) == low
    assert high * 0.99 <= max(drawn) <= high
    assert one.at(0.9999999999) <= high
    if one.choices is not None and kind != "log_integer":
        assert set(drawn) == set(one.choices)


SAMPLERS = [name for name in typing.get_args(Search.model_fields["sampler"].annotation) if name not in ("tpe", "cmaes")]


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_sampler_draws_valid_and_distinct_points_that_do_not_depend_on_how_many(space, sampler, kind):
    if sampler == "grid" and kind == "log":
        with pytest.raises(ConfigError, match="a grid needs single values, not a log range"):
            fixed_points(space(f"sampler: grid\nspace: {{{KEYS[kind]}: {VALUES[kind]}}}"))
        return

    def points(count):
        section = (
            f"sampler: {sampler}\ntrials: {count}\nspace: {{{KEYS.get(kind, 'train.batch_size')}: {VALUES[kind]}}}"
        )
        return fixed_points(space(section))

    few, many = points(2), points(4)
    assert few == many[:2]
    assert all(one != other for one, other in itertools.combinations(many, 2))


def test_a_key_inside_another_one_of_the_space_applies_where_that_has_it(space):
    found = space(
        "sampler: grid\n"
        "space:\n"
        "  train.optimizer.adam.learning_rate: [0.001, 0.01]\n"
        "  train.optimizer: [sgd, adam]\n"
        "  train.optimizer.sgd.momentum: [0.0, 0.9]\n"
        "  model.layers:\n"
        "    - [flatten, {dense: 10}]\n"
        "    - [flatten, {dense: 8}, {dense: 10}]\n"
        "  model.layers[1].dense.activation: {choice: [relu, tanh], when: {train.optimizer: sgd}}\n"
    )
    points = fixed_points(found)
    assert all(
        ("train.optimizer.adam.learning_rate" in point) == (point["train.optimizer"] == "adam") for point in points
    )
    assert all(("model.layers[1].dense.activation" in point) == (point["train.optimizer"] == "sgd") for point in points)
    assert len(points) == 2 * (2 + 2 * 2)


def test_of_too_large_networks_none_is_a_point(space):
    found = space("sampler: random\nmax_parameters: 8510\nspace: {'model.layers[0].conv2d.filters': {integer: [2, 9]}}")
    filters = [point["model.layers[0].conv2d.filters"] for point in fixed_points(found)]
    assert sorted(filters) == [2, 3, 4, 5]  # each has 10 * f + 13 * 13 * f * 10 + 10 parameters


def test_a_space_of_too_many_corners_is_checked_in_part_and_finds_bad_pairs(space):
    keys = ["train.batch_size: [16, 32, 64]", "train.epochs: [1, 2, 3]", "preprocessing.zero_padding: [0, 1]"]
    keys += ["'model.layers[0].conv2d.kernel_size': [1, 3, 29]", "'model.layers[0].conv2d.filters': [2, 3, 4, 5]"]
    keys += ["train.optimizer.sgd.learning_rate: [0.01, 0.02, 0.03]", "train.optimizer.sgd.momentum: [0, 0.5, 0.9]"]
    section = "space:\n" + "".join(f"  {key}\n" for key in keys)
    found = space(section)
    assert found.has_unchecked_corners
    with pytest.raises(
        ConfigError
    ) as error:  # larger than an image of 28 with padding 0; with padding 1 its output is too small
        found.check()
    assert "kernel_size=29" in str(error.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("k=log:1e-3..1e-1", {"log": [1e-3, 1e-1]}),
        ("k=0.1..0.5", {"linear": [0.1, 0.5]}),
        ("k=4..32", {"integer": [4, 32]}),
        ("k=4..32:4", {"integer": [4, 32], "step": 4}),
        ("k=integer:4..32:4", {"integer": [4, 32], "step": 4}),
        ("k=log_integer:4..32", {"log_integer": [4, 32]}),
        ("k=-1..1", {"integer": [-1, 1]}),
        ("k=32|64", {"choice": [32, 64]}),
        ("k=adam", {"choice": ["adam"]}),
        ("k=[{dense: 1}]|[flatten, {dense: 2}]", {"choice": [[{"dense": 1}], ["flatten", {"dense": 2}]]}),
        ("k={sgd: {momentum: 0.9}}", {"choice": [{"sgd": {"momentum": 0.9}}]}),
    ],
)
def test_texts_of_options_are_values(text, value):
    assert parse_search(text).value == value


@pytest.mark.parametrize("text", ["", "k", "k=", "=1", "k=lgo:1..2", "k=1..", "k=..2", "k=[1", "k=1..2:3:4"])
def test_bad_texts_of_options_are_refused_with_the_option(text):
    with pytest.raises(ConfigError) as error:
        parse_search(text)
    assert str(error.value).startswith(f"--search {text}:")


def test_an_option_replaces_the_values_of_the_file(space):
    found = space("space: {train.batch_size: [16]}", ["train.batch_size=32|64", "train.epochs=1|2"])
    assert {one.key: one.values.choice for one in found.dimensions} == {
        "train.batch_size": [32, 64],
        "train.epochs": [1, 2],
    }


def test_other_commands_say_that_a_space_is_to_be_swept(cnnlab, space):
    space("space: {train.batch_size: [16, 32]}")
    done = cnnlab("train", "s.yaml")
    assert done.returncode == 2
    assert done.stderr == "cnnlab: s.yaml:10:1: search: this is a search space; `cnnlab sweep s.yaml` searches it\n"


def test_validate_checks_the_corners(cnnlab, space):
    with pytest.raises(ConfigError):
        space("space: {'model.layers[3].dense.units': [10, 11]}").check()
    done = cnnlab("validate", "s.yaml")
    assert done.returncode == 2
    assert "(where dense.units=11)" in done.stdout
