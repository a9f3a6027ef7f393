import itertools
import json
import os

import pytest

from cnnlab.errors import RequestError
from cnnlab.training.distribution.cluster import EXAMPLE, Cluster, from_environment

WORKERS = {"worker": ["a:1", "b:2"]}
CHIEF_AND_WORKERS = {"chief": ["c:3"], "worker": ["a:1", "b:2"]}
FIRST = {"type": "worker", "index": 0}


def config(cluster, task):
    return json.dumps({"cluster": cluster, "task": task})


def parse(text):
    return from_environment({"TF_CONFIG": text})


@pytest.mark.parametrize(
    ("cluster", "kind", "index", "addresses", "place"),
    [
        (WORKERS, "worker", 0, ("a:1", "b:2"), 0),
        (WORKERS, "worker", 1, ("a:1", "b:2"), 1),
        (CHIEF_AND_WORKERS, "chief", 0, ("c:3", "a:1", "b:2"), 0),
        (CHIEF_AND_WORKERS, "worker", 0, ("c:3", "a:1", "b:2"), 1),
        (CHIEF_AND_WORKERS, "worker", 1, ("c:3", "a:1", "b:2"), 2),
        (dict(reversed(CHIEF_AND_WORKERS.items())), "worker", 0, ("c:3", "a:1", "b:2"), 1),
        ({"worker": ["[::1]:80", "node-1.example.org:2222"]}, "worker", 1, ("[::1]:80", "node-1.example.org:2222"), 1),
    ],
)
def test_tf_config_lists_the_workers_chief_first(cluster, kind, index, addresses, place):
    assert parse(config(cluster, {"type": kind, "index": index})) == Cluster(addresses, place)


def test_only_the_first_worker_is_the_chief():
    places = [{"type": "chief", "index": 0}, FIRST, {"type": "worker", "index": 1}]
    clusters = [parse(config(CHIEF_AND_WORKERS, place)) for place in places]
    assert [cluster.is_chief for cluster in clusters] == [True, False, False]
    assert parse(config(WORKERS, FIRST)).is_chief


def test_other_keys_of_tf_config_are_ignored():
    text = json.dumps(
        {"cluster": WORKERS, "task": {**FIRST, "trial": "7"}, "rpc_layer": "grpc", "environment": "cloud"}
    )
    assert parse(text) == Cluster(("a:1", "b:2"), 0)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"TF_CONFIG": ""},
        {"TF_CONFIG": "{}"},
        {"TF_CONFIG": '{"cluster": {}, "task": {}}'},
        {"TF_CONFIG": config({"worker": ["a:1"]}, FIRST)},
        {"TF_CONFIG": config({"chief": ["a:1"]}, {"type": "chief", "index": 0})},
        {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"},
        {"SLURM_STEP_NUM_TASKS": "2"},  # without a task number: in the batch script, not in a task
        {"SLURM_PROCID": "0"},
    ],
)
def test_a_single_process_has_no_cluster(environment):
    assert from_environment(environment) is None


MALFORMED = [
    "{",
    "worker",
    "'{}'",
    "[1]",
    '"text"',
    "5",
    "[" * 100_000,
    "9" * 5000,
    json.dumps([WORKERS, FIRST]),
    json.dumps({"cluster": WORKERS}),
    json.dumps({"task": FIRST}),
    json.dumps({"cluster": [WORKERS], "task": FIRST}),
    json.dumps({"cluster": WORKERS, "task": ["worker", 0]}),
    config(WORKERS, {"type": "worker"}),
    config(WORKERS, {"index": 0}),
    *(config(WORKERS, {"type": "worker", "index": index}) for index in (2, -1, 1 << 70, "0", 0.5, None, [0], True)),
    *(
        config(WORKERS, {"type": kind, "index": 0})
        for kind in ("ps", "chief", "", None, 0, ["worker"], {"a": 1}, "a\nb")
    ),
    config({**WORKERS, "ps": ["c:3"]}, FIRST),
    config({**WORKERS, "evaluator": ["c:3"]}, {"type": "evaluator", "index": 0}),
    config({**WORKERS, "two\nlines": ["c:3"]}, FIRST),
    config({**WORKERS, "chief": []}, FIRST),
    config({"chief": ["c:3", "d:4"], "worker": ["a:1"]}, FIRST),  # TensorFlow allows one chief
    *(
        config({"worker": addresses}, FIRST)
        for addresses in ([], [1, 2], "a:1", {"0": "a:1"}, None, 5, ["a:1", None], ["a:1", ["b:2"]], ["a", "b"])
    ),
]


@pytest.mark.parametrize("text", MALFORMED, ids=lambda text: text[:70])
def test_a_malformed_tf_config_is_a_one_line_error(text):
    with pytest.raises(RequestError, match="TF_CONFIG: ") as raised:
        parse(text)
    assert len(str(raised.value).splitlines()) == 1


def test_the_example_in_the_messages_is_valid():
    assert parse(EXAMPLE) == Cluster(("host1:2222", "host2:2222"), 0)


def test_arbitrary_json_raises_only_request_errors():
    values = [None, True, 0, 1, -1, 1.5, "", "worker", "chief", "a:1", [], ["a:1"], ["a:1", "b:2"], [[]], {}, {"a": []}]
    jobs = [
        *values,
        *({"worker": value} for value in values),
        *({"chief": value, "worker": ["b:2"]} for value in values),
    ]
    tasks = [*values, *({"type": kind, "index": index} for kind, index in itertools.product(values, values))]
    texts = [json.dumps(value) for value in values] + [config(*pair) for pair in itertools.product(jobs, tasks)]
    outcomes = set()
    for text in texts:
        try:
            found = parse(text)
        except RequestError:
            outcomes.add("refused")
        except Exception as error:
            outcomes.add(f"{text}: {error!r}")
        else:
            outcomes.add(type(found).__name__)
    assert outcomes == {"refused", "NoneType", "Cluster"}


SLURM = {
    "SLURM_PROCID": "1",
    "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_STEP_NODELIST": "localhost",
    "SLURM_STEP_TASKS_PER_NODE": "2",
}


@pytest.fixture
def slurm(monkeypatch):
    """A function that sets the Slurm variables of a step with two tasks; keywords change them."""
    for name in ("TF_CONFIG", "CUDA_VISIBLE_DEVICES"):  # set first, so that monkeypatch restores them
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)

    def set_up(**changes):
        for name, value in {**SLURM, **changes}.items():
            monkeypatch.setenv(name, value)

    return set_up


@pytest.mark.parametrize("number", [0, 1])
def test_the_tasks_of_a_slurm_step_are_workers(slurm, number):
    slurm(SLURM_PROCID=str(number))
    cluster = from_environment()
    assert len(set(cluster.workers)) == 2
    assert all(address.startswith("localhost:") for address in cluster.workers)
    assert cluster.index == number
    tf_config = json.loads(os.environ["TF_CONFIG"])  # read by TensorFlow's strategy
    assert tf_config == {"cluster": {"worker": list(cluster.workers)}, "task": {"type": "worker", "index": number}}
    assert from_environment() == cluster


def test_the_tasks_of_a_slurm_step_on_several_nodes_are_workers(slurm):
    slurm(SLURM_PROCID="2", SLURM_STEP_NUM_TASKS="3", SLURM_STEP_NODELIST="n[1-3]", SLURM_STEP_TASKS_PER_NODE="1(x3)")
    cluster = from_environment()
    assert [address.split(":")[0] for address in cluster.workers] == ["n1", "n2", "n3"]
    assert cluster.index == 2


def test_tf_config_takes_precedence_over_slurm(slurm):
    slurm(TF_CONFIG=config(WORKERS, FIRST))
    assert from_environment() == Cluster(("a:1", "b:2"), 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"SLURM_STEP_NUM_TASKS": "two"},
        {"SLURM_STEP_NUM_TASKS": ""},
        {"SLURM_STEP_NUM_TASKS": "3"},
        {"SLURM_PROCID": "x"},
        {"SLURM_PROCID": ""},
        {"SLURM_PROCID": "2"},
        {"SLURM_PROCID": "-1"},
        {"SLURM_STEP_NODELIST": ""},
        {"SLURM_STEP_NODELIST": "n[1-"},
        {"SLURM_STEP_NODELIST": "n[1\n"},
        {"SLURM_STEP_TASKS_PER_NODE": "x"},
        {"SLURM_STEP_TASKS_PER_NODE": ""},
        {"SLURM_STEP_TASKS_PER_NODE": "5"},
    ],
    ids=lambda changes: " ".join(f"{name}={value}" for name, value in changes.items()),
)
def test_slurm_variables_without_a_valid_cluster_are_a_one_line_error(slurm, changes):
    slurm(**changes)
    with pytest.raises(RequestError, match=r"SLURM|Slurm") as raised:
        from_environment()
    assert len(str(raised.value).splitlines()) == 1
    assert "range()" not in str(raised.value)  # a reason, not an exception of TensorFlow
    assert "TF_CONFIG" not in os.environ


@pytest.mark.parametrize("missing", ["SLURM_STEP_NODELIST", "SLURM_STEP_TASKS_PER_NODE"])
def test_a_slurm_step_without_its_nodes_is_a_one_line_error(slurm, monkeypatch, missing):
    slurm()
    monkeypatch.delenv(missing)
    with pytest.raises(RequestError, match=missing) as raised:
        from_environment()
    assert len(str(raised.value).splitlines()) == 1
