"""Every command of docs/tutorial.md is run, in order, on a small folder of images with names as in the tutorial."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import invoke

PAGE = Path(__file__).parents[2] / "docs/tutorial.md"
HINT = "cnnlab: hint: runs/"  # what the coach says depends on the images; tests/training/test_coach.py has its texts
BLOCK = re.compile(r"(?:^    .*\n|^\n(?=    ))+", re.M)
CLASSES, SIGNERS, SIDE = 10, 12, 100
COMMANDS = 8  # at most, up to the exported network


def steps():
    """Each command of the page with the lines that it is said to print."""
    found = []
    for block in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        for line in block.splitlines():
            if line.startswith("    $ "):
                found.append((line.removeprefix("    $ "), []))
            elif line.strip() and found:
                found[-1][1].append(line.strip())
    return found


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What each command printed: the folder, then pairs of a command and the result."""
    folder = tmp_path_factory.mktemp("tutorial")
    random = np.random.default_rng(0)
    for label in range(CLASSES):
        (folder / "hands" / str(label)).mkdir(parents=True)
        for signer in range(SIGNERS - (label == CLASSES - 1)):  # the last one is not complete
            pixels = random.integers(0, 60, (SIDE, SIDE, 3), np.uint8)
            pixels[9 * label : 9 * label + 12] += 150
            name = f"IMG_{1118 + CLASSES * signer + label}.JPG"
            Image.fromarray(pixels).save(folder / "hands" / str(label) / name)
    done = []
    for command, _ in steps():
        program, *arguments = shlex.split(command)
        assert program == "cnnlab"
        done.append((command, invoke(*arguments, cwd=folder)))
    return folder, done


def shape(line):
    """A line without its numbers and the width of its columns."""
    return " ".join(re.sub(r"[-+]?\d[\d,.]*(e[-+]\d+)?", "#", line).split())


def test_every_command_of_the_tutorial_succeeds(printed):
    failed = [(command, result.stderr) for command, result in printed[1] if result.returncode]
    assert len(printed[1]) > 5
    assert not failed


def test_the_tutorial_shows_what_the_commands_print(printed):
    (folder, done), missing = printed, []
    for (command, lines), (_, result) in zip(steps(), done, strict=True):
        actual = {shape(line) for line in (result.stdout + result.stderr).replace(f"{folder}/", "").splitlines()}
        shown = [line for line in lines if "…" not in line and not line.startswith(HINT)]
        missing += [(command, line) for line in shown if shape(line) not in actual]
    assert not missing


def test_few_commands_lead_to_a_trained_verified_and_exported_network(printed):
    folder, done = printed
    commands = [command.split()[1] for command, _ in done]
    assert commands.index("export") < COMMANDS
    assert {"train", "verify"} < set(commands[: commands.index("export")])
    assert list(folder.glob("runs/*/export/litert/*.tflite"))
    assert list(folder.glob("runs/*/report.html"))


def test_what_the_tutorial_sets_was_proposed_before(printed):
    given, before = [], ""
    for command, lines in steps():
        given += [(option, before) for option in re.findall(r"--set (?:'[^']*'|\"[^\"]*\"|\S+)", command)]
        before += "\n".join([command, *lines])
    assert len(given) > 2
    assert not [option for option, said in given if f"such as by {option}" not in said and f"try {option}" not in said]
    (command, result), *_ = printed[1]
    assert command.startswith("cnnlab data verify")
    assert given[0][0] in result.stdout
