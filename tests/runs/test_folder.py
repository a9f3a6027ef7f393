import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cnnlab.errors import RequestError, RunError
from cnnlab.runs import Run
from cnnlab.runs.claim import check_name, check_writable
from cnnlab.runs.find import find, find_one
from tests.conftest import RECORD, make_run


def test_runs_are_numbered_and_never_shared(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        runs = list(pool.map(lambda _: make_run(tmp_path / "runs", "tiny", None, RECORD), range(40)))
    assert sorted(run.path.name for run in runs) == sorted(f"tiny-{number}" for number in range(1, 41))
    assert all(run.record().raw == RECORD for run in runs)


def test_a_named_run_is_never_overwritten(tmp_path):
    assert make_run(tmp_path, "tiny", "mine", RECORD).path == tmp_path / "mine"
    with pytest.raises(RequestError, match="a run is never overwritten"):
        make_run(tmp_path, "tiny", "mine", RECORD)


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "-dash", "a\n", "a" * 101, "a\nb"])
def test_names_stay_inside_the_folder(tmp_path, name):
    with pytest.raises(RequestError, match="expected at most 100 letters, digits"):
        check_name(tmp_path, name)


def test_an_unwritable_folder_is_rejected(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)  # root can write everywhere
    with pytest.raises(RequestError, match="no permission to write"):
        check_writable(tmp_path / "runs")


def test_a_file_in_place_of_the_folder_is_rejected(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(RequestError, match="is a file; expected a folder"):
        check_writable(tmp_path / "runs")
    with pytest.raises(RequestError, match="no run folder can be made there"):
        make_run(tmp_path / "runs", "tiny", None, RECORD)


def test_runs_are_found_in_natural_order(tmp_path):
    for name in ("lenet-10", "lenet-2", "fc-1"):
        make_run(tmp_path, "", name, RECORD)
    (tmp_path / "notes").mkdir()
    assert [run.path.name for run in find([tmp_path])] == ["fc-1", "lenet-2", "lenet-10"]
    assert [run.path.name for run in find([tmp_path / "lenet-2", tmp_path / "fc-1"])] == ["lenet-2", "fc-1"]


@pytest.mark.parametrize("finder", [lambda path: list(find([path])), find_one])
def test_a_path_that_is_not_a_run_is_rejected(tmp_path, monkeypatch, finder):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    make_run(tmp_path / "runs", "lenet", None, RECORD)
    for path, message in [
        ("missing", "missing: no such folder"),
        ("lenet-1", "lenet-1: no such folder; did you mean runs/lenet-1?"),
        ("file", "file: is a file; expected a run folder"),
        ("empty", "empty: no"),
    ]:
        with pytest.raises(RequestError) as caught:
            finder(Path(path))
        assert message in str(caught.value)


def test_a_folder_of_runs_is_not_a_run(tmp_path):
    make_run(tmp_path, "lenet", None, RECORD)
    with pytest.raises(RequestError, match=r"it contains runs, such as .*lenet-1"):
        find_one(tmp_path)


def test_uses_of_the_test_set_add_up(tmp_path):
    run = make_run(tmp_path, "tiny", None, {**RECORD, "test_uses": []})
    run.record_test_use("train")
    run.record_test_use("evaluate")
    record = json.loads((run.path / "run.json").read_text())
    assert [use["by"] for use in record["test_uses"]] == ["train", "evaluate"]


def test_a_record_that_is_a_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "run.json")
    code = "import sys; from pathlib import Path; from cnnlab.runs import Run; Run(Path(sys.argv[1])).record()"
    command = [sys.executable, "-c", code, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.stderr.splitlines()[-1] == f"cnnlab.errors.RunError: {tmp_path}/run.json: damaged: expected a file"
    with pytest.raises(RequestError, match="not a run folder"):
        find_one(tmp_path)


def test_a_record_that_is_a_folder_is_reported(tmp_path):
    (tmp_path / "run.json").mkdir()
    open_before = os.listdir("/dev/fd")
    for _ in range(3):
        with pytest.raises(RunError, match=r"run.json: damaged: expected a file"):
            Run(tmp_path).record()
    assert len(os.listdir("/dev/fd")) == len(open_before)


def test_a_huge_record_is_not_read(tmp_path):
    with (tmp_path / "run.json").open("wb") as file:
        file.truncate(100 << 20)
    with pytest.raises(RunError, match=r"run.json: damaged: 104,857,600 bytes"):
        Run(tmp_path).record()


@pytest.mark.parametrize("target", ["file", "folder", "missing"])
@pytest.mark.parametrize(
    "name",
    [
        "run.json",
        "config.yaml",
        "metrics.csv",
        "weights.safetensors",
        "model.keras",
        ".lock",
        "checkpoints",
        "checkpoints/epoch-00001.safetensors",
        "evaluation",
        "evaluation/test.json",
        "tensorboard",
        "tensorboard/train",
    ],
)
def test_a_run_with_a_link_is_rejected(tmp_path, name, target):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text(json.dumps(RECORD))
    run = Run(tmp_path / "run")
    (run.path / name).parent.mkdir(parents=True)
    if name != "run.json":
        run.create(RECORD)
    (run.path / name).symlink_to(tmp_path / target)
    before = sorted(tmp_path.rglob("*"))
    for act in (run.record, lambda: run.update({"seconds": 1}), lambda: run.record_test_use("evaluate")):
        with pytest.raises(RunError) as caught:
            act()
        assert str(caught.value).startswith(f"{run.path / name}: is a symbolic link; ")
    assert sorted(tmp_path.rglob("*")) == before
    assert json.loads((tmp_path / "file").read_text()) == RECORD


def test_a_run_may_be_read_through_a_link_to_it(tmp_path):
    run = make_run(tmp_path, "tiny", None, RECORD)
    (tmp_path / "best").symlink_to(run.path.name)
    assert Run(tmp_path / "best").record().raw == RECORD


def test_a_folder_without_a_record_is_not_a_run(tmp_path):
    (tmp_path / "file").write_text("")
    for name in ("", "missing"):
        with pytest.raises(RunError, match=r"not a run folder: it has no run.json"):
            Run(tmp_path / name).record()
    with pytest.raises(RunError, match=r"run.json: cannot be read: Not a directory"):
        Run(tmp_path / "file").record()


def test_an_update_changes_adds_and_removes_keys(tmp_path):
    run = make_run(
        tmp_path, "tiny", None, {"status": "failed", "error": "x", "git_commit": None, "of_a_later_version": 1}
    )
    run.update({"status": "running", "error": None, "missing": None, "resumed": [{"after": None}]})
    assert json.loads((run.path / "run.json").read_text()) == {
        **RECORD,
        "of_a_later_version": 1,
        "resumed": [{"after": None}],
    }


def test_a_damaged_record_is_not_updated(tmp_path):
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(RunError, match=r"run.json: damaged"):
        Run(tmp_path).update({"status": "finished"})
    assert (tmp_path / "run.json").read_text() == "{"


@pytest.mark.parametrize("value", ["9" * 4000, '"\\ud800\\u0000"', "[" * 140 + "]" * 140], ids=lambda value: value[:9])
def test_a_readable_record_can_be_updated(tmp_path, value):
    (tmp_path / "run.json").write_text(json.dumps(RECORD)[:-1] + f', "mine": {value}}}')
    run = Run(tmp_path)
    record = run.record().raw
    run.update({"status": "finished"})
    assert run.record().raw == {**record, "status": "finished"}
