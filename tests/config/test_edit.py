"""Changing one value of an experiment file in place."""

import pytest

from cnnlab.config.edit import with_value
from cnnlab.config.load import load_file
from cnnlab.errors import ConfigError

HEAD = "# A head.\nname: x\ndata: digits   # the data\nmodel: {layers: [flatten, dense: 10]}\n"
SGD = ("train", "optimizer", "sgd", "learning_rate")
ADAM = ("train", "optimizer", "adam", "learning_rate")

CASES = [
    ("", "train:\n  optimizer: {sgd: {learning_rate: 0.05}}\n"),
    ("train: {}\n", "train: {optimizer: {sgd: {learning_rate: 0.05}}}\n"),
    ("train:\n  epochs: 3  # few\n", "train:\n  optimizer: {sgd: {learning_rate: 0.05}}\n  epochs: 3  # few\n"),
    ("train: {epochs: 3}\n", "train: {optimizer: {sgd: {learning_rate: 0.05}}, epochs: 3}\n"),
    ("train: {optimizer: {sgd: 0.5}} # c\n", "train: {optimizer: {sgd: 0.05}} # c\n"),
    ("train: {optimizer: {SGD: {momentum: 0.9}}}", "train: {optimizer: {SGD: {learning_rate: 0.05, momentum: 0.9}}}"),
    (
        "train:\n  optimizer:\n    sgd:\n      momentum: 0.9 # m\n\n      learning_rate: 1e-2   # rate\n# end\n",
        "train:\n  optimizer:\n    sgd:\n      momentum: 0.9 # m\n\n      learning_rate: 0.05   # rate\n# end\n",
    ),
    (
        "train:\n  optimizer:\n    sgd:   # how\n      momentum: 0.9\n",
        "train:\n  optimizer:\n    sgd:   # how\n      learning_rate: 0.05\n      momentum: 0.9\n",
    ),
    (
        "train:\n  optimizer: {sgd: {momentum: &m 0.1, learning_rate: *m}}\n",
        "train:\n  optimizer: {sgd: {momentum: &m 0.1, learning_rate: 0.05}}\n",
    ),
    (
        "train:\n  <<: &t {epochs: 3}\n  batch_size: 8\n",
        "train:\n  optimizer: {sgd: {learning_rate: 0.05}}\n  <<: &t {epochs: 3}\n  batch_size: 8\n",
    ),
    ("train: {optimizer: adam} # c\n", "train: {optimizer: {adam: {learning_rate: 0.05}}} # c\n"),
    ("train: {optimizer: Adam}\n", "train: {optimizer: {adam: {learning_rate: 0.05}}}\n"),
    ("train:\n  optimizer:\n    adam: {}\n", "train:\n  optimizer:\n    adam: {learning_rate: 0.05}\n"),
    ("train:\n  optimizer:\n    adam:\n", "train:\n  optimizer:\n    adam: {learning_rate: 0.05}\n"),
]


@pytest.mark.parametrize(("body", "expected"), CASES)
def test_one_value_changes_and_all_other_text_stays(tmp_path, body, expected):
    path = tmp_path / "x.yaml"
    path.write_text(HEAD + body, encoding="utf-8")
    text = with_value(path, ADAM if "dam" in body else SGD, 0.05)
    assert text == HEAD + expected
    before = load_file(path)
    path.write_text(text, encoding="utf-8")
    optimizer = before.train.optimizer.model_copy(update={"learning_rate": 0.05})
    assert load_file(path) == before.model_copy(
        update={"train": before.train.model_copy(update={"optimizer": optimizer})}
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("extends: lenet", "extends: lenet\ntrain:\n  optimizer: {sgd: {learning_rate: 0.05}}\n"),
        ("extends: lenet\ntrain: {epochs: 3}\n", "extends: lenet\ntrain: {optimizer: {sgd: {learning_rate: 0.05}}, epochs: 3}\n"),
        ("{extends: lenet}", "{train: {optimizer: {sgd: {learning_rate: 0.05}}}, extends: lenet}"),
    ],
)  # fmt: skip
def test_a_file_that_extends_another_keeps_what_it_inherits(tmp_path, text, expected):
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    assert with_value(path, SGD, 0.05) == expected
    path.write_text(expected, encoding="utf-8")
    assert load_file(path).train.optimizer.momentum == 0.9


def test_line_ends_and_a_byte_order_mark_stay(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_bytes(f"\ufeff{HEAD}train:\n  epochs: 3\n".replace("\n", "\r\n").encode())
    expected = f"\ufeff{HEAD}train:\n  optimizer: {{sgd: {{learning_rate: 0.05}}}}\n  epochs: 3\n"
    assert with_value(path, SGD, 0.05) == expected.replace("\n", "\r\n")


@pytest.mark.parametrize(
    "body",
    [
        "train:\n  optimizer: {sgd: {learning_rate: &r 0.1, momentum: *r}}\n",  # the alias would lose its anchor
        "train:\n  <<: {optimizer: {sgd: {momentum: 0.9}}}\n",  # an explicit optimizer would replace the merged one
        "train: {optimizer: {adam: 0.1}}\n",  # another kind
    ],
)
def test_what_would_change_more_than_the_value_is_refused(tmp_path, body):
    path = tmp_path / "x.yaml"
    path.write_text(HEAD + body, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"train.optimizer.sgd.learning_rate cannot be changed in place.* 0\.05"):
        with_value(path, SGD, 0.05)
