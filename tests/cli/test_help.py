"""The help of every command, word for word. Run `python -m pytest --update-golden tests/cli` after changing one."""

from pathlib import Path

import pytest

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("command", ["", "train", "evaluate", "compare", "configs"])
def test_help(cnnlab, command, request):
    done = cnnlab(*command.split(), "--help")
    assert done.returncode == 0
    path = GOLDEN / f"help{'-' if command else ''}{command}.txt"
    if request.config.getoption("--update-golden"):
        path.write_text(done.stdout, encoding="utf-8")
    assert done.stdout == path.read_text(encoding="utf-8")


def test_version(cnnlab):
    done = cnnlab("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("cnnlab 0.")


def test_without_a_command_the_help_is_shown(cnnlab):
    done = cnnlab()
    assert done.returncode == 2
    assert "train" in done.stdout
    assert done.stderr == ""


def test_configs_lists_every_shipped_file_with_a_line(cnnlab):
    lines = cnnlab("configs").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["name", "digits", "fc", "lenet"]
    assert all(len(line.split()) > 5 for line in lines[1:])
