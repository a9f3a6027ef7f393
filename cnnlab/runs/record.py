"""What run.json says, parsed and checked once; by hand, since importing pydantic would slow `cnnlab compare`."""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnnlab.errors import RunError
from cnnlab.experiment.upgrade import upgrade
from cnnlab.messages import shorten

if TYPE_CHECKING:
    from cnnlab.runs.folder import Run

RECORD = "run.json"
STATUSES = ("running", "finished", "interrupted", "failed", "diverged")
"""What run.json can say; `status_of` says `crashed` of a run that is said to be running and whose process is gone."""
MAX_NESTING = 150  # of maps and lists; blocks within blocks of a network come to less
COSMETIC_KEYS = ("name", "published")
"""The keys of an experiment that change no number."""
KINDS = {str: "text", int: "an integer", float: "a number", bool: "true or false", dict: "a map", list: "a list"}
_REQUIRED: Any = object()


@dataclass(frozen=True)
class Process:
    """The process that trains, or trained, the run."""

    pid: int | None
    host: str | None


@dataclass(frozen=True)
class SplitRecord:
    """A split: its number of examples, and SHA-256 digests of its images and labels."""

    examples: int
    images: str
    labels: str


@dataclass(frozen=True)
class DataRecord:
    """The data that a run was trained on; `raw` is what `cnnlab.data.fingerprint` compares."""

    raw: Mapping[str, Any]
    fingerprint: str
    place: str | None
    splits: Mapping[str, SplitRecord]


@dataclass(frozen=True)
class ExperimentRecord:
    """The experiment of a run; `raw` are its plain maps and lists, every default written out."""

    raw: Mapping[str, Any]
    name: str
    seed: int
    data: Mapping[str, Any]
    train: Mapping[str, Any]
    epochs: int
    published: Mapping[str, Any]

    @classmethod
    def parse(cls, raw: dict[str, Any]) -> "ExperimentRecord":
        """That of a plain experiment. Raises ValueError where it is none."""
        data, train = _get(raw, "experiment.data", dict), _get(raw, "experiment.train", dict)
        _get(data, "experiment.data.name", str)
        _get(train, "experiment.train.callbacks", list, [])
        return cls(
            raw=raw,
            name=_get(raw, "experiment.name", str),
            seed=_get(raw, "experiment.seed", int),
            data=data,
            train=train,
            epochs=_count(train, "experiment.train.epochs"),
            published=_get(raw, "experiment.published", dict, {}),
        )

    @property
    def loss(self) -> Any:
        """The loss function: its name, or a map of its name to its settings."""
        return self.train.get("loss")

    @property
    def validates_on_test(self) -> bool:
        """Whether the validation examples are the test set."""
        return self.data.get("validation") == "test"

    @property
    def early_stopping_monitor(self) -> str | None:
        """The column by which early stopping chose the epoch of the weights and results; None for the last epoch."""
        for kind, options in self.choices:
            if kind == "early_stopping" and options.get("restore_best_weights"):
                return str(options.get("monitor"))
        return None

    @property
    def choices(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """The schedule and the callbacks, each as its name and its settings."""
        found = [self.train.get("schedule"), *(self.train.get("callbacks") or [])]
        return [
            (kind, options)
            for choice in found
            if isinstance(choice, dict)
            for kind, options in choice.items()
            if isinstance(options, dict)
        ]

    def without(self, *keys: str) -> dict[str, Any]:
        """The plain experiment without these keys, and without those that change no number."""
        return {key: value for key, value in self.raw.items() if key not in (*COSMETIC_KEYS, *keys)}


@dataclass(frozen=True)
class Environment:
    """The part of the environment that tables show; empty or None where it was not recorded."""

    tensorflow: str
    cpu: str
    cores: int | None


@dataclass(frozen=True)
class RunRecord:
    """What the run.json of `run` says; `raw` is all of it, unknown keys included.

    Whatever a run gets only as it goes on, or has only since a later version, is None or empty where it is missing.
    `results` are in the names of run.json: `loss` and `accuracy` are those of the last training epoch.
    """

    run: "Run"
    raw: Mapping[str, Any]
    status: str
    started: str | None
    finished: str | None
    seconds: float | None
    process: Process | None
    experiment: ExperimentRecord
    data: DataRecord
    environment: Environment
    parameters: int | None
    multiplications: int | None
    results: Mapping[str, float | None]
    stopped_early: bool
    error: str | None
    findings: Sequence[str]
    resumed: Sequence[Any]
    test_uses: Sequence[Any]

    @classmethod
    def parse(cls, run: "Run", content: bytes) -> "RunRecord":
        """The record in the `content` of run.json. Raises RunError where it is damaged, naming the key."""
        try:
            return _record(run, _json(content))
        except (ValueError, RecursionError) as error:
            raise RunError(f"{run.path / RECORD}: damaged: {error}") from None

    def result(self, key: str) -> float:
        """One of the results. Raises RunError where it is missing."""
        value = self.results.get(key)
        if value is None:
            raise RunError(f"{self.run.path / RECORD}: damaged: 'results.{key}' is missing; expected a number")
        return value


def _record(run: "Run", raw: Any) -> RunRecord:
    if not isinstance(raw, dict):
        raise ValueError(f"got {shorten(raw)}; expected a map")
    status = _get(raw, "status", str)
    if status not in STATUSES:
        raise ValueError(f"'status' is {shorten(status)}; expected one of {', '.join(STATUSES)}")
    raw["experiment"] = upgrade(_get(raw, "experiment", dict))
    return RunRecord(
        run=run,
        raw=raw,
        status=status,
        started=_get(raw, "started", str, None),
        finished=_get(raw, "finished", str, None),
        seconds=_number(raw, "seconds"),
        process=_process(_get(raw, "process", dict, None)),
        experiment=ExperimentRecord.parse(raw["experiment"]),
        data=_data(_get(raw, "data", dict)),
        environment=_environment(raw),
        parameters=_count(raw, "parameters", None),
        multiplications=_count(raw, "multiplications", None),
        results=_results(_get(raw, "results", dict, {})),
        stopped_early=_get(raw, "stopped_early", bool, False),
        error=_get(raw, "error", str, None),
        findings=_list(raw, "findings", str, []),
        resumed=_get(raw, "resumed", list, []),
        test_uses=_get(raw, "test_uses", list, []),
    )


def _process(raw: dict[str, Any] | None) -> Process | None:
    return None if raw is None else Process(_get(raw, "process.pid", int, None), _get(raw, "process.host", str, None))


def _data(raw: dict[str, Any]) -> DataRecord:
    _list(raw, "data.classes", str)
    _list(raw, "data.image_shape", int)
    splits = _get(raw, "data.splits", dict)
    return DataRecord(
        raw=raw,
        fingerprint=_get(raw, "data.fingerprint", str),
        place=_get(raw, "data.place", str, None),
        splits={name: _split(_get(splits, f"data.splits.{name}", dict), f"data.splits.{name}") for name in splits},
    )


def _split(raw: dict[str, Any], path: str) -> SplitRecord:
    _get(raw, f"{path}.in_any_order", str)
    return SplitRecord(
        _count(raw, f"{path}.examples"), _get(raw, f"{path}.pictures", str), _get(raw, f"{path}.labels", str)
    )


def _environment(raw: dict[str, Any]) -> Environment:
    versions, cpu, threads = (_get(raw, part, dict, {}) for part in ("versions", "cpu", "threads"))
    return Environment(
        _get(versions, "versions.tensorflow", str, ""),
        _get(cpu, "cpu.model", str, ""),
        _count(threads, "threads.cores", None),
    )


def _results(raw: dict[str, Any]) -> dict[str, float | None]:
    return {key: _number(raw, f"results.{key}", 1.0 if key.endswith("accuracy") else math.inf) for key in raw}


def _number(parent: Mapping[str, Any], path: str, highest: float = math.inf) -> float | None:
    """A number in [0, highest]; None where it is missing."""
    value: float | None = _get(parent, path, float, None)
    if value is not None and not 0 <= value <= min(highest, sys.float_info.max):
        interval = "of at least 0" if highest == math.inf else f"in [0, {highest:g}]"
        raise ValueError(f"'{path}' is {shorten(value)}; expected a number {interval}")
    return value


def _count(parent: Mapping[str, Any], path: str, default: Any = _REQUIRED) -> Any:
    value = _get(parent, path, int, default)
    if value is not None and value < 0:
        raise ValueError(f"'{path}' is {shorten(value)}; expected an integer of at least 0")
    return value


def _list(parent: Mapping[str, Any], path: str, kind: type, default: Any = _REQUIRED) -> list[Any]:
    values: list[Any] = _get(parent, path, list, default)
    for index, value in enumerate(values):
        if type(value) is not kind:
            raise ValueError(f"'{path}[{index}]' is {shorten(value)}; expected {KINDS[kind]}")
    return values


def _get(parent: Mapping[str, Any], path: str, kind: type, default: Any = _REQUIRED) -> Any:
    """The value in `parent` whose key is the last part of `path`. Raises ValueError where it is of another kind."""
    value = parent.get(path.rpartition(".")[2])
    if value is None and default is not _REQUIRED:
        return default
    if type(value) is kind or (kind is float and type(value) is int):
        return value
    problem = "missing" if value is None else shorten(value)
    raise ValueError(f"'{path}' is {problem}; expected {KINDS[kind]}")


def _json(content: bytes) -> Any:
    """Raises ValueError where it is not JSON as it is written here."""
    data = json.loads(content, parse_constant=_refuse, parse_float=_finite)
    if content.count(b"[") + content.count(b"{") > MAX_NESTING and _depth(data) > MAX_NESTING:
        raise ValueError(f"nested more than {MAX_NESTING} deep")
    return data


def _depth(value: Any) -> int:
    """How many maps and lists are in one another; without recursion, which has its own limit."""
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return depth


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is more than a number can be")
    return value
