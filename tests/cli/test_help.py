"""The help and the reference generated from it."""

import subprocess
import sys
from pathlib import Path

import pytest

from cnnlab.config import shipped
from tests.conftest import assert_one_line

REFERENCE = Path(__file__).parents[2] / "docs/cli.md"
DOCS = ["typer", "cnnlab.cli.app", "utils", "docs", "--name", "cnnlab", "--title", "The command line"]


def test_the_reference_matches_the_help_of_the_commands():
    done = subprocess.run([sys.executable, "-m", *DOCS], capture_output=True, text=True, check=True)
    assert REFERENCE.read_text(encoding="utf-8") == done.stdout, "run `make docs`"


COMMANDS = ["train", "evaluate", "resume", "verify", "compare", "init", "validate", "describe", "show"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_without_arguments_names_the_missing_one(cnnlab, command):
    assert_one_line(cnnlab(command), 2, "Missing argument", f"see `cnnlab {command} --help`")


def test_help_is_on_standard_output(cnnlab):
    done = cnnlab("train", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: cnnlab train" in done.stdout


def test_version(cnnlab):
    done = cnnlab("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("cnnlab 0.")


def test_no_command_shows_the_help(cnnlab):
    done = cnnlab()
    assert done.returncode == 2
    assert "train" in done.stdout
    assert done.stderr == ""


def test_configs_lists_every_shipped_file_with_a_description(cnnlab):
    lines = cnnlab("configs", COLUMNS="200").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["name", *shipped.paths()]
    assert all(len(line.split()) > 5 for line in lines[1:])
