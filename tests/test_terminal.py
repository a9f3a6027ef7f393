"""Commands in messages."""

from pathlib import Path

import pytest

from cnnlab.terminal import proposed


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (("verify", Path("runs/a")), "`cnnlab verify runs/a`"),
        (("verify", Path("-x")), "`cnnlab verify ./-x`"),
        (("train", Path("-x/config.yaml"), "--epochs", "3"), "`cnnlab train ./-x/config.yaml --epochs 3`"),
        (("verify", Path("-my runs")), "`cnnlab verify './-my runs'`"),
    ],
)
def test_a_path_is_quoted_and_is_no_option(words, command):
    assert proposed(*words) == command
