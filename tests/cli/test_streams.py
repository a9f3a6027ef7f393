"""Closed, full and ASCII-only outputs, and control characters in the input."""

import os
import subprocess
import sys

import pytest

from cnnlab import terminal
from cnnlab.cli import main
from tests.conftest import assert_one_line, make_run


def shell(command, cwd, **env):
    return subprocess.run(
        ["bash", "-c", command.replace("cnnlab", f"{sys.executable} -m cnnlab")],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_ascii_terminals_get_escapes(tmp_path):
    make_run(tmp_path / "runs", "x", None, {"status": "finished", "experiment": {"model": {"a": "é"}}})
    make_run(tmp_path / "runs", "x", None, {"status": "finished", "experiment": {"model": {"a": "…", "b": "\ud800"}}})
    done = shell("cnnlab compare runs", tmp_path, LC_ALL="C", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\xe9" in done.stdout
    assert "\\u2026" in done.stdout


@pytest.mark.parametrize("command", ["cnnlab configs >&-", "cnnlab configs 2>&-", "cnnlab configs --format json >&-"])
def test_closed_outputs_are_not_an_error(tmp_path, command):
    done = shell(command, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_training_works_with_standard_error_closed(tmp_path, tiny, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stderr", None)  # as Python sets it for a closed stream
    terminal.stderr.cache_clear()
    assert main(["train", "tiny.yaml", "--epochs", "1"]) == 0
    sys.stderr.close()  # opened by `main`
    terminal.stderr.cache_clear()
    assert capsys.readouterr().out.startswith("val accuracy")


def test_a_full_output_is_a_one_line_error(tmp_path):
    assert_one_line(shell("cnnlab configs >/dev/full", tmp_path), 1, "cnnlab: output: No space left on device")


@pytest.mark.parametrize(
    "arguments", [["a\nb.yaml"], ["\x1b[31mred"], ["lenet", "--set", "a\x85b=1"], ["lenet", "--name", "a\nb"]]
)
def test_control_characters_are_escaped(cnnlab, arguments):
    done = cnnlab("train", *arguments)
    assert_one_line(done, 2, "\\")
    assert "\x1b" not in done.stderr


def test_long_input_is_shortened_in_messages(cnnlab):
    done = cnnlab("train", "lenet", "--set", f"seed={'9' * 5000}")
    assert_one_line(done, 2, "…")
    assert len(done.stderr) < 600
