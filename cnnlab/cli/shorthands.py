"""What the options of `cnnlab train` other than --set change."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cnnlab.errors import RequestError

if TYPE_CHECKING:
    from cnnlab.config.files import Source
    from cnnlab.config.overrides import Override
    from cnnlab.experiment.data.fold import Fold
    from cnnlab.experiment.schema import Experiment
    from cnnlab.training.tasks import NewRun

SMOKE_EXAMPLES = 256
MAX_SEEDS = 10_000


def overrides_from_options(
    source: "Source | None",
    data: str | None,
    smoke: bool,
    epochs: int | None,
    seed: int | None,
    limit: int | None,
    folds: int | None,
    devices: str | None,
    precision: str | None,
    tensorboard: bool,
    no_test: bool,
    sets: "Sequence[Override]" = (),
) -> Iterator["Override"]:
    """What the options other than --set change; --smoke before those that may change it again."""
    from cnnlab.config.overrides import Override

    if data is not None and source is not None:
        # Another data set has another size and another protocol: the file's split is not meant for it.
        yield from _other_data(source, data, sets)
    if smoke:
        yield Override(("train", "epochs"), 1, "--smoke")
        yield Override(("data", "limit"), SMOKE_EXAMPLES, "--smoke")
    if epochs is not None:
        yield Override(("train", "epochs"), epochs, f"--epochs {epochs}")
    if seed is not None:
        yield Override(("seed",), seed, f"--seed {seed}")
    if limit is not None:
        yield Override(("data", "limit"), limit, f"--limit {limit}")
    if folds is not None:  # `new_runs` makes one run of each
        yield Override(("data", "fold"), {"number": 1, "of": folds}, f"--folds {folds}")
    if devices is not None:
        value = int(devices) if re.fullmatch(r"[0-9]{1,9}", devices) else devices
        yield Override(("train", "devices"), value, f"--devices {devices}")
    if precision is not None:
        yield Override(("train", "precision"), precision, f"--precision {precision}")
    if no_test:
        yield Override(("train", "test"), "never", "--no-test")
    if tensorboard and source is not None:
        from cnnlab.config.load import load
        from cnnlab.experiment.choice import plain

        callbacks = plain(load(source).train.callbacks)
        if not any("tensorboard" in callback for callback in callbacks):
            yield Override(("train", "callbacks"), [*callbacks, "tensorboard"], "--tensorboard")


def _other_data(source: "Source", data: str, sets: "Sequence[Override]") -> list["Override"]:
    """What `--data` changes: the section `data`, and the last layer where the classes are not as many.

    What was recognised at a path, and what was changed for the data, is printed.
    """
    from cnnlab.cli.data.target import is_data_set, is_path_of_images, print_recognized, recognized_at
    from cnnlab.config.adapt import adapt
    from cnnlab.terminal import note

    if not is_data_set(data) and is_path_of_images(data):
        recognized = recognized_at(data, sets)
        print_recognized(recognized)
        options: Mapping[str, Any] = recognized.options
    else:
        options = _named(source, data)
    adapted = adapt(source, options, f"--data {data}", sets)
    for line in adapted.notes:
        note(line)
    return adapted.changes


def _named(source: "Source", name: str) -> dict[str, Any]:
    """The section `data` of a data set; synthetic data take the shape of the file's."""
    if name != "synthetic":
        return {"name": name}
    from cnnlab.config.load import load
    from cnnlab.experiment.data import num_outputs

    replaced = load(source).data
    return {"name": name, "image_shape": list(replaced.image_shape), "num_classes": num_outputs(replaced)}


def parse_seeds(text: str, first: int) -> list[int]:
    """The seeds that `--seeds TEXT` asks for: so many from `first` on, or those of a list."""
    if not re.fullmatch(r"[0-9]{1,10}( *, *[0-9]{1,10})* *,? *", text):
        raise RequestError(f"--seeds {text}: expected how many, such as 5, or a list, such as 3,7,11")
    seeds = [int(number) for number in text.split(",") if number.strip()]
    if "," not in text:
        seeds = list(range(first, first + min(seeds[0], MAX_SEEDS + 1)))
    if not 0 < len(seeds) <= MAX_SEEDS or max(seeds) >= 2**32:
        raise RequestError(f"--seeds {text}: expected 1 to {MAX_SEEDS:,} seeds, each from 0 to {2**32 - 1:,}")
    if len(set(seeds)) < len(seeds):
        raise RequestError(f"--seeds {text}: duplicate seed; it would give the same run twice")
    return seeds


def new_runs(
    experiment: "Experiment", name: str | None, seeds: Sequence[int] | None, folds: int | None = None
) -> Iterator["NewRun"]:
    """The experiment for each of its training sizes, each seed and each fold, with the run's name if there is one.

    The largest size comes first, so that too few examples are reported before anything is trained.
    """
    from cnnlab.training.tasks import NewRun

    sizes = sorted(experiment.data.train_sizes or (), reverse=True)
    for size in sizes if len(sizes) > 1 else [None]:
        data = experiment.data if size is None else experiment.data.model_copy(update={"train_sizes": (size,)})
        for seed in seeds or [experiment.seed]:
            numbers = [size, seed if seeds else None]
            for fold in _partition(folds, seed):
                of_fold = {"data": data, "seed": seed}
                if fold is not None:
                    of_fold = {"data": data.model_copy(update={"fold": fold}), "seed": _seed_of(fold)}
                parts = [*numbers, f"fold{fold.number}" if fold else None]
                run_name = name and "-".join([name, *(str(part) for part in parts if part is not None)])
                yield NewRun(experiment.model_copy(update=of_fold), run_name)


def _partition(folds: int | None, seed: int) -> "list[Fold] | list[None]":
    """Every fold; each seed has its own partition, as in scikit-learn's RepeatedStratifiedKFold."""
    from cnnlab.experiment.data.fold import Fold

    return [None] if folds is None else [Fold(number=1 + index, of=folds, seed=seed) for index in range(folds)]


def _seed_of(fold: "Fold") -> int:
    """The training seed of a fold, another one for each fold of each partition.

    With the same seed in all folds, their spread would not include that of weights and order, which an interval of the
    mean has to.
    """
    return (fold.seed * fold.of + fold.number - 1) % 2**32
