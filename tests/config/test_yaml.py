import contextlib
import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cnnlab.config.yaml import dump, parse
from cnnlab.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1.5", 1.5),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("12", 12),
        ("010", "010"),
        ("0x1F", 31),
        ("0o17", 15),
        ("true", True),
        ("on", "on"),
        ("no", "no"),
        ("~", None),
        ("", None),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("'12'", "12"),
        ("2026-11-21", "2026-11-21"),
    ],
)
def test_scalars_follow_yaml_1_2(text, value):
    assert parse(f"a: {text}", "x").data == {"a": value}


def test_every_key_and_value_has_its_place():
    document = parse("a: 1\nb:\n  - c: {d: 2}\n", "x")
    assert document.keys[("b", 0, "c", "d")] == ("x", 3, 9)
    assert document.values[("b", 0, "c", "d")] == ("x", 3, 12)


BASES = "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\n"


@pytest.mark.parametrize(
    ("merging", "value"),
    [
        ("{<<: *a}", {"x": 1, "y": 2}),
        ("{<<: *a, y: 9}", {"x": 1, "y": 9}),
        ("{y: 9, <<: *a}", {"x": 1, "y": 9}),
        ("{<<: [*a, *b]}", {"x": 1, "y": 2, "z": 4}),
        ("{<<: [*b, *a], z: 0}", {"x": 1, "y": 3, "z": 0}),
        ("{<<: {<<: *a, q: 1}}", {"x": 1, "y": 2, "q": 1}),
        ("{<<: []}", {}),
        ("[{<<: *a}, {<<: *b}]", [{"x": 1, "y": 2}, {"y": 3, "z": 4}]),
    ],
)
def test_maps_merge_as_in_yaml_1_1(merging, value):
    text = f"{BASES}c: {merging}"
    assert parse(text, "x").data["c"] == value
    assert yaml.safe_load(text)["c"] == value


def test_merged_values_keep_the_place_where_they_are_written():
    document = parse("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\n", "x")
    assert document.keys[("b", "x")] == ("x", 1, 8)
    assert document.values[("b", "x")] == ("x", 1, 11)
    assert document.keys[("b", "y")] == ("x", 4, 3)
    assert ("b", "<<") not in document.keys


def test_a_quoted_or_single_merge_sign_is_a_string():
    assert parse("{'<<': 1, a: <<}", "x").data == {"<<": 1, "a": "<<"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "x:3:1: duplicate key 'a' (first on line 1); keep one"),
        ("a: [1", "x:1:6: not YAML: expected ',' or ']', but got '<stream end>'"),
        ("a:\n\tb: 1", "YAML indents with spaces, never with tabs"),
        ("a: !!python/object:os.system x", "x:1:4: YAML tags"),
        ("a: !!int abc", "x:1:4: 'abc' is not of its tag"),
        ("a: !!float ''", "x:1:4: '' is not of its tag"),
        ('a: "\\U00FFFFFF"', "x: not YAML"),
        ("? [a]\n: 1", "x:1:3: a key must be a string"),
        ("a: &x [*x]", "aliases (*name) that repeat too much"),
        ("a: &x {<<: *x}", "x:1:12: too many values, or aliases (*name) that repeat too much"),
        ("a: &x {b: {<<: *x}}", "aliases (*name) that repeat too much"),
        ("a: {<<: 3}", "x:1:9: <<: expected a map to merge, such as *name, or a list of such maps"),
        ("a: &x 3\nb: {<<: [*x]}", "x:2:10: <<: expected a map to merge"),
        (
            "a: &x {k: 1}\nb: {<<: *x, <<: *x}",
            "x:2:13: duplicate key '<<' (first on line 2); merge several maps with <<: [*a, *b]",
        ),
        ("a: {<<: {k: 1, k: 2}}", "x:1:16: duplicate key 'k' (first on line 1); keep one"),
        ("a: {<<: !!omap {k: 1}}", "x:1:9: YAML tags"),
        ("[" * 5000, "x:1:101: too many values, or nested too deeply, for an experiment"),
        ("a: \x00", "x: not YAML"),
        ("a: " + "9" * 5000, "an integer of 5000 digits"),
        ("--- 1\n--- 2", "not YAML: but found another document"),
    ],
)
def test_unsupported_yaml_is_rejected(text, message):
    with pytest.raises(ConfigError) as caught:
        parse(text, "x")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_alias_expansion_is_bounded():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    with pytest.raises(ConfigError, match="repeat too much"):
        parse("\n".join(lines), "x")


def test_merge_expansion_is_bounded():
    lines = ["a0: &a0 {k: 0}"]
    lines += [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}" for i in range(1, 10)]
    with pytest.raises(ConfigError, match="repeat too much"):
        parse("\n".join(lines), "x")
    chain = ", ".join(f"&a{i} {{<<: *a{i - 1}}}" for i in range(1, 3000))
    with pytest.raises(ConfigError, match="repeat too much"):  # not a RecursionError
        parse(f"x: {{<<: {{k: [&a0 {{z: 1}}, {chain}]}}, k: *a2999}}", "x")


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)


@given(plain)
def test_dumped_data_round_trip(data):
    assert parse(dump(data), "x").data == data


@given(st.text())
def test_any_text_is_data_or_a_config_error(text):
    with contextlib.suppress(ConfigError):
        parse(text, "x")
