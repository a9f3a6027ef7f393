"""What the command line costs and shows before any work is done."""

import subprocess
import sys

import pytest

HEAVY = ("tensorflow", "keras", "sklearn", "pandas", "matplotlib", "numpy")

REPORT = """
import sys
from cnnlab.cli import main
try:
    main()
finally:
    print("LOADED", *[name for name in {heavy} if name in sys.modules], file=sys.stderr)
"""


def loaded_by(*arguments, cwd):
    done = subprocess.run(
        [sys.executable, "-c", REPORT.format(heavy=HEAVY), *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
    )
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["configs"],
        ["train", "--help"],
        ["evaluate", "--help"],
        ["train", "lenett"],
        ["train", "lenet", "--set", "train.epochs=x"],
        ["evaluate", "nowhere"],
        ["describe", "resnet20"],
        ["describe", "conv", "--compare", "mlp-mse"],
        ["validate", "lenet", "resnet20"],
        ["show", "lenet"],
        ["schema"],
        ["schema", "--format", "md"],
        ["init", "nowhere/lenet.yaml", "--like", "lenett"],
        ["runs", "list"],
        ["runs", "show", "runs/tiny-1"],
        ["tensorboard", "runs"],
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_imported(arguments, trained):
    assert loaded_by(*arguments, cwd=trained) == "LOADED"


@pytest.mark.parametrize("arguments", [["runs"], ["runs", "--format", "json", "--sort", "accuracy"]], ids=" ".join)
def test_comparing_imports_nothing_heavier_than_numpy(arguments, trained):
    assert loaded_by("compare", *arguments, cwd=trained) in ("LOADED", "LOADED numpy")


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["validate", "--help"]], ids=" ".join)
def test_help_does_not_wait_for_the_schema(arguments, trained):
    done = subprocess.run(
        [sys.executable, "-c", REPORT.format(heavy=("cnnlab.experiment.schema", "yaml")), *arguments],
        cwd=trained,
        capture_output=True,
        text=True,
    )
    assert done.stderr.splitlines()[-1] == "LOADED"


def test_the_check_would_notice(trained):
    assert "matplotlib" in loaded_by("compare", "runs", "--plot", trained / "check.png", cwd=trained)


CHATTER = """
import os
from cnnlab.cli.tensorflow import _filtered_stderr
with _filtered_stderr():
    os.write(2, b"I0000 00:00:1 1 port.cc:153] oneDNN custom operations are on.\\n")
    os.write(2, b"2026-11-21 01:00:00.123456: W tensorflow/core/x.cc:1] a warning\\n")
    os.write(2, b"E0000 00:00:1 1 cuda_platform.cc:52] failed call to cuInit: UNKNOWN ERROR (303)\\n")
    os.write(2, b"E0000 00:00:1 1 x.cc:1] a true error\\n")
    os.write(2, b"ImportError: no such library\\n")
    os.write(2, b"Warning: Illegal instruction\\n")
    {crash}
os.write(2, b"I0000 after\\n")
"""


def test_chatter_is_dropped_and_errors_pass():
    done = subprocess.run([sys.executable, "-c", CHATTER.format(crash="")], capture_output=True, text=True)
    assert done.stderr.splitlines() == [
        "E0000 00:00:1 1 x.cc:1] a true error",
        "ImportError: no such library",
        "Warning: Illegal instruction",
        "I0000 after",
    ]


def test_what_was_said_before_an_abort_still_arrives():
    done = subprocess.run([sys.executable, "-c", CHATTER.format(crash="os.abort()")], capture_output=True, text=True)
    assert done.returncode < 0
    assert "E0000 00:00:1 1 x.cc:1] a true error" in done.stderr
