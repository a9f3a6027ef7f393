"""Parsing run.json to a RunRecord, and all kinds of damage."""

import json
from pathlib import Path

import pytest

from cnnlab.errors import RunError
from cnnlab.runs import Run
from cnnlab.runs.record import Process, RunRecord, SplitRecord
from tests.conftest import RECORD, complete

RUN = Run(Path("runs/x"))
SPLIT = {"examples": 5, "pictures": "a", "labels": "b", "in_any_order": "c"}
EARLY_STOPPING = {"early_stopping": {"monitor": "val_loss", "restore_best_weights": True}}
WRITTEN = json.loads((Path(__file__).parents[1] / "experiment/experiments-0.1.0.json").read_text())


def parse(content):
    return RunRecord.parse(RUN, content if isinstance(content, bytes) else json.dumps(content).encode())


def test_a_complete_record_is_parsed():
    raw = complete(
        {
            "status": "finished",
            "started": "2026-01-01",
            "finished": "2026-01-02",
            "seconds": 3,
            "process": {"pid": 7, "host": "here"},
            "experiment": {"seed": 4, "data": {"validation": "test"}, "published": {"accuracy": 0.9}},
            "data": {"place": "there", "splits": {"test": SPLIT}},
            "versions": {"tensorflow": "2.20.0"},
            "cpu": {"model": "a processor"},
            "threads": {"cores": 2},
            "parameters": 10,
            "multiplications": 20,
            "results": {"epoch": 2, "test_accuracy": 1, "test_loss": 2.5, "val_loss": None},
            "stopped_early": True,
            "error": "a line",
            "findings": ["a hint"],
        }
    )
    record = parse(raw)
    assert record.raw == raw | {"experiment": record.experiment.raw}
    assert (record.run, record.status, record.seconds) == (RUN, "finished", 3)
    assert (record.started, record.finished) == ("2026-01-01", "2026-01-02")
    assert record.process == Process(7, "here")
    assert record.data.splits == {"test": SplitRecord(5, "a", "b")}
    assert (record.data.place, record.data.fingerprint) == ("there", "f")
    assert (record.environment.tensorflow, record.environment.cpu, record.environment.cores) == (
        "2.20.0",
        "a processor",
        2,
    )
    assert (record.parameters, record.multiplications) == (10, 20)
    assert record.results == {"epoch": 2, "test_accuracy": 1, "test_loss": 2.5, "val_loss": None}
    assert (record.stopped_early, record.error, record.findings) == (True, "a line", ["a hint"])
    assert (record.experiment.name, record.experiment.seed, record.experiment.epochs) == ("tiny", 4, 2)
    assert record.experiment.published == {"accuracy": 0.9}
    assert record.experiment.validates_on_test


def test_keys_added_during_a_run_are_optional():
    for raw in (RECORD, {**RECORD, "process": None, "results": None, "seconds": None, "threads": None}):
        record = parse(raw)
        assert (record.process, record.results, record.seconds, record.parameters) == (None, {}, None, None)
        assert (record.stopped_early, record.findings, record.resumed, record.test_uses) == (False, [], [], [])
        assert (record.environment.tensorflow, record.environment.cores) == ("", None)
        assert (record.experiment.loss, record.experiment.choices) == (None, [])
        assert not record.experiment.validates_on_test


@pytest.mark.parametrize("written", WRITTEN, ids=lambda experiment: experiment["data"]["name"])
def test_experiments_of_version_0_1_0_are_parsed(written):
    found = parse({**RECORD, "experiment": written}).experiment
    assert (found.name, found.seed, found.epochs) == (written["name"], written["seed"], written["train"]["epochs"])
    assert found.loss == written["train"]["loss"]
    assert found.raw["train"]["test"] == "end"


@pytest.mark.parametrize(
    ("train", "monitor"),
    [
        ({}, None),
        ({"callbacks": ["tensorboard", {"early_stopping": {"monitor": "val_loss"}}]}, None),
        ({"callbacks": ["tensorboard", EARLY_STOPPING]}, "val_loss"),
    ],
)
def test_the_monitor_is_the_one_of_early_stopping_that_restores_the_weights(train, monitor):
    assert parse(complete({"experiment": {"train": train}})).experiment.early_stopping_monitor == monitor


def test_a_missing_result_is_named():
    record = parse({**RECORD, "results": {"loss": 0.5, "val_loss": None}})
    assert record.result("loss") == 0.5
    for key in ("test_loss", "val_loss"):
        with pytest.raises(RunError) as caught:
            record.result(key)
        assert str(caught.value) == f"runs/x/run.json: damaged: 'results.{key}' is missing; expected a number"


def nested(depth):
    return b"[" * depth + b"]" * depth


DAMAGED = [
    (b"", "Expecting value"),
    (b"{", "Expecting property name"),
    (b'"\xff', "'utf-8' codec"),
    (b"[1]", "got [1]; expected a map"),
    (b"[" * 100_000, ""),
    (nested(100_000), ""),
    (b'{"x": ' + nested(151) + b"}", "nested more than 150 deep"),
    (b'{"x": 1e999}', "1e999 is more than a number can be"),
    (b'{"x": -1e999}', "-1e999 is more than a number can be"),
    (b'{"x": NaN}', "NaN is not JSON"),
    (b'{"x": ' + b"9" * 5000 + b"}", "Exceeds the limit"),
    ({}, "'status' is missing; expected text"),
    ({"status": 3}, "'status' is 3; expected text"),
    ({"status": ["finished"]}, "'status' is ['finished']; expected text"),
    ({"status": ""}, "'status' is ''; expected one of running, finished, interrupted, failed, diverged"),
    ({"status": "Finished"}, "'status' is 'Finished'; expected one of running"),
    ({"status": "crashed"}, "'status' is 'crashed'; expected one of running"),
    ({"status": "x" * 10_000}, "...; expected one of running"),
    ({"status": "\x1b[2J\n\ud800"}, r"'status' is '\x1b[2J\n\ud800'; expected one of running"),
    ({"started": 3}, "'started' is 3; expected text"),
    ({"finished": []}, "'finished' is []; expected text"),
    ({"seconds": "1"}, "'seconds' is '1'; expected a number"),
    ({"seconds": True}, "'seconds' is true; expected a number"),
    ({"seconds": -1}, "'seconds' is -1; expected a number of at least 0"),
    ({"process": []}, "'process' is []; expected a map"),
    ({"process": {"pid": "1"}}, "'process.pid' is '1'; expected an integer"),
    ({"process": {"host": 1}}, "'process.host' is 1; expected text"),
    ({"resumed": {}}, "'resumed' is {}; expected a list"),
    ({"test_uses": "abc"}, "'test_uses' is 'abc'; expected a list"),
    ({"findings": [1]}, "'findings[0]' is 1; expected text"),
    ({"error": 1}, "'error' is 1; expected text"),
    ({"stopped_early": 1}, "'stopped_early' is 1; expected true or false"),
    ({"parameters": 1.5}, "'parameters' is 1.5; expected an integer"),
    ({"multiplications": -1}, "'multiplications' is -1; expected an integer of at least 0"),
    ({"versions": 3}, "'versions' is 3; expected a map"),
    ({"versions": {"tensorflow": 2}}, "'versions.tensorflow' is 2; expected text"),
    ({"cpu": {"model": 2}}, "'cpu.model' is 2; expected text"),
    ({"threads": {"cores": "2"}}, "'threads.cores' is '2'; expected an integer"),
    ({"experiment": None}, "'experiment' is missing; expected a map"),
    ({"experiment": 3}, "'experiment' is 3; expected a map"),
    ({"experiment": {"name": None}}, "'experiment.name' is missing; expected text"),
    ({"experiment": {"seed": {}}}, "'experiment.seed' is {}; expected an integer"),
    ({"experiment": {"seed": True}}, "'experiment.seed' is true; expected an integer"),
    ({"experiment": {"data": 3}}, "'experiment.data' is 3; expected a map"),
    ({"experiment": {"data": {"name": 3}}}, "'experiment.data.name' is 3; expected text"),
    ({"experiment": {"train": []}}, "'experiment.train' is []; expected a map"),
    ({"experiment": {"train": {"epochs": "2"}}}, "'experiment.train.epochs' is '2'; expected an integer"),
    ({"experiment": {"train": {"callbacks": {}}}}, "'experiment.train.callbacks' is {}; expected a list"),
    ({"experiment": {"published": 3}}, "'experiment.published' is 3; expected a map"),
    ({"data": None}, "'data' is missing; expected a map"),
    ({"data": {"fingerprint": {}}}, "'data.fingerprint' is {}; expected text"),
    ({"data": {"place": 1}}, "'data.place' is 1; expected text"),
    ({"data": {"classes": 2}}, "'data.classes' is 2; expected a list"),
    ({"data": {"classes": ["a", 2]}}, "'data.classes[1]' is 2; expected text"),
    ({"data": {"image_shape": [8, 8.5]}}, "'data.image_shape[1]' is 8.5; expected an integer"),
    ({"data": {"splits": None}}, "'data.splits' is missing; expected a map"),
    *[
        ({"data": {**RECORD["data"], "splits": {"test": split}}}, message)
        for split, message in [
            (1, "'data.splits.test' is 1; expected a map"),
            ({**SPLIT, "examples": "5"}, "'data.splits.test.examples' is '5'; expected an integer"),
            ({**SPLIT, "examples": -5}, "'data.splits.test.examples' is -5; expected an integer of at least 0"),
            ({**SPLIT, "pictures": 1}, "'data.splits.test.pictures' is 1; expected text"),
            ({**SPLIT, "labels": None}, "'data.splits.test.labels' is missing; expected text"),
            ({**SPLIT, "in_any_order": []}, "'data.splits.test.in_any_order' is []; expected text"),
        ]
    ],
    ({"results": []}, "'results' is []; expected a map"),
    ({"results": {"test_accuracy": "abc"}}, "'results.test_accuracy' is 'abc'; expected a number"),
    ({"results": {"test_accuracy": True}}, "'results.test_accuracy' is true; expected a number"),
    ({"results": {"accuracy": 97.0}}, "'results.accuracy' is 97.0; expected a number in [0, 1]"),
    ({"results": {"val_accuracy": -0.5}}, "'results.val_accuracy' is -0.5; expected a number in [0, 1]"),
    ({"results": {"test_loss": -1}}, "'results.test_loss' is -1; expected a number of at least 0"),
    ({"results": {"loss": 10**400}}, "...; expected a number of at least 0"),
]


def merged(base, changes):
    """`base` with these changes, merged recursively."""
    return base | {
        key: merged(base[key], value) if isinstance(value, dict) and value and key in base else value
        for key, value in changes.items()
    }


@pytest.mark.parametrize(("content", "message"), DAMAGED, ids=[ascii(content)[:60] for content, _ in DAMAGED])
def test_a_damaged_record_is_one_short_line_that_names_the_key(content, message):
    if isinstance(content, dict) and content:
        content = merged(RECORD, content)
    with pytest.raises(RunError) as caught:
        parse(content)
    text = str(caught.value)
    assert text.startswith("runs/x/run.json: damaged: ")
    assert message in text
    assert text.isprintable()
    assert len(text) < 250
