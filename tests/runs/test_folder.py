import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cnnlab.errors import RequestError, RunError
from cnnlab.runs import Run
from cnnlab.runs.claim import check_name, check_writable
from cnnlab.runs.find import find, find_one
from tests.conftest import make_run

RECORD = {"status": "running"}


def test_runs_are_numbered_and_never_shared(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        runs = list(pool.map(lambda _: make_run(tmp_path / "runs", "tiny", None, RECORD), range(40)))
    assert sorted(run.path.name for run in runs) == sorted(f"tiny-{number}" for number in range(1, 41))
    assert all(run.record() == RECORD for run in runs)


def test_a_named_run_is_never_overwritten(tmp_path):
    assert make_run(tmp_path, "tiny", "mine", RECORD).path == tmp_path / "mine"
    with pytest.raises(RequestError, match="a run is never overwritten"):
        make_run(tmp_path, "tiny", "mine", RECORD)


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "-dash", "a\n", "a" * 101, "a\nb"])
def test_names_stay_inside_the_folder(tmp_path, name):
    with pytest.raises(RequestError, match="expected at most 100 letters, digits"):
        check_name(tmp_path, name)


def test_an_unwritable_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)  # root may write everywhere
    with pytest.raises(RequestError, match="no permission to write"):
        check_writable(tmp_path / "runs")


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
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
def test_what_is_no_run_is_told_apart(tmp_path, monkeypatch, finder):
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
    with pytest.raises(RequestError, match=r"it holds runs, such as .*lenet-1"):
        find_one(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"status": 3}',
        "[" * 100_000,
        '"\xff',
        '{"status": "finished", "results": []}',
        '{"status": "finished", "results": {"test_accuracy": "x"}}',
        '{"status": "finished", "seconds": NaN}',
        '{"status": "finished", "test_uses": "abc"}',
    ],
    ids=lambda content: content[:60],
)
def test_a_damaged_record_is_named(tmp_path, content):
    (tmp_path / "run.json").write_text(content, encoding="latin-1")
    with pytest.raises(RunError, match=r"run.json: damaged"):
        Run(tmp_path).record()


def test_uses_of_the_test_set_add_up(tmp_path):
    run = make_run(tmp_path, "tiny", None, {**RECORD, "test_uses": []})
    run.record_test_use("train")
    run.record_test_use("evaluate")
    record = json.loads((run.path / "run.json").read_text())
    assert [use["by"] for use in record["test_uses"]] == ["train", "evaluate"]
