"""Imports of each command, and the output of TensorFlow at start."""

import json
import shutil
import subprocess
import sys

import pytest

HEAVY = ("tensorflow", "keras", "sklearn", "pandas", "matplotlib", "numpy")
SCHEMA = {"cnnlab.experiment.schema", "yaml"}

LIGHT = [
    ["--help"],
    ["train", "--help"],
    ["validate", "--help"],
    ["evaluate", "--help"],
    ["--version"],
    ["configs"],
    ["train", "lenett"],
    ["train", "lenet", "--set", "train.epochs=x"],
    ["evaluate", "nowhere"],
    ["find-rate", "lenett"],
    ["find-rate", "lenet", "--apply"],
    ["predict", "nowhere", "x.png"],
    ["predict", "runs/tiny-1"],
    ["look", "nowhere"],
    ["look", "runs/tiny-1", "--example", "1", "--image", "x.png"],
    ["report", "nowhere"],
    ["report", "runs/tiny-1", "--metric", "test_loss"],
    ["export", "nowhere", "--to", "onnx"],
    ["export", "runs/tiny-1", "--to", "onnx", "--int8"],
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
    ["data", "audit", "--help"],
    ["data", "audit", "lenet", "--set", "train.loss=mse"],
    ["train", "lenet", "--folds", "1"],
    ["convolve", "--help"],
    ["convolve"],
]
COMPARING = [["compare", "runs"], ["compare", "runs", "--format", "json", "--sort", "accuracy"]]
REFUSED = [
    ["resume", "runs/tiny-1"],
    ["resume", "nowhere"],
    ["resume", "runs", "--all"],
    ["verify", "nowhere"],
    ["runs", "rm", "runs"],
]
CONVOLVING = [
    ["convolve", "--lesson", "kth-xo"],
    ["convolve", "--kernel", "sobel-x"],
    ["convolve", "--kernel", "runs/tiny-1:conv2d_0/3"],
]
DRAWING = ["compare", "runs", "--plot", "curves.png"]
IMPORTS_AFTER_COMMANDS = """
import contextlib, io, json, sys
from cnnlab.cli import main
heavy, *commands = map(json.loads, sys.argv[1:])
loaded = []
for command in commands:
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())), contextlib.redirect_stderr(sys.stdout):
        main(command)
    loaded.append([name for name in heavy if name in sys.modules])
print(json.dumps(loaded))
"""


@pytest.fixture(scope="module")
def imported_modules(trained, tmp_path_factory):
    """The heavy modules imported after each command; one process runs them in this order."""
    folder = shutil.copytree(trained, tmp_path_factory.mktemp("start") / "trained")
    commands = [*LIGHT, *COMPARING, *REFUSED, *CONVOLVING, DRAWING]
    arguments = map(json.dumps, [[*HEAVY, *SCHEMA], *commands])
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS_AFTER_COMMANDS, *arguments], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [(command, set(names)) for command, names in zip(commands, json.loads(done.stdout), strict=True)]


def test_help_does_not_import_the_schema(imported_modules):
    assert [(command, names) for command, names in imported_modules[:3] if names] == []


def test_no_heavy_module_is_imported(imported_modules):
    assert [(command, names - SCHEMA) for command, names in imported_modules[: len(LIGHT)] if names - SCHEMA] == []


def test_compare_errors_and_convolve_import_nothing_heavier_than_numpy(imported_modules):
    assert [(command, names) for command, names in imported_modules[:-1] if names - SCHEMA - {"numpy"}] == []


def test_the_check_detects_heavy_imports(imported_modules):
    assert imported_modules[-1][1] > {"matplotlib", *SCHEMA}


CHATTER = """
import os
from cnnlab.terminal import filtered_stderr
with filtered_stderr():
    os.write(2, b"I0000 00:00:1 1 port.cc:153] oneDNN custom operations are on.\\n")
    os.write(2, b"2026-11-21 01:00:00.123456: W tensorflow/core/x.cc:1] a warning\\n")
    os.write(2, b"E0000 00:00:1 1 cuda_platform.cc:52] failed call to cuInit: UNKNOWN ERROR (303)\\n")
    os.write(2, b"E0000 00:00:1 1 x.cc:1] a true error\\n")
    os.write(2, b"ImportError: no such library\\n")
    os.write(2, b"Warning: Illegal instruction\\n")
    {crash}
os.write(2, b"I0000 after\\n")
"""


def test_tensorflow_log_lines_are_dropped_and_errors_pass():
    done = subprocess.run([sys.executable, "-c", CHATTER.format(crash="")], capture_output=True, text=True)
    assert done.stderr.splitlines() == [
        "E0000 00:00:1 1 x.cc:1] a true error",
        "ImportError: no such library",
        "Warning: Illegal instruction",
        "I0000 after",
    ]


def test_output_before_an_abort_is_still_printed():
    done = subprocess.run([sys.executable, "-c", CHATTER.format(crash="os.abort()")], capture_output=True, text=True)
    assert done.returncode < 0
    assert "E0000 00:00:1 1 x.cc:1] a true error" in done.stderr
