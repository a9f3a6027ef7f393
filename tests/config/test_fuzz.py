"""Any file is an experiment or raises a ConfigError whose lines all name a place."""

import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnlab.config import shipped
from cnnlab.config.lint import lint
from cnnlab.config.load import load, read, to_dict, to_yaml
from cnnlab.config.overrides import parse_set
from cnnlab.config.yaml import dump
from cnnlab.errors import ConfigError

MANY = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
SOME = settings(MANY, max_examples=80)  # examples are shipped files, which take 30 ms each
WORDS = st.sampled_from(
    [
        "<<",
        "BatchNormalization",
        "SGD",
        "name",
        "data",
        "model",
        "layers",
        "train",
        "seed",
        "published",
        "extends",
        "epochs",
        "batch_size",
        "optimizer",
        "loss",
        "schedule",
        "callbacks",
        "sgd",
        "adam",
        "mnist",
        "digits",
        "raw",
        "synthetic",
        "dense",
        "conv2d",
        "residual",
        "parallel",
        "repeat",
        "flatten",
        "units",
        "filters",
        "kernel_size",
        "activation",
        "relu",
        "times",
        "kernel_initializer",
        "truncated_normal",
        "learning_rate",
        "exponential",
        "decay",
        "lenet",
        "image_shape",
        "validation",
        "test",
    ]
)
scalars = st.none() | st.booleans() | st.integers(-3, 12) | st.integers() | st.floats() | WORDS | st.text(max_size=5)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=4),
    max_leaves=15,
)
texts = [path.read_text(encoding="utf-8") for path in shipped.paths().values()]
experiments = [to_dict(load(name)) for name in shipped.paths()]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "x.yaml"


def check(path, content):
    """Load and lint `content`; a loaded experiment must round-trip."""
    path.write_bytes(content)
    try:
        config = read(str(path))
    except ConfigError as error:
        check_lines(error.problems, (str(path), str(shipped.folder())))
        return
    for finding in lint(config):
        assert finding.place
    path.write_text(to_yaml(config.experiment), encoding="utf-8")
    assert load(str(path)) == config.experiment


def check_lines(problems, beginnings):
    assert problems
    assert all(problem.startswith(beginnings) and problem.isprintable() for problem in problems)


@given(st.binary(max_size=200))
@MANY
def test_random_bytes(path, content):
    check(path, content)


@given(st.text(st.sampled_from(string.printable + "é\x85\u2028\x00"), max_size=100))
@MANY
def test_random_text(path, text):
    check(path, text.encode())


@given(values)
@MANY
def test_random_yaml(path, value):
    check(path, dump(value).encode("utf-8", "surrogatepass"))


@given(st.sampled_from(experiments), st.data())
@SOME
def test_an_experiment_with_a_part_replaced(path, experiment, data):
    steps = []
    here = experiment
    while isinstance(here, dict | list) and here and data.draw(st.booleans() | st.just(True)):
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        steps.append(data.draw(st.sampled_from(keys)))
        here = here[steps[-1]]
    check(path, dump(replaced(experiment, steps, data.draw(values))).encode("utf-8", "surrogatepass"))


def replaced(data, steps, value):
    if not steps:
        return value
    copy = data.copy()
    copy[steps[0]] = replaced(copy[steps[0]], steps[1:], value)
    return copy


@given(st.sampled_from(texts), st.integers(0, 10_000), st.integers(0, 30), st.text(max_size=10))
@SOME
def test_a_shipped_file_with_some_characters_replaced(path, text, start, length, new):
    start %= len(text)
    check(path, (text[:start] + new + text[start + length :]).encode("utf-8", "surrogatepass"))


@given(st.sampled_from(texts), st.data())
@SOME
def test_a_shipped_file_with_reordered_lines(path, text, data):
    lines = text.splitlines(keepends=True)
    for _ in range(data.draw(st.integers(1, 3))):
        line = lines.pop(data.draw(st.integers(0, len(lines) - 1)))
        if data.draw(st.booleans()):
            lines.insert(data.draw(st.integers(0, len(lines))), data.draw(st.sampled_from(["", " ", "  "])) + line)
    check(path, "".join(lines).encode())


@given(st.sampled_from(texts), st.data())
@SOME
def test_a_shipped_file_with_random_anchors_merges_and_aliases(path, text, data):
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        text = (
            text[:at]
            + data.draw(st.sampled_from(["&a ", "&b ", "*a", "<<: *a", "<<: [*a, *b]", "{<<: *b}"]))
            + text[at:]
        )
    check(path, text.encode())


keys = st.lists(WORDS | st.integers(0, 5).map(str), min_size=1, max_size=6).map(".".join) | st.text(max_size=20)


@given(st.sampled_from(list(shipped.paths())), keys, values)
@SOME
def test_random_changes(name, key, value):
    try:
        load(name, [parse_set(f"{key}={dump(value)}")])
    except ConfigError as error:
        check_lines(error.problems, ("--set ", str(shipped.folder())))
