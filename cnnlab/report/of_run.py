"""The sections about one run."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.analysis import results
from cnnlab.analysis.expected import compare_with_expected
from cnnlab.data import Dataset
from cnnlab.errors import printable
from cnnlab.report import measurements, network
from cnnlab.report.blocks import (
    Block,
    Chart,
    Code,
    Column,
    Facts,
    Pictures,
    Section,
    Series,
    Table,
    Text,
)
from cnnlab.report.images import figure, strip, take
from cnnlab.report.source import Source
from cnnlab.report.words import counted, duration, number, percent, text
from cnnlab.terminal import proposed

LOOKS = {
    "filters": "Filters of the convolutions",
    "hidden": "All channels after each layer, for one test example",
    "saliency": "Why this answer: Grad-CAM, gradient and integrated gradients, beside those of shuffled weights",
    "patches": "What excites each filter: the test patches that activate it most",
    "weights": "Weights of the dense layer on the pixels",
    "map": "The last hidden layer in two dimensions",
}
"""Images of `cnnlab look` that a report shows, by their names."""
MOST_PAGES = 2  # of what is about a deep network
MOST_CLASSES, SAMPLES = 20, 8  # classes of which samples are shown, and how many of each
EPOCH_COLUMNS = {"loss": "training loss", "accuracy": "training accuracy"}


def sections(source: Source, *, with_images: bool = True) -> list[Section]:
    """All sections; without images, for which data are loaded, if the run is one of several."""
    found = [_training(source)]
    for split in ("test", "validation"):
        if (measured := source.measured(split)) is not None:
            found.append(measurements.section(source, split, measured, with_images=with_images))
        elif (source.run.path / f"evaluation/{split}.json").exists() or (
            split == "test" and "test_accuracy" in source.record.results
        ):
            found.append(_unmeasured(source, split))
    found.append(network.section(source))
    if with_images:
        found += [_inside(source), _data(source)]
    return [*found, _findings(source), *_experiment(source), _repeat(source)]


def _unmeasured(source: Source, split: str) -> Section:
    """What is left of a split that was measured."""
    what = f"evaluation/{split}.json is missing or damaged"
    if _can_be_evaluated(source) and split == "test":
        what += f": {proposed('evaluate', source.run.path)} writes it again"
    elif _can_be_evaluated(source):
        what += f": {proposed('evaluate', source.run.path, '--split', split)} writes it again"
    return Section(measurements.TITLES[split], split, [Text(f"{what}.", "note")])


def lead(source: Source) -> list[Block]:
    """The result in a sentence, and what weakens it."""
    record, results_ = source.record, source.record.results
    blocks: list[Block] = []
    measured = source.measured("test")
    if source.status != "finished":
        blocks.append(Text(_unfinished(source), "warning"))
    elif measured:
        blocks.append(Text(_sentence(measured) + _as_expected(source, measured), "lead"))
    elif (accuracy := results_.get("test_accuracy")) is not None:
        blocks.append(Text(f"{percent(accuracy)} of the test examples are predicted right.", "lead"))
    elif (accuracy := results_.get("val_accuracy")) is not None:
        sentence = f"{percent(accuracy)} of the validation examples are predicted right; the test set was left alone"
        if _can_be_evaluated(source):
            sentence += f", and {proposed('evaluate', source.run.path)} measures it"
        blocks.append(Text(f"{sentence}.", "lead"))
    uses = len(record.test_uses)
    if uses > 1:
        sentence = f"The test set was used {uses:,} times: choices that were made after the first are made on it."
        blocks.append(Text(sentence, "note"))
    if record.experiment.validates_on_test:
        sentence = "The validation examples are the test set: what was chosen by them fits it too well."
        blocks.append(Text(sentence, "note"))
    return blocks


def _can_be_evaluated(source: Source) -> bool:
    return not source.config_fault and source.run.weights.is_file()


def _sentence(measured: Mapping[str, Any]) -> str:
    """`98.36 % of 10,000 test images are predicted right; 95 % interval 98.11 % to 98.60 %`."""
    (low, high), count = measured["accuracy_interval"], measured["examples"]
    return (
        f"{percent(measured['accuracy'])} of {counted(count, 'test image')} {'is' if count == 1 else 'are'} predicted "
        "right; "
        f"95 % interval {percent(low)} to {percent(high)}"
    )


def _as_expected(source: Source, measured: Mapping[str, Any]) -> str:
    if source.experiment is None:
        return "."
    usual = results.results_for(source.experiment, results.data_of(source.record.data))
    line = compare_with_expected([measured["accuracy"]], usual, measured["examples"])
    return f"; {line.partition(', ')[2]}." if line else "."


def _unfinished(source: Source) -> str:
    epochs, wanted = len(source.epochs.get("epoch", [])), source.record.experiment.epochs
    where = f"after {epochs:,} of {counted(wanted, 'epoch')}"
    error = (source.record.error or "").removeprefix("diverged: ")
    why = f": {printable(error)}" if error else ""
    match source.status:
        case "running":
            return f"This run is being trained, and is {where}."
        case "diverged":
            return f"Training diverged {where}{why}"
        case "pruned":
            return f"The sweep pruned this trial {where}, since others were ahead of it by validation."
        case status:
            stopped = f"Training did not finish: {status} {where}{why}"
            if source.config_fault:
                return f"{stopped}; it cannot be continued, since config.yaml {source.config_fault}."
            return f"{stopped}; {proposed('resume', source.run.path)} continues it."


def _training(source: Source) -> Section:
    table = source.epochs
    epochs = table.get("epoch", [])
    if not epochs:
        nothing = "No epoch was finished."
        if source.status == "finished" or source.run.metrics.exists():
            nothing = "metrics.csv is missing or damaged: there are no curves."
        return Section("Training", "training", [Text(nothing, "note")])
    blocks: list[Block] = [
        chart
        for chart in (
            _curve(table, "accuracy", "Accuracy by epoch"),
            _curve(table, "loss", "Loss by epoch"),
            _rate(table),
        )
        if chart is not None
    ]
    seconds = [value for value in table.get("seconds", []) if math.isfinite(value)]
    facts = [("epochs", f"{len(epochs):,} of {source.record.experiment.epochs:,}")]
    if source.record.stopped_early:
        facts.append(("stopped early", "yes"))
    facts.append(("duration", duration(source.record.seconds)))
    if seconds:
        facts.append(("median time of an epoch", duration(float(np.median(seconds)))))
    columns = [Column(_column(name), is_numeric=True) for name in table]
    rows = [
        [number(value, ",.0f" if name == "epoch" else ".4g") for name, value in zip(table, row, strict=True)]
        for row in zip(*table.values(), strict=True)
    ]
    inner = Section("Table of epochs", "epochs", [Table("All epochs", columns, rows)], is_folded=True)
    return Section("Training", "training", [Facts(facts), *blocks], [inner])


def _column(name: str) -> str:
    return EPOCH_COLUMNS.get(name, name.replace("val_", "validation ").replace("_", " "))


def _curve(table: Mapping[str, list[float]], metric: str, title: str) -> Chart | None:
    epochs = table["epoch"]
    series = [
        Series("validation", epochs, table.get(f"val_{metric}", [])),
        Series("training", epochs, table.get(metric, []), kind="dotted", group=1),
    ]
    known = [one for one in series if any(map(math.isfinite, one.y))]
    return Chart(title, "epoch", metric, known) if known else None


def _rate(table: Mapping[str, list[float]]) -> Chart | None:
    rates = table.get("learning_rate", [])
    positive = [rate for rate in rates if rate > 0]
    if not positive or min(positive) == max(positive):
        return None
    series = Series("learning rate", table["epoch"], rates)
    is_log = len(positive) == len(rates) and max(positive) / min(positive) > 20
    return Chart("Learning rate by epoch", "epoch", "learning rate", [series], log_y=is_log)


def _inside(source: Source) -> Section:
    """The images that `cnnlab look` made."""
    blocks: list[Block] = []
    for name, title in LOOKS.items():
        for path in _looks(source.run.look, name):
            shown = figure(path, title, title)
            blocks.append(Pictures([shown]) if shown else Text(f"{path.name} cannot be read.", "note"))
        if (source.run.look / f"{name}-{MOST_PAGES + 1}.png").is_file():
            blocks.append(Text(f"The first {MOST_PAGES} pages of {name} are shown; {source.run.look} has all.", "note"))
    if not blocks and source.status != "finished":
        return Section("Inside the network", "inside", [Text("Only a finished run can be looked into.", "note")])
    if not blocks and not _can_be_evaluated(source):
        return Section("Inside the network", "inside", [Text("No images here.", "note")])
    if not blocks:
        command = proposed("look", source.run.path, "--what", "filters", "--what", "hidden", "--what", "saliency")
        blocks.append(Text(f"No images here: {command} makes them, and the next report shows them.", "note"))
    return Section("Inside the network", "inside", blocks)


def _looks(folder: Path, name: str) -> list[Path]:
    """The image of that name, or its first pages, or else the newest of a chosen example."""
    if (whole := folder / f"{name}.png").is_file():
        return [whole]
    pages = [folder / f"{name}-{number}.png" for number in range(1, MOST_PAGES + 1)]
    found = [path for path in folder.glob(f"{name}-example-*.png") if path.is_file()]  # a pipe would be waited for
    chosen = sorted(found, key=lambda path: path.stat().st_mtime)
    return [page for page in pages if page.is_file()] or chosen[-1:]


def _data(source: Source) -> Section:
    record, dataset = source.record, source.dataset
    columns = [Column("split"), Column("examples", is_numeric=True), Column("digest of the images", "SHA-256.")]
    rows = [[text(name), number(split.examples), text(split.images[:16])] for name, split in record.data.splits.items()]
    spec = source.experiment.data if source.experiment else None
    shape = "×".join(map(str, record.data.raw["image_shape"]))
    facts = [
        ("data set", printable(str(record.experiment.data["name"]))),
        ("images", f"{shape}, {counted(len(record.data.class_names), 'class', 'classes')}"),
        ("fingerprint", printable(record.data.fingerprint)),
        ("licence", getattr(spec, "licence", "") or "not known to cnnlab"),
    ]
    if record.data.raw.get("genuine") is False:
        facts.append(("genuine files", "no: they differ from the published ones"))
    blocks: list[Block] = [Facts(facts), Table("Splits", columns, rows)]
    if isinstance(dataset, Dataset):
        blocks += _samples(dataset)
    else:
        blocks.append(Text(f"No images: {dataset}.", "note"))
    return Section("Data", "data", blocks)


def _samples(dataset: Dataset) -> Iterator[Block]:
    if math.prod(dataset.image_shape) > measurements.MOST_VALUES:
        yield Text("The images are too large for a page.", "note")
        return
    labels, rows = dataset.train.labels, []
    for label, name in enumerate(dataset.class_names[:MOST_CLASSES]):
        which = np.flatnonzero(labels == label)
        if len(which):
            images = take(dataset.train, which[:SAMPLES].tolist())
            title = f"training images of {printable(name)}"
            rows.append(strip(images, title, f"{printable(name)}: {len(which):,}"))
    more = len(dataset.class_names) - MOST_CLASSES
    caption = "The first training images of each class, and how many there are"
    yield Pictures(rows, caption + (f"; {more:,} more classes are not shown" if more > 0 else ""), are_small=True)


def _findings(source: Source) -> Section:
    findings = source.record.findings
    blocks = [Text(printable(finding), "note") for finding in findings]
    nothing = "Nothing about this training looks wrong to cnnlab."
    if source.status != "finished":
        nothing = "None: a training is judged when it has finished."
    return Section("Findings", "findings", blocks or [Text(nothing)])


def _experiment(source: Source) -> Iterator[Section]:
    record = source.record
    missing = Text(f"config.yaml {source.config_fault}.", "note")
    config: Block = Code(source.config, "yaml", "config.yaml") if source.config.strip() else missing
    yield Section("Experiment", "experiment", [config], is_folded=True)
    raw = record.raw
    facts = [("seed", str(record.experiment.seed)), ("started", str(record.started or "not recorded"))]
    facts += [(f"version of {name}", str(version)) for name, version in _map(raw, "versions").items()]
    devices, cpu, threads = (_map(raw, key) for key in ("devices", "cpu", "threads"))
    facts += [
        ("devices", ", ".join(map(str, devices.get("devices") or [])) or "not recorded"),
        ("platform", str(devices.get("platform", "not recorded"))),
        ("processor", str(cpu.get("model", "not recorded"))),
        ("cores", str(threads.get("cores", "not recorded"))),
        ("threads within an operation", str(threads.get("within_operations", "not recorded"))),
        ("operations at the same time", str(threads.get("between_operations", "not recorded"))),
        ("SHA-256 of the experiment", str(raw.get("experiment_sha256", "not recorded"))),
    ]
    uses = [[text(_map(use).get("by")), text(_map(use).get("when"))] for use in record.test_uses]
    table = Table("Uses of the test set", [Column("by"), Column("when")], uses)
    blocks: list[Block] = [Facts([(name, printable(value)) for name, value in facts])]
    blocks.append(table if uses else Text("The test set was not used."))
    yield Section("Environment", "environment", blocks, is_folded=True)


def _map(value: Any, key: str | None = None) -> Mapping[str, Any]:
    found = value.get(key) if key is not None else value
    return found if isinstance(found, dict) else {}


def _repeat(source: Source) -> Section:
    if source.config_fault:
        what = Text(f"It cannot be trained again from this folder: config.yaml {source.config_fault}.", "note")
        return Section("How to repeat it", "repeat", [what])
    again = proposed("train", source.run.config).strip("`")
    blocks: list[Block] = [Code(again, "shell", "Trains it again, into a new run folder.")]
    if source.status == "finished" and source.imports_code:
        blocks.append(Text("It cannot be verified: it has a user callback, and verifying imports no code.", "note"))
    elif source.status == "finished" and source.missing:
        blocks.append(Text(f"It cannot be verified: {' and '.join(source.missing)} missing.", "note"))
    elif source.status == "finished":
        check = proposed("verify", source.run.path).strip("`")
        blocks.append(Code(check, "shell", "Trains it again, and says whether the numbers are the same."))
    return Section("How to repeat it", "repeat", blocks)
