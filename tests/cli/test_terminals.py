"""NO_COLOR, FORCE_COLOR and TERM=dumb, and completion by the shell."""

import os
import pty
import re
import subprocess
import sys

import pytest

from tests.conftest import TINY

COLOR = re.compile(r"\x1b\[[0-9;]*m")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
COMMANDS = [
    ("--help",),
    ("train", "--help"),
    ("configs",),
    ("validate", "tiny.yaml"),
    ("describe", "tiny.yaml"),
    ("show", "tiny.yaml"),
    ("data", "list"),
    ("train", "nowhere"),
    ("train", "tiny.yaml", "--epochs", "1"),
    ("find-rate", "tiny.yaml", "--seeds", "1", "--steps", "50"),
    ("evaluate", "runs/tiny-1"),
    ("runs", "list"),
    ("runs", "show", "runs/tiny-1"),
    ("compare", "runs"),
    ("predict", "runs/tiny-1", "--data", "digits", "--examples", "0:2"),
    ("look", "runs/tiny-1"),
    ("convolve", "--kernel", "sobel-x"),
    ("report", "runs/tiny-1"),
]
IN_TURN = "import json, sys\nfrom cnnlab.cli import main\nfor one in json.loads(sys.argv[1]): main(one)"


def on_terminal(folder, **env):
    """The output of all commands in turn, in one process whose outputs are a terminal."""
    import json

    chief, worker = pty.openpty()
    settings = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "TERM")} | env
    command = [sys.executable, "-c", IN_TURN, json.dumps(COMMANDS)]
    with subprocess.Popen(command, cwd=folder, env=settings, stdin=worker, stdout=worker, stderr=worker) as process:
        os.close(worker)
        parts = []
        while True:
            try:
                part = os.read(chief, 65536)
            except OSError:  # Linux: the other end is closed
                break
            if not part:
                break
            parts.append(part)
        process.wait()
    os.close(chief)
    return b"".join(parts).decode().replace("\r\n", "\n")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    return tmp_path


def test_a_dumb_terminal_gets_no_control_sequence(folder):
    text = on_terminal(folder, TERM="dumb")
    assert "val accuracy" in text
    assert "no proposal" in text or "Proposed" in text
    assert CONTROL.findall(text) == []


def test_no_color_is_obeyed_on_a_terminal(folder):
    text = on_terminal(folder, TERM="xterm-256color", NO_COLOR="1")
    # Bold and dim are no colours (no-color.org).
    colors = [
        code
        for found in COLOR.findall(text)
        for code in found[2:-1].split(";")
        if code not in ("", "0", "1", "2", "4", "22", "24")
    ]
    assert "val accuracy" in text
    assert colors == []


def test_a_terminal_gets_colors_which_the_check_detects(folder):
    text = on_terminal(folder, TERM="xterm-256color")
    assert "\x1b[3" in text


def test_force_color_colors_the_help_and_no_result(folder):
    def output(*command):
        env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
        done = subprocess.run(
            [sys.executable, "-m", "cnnlab", *command], cwd=folder, env=env, capture_output=True, text=True
        )
        return done.stdout

    assert COLOR.search(output("--help"))
    for command in (("configs",), ("describe", "tiny.yaml", "--format", "json"), ("validate", "tiny.yaml")):
        assert not COLOR.search(output(*command)), command


def complete(words, shell="bash"):
    env = {
        **os.environ,
        "_CNNLAB_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    code = "import sys; from cnnlab.cli import main; sys.exit(main([]))"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    return done.stdout.split()


def test_the_shell_completes_commands_options_and_shipped_experiments():
    assert complete("cnnlab find") == ["find-rate"]
    assert complete("cnnlab train resnet") == ["resnet20"]
    assert complete("cnnlab find-rate mlp-ce") == ["mlp-ce", "mlp-ce-better"]
    assert "--steps" in complete("cnnlab find-rate --st")
