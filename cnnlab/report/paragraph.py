"""Methods and result of an experiment in sentences, as a paper states them: every number is read from its runs."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from cnnlab.analysis.groups import METRICS, Group, Metric
from cnnlab.analysis.significance import estimate
from cnnlab.analysis.verdicts import resolution
from cnnlab.config.differences import detailed
from cnnlab.config.schema_lookup import strip_defaults
from cnnlab.errors import printable
from cnnlab.messages import join_names
from cnnlab.report.source import Source
from cnnlab.report.words import counted, percent
from cnnlab.runs.record import RunRecord

MOST_LAYERS = 12  # that are written with their options; of more, only how many there are of each kind
LOSSES = {"cross_entropy": "cross-entropy", "mse": "the mean squared error", "sum_of_squares": "the sum of squares"}
SCALES = {
    "zero_one": "scaled to the range 0 to 1",
    "minus_one_one": "scaled to the range -1 to 1",
    "standardize": "standardized per channel with the mean and standard deviation of the training images",
}
PURPOSES = {"train": "training", "test": "testing"}
STATED = {
    "data": {
        "name",
        "path",
        "file",
        "dir",
        "image_size",
        "image_shape",
        "channels",
        "num_classes",
        "fit",
        "group",
        "fold",
    }
    | {"validation", "test"},
    "preprocessing": {"scale", "augmentation"},
    "model": {"layers", "pretrained"},
    "train": {"epochs", "batch_size", "optimizer", "loss", "schedule", "test", "devices"},
}
"""The keys with a sentence; what else differs from its default is listed."""


def paragraph(members: Sequence[RunRecord]) -> str:
    """About the finished runs of one experiment, one per seed or fold; what they do not record is left out."""
    record = members[0]
    plain = record.experiment.raw
    sentences = [
        *_data(record),
        *_preprocessing(plain.get("preprocessing") or {}),
        *_network(record),
        *_training(record, members),
        *_others(plain),
        *_result(members),
        *_software(record),
    ]
    return " ".join(printable(sentence) for sentence in sentences)


def _data(record: RunRecord) -> Iterator[str]:
    data, raw = record.experiment.data, record.data.raw
    height, width, channels = raw["image_shape"]
    sizes = {name: split.examples for name, split in record.data.splits.items()}
    classes, total = len(record.data.class_names), sum(sizes.values())
    name = PurePath(record.data.place).name if record.data.place and {"path", "file"} & data.keys() else data["name"]
    resized = f" (resized where necessary: {data['fit']})" if data.get("fit") else ""
    yield (
        f"The data set '{name}' has {total:,} images in {counted(classes, 'class', 'classes')}, of {height}×{width} "
        f"pixels and {counted(channels, 'channel')}{resized}."
    )
    groups = (raw.get("resolved") or {}).get("groups") if isinstance(raw.get("resolved"), dict) else None
    if (fold := record.experiment.fold) is not None:
        whole = ", each group in one fold" if data.get("group") else ""
        yield (
            f"They were divided into {fold.of} folds{whole}; each fold was predicted by a network that was trained on "
            "the others."
        )
    elif sizes:
        yield f"Of them {join_names(f'{count:,} are for {PURPOSES.get(name, name)}' for name, count in sizes.items())}."
    if data.get("group") and isinstance(groups, dict) and fold is None:
        counts = join_names(f"{count:,} in {name}" for name, count in groups.items())
        yield (
            f"The images are in {sum(groups.values()):,} groups ({detailed('data.group', data['group'])}), none of "
            f"which is divided between splits: {counts}."
        )
    if record.experiment.validates_on_test:
        yield "The validation images are the test images."


def _preprocessing(plain: Mapping[str, Any]) -> Iterator[str]:
    if scale := SCALES.get(str(plain.get("scale"))):
        yield f"Pixels were {scale}."
    if steps := plain.get("augmentation"):
        changes = _options("preprocessing.augmentation", steps)
        yield f"Training images were changed at random in every epoch: {changes}."


def _network(record: RunRecord) -> Iterator[str]:
    model = record.experiment.raw.get("model") or {}
    layers = model.get("layers") or []
    if layers:
        shown = _options("model.layers", layers, counts=len(layers) > MOST_LAYERS)
        yield f"The network consists of {shown}."
    if record.parameters is not None and record.multiplications is not None:
        cost = f"{record.multiplications:,} multiplications for one image"
        yield f"It has {record.parameters:,} parameters and needs {cost}."
    if start := model.get("pretrained"):
        yield f"Its weights started from another network: {detailed('model.pretrained', start)}."


def _training(record: RunRecord, members: Sequence[RunRecord]) -> Iterator[str]:
    train, epochs = record.experiment.train, record.experiment.epochs
    loss, schedule = train.get("loss"), train.get("schedule")
    parts = [f"It was trained for {'at most ' if record.stopped_early else ''}{counted(epochs, 'epoch')}"]
    if optimizer := train.get("optimizer"):
        parts.append(f"with {_options('train.optimizer', optimizer)}")
    if size := train.get("batch_size"):
        parts.append(f"in batches of {size:,} images")
    if loss:
        kind = next(iter(loss)) if isinstance(loss, dict) else str(loss)
        options = _options("train.loss", loss).removeprefix(kind)
        parts.append(f"to minimize {LOSSES.get(kind, kind)}{f' {options}' if options else ''}")
    yield f"{', '.join(parts)}{_schedule(schedule)}."
    if monitor := record.experiment.early_stopping_monitor:
        epochs_ = sorted({one.results.get("epoch") or 0 for one in members})
        yield f"The weights are those of the best epoch by {monitor} ({', '.join(f'{epoch:g}' for epoch in epochs_)})."
    seeds = sorted({one.experiment.seed for one in members})
    yield f"The random seed{'s were' if len(seeds) > 1 else ' was'} {join_names(map(str, seeds))}."


def _options(key: str, value: Any, *, counts: bool = False) -> str:
    """`sgd (learning rate 0.1, momentum 0.9)`."""
    text = re.sub(
        r"\b([a-z_0-9]+)=", lambda found: f"{found[1].replace('_', ' ')} ", detailed(key, value, counts=counts)
    )
    return re.sub(r"(?<=\w)\((?=[a-z])", " (", text)


def _schedule(schedule: Any) -> str:
    """What follows the optimizer in a sentence."""
    if not schedule:
        return ""
    shown = _options("train.schedule", schedule)
    followed = "was constant" if shown == "constant" else f"followed the schedule {shown}"
    return f"; the learning rate {followed}"


def _others(plain: Mapping[str, Any]) -> Iterator[str]:
    """What else is not its default, so that nothing that changes the result is left out."""
    found = []
    for part, stated in STATED.items():
        options = plain.get(part)
        if isinstance(options, dict):
            changed = strip_defaults((part,), options)
            if rest := {key: value for key, value in changed.items() if key not in stated}:
                found.append(f"{part}: {detailed(part, rest)}")
    if views := plain.get("test_time"):
        found.append(f"test_time: {detailed('test_time', views)}")
    if found:
        yield f"Other settings that are not the defaults: {'; '.join(found)}."


def _result(members: Sequence[RunRecord]) -> Iterator[str]:
    split = "test" if all(one.results.get("test_accuracy") is not None for one in members) else "validation"
    metric = METRICS["test_accuracy" if split == "test" else "val_accuracy"]
    group = Group(members[0].experiment.name, members)
    values = group.values(metric)
    if not values:
        return
    if len(values) > 1:
        yield _of_several(group, values, metric)
    else:
        yield _of_one(members[0], values[0], split)
    if split == "validation":
        yield "The test set was not used."
        return
    uses = max(len(one.test_uses) for one in members)
    which = " by each network" if len(members) > 1 else ""
    if uses and members[0].experiment.fold is None:
        yield f"The test set was used {'once' if uses == 1 else f'{uses:,} times'}{which}."


def _of_several(group: Group, values: Sequence[float], metric: Metric) -> str:
    found = estimate(values, metric.bounds, resolution(group, metric), group.folds)
    over = f"{group.folds} folds" if group.folds else f"{len(values)} seeds"
    if group.folds and len(values) != group.folds:
        over = f"{len(values)} runs of a cross-validation with {group.folds} folds"
    images = group.split(metric.split)
    size = f" on {counted(images.examples, f'{metric.split} image')}" if images and not group.folds else ""
    corrected = ", corrected for the training images that folds share (Nadeau and Bengio 2003)" if group.folds else ""
    interval = (
        f", 95 % interval of the mean {percent(found.low)} to {percent(found.high)}{corrected}"
        if found.low is not None and found.high is not None
        else ""
    )
    return (
        f"The accuracy{size} was {percent(found.mean)} ± {percent(found.std or 0.0)} (mean ± standard deviation over "
        f"{over}{interval})."
    )


def _of_one(record: RunRecord, accuracy: float, split: str) -> str:
    images = record.data.splits.get(split)
    size = f" on {counted(images.examples, f'{split} image')}" if images else f" on {split} images"
    measured = Source(record).measured(split)
    if measured is None:
        return f"The accuracy{size} was {percent(accuracy)}."
    low, high = measured["accuracy_interval"]
    grouped = ", which treats those of one group as independent" if record.experiment.data.get("group") else ""
    return (
        f"The accuracy{size} was {percent(measured['accuracy'])} (95 % interval {percent(low)} to {percent(high)}, by "
        f"the bootstrap over images{grouped}), and macro F1 was {measured['macro_f1']:.4f}."
    )


def _software(record: RunRecord) -> Iterator[str]:
    versions = record.raw.get("versions")
    if not isinstance(versions, dict):
        return
    names = {"cnnlab": "cnnlab", "keras": "Keras", "tensorflow": "TensorFlow", "python": "Python"}
    known = [f"{name} {versions[key]}" for key, name in names.items() if key in versions]
    if known:
        cpu = f" on {record.environment.cpu}" if record.environment.cpu else ""
        yield f"Software: {join_names(known)}{cpu}."
