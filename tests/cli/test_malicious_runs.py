"""Malicious run folders: every command reports them and does nothing else."""

import base64
import json
import marshal
import math
import os
import pickle
import shutil
import struct
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from cnnlab.analysis.compare import compare
from cnnlab.analysis.verify import verify
from cnnlab.cli import LONGEST_LINE
from cnnlab.config.load import load_file, to_dict
from cnnlab.errors import CnnlabError, ConfigError, RequestError, RunError, TrainingError
from cnnlab.evaluation.evaluate import evaluate
from cnnlab.runs import Run, checkpoints
from cnnlab.runs.checkpoints import Position
from cnnlab.runs.experiment import experiment_of
from cnnlab.runs.remove import check_removable, remove
from cnnlab.training.callbacks.metrics_table import COLUMNS, MetricsTable
from cnnlab.training.resume import checkpoint
from cnnlab.training.resume.checkpoint import Checkpoint, State
from cnnlab.training.resume.plan import plan
from cnnlab.training.train import train
from cnnlab.training.trainer import Trainer
from tests.conftest import invoke

ESCAPE = "\x1b[31mowned\x1b]0;owned\x07\r\x9b2J\u202e"
MALICIOUS_MODULE = "from pathlib import Path\nimport keras\nPath(__file__).with_name('marker').touch()\n\n\nclass Callback(keras.callbacks.Callback):\n    pass\n"


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the trained run, valid and finished, for modification."""
    shutil.copytree(trained / "runs/tiny-1", tmp_path / "runs/tiny-1")
    return tmp_path / "runs/tiny-1"


@pytest.fixture
def interrupted(run):
    """The same run, as if interrupted after its last epoch."""
    change_record(run, status="interrupted")
    return run


@pytest.fixture(scope="module")
def trainer(trained):
    """The network of the run, with its optimizer."""
    return Trainer.from_experiment(experiment_of(Run(trained / "runs/tiny-1")))


def change_record(folder, /, **changes):
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**record, **changes}))


def change_config(run, old, new, *, recorded=False):
    """Replace a part of config.yaml; with `recorded` in run.json too."""
    text = (run / "config.yaml").read_text()
    assert old in text
    (run / "config.yaml").write_text(text.replace(old, new))
    if recorded:
        change_record(run, experiment=to_dict(load_file(run / "config.yaml")))


def files_outside(run):
    """Every file below the working directory except those of the run."""
    files = (path for path in run.parents[1].rglob("*") if path.is_file() and run not in path.parents)
    return {path: path.read_bytes() for path in files}


def invoke_safely(run, *arguments):
    """Run `cnnlab ARGUMENTS` next to `runs/`; the output is printable and no other file changes."""
    before = files_outside(run)
    done = invoke(*arguments, cwd=run.parents[1])
    assert files_outside(run) == before
    assert all(c == "\n" or c.isprintable() for c in done.stdout + done.stderr), done
    assert all(len(line) < 2 * LONGEST_LINE for line in done.stderr.splitlines())
    return done


def assert_reported(run, *arguments, parts):
    done = invoke_safely(run, *arguments)
    assert done.returncode in (1, 2), done
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    for part in parts:
        assert part in done.stderr


def assert_refused(run, work, *parts, error=CnnlabError):
    """`work` raises a one-line error with these parts, and no other file changes."""
    before = files_outside(run)
    with pytest.raises(error) as caught:
        work(Run(run))
    assert files_outside(run) == before
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


def evaluate_run(run):
    return evaluate(run, "test")


def load_checkpoint(run):
    return checkpoint.load(run, experiment_of(run))


def resume_run(run):
    return train([plan(run)])


class Pickled:
    """An object that creates a file when unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


def put_pickle(run, name, protocol=4):
    (run / name).write_bytes(pickle.dumps(Pickled(run.parents[1] / "marker"), protocol))


def put_keras_lambda(run):
    """model.keras as written by Keras, with a Lambda layer that creates a file."""
    marker = str(run.parents[1] / "marker")
    code = compile(f"lambda x: (open({marker!r}, 'w').close(), x)[1]", "<evil>", "eval").co_consts[0]
    function = {
        "class_name": "__lambda__",
        "config": {"code": base64.b64encode(marshal.dumps(code)).decode(), "defaults": None, "closure": None},
    }
    layer = {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "evil", "function": function}}
    config = {"module": "keras", "class_name": "Sequential", "config": {"name": "evil", "layers": [layer]}}
    with zipfile.ZipFile(run / "model.keras", "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": keras.__version__}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", b"")


def test_the_pickle_would_run_code_when_loaded(run):
    put_pickle(run, "metrics.csv")
    pickle.loads((run / "metrics.csv").read_bytes())
    assert (run.parents[1] / "marker").exists()


# Files with code


def test_pickled_weights_are_reported(run):
    for name in ("weights.safetensors", "evaluation/test-predictions.csv", "metrics.csv"):
        put_pickle(run, name)
    put_keras_lambda(run)
    assert_reported(run, "evaluate", "runs/tiny-1", parts=["runs/tiny-1/weights.safetensors: "])


@pytest.mark.parametrize(
    ("name", "protocol"),
    [
        ("metrics.csv", 4),
        ("evaluation/test-predictions.csv", 0),
        ("evaluation/test-predictions.csv", 4),
        ("weights.safetensors", 0),
        ("weights.safetensors", 4),
    ],
)
def test_verify_does_not_unpickle(run, name, protocol):
    put_pickle(run, name, protocol)
    assert_refused(run, verify, "tiny-1: its table, weights or predictions cannot be read", error=RunError)


@pytest.mark.parametrize("protocol", [0, 4])
def test_a_pickled_table_does_not_affect_the_list(interrupted, protocol):
    put_pickle(interrupted, "metrics.csv", protocol)
    for arguments in (["runs", "list"], ["runs", "show", "runs/tiny-1"]):
        done = invoke_safely(interrupted, *arguments)
        assert (done.returncode, done.stderr) == (0, "")
    change_record(interrupted, status="finished")
    done = invoke_safely(interrupted, "compare", "runs")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_run_with_invalid_checkpoints_is_trained_from_the_start(interrupted, trained):
    for path in interrupted.rglob("*.safetensors"):
        put_pickle(interrupted, path)
    os.mkfifo(interrupted / "checkpoints/epoch-00003.safetensors")
    (interrupted / "checkpoints/epoch-00004.safetensors").mkdir()
    (interrupted / "checkpoints/epoch-00005.safetensors").write_bytes(safetensors_file(dtype=ESCAPE))
    for name in ("metrics.csv", "evaluation/test-predictions.csv"):
        put_pickle(interrupted, name)
    put_keras_lambda(interrupted)
    done = invoke_safely(interrupted, "resume", "runs/tiny-1", "--quiet")
    assert done.returncode == 0
    assert [".safetensors: damaged: " in line for line in done.stderr.splitlines()] == [True] * 5
    for name in ("weights.safetensors", "evaluation/test-predictions.csv"):
        assert (interrupted / name).read_bytes() == (trained / "runs/tiny-1" / name).read_bytes()


def test_a_lambda_in_a_keras_file_is_never_loaded(run):
    put_keras_lambda(run)
    before, measured = files_outside(run), json.loads((run / "evaluation/test.json").read_text())
    assert evaluate_run(Run(run)).items() >= measured.items()
    assert verify(Run(run)).verdict == "identical"
    change_record(run, status="interrupted")
    resume_run(Run(run))
    assert files_outside(run) == before


@pytest.fixture
def with_callback(interrupted):
    """An interrupted run with a callback in config.yaml and run.json; importing its module creates a file."""
    (interrupted.parents[1] / "evil.py").write_text(MALICIOUS_MODULE)
    change_config(interrupted, "callbacks: []", "callbacks: [{callback: {path: evil.Callback}}]", recorded=True)
    return interrupted


@pytest.mark.parametrize("arguments", [["resume", "runs/tiny-1"], ["train", "--resume", "runs/tiny-1"]])
def test_code_is_not_imported_without_trust(with_callback, arguments):
    assert_reported(with_callback, *arguments, parts=["config.yaml imports code: evil.Callback", "--trust"])
    assert json.loads((with_callback / "run.json").read_text())["status"] == "interrupted"


def test_only_training_imports_code(with_callback, monkeypatch):
    run = with_callback
    monkeypatch.chdir(run.parents[1])
    before = files_outside(run)
    change_record(run, status="finished")
    for arguments in (["runs", "list"], ["runs", "show", "runs/tiny-1"], ["compare", "runs"]):
        assert invoke_safely(run, *arguments).returncode == 0
    assert_refused(run, verify, "evil.Callback; verify imports none", error=RunError)
    assert evaluate_run(Run(run))["examples"] == 200
    assert files_outside(run) == before
    assert "evil" not in sys.modules


@pytest.mark.parametrize(
    "arguments", [["resume", "runs/tiny-1", "--trust"], ["train", "runs/tiny-1/config.yaml"]], ids=["resume", "train"]
)
def test_trust_imports_code(with_callback, arguments):
    done = invoke(*arguments, "--quiet", cwd=with_callback.parents[1])
    assert done.returncode == 0, done.stderr
    assert (with_callback.parents[1] / "marker").exists()


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize("in_config", [False, True])
def test_code_named_in_only_one_of_the_two_files_is_not_imported(with_callback, trained, in_config, trust):
    source = trained / "runs/tiny-1"
    if in_config:
        change_record(with_callback, experiment=json.loads((source / "run.json").read_text())["experiment"])
    else:
        shutil.copy(source / "config.yaml", with_callback / "config.yaml")
    assert_refused(
        with_callback,
        lambda run: plan(run, trust=trust),
        "would become another experiment: train.callbacks",
        error=RequestError,
    )
    change_record(with_callback, status="finished")
    assert_refused(with_callback, verify, "config.yaml is not the experiment that run.json recorded", error=RunError)


# Inconsistent safetensors files

HEADER = {"conv2d_0/bias": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}


def safetensors_file(length=None, data=b"\0" * 16, header=None, **changes):
    """A safetensors file with one bias of four values and the given header or changed fields."""
    header = {"conv2d_0/bias": {**HEADER["conv2d_0/bias"], **changes}} if header is None else header
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


INCONSISTENT = {
    "nothing": b"",
    "length of all memory": safetensors_file(length=2**63),
    "length beyond the file": safetensors_file(length=10**6),
    "length cut": safetensors_file(length=5),
    "offsets outside": safetensors_file(data_offsets=[0, 10**9]),
    "offsets before": safetensors_file(data_offsets=[-16, 0]),
    "offsets reversed": safetensors_file(data_offsets=[16, 0]),
    "offsets of nothing": safetensors_file(data_offsets=[0, 0]),
    "shape of other bytes": safetensors_file(shape=[5]),
    "shape of more than there is": safetensors_file(shape=[2**62]),
    "shape that overflows": safetensors_file(shape=[2**40, 2**40]),
    "shape negative": safetensors_file(shape=[-4]),
    "no such dtype": safetensors_file(dtype="object"),
    "dtype of other bytes": safetensors_file(dtype="F64"),
    "dtype without NumPy": safetensors_file(dtype="F8_E4M3", shape=[16]),
    "header of pickles": safetensors_file(header=pickle.dumps(HEADER)),
    "header nested": safetensors_file(header=b'{"a":' * 50_000),
    "header a list": safetensors_file(header=[HEADER]),
    "metadata no text": safetensors_file(header={**HEADER, "__metadata__": {"state": {}}}),
    "data cut": safetensors_file(data=b"\0" * 15),
    "data left over": safetensors_file(data=b"\0" * 17),
}
OTHER_ARRAYS = {
    "dtype of as many bytes": safetensors_file(dtype="I32"),
    "dtype F16": safetensors_file(dtype="F16", shape=[8]),
    "one weight only": safetensors_file(),
    "none": safetensors_file(header={}, data=b""),
    "a name that climbs": safetensors_file(header={"../../../../tmp/x": HEADER["conv2d_0/bias"]}),
    "a name that is absolute": safetensors_file(header={"/etc/passwd": HEADER["conv2d_0/bias"]}),
}


@pytest.mark.parametrize("content", INCONSISTENT.values(), ids=INCONSISTENT)
def test_inconsistent_safetensors_files_are_damaged(run, content):
    for path in (run / "weights.safetensors", run / "checkpoints/epoch-00002.safetensors"):
        path.write_bytes(content)
    assert_refused(run, evaluate_run, "weights.safetensors: damaged", error=RunError)
    assert_refused(
        run, lambda run: checkpoints.read(run.checkpoints / "epoch-00002.safetensors"), ": damaged", error=RunError
    )


@pytest.mark.parametrize("content", OTHER_ARRAYS.values(), ids=OTHER_ARRAYS)
def test_weights_with_other_arrays_are_rejected(run, content):
    (run / "weights.safetensors").write_bytes(content)
    assert_refused(run, evaluate_run, "weights.safetensors: ", error=RunError)


# Invalid experiments

BILLION_LAUGHS = "\n".join(
    ["a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    + [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
)
CONFIGS = {
    "a tag": (lambda text: text.replace("seed: 0", 'seed: !!python/object/apply:os.system ["touch marker"]'), "YAML tags"),
    "a tag on a map": (lambda text: f"!!python/object/new:os.system [touch marker]\n{text}", "not YAML"),
    "billion laughs": (lambda text: f"{BILLION_LAUGHS}\n{text}", "aliases (*name) that repeat too much"),
    "an alias of itself": (lambda text: f"a: &a [*a]\n{text}", "aliases (*name) that repeat too much"),
    "nested deep": (lambda text: f"a: {'[' * 100_000}\n{text}", "too many values, or nested too deeply"),
    "long": (lambda text: text + "#" * 1_000_000, "an experiment file has at most"),
    "extends a file": (lambda text: f"extends: ../../other.yaml\n{text}", "extends: not allowed in a run"),
    "extends a shipped one": (lambda text: f"extends: lenet\n{text}", "extends: not allowed in a run"),
    "a name that climbs": (lambda text: text.replace("name: tiny", "name: ../../x"), "name: expected at most 100 letters"),
    "a name that is absolute": (lambda text: text.replace("name: tiny", "name: /tmp/x"), "name: expected at most 100"),
    "a billion epochs": (lambda text: text.replace("epochs: 2", "epochs: 1000000000"), "train.epochs: expected"),
    "a float of epochs": (lambda text: text.replace("epochs: 2", "epochs: 1e9"), "train.epochs: expected an integer"),
    "NaN": (lambda text: text.replace("learning_rate: 0.1", "learning_rate: .nan"), "learning_rate: expected"),
    "escapes": (lambda text: text.replace("seed: 0", r'seed: "\x1b[31mowned\r"'), r"got '\x1b[31mowned\r'"),
    "a path of code": (lambda text: text.replace("callbacks: []", "callbacks: [{callback: {path: ../evil}}]"), "expected a module"),
    "no text": (lambda text: "\x00", "not YAML"),
    "a list": (lambda text: "[]", "config.yaml"),
    "nothing": (lambda text: "", "config.yaml"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "part"), CONFIGS.values(), ids=CONFIGS)
def test_an_invalid_experiment_is_rejected(run, change, part):
    (run.parents[1] / "other.yaml").write_text((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(change((run / "config.yaml").read_text()))
    for work in (evaluate_run, verify):
        assert_refused(run, work, part, error=ConfigError)
    change_record(run, status="interrupted")
    assert_refused(run, plan, part, error=ConfigError)


@pytest.mark.parametrize("name", ["billion laughs", "a tag", "extends a file"])
def test_an_invalid_experiment_is_a_one_line_error(interrupted, name):
    change, part = CONFIGS[name]
    (interrupted.parents[1] / "other.yaml").write_text((interrupted / "config.yaml").read_text())
    (interrupted / "config.yaml").write_text(change((interrupted / "config.yaml").read_text()))
    assert_reported(interrupted, "resume", "runs/tiny-1", parts=["runs/tiny-1/config.yaml:", part])
    change_record(interrupted, status="finished")
    assert_reported(interrupted, "verify", "runs/tiny-1", parts=["runs/tiny-1/config.yaml:", part])


def test_a_network_too_large_for_any_machine_is_rejected(run):
    """A layer of 800 TB, more than is addressable; TensorFlow would wait ten seconds for it."""
    layers = "dense: {units: 100000}\n  - dense: {units: 2000000000}\n  - dense: {units: 10"
    change_config(run, "dense: {units: 10", layers, recorded=True)
    assert_refused(run, evaluate_run, "tiny-1/weights.safetensors: ", error=RunError)
    change_record(run, status="interrupted")
    assert_refused(run, resume_run, "dense: its weights need more memory than there is", error=ConfigError)


# Links, pipes, devices


def put_link(run, name):
    """Replace `name` by a link to its content outside the run."""
    elsewhere = run.parents[1] / "elsewhere"
    elsewhere.mkdir()
    target = elsewhere / Path(name).name
    if (run / name).exists():
        shutil.move(run / name, target)
    else:
        target.mkdir()
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(target)


@pytest.mark.parametrize("name", ["config.yaml", "checkpoints"])  # other names: tests/runs/test_folder.py
def test_nothing_is_read_or_written_through_a_link(run, name):
    change_record(run, status="interrupted")
    put_link(run, name)
    for work in (evaluate_run, verify, plan, Run.record, lambda run: compare([run.path])):
        assert_refused(run, work, error=RunError)
    assert_refused(run, evaluate_run, f"tiny-1/{name}: is a symbolic link", error=RunError)
    before = files_outside(run)
    check_removable(Run(run))
    remove(Run(run))
    assert not run.exists()
    assert files_outside(run) == before


def test_a_link_is_a_one_line_error_for_every_command(interrupted):
    put_link(interrupted, "metrics.csv")
    part = "runs/tiny-1/metrics.csv: is a symbolic link; a run has none, and cnnlab follows none"
    for arguments in (["evaluate"], ["verify"], ["resume"], ["runs", "show"]):
        assert_reported(interrupted, *arguments, "runs/tiny-1", parts=[part])
    done = invoke_safely(interrupted, "runs", "list")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"cnnlab: warning: {part}; skipped\n"


def put_pipe(path):
    path.unlink()
    os.mkfifo(path)


def put_device(path):
    """A link to /dev/zero, which is endless."""
    path.unlink()
    try:
        os.mknod(path, 0o020600, os.makedev(1, 5))
    except OSError as error:
        pytest.skip(f"devices cannot be made here: {error}")


@pytest.mark.parametrize("put", [put_pipe, put_device])
def test_a_record_that_is_not_a_regular_file_is_not_a_run(run, put):
    put(run / "run.json")
    for arguments in (["evaluate"], ["verify"], ["resume"], ["runs", "show"]):
        assert_reported(run, *arguments, "runs/tiny-1", parts=["runs/tiny-1: not a run folder: it has no run.json"])
    assert_reported(run, "runs", "list", parts=["runs: no runs in this folder"])
    assert_reported(run, "runs", "rm", "--yes", "runs/tiny-1", parts=["runs/tiny-1: not a run folder"])


@pytest.mark.parametrize("put", [put_pipe, put_device])
def test_an_experiment_that_is_not_a_regular_file_is_not_read(run, put):
    put(run / "config.yaml")
    for arguments in (["runs", "list"], ["runs", "show", "runs/tiny-1"], ["compare", "runs"]):
        assert invoke_safely(run, *arguments).returncode == 0
    part = "config.yaml: is a device; expected an experiment file"
    assert_reported(run, "verify", "runs/tiny-1", parts=[part])
    change_record(run, status="interrupted")
    assert_reported(run, "resume", "runs/tiny-1", parts=[part])
    assert invoke_safely(run, "runs", "rm", "runs/tiny-1", "--yes").stdout == "removed runs/tiny-1\n"


@pytest.mark.parametrize("put", [put_pipe, put_device])
def test_a_table_that_is_not_a_regular_file_is_not_read(interrupted, put):
    put(interrupted / "metrics.csv")
    for arguments in (["runs", "list"], ["runs", "show", "runs/tiny-1"]):
        done = invoke_safely(interrupted, *arguments)
        assert (done.returncode, done.stderr) == (0, "")
    change_record(interrupted, status="finished")
    done = invoke_safely(interrupted, "compare", "runs")
    assert (done.returncode, done.stderr) == (0, "")


def test_evaluate_reads_no_pipes(run):
    for name in ("config.yaml", "weights.safetensors", "metrics.csv", "model.keras", "evaluation/test-predictions.csv"):
        put_pipe(run / name)
    assert_reported(run, "evaluate", "runs/tiny-1", parts=["runs/tiny-1/config.yaml: is a device"])


# Malicious run.json


def test_escape_sequences_do_not_reach_the_terminal(interrupted):
    record = json.loads((interrupted / "run.json").read_text())
    record["versions"]["tensorflow"] = record["data"]["name"] = record["devices"]["strategy"] = ESCAPE
    record["experiment"]["preprocessing"]["scale"] = ESCAPE
    process = {"host": ESCAPE, "pid": 7}
    record |= dict.fromkeys(("started", "finished", "error", "git_commit", ESCAPE), ESCAPE)
    shutil.copytree(interrupted, interrupted.with_name("good"))
    (interrupted / "run.json").write_text(json.dumps({**record, "process": process}))
    os.utime(interrupted / ".lock", (0, 0))
    for arguments in (
        ["runs", "list"],
        ["runs", "list", "--format", "md"],
        ["runs", "list", "--format", "json"],
        ["runs", "show", "runs/tiny-1"],
        ["runs", "show", "runs/tiny-1", "--format", "json"],
    ):
        done = invoke_safely(interrupted, *arguments)
        assert done.returncode == 0
        assert "owned" in done.stdout
    assert_reported(
        interrupted, "resume", "runs/tiny-1", parts=["run.json: damaged: 'experiment' is not a valid experiment"]
    )
    for one in (interrupted, interrupted.with_name("good")):
        change_record(one, status="finished")
    for format in ("table", "md", "html", "json"):
        done = invoke_safely(interrupted, "compare", "runs", "--format", format)
        assert done.returncode == 0
        assert "owned" in done.stdout


def test_file_names_are_printed_without_escape_sequences(interrupted):
    name = "x" + ESCAPE
    (interrupted.with_name(name)).mkdir()
    (interrupted.with_name(name) / "run.json").write_text("{")
    (interrupted / name).symlink_to("/dev/zero")
    for arguments in (["runs", "list"], ["compare", "runs"], ["resume", "runs", "--all"]):
        warnings = [line for line in invoke_safely(interrupted, *arguments).stderr.splitlines() if "warning" in line]
        assert len(warnings) == 2
        assert all("owned" in line for line in warnings)
    assert_reported(interrupted, "evaluate", "runs/tiny-1", parts=["owned", ": is a symbolic link"])


def test_the_process_holding_a_run_is_printed_without_escape_sequences(run):
    change_record(run, status="running", process={"host": ESCAPE, "pid": 7})
    (run / ".lock").touch()
    for arguments in (["resume", "runs/tiny-1"], ["runs", "rm", "runs/tiny-1", "--yes"]):
        assert_reported(run, *arguments, parts=["is being trained by process 7 on \\x1b[31mowned"])
    change_record(run, status=ESCAPE)
    assert_reported(run, "evaluate", "runs/tiny-1", parts=["run.json: damaged: 'status' is '\\"])


def test_a_damaged_record_is_a_one_line_error_for_every_command(run):
    """For all kinds of damage see tests/runs/test_record.py."""
    shutil.copytree(run, run.with_name("good"))
    change_record(run, results={"test_accuracy": ESCAPE})
    for arguments in (["evaluate"], ["verify"], ["resume"], ["runs", "show"]):
        assert_reported(
            run,
            *arguments,
            "runs/tiny-1",
            parts=["runs/tiny-1/run.json: damaged: 'results.test_accuracy' is '\\x1b[31m"],
        )
    for arguments in (["runs", "list"], ["compare", "runs"]):
        done = invoke_safely(run, *arguments)
        assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)
        assert "runs/tiny-1/run.json: damaged" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert invoke_safely(run, "runs", "rm", "runs/tiny-1", "--yes").returncode == 0


def test_a_record_of_different_data_is_rejected(run):
    data = json.loads((run / "run.json").read_text())["data"]
    change_record(run, data={**data, "fingerprint": "0" * 64, "classes": [ESCAPE] * 10})
    assert_refused(run, evaluate_run, "was trained on other examples of digits", error=RunError)


# Intact checkpoints with an invalid state


def put_checkpoint(run, change=lambda state: None, change_arrays=lambda arrays: None):
    """Replace the state and arrays of the newest checkpoint, with a valid checksum."""
    state, arrays = checkpoints.read(run / "checkpoints/epoch-00002.safetensors")
    change(state)
    change_arrays(arrays)
    checkpoints.save(Run(run), Position(2), arrays, state, keep=2)


def change_rows(change):
    return lambda state: state.update(rows=change(state["rows"]))


def change_last_row(**changes):
    return change_rows(lambda rows: [rows[0], {**rows[1], **changes}])


def change_state(**changes):
    return lambda state: state.update(changes)


STATES = {
    "no epoch": lambda state: state.pop("epoch"),
    "epoch negative": change_state(epoch=-1),
    "epoch of more rows": change_state(epoch=3),
    "epoch of fewer rows": change_state(epoch=1),
    "epoch a text": change_state(epoch="2"),
    "epoch a fraction": change_state(epoch=2.5),
    "epoch NaN": change_state(epoch=math.nan),
    "step negative": change_state(step=-1),
    "step a text": change_state(step="1"),
    "step infinite": change_state(step=math.inf),
    "examples negative": change_state(examples=-1),
    "sums NaN": change_state(step=1, examples=64, sums=[math.nan, 1.0]),
    "sums infinite": change_state(step=1, examples=64, sums=[math.inf, 1.0]),
    "sums one": change_state(sums=[1.0]),
    "sums three": change_state(sums=[1.0, 1.0, 1.0]),
    "sums texts": change_state(sums=["1", "1"]),
    "seconds NaN": change_state(seconds=math.nan),
    "seconds infinite": change_state(seconds=math.inf),
    "seconds negative": change_state(seconds=-1.0),
    "stopped a text": change_state(stopped="yes"),
    "other keys": change_state(model="x", __class__="os.system"),
    "rows none": lambda state: state.pop("rows"),
    "rows empty": change_state(rows=[]),
    "rows a map": change_state(rows={}),
    "rows of numbers": change_state(rows=[1, 2]),
    "rows of nothing": change_state(rows=[{}, {}]),
    "rows in another order": change_rows(lambda rows: rows[::-1]),
    "rows twice": change_rows(lambda rows: [rows[0], rows[0]]),
    "a column more": change_last_row(x=1.0),
    "a column less": change_rows(lambda rows: [rows[0], {key: rows[1][key] for key in COLUMNS[:-1]}]),
    "columns in another order": change_rows(lambda rows: [rows[0], {key: rows[1][key] for key in COLUMNS[::-1]}]),
    "a text in a row": change_last_row(loss="=cmd()"),
    "a list in a row": change_last_row(loss=[1.0]),
    "NaN in a row": change_last_row(loss=math.nan),
    "infinite seconds in a row": change_last_row(seconds=math.inf),
    "true in a row": change_last_row(accuracy=True),
    "callbacks none": lambda state: state.pop("callbacks"),
    "callbacks a map": change_state(callbacks={}),
    "callbacks of texts": change_state(callbacks=["x"]),
    "callbacks of NaN": change_state(callbacks=[{"callback": "EarlyStopping", "state": {"best": math.nan}}]),
}


@pytest.mark.parametrize("change", STATES.values(), ids=STATES)
def test_an_inconsistent_state_is_damaged(interrupted, change):
    put_checkpoint(interrupted, change)
    assert_refused(interrupted, load_checkpoint, "epoch-00002.safetensors: damaged", error=RunError)


@pytest.mark.parametrize(
    "text", ["{", "[]", "1", "null", "[" * 100_000, '{"epoch": ' + "9" * 5000 + "}"], ids=lambda t: t[:12]
)
def test_an_invalid_state_is_damaged(interrupted, text, monkeypatch):
    state, arrays = checkpoints.read(interrupted / "checkpoints/epoch-00002.safetensors")
    monkeypatch.setattr(checkpoints.json, "dumps", lambda state: text)
    checkpoints.save(Run(interrupted), Position(2), arrays, state, keep=2)
    monkeypatch.undo()
    path = interrupted / "checkpoints/epoch-00002.safetensors"
    assert_refused(interrupted, lambda run: checkpoints.read(path), ": damaged", error=RunError)


def test_an_inconsistent_state_is_a_one_line_error_and_changes_nothing(interrupted):
    put_checkpoint(interrupted, change_state(sums=[math.nan, ESCAPE]))
    before = {path: path.read_bytes() for path in interrupted.rglob("*") if path.is_file()}
    part = "runs/tiny-1/checkpoints/epoch-00002.safetensors: damaged: sums.0: "
    assert_reported(interrupted, "resume", "runs/tiny-1", parts=[part])
    assert {path: path.read_bytes() for path in interrupted.rglob("*") if path.is_file()} == before


def set_to(name, value):
    return lambda arrays: arrays.update({name: value})


ARRAYS = {
    "one missing": lambda arrays: arrays.pop("conv2d_0/kernel"),
    "the optimizer's missing": lambda arrays: [arrays.pop(name) for name in list(arrays) if name.startswith("optim")],
    "all missing": lambda arrays: arrays.clear(),
    "one more": set_to("conv2d_0/extra", np.zeros(4, np.float32)),
    "a name that climbs": set_to("../../x", np.zeros(4, np.float32)),
    "another name": lambda arrays: arrays.update({"conv2d_1/bias": arrays.pop("conv2d_0/bias")}),
    "another shape": set_to("conv2d_0/bias", np.zeros(5, np.float32)),
    "a shape that broadcasts": set_to("conv2d_0/bias", np.zeros((1, 4), np.float32)),
    "a scalar": set_to("conv2d_0/bias", np.zeros((), np.float32)),
    "no numbers": set_to("conv2d_0/bias", np.zeros(0, np.float32)),
    "a list for a scalar": set_to("optimizer/0001/learning_rate", np.zeros(1, np.float32)),
}


@pytest.mark.parametrize("change", ARRAYS.values(), ids=ARRAYS)
def test_arrays_of_another_network_are_rejected_and_change_nothing(interrupted, trainer, change):
    put_checkpoint(interrupted, change_arrays=change)
    before = {name: np.array(variable) for name, variable in checkpoint.variables_of(trainer.model).items()}
    assert_refused(
        interrupted,
        lambda run: load_checkpoint(run).restore_variables(trainer.model),
        "epoch-00002.safetensors: its network is not that of config.yaml",
        error=RunError,
    )
    for name, variable in checkpoint.variables_of(trainer.model).items():
        np.testing.assert_array_equal(variable, before[name])


def test_arrays_of_another_network_end_the_run_with_a_one_line_error(interrupted):
    put_checkpoint(interrupted, change_arrays=ARRAYS["another shape"])
    assert_refused(interrupted, resume_run, "its network is not that of config.yaml", error=RunError)


def test_non_finite_numbers_are_not_a_result(interrupted):
    """One step remains, and the weights are NaN."""
    change_config(interrupted, "epochs: 2", "epochs: 3", recorded=True)
    put_checkpoint(interrupted, change_arrays=set_to("conv2d_0/bias", np.full(4, np.nan, np.float32)))
    assert_refused(interrupted, resume_run, "tiny-1: diverged", error=TrainingError)
    assert json.loads((interrupted / "run.json").read_text())["status"] == "diverged"


@pytest.mark.parametrize("count", [1, 3])
def test_more_callback_states_than_callbacks_are_rejected(interrupted, count):
    put_checkpoint(interrupted, change_state(callbacks=[{"callback": "EarlyStopping", "state": {}}] * count))
    assert_refused(interrupted, resume_run, "its callbacks are not those of config.yaml", error=RunError)


STOPPING = {"wait": 0, "stopped_epoch": 0, "best": 0.25, "best_epoch": 1}
CALLBACK_STATES = {
    "a method": {**STOPPING, "on_epoch_end": "owned"},
    "the class": {**STOPPING, "__class__": "owned"},
    "patience": {**STOPPING, "patience": 0},
    "less": {"wait": 0},
    "a text": {**STOPPING, "wait": "x"},
    "nothing": {**STOPPING, "wait": None},
    "negative": {**STOPPING, "wait": -1},
    "true": {**STOPPING, "wait": True},
    "of an epoch to come": {**STOPPING, "best_epoch": 1_000_000},
    "a best text": {**STOPPING, "best": "x"},
    "a best map": {**STOPPING, "best": {}},
    "a best that is too large": {**STOPPING, "best": 10**30},
}


@pytest.mark.parametrize("state", CALLBACK_STATES.values(), ids=CALLBACK_STATES)
def test_an_invalid_callback_state_is_rejected_and_not_restored(interrupted, trainer, state):
    put_checkpoint(interrupted, change_state(callbacks=[{"callback": "EarlyStopping", "state": state}]))
    callback = keras.callbacks.EarlyStopping()
    callback.set_model(trainer.model)
    callback.on_train_begin()
    before = dict(vars(callback))

    def restored(run):
        load_checkpoint(run).restore(trainer.model, [callback], MetricsTable(None))

    assert_refused(interrupted, restored, "damaged: not a state of EarlyStopping", error=RunError)
    assert vars(callback) == before


@pytest.mark.parametrize("shapes", [[(4,)], [(3, 3, 1, 4), (5,), (144, 10), (10,)]], ids=["too few", "another shape"])
def test_best_weights_of_another_network_are_rejected(interrupted, trainer, shapes):
    def change(arrays):
        arrays.update({f"best0/{number:04}": np.zeros(shape, np.float32) for number, shape in enumerate(shapes)})

    put_checkpoint(interrupted, change_state(callbacks=[{"callback": "EarlyStopping", "state": STOPPING}]), change)
    callback = keras.callbacks.EarlyStopping(restore_best_weights=True)
    assert_refused(
        interrupted,
        lambda run: load_checkpoint(run).restore(trainer.model, [callback], MetricsTable(None)),
        "damaged: its best weights are of another network",
        error=RunError,
    )


POSITIONS = {
    "step beyond the epoch": {"epoch": 1, "step": 4, "examples": 200},
    "step without examples": {"epoch": 1, "step": 1, "examples": 0},
    "examples of another step": {"epoch": 1, "step": 1, "examples": 128},
    "epoch beyond the last": {"epoch": 2, "step": 1, "examples": 64},
}


@pytest.mark.parametrize("position", POSITIONS.values(), ids=POSITIONS)
def test_a_position_beyond_the_training_is_rejected(interrupted, position):
    put_checkpoint(interrupted, lambda state: state.update(position, rows=state["rows"][: position["epoch"]]))
    assert_refused(interrupted, resume_run, "the experiment of config.yaml has no such step", error=RunError)


def with_events(run):
    """The run with TensorBoard enabled and no training done."""
    change_config(run, "callbacks: []", "callbacks: [tensorboard]", recorded=True)
    shutil.rmtree(run / "checkpoints")


def test_event_files_that_are_links_or_in_a_linked_folder_are_rejected(interrupted):
    with_events(interrupted)
    victim = interrupted.parents[1] / "victim"
    victim.write_bytes(b"mine")
    events = interrupted / "tensorboard/train/events.out.tfevents.cnnlab"
    events.parent.mkdir(parents=True)
    events.symlink_to(victim)
    assert_refused(interrupted, resume_run, "is a symbolic link", error=RunError)
    assert victim.read_bytes() == b"mine"


def test_event_files_that_are_pipes_end_the_run_with_a_one_line_error(interrupted):
    with_events(interrupted)
    events = interrupted / "tensorboard/train/events.out.tfevents.cnnlab"
    events.parent.mkdir(parents=True)
    os.mkfifo(events)
    assert_refused(interrupted, resume_run, "cannot be written: is no file", error=RunError)


@pytest.mark.parametrize("name", ["metrics.csv", "evaluation/test-predictions.csv", "weights.safetensors"])
def test_verify_does_not_block_on_a_pipe(run, name):
    (run / name).unlink()
    os.mkfifo(run / name)
    assert_refused(run, verify, error=RunError)


TABLES = {
    "a word": lambda text: text.replace("0.1,", "x,"),
    "no epoch": lambda text: text.replace("epoch", "x"),
    "no loss": lambda text: text.replace(",loss", ",x"),
    "a short row": lambda text: text + "3,0.1\n",
    "NaN": lambda text: text.replace("1,", "1,nan,", 1),
}


@pytest.mark.parametrize("change", TABLES.values(), ids=TABLES)
def test_verify_rejects_an_invalid_table(run, change):
    path = run / "metrics.csv"
    path.write_text(change(path.read_text()))
    assert_refused(run, verify, "its table, weights or predictions cannot be read", error=RunError)


def test_additional_keys_of_a_record_do_not_override_computed_values(run):
    change_record(run, run="/etc/passwd", epoch=7, epochs=9, accuracy=1.0, val_accuracy=1.0)
    done = invoke_safely(run, "runs", "show", "runs/tiny-1", "--format", "json")
    shown = json.loads(done.stdout)
    assert (shown["run"], shown["epoch"], shown["epochs"]) == ("runs/tiny-1", 2, 2)
    assert shown["test_accuracy"] == shown["results"]["test_accuracy"]


def test_a_valid_checkpoint_is_accepted(interrupted, trainer):
    put_checkpoint(interrupted)
    found = load_checkpoint(Run(interrupted))
    assert isinstance(found, Checkpoint)
    assert found.state == State.model_validate(found.state.model_dump())
    found.restore(trainer.model, [], MetricsTable(None))
    assert resume_run(Run(interrupted))
