"""What run.json says, parsed and checked once; by hand, since importing pydantic would slow `cnnlab compare`."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnnlab.errors import RunError
from cnnlab.experiment.upgrade import upgrade
from cnnlab.messages import shorten
from cnnlab.runs.fields import count, get, list_of, number, parse_json

if TYPE_CHECKING:
    from cnnlab.runs.folder import Run

RECORD = "run.json"
STATUSES = ("running", "finished", "interrupted", "failed", "diverged", "pruned")
"""The statuses in run.json; `status_of` returns `crashed` for a run that is `running` there without a process."""
COSMETIC_KEYS = ("name", "published")
"""The keys of an experiment that change no number."""
COSMETIC_TRAIN_KEYS = ("threads", "input_pipeline", "keep", "checkpoint_minutes")
"""The keys of `train` that change no number, or only its last digits: with threads, the order of additions changes."""
IGNORED_TRAIN_KEYS = (*COSMETIC_TRAIN_KEYS, "devices", "test")
"""Those, where a computation runs, and when the test set is measured: the trained network is the same but by rounding.

Runs that differ in `devices` or `test` are told apart nevertheless, by their speed and by what was measured.
"""


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
    class_names: tuple[str, ...]
    splits: Mapping[str, SplitRecord]
    pool: str | None = None
    """SHA-256 of the examples that a cross-validation divides into folds."""

    @property
    def identity(self) -> str:
        """The same for all folds of a cross-validation; else the fingerprint."""
        return self.pool or self.fingerprint


@dataclass(frozen=True)
class FoldRecord:
    """Which fold of a cross-validation a run is tested on: `number` of `of`, from 1, in the partition of `seed`."""

    number: int
    of: int
    seed: int


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
    fold: FoldRecord | None = None

    @classmethod
    def parse(cls, raw: dict[str, Any]) -> "ExperimentRecord":
        """From plain data. Raises ValueError if it is not an experiment."""
        data, train = get(raw, "experiment.data", dict), get(raw, "experiment.train", dict)
        get(data, "experiment.data.name", str)
        get(train, "experiment.train.callbacks", list, [])
        return cls(
            raw=raw,
            name=get(raw, "experiment.name", str),
            seed=get(raw, "experiment.seed", int),
            data=data,
            train=train,
            epochs=count(train, "experiment.train.epochs"),
            published=get(raw, "experiment.published", dict, {}),
            fold=_fold(get(data, "experiment.data.fold", dict, None)),
        )

    @property
    def replicate(self) -> tuple[int, ...]:
        """What tells apart the runs of one group: the seed, and in a cross-validation its partition and the fold."""
        return (self.seed,) if self.fold is None else (self.seed, self.fold.seed, self.fold.number)

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

    @property
    def label(self) -> str:
        """`seed 3`, or `fold 2 of 5` with its partition."""
        fold = self.fold
        return f"seed {self.seed}" if fold is None else f"fold {fold.number} of {fold.of}, partition {fold.seed}"

    def shared(self, *without: str) -> dict[str, Any]:
        """What the runs of one group have in common: all but the replicate, these keys, and what changes no number."""
        plain = self.without("seed", *without)
        if self.fold is not None and "data" in plain:
            plain["data"] = {**self.data, "fold": {"of": self.fold.of}}
        return plain

    def without(self, *keys: str) -> dict[str, Any]:
        """The plain experiment without these keys, and without those that change no number."""
        plain = {key: value for key, value in self.raw.items() if key not in (*COSMETIC_KEYS, *keys)}
        if "train" in plain:
            plain["train"] = {key: value for key, value in self.train.items() if key not in COSMETIC_TRAIN_KEYS}
        return without_place(plain)


def without_place(plain: dict[str, Any]) -> dict[str, Any]:
    """A plain experiment without the place of the weights that it starts from, which their SHA-256 identifies.

    `pretrained.from`, and `weights` of a backbone, become the name of the run or file there, and the beginning of its
    SHA-256.
    """
    model = plain.get("model")
    if not isinstance(model, dict):
        return plain
    changed = dict(model)
    start, layers = model.get("pretrained"), model.get("layers")
    if isinstance(start, dict):
        changed["pretrained"] = _with_name(start, "from")
    if isinstance(layers, list) and layers and isinstance(layers[0], dict):
        first = {
            kind: _with_name(spec, "weights") if kind == "backbone" and isinstance(spec, dict) else spec
            for kind, spec in layers[0].items()
        }
        changed["layers"] = [first, *layers[1:]]
    return {**plain, "model": changed}


def _with_name(start: dict[str, Any], key: str) -> dict[str, Any]:
    """With the name of the file, and the beginning of its SHA-256, for the path under `key`, where that is recorded."""
    if not start.get("sha256"):
        return start
    named = {other: value for other, value in start.items() if other != "sha256"}
    named[key] = f"{os.path.basename(str(start.get(key)))} ({str(start['sha256'])[:8]})"
    return named


@dataclass(frozen=True)
class Environment:
    """The part of the environment that tables show; empty or None where it was not recorded."""

    tensorflow: str
    cpu: str
    cores: int | None


@dataclass(frozen=True)
class PixelStatistics:
    """Mean and standard deviation of each channel of the training images, as values in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class RunRecord:
    """What the run.json of `run` says; `raw` is all of it, unknown keys included.

    What a run gets only during training, or only since a later version, is None or empty if it is missing.
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
    pixel_statistics: PixelStatistics | None
    border_brightness: float | None

    @classmethod
    def parse(cls, run: "Run", content: bytes) -> "RunRecord":
        """The record in the `content` of run.json. Raises RunError where it is damaged, naming the key."""
        try:
            return _record(run, parse_json(content))
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
    status = get(raw, "status", str)
    if status not in STATUSES:
        raise ValueError(f"'status' is {shorten(status)}; expected one of {', '.join(STATUSES)}")
    raw["experiment"] = upgrade(get(raw, "experiment", dict))
    results = get(raw, "results", dict, {})
    return RunRecord(
        run=run,
        raw=raw,
        status=status,
        started=get(raw, "started", str, None),
        finished=get(raw, "finished", str, None),
        seconds=number(raw, "seconds"),
        process=_process(get(raw, "process", dict, None)),
        experiment=ExperimentRecord.parse(raw["experiment"]),
        data=_data(get(raw, "data", dict)),
        environment=_environment(raw),
        parameters=count(raw, "parameters", None),
        multiplications=count(raw, "multiplications", None),
        results={key: number(results, f"results.{key}", 1.0 if key.endswith("accuracy") else None) for key in results},
        stopped_early=get(raw, "stopped_early", bool, False),
        error=get(raw, "error", str, None),
        findings=list_of(str, raw, "findings", []),
        resumed=get(raw, "resumed", list, []),
        test_uses=get(raw, "test_uses", list, []),
        pixel_statistics=_pixel_statistics(get(raw, "pixel_statistics", dict, None)),
        border_brightness=number(raw, "border_brightness", 1.0),
    )


def _fold(raw: dict[str, Any] | None) -> FoldRecord | None:
    if raw is None:
        return None
    number, of, seed = (get(raw, f"experiment.data.fold.{key}", int) for key in ("number", "of", "seed"))
    if not 1 <= number <= of or of < 2:
        raise ValueError(f"'experiment.data.fold' is fold {number} of {of}")
    return FoldRecord(number, of, seed)


def _pixel_statistics(raw: dict[str, Any] | None) -> PixelStatistics | None:
    if raw is None:
        return None
    mean, std = (tuple(list_of(float, raw, f"pixel_statistics.{key}")) for key in ("mean", "std"))
    return PixelStatistics(mean, std)


def _process(raw: dict[str, Any] | None) -> Process | None:
    return None if raw is None else Process(get(raw, "process.pid", int, None), get(raw, "process.host", str, None))


def _data(raw: dict[str, Any]) -> DataRecord:
    list_of(int, raw, "data.image_shape")
    splits = get(raw, "data.splits", dict)
    return DataRecord(
        raw=raw,
        fingerprint=get(raw, "data.fingerprint", str),
        place=get(raw, "data.place", str, None),
        class_names=tuple(list_of(str, raw, "data.classes")),
        splits={name: _split(get(splits, f"data.splits.{name}", dict), f"data.splits.{name}") for name in splits},
        pool=get(raw, "data.pool", str, None),
    )


def _split(raw: dict[str, Any], path: str) -> SplitRecord:
    get(raw, f"{path}.in_any_order", str)
    return SplitRecord(
        count(raw, f"{path}.examples"), get(raw, f"{path}.pictures", str), get(raw, f"{path}.labels", str)
    )


def _environment(raw: dict[str, Any]) -> Environment:
    versions, cpu, threads = (get(raw, part, dict, {}) for part in ("versions", "cpu", "threads"))
    return Environment(
        get(versions, "versions.tensorflow", str, ""),
        get(cpu, "cpu.model", str, ""),
        count(threads, "threads.cores", None),
    )
