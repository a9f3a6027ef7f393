"""What a network is worth on a split: numbers, classes, confusions with the images behind them, calibration."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cnnlab.report.blocks import Block, Chart, Column, Confusion, Facts, Pictures, Section, Series, Table, Text
from cnnlab.report.images import strip, take
from cnnlab.report.source import Source
from cnnlab.report.words import counted, number, share_of, text
from cnnlab.terminal import proposed

TITLES = {"test": "Test set", "validation": "Validation examples"}
MOST_CELLS, MOST_BEHIND = 60, 8  # cells of the matrix with images behind them, the most frequent; images of each
MOST_MISTAKES = 16
MOST_VALUES = 200_000  # of pixels and channels of one image, above which none are shown
Predictions = Sequence[tuple[int, int, int, float]]


def section(source: Source, split: str, measured: Mapping[str, Any], *, with_images: bool) -> Section:
    """The section of a split that was measured."""
    predictions = source.predictions(split) if with_images else []
    examples = _examples(source, split) if predictions else "the file of predictions is missing or damaged"
    if not with_images:
        examples = f"the page that {proposed('report', source.run.path)} writes has them"
    blocks: list[Block] = [Facts(_facts(measured)), _classes(measured)]
    if absent := measured.get("absent_classes"):
        blocks.append(Text(f"no examples of {counted(len(absent), 'class', 'classes')}: not in the means", "note"))
    blocks.append(_confusion(source, split, measured, predictions, examples))
    if isinstance(examples, str):
        blocks.append(Text(f"Without the images behind the cells and of the mistakes: {examples}.", "note"))
    else:
        kinds = len({row[1:3] for row in predictions if row[1] != row[2]})
        if kinds > MOST_CELLS:
            text_ = f"There are images behind the {MOST_CELLS} most frequent of {kinds:,} pairs of classes."
            blocks.append(Text(text_, "note"))
        blocks += _mistakes(source, predictions, examples, split)
    if measured.get("calibration"):
        blocks += _calibration(measured)
    return Section(TITLES[split], split, blocks)


def _examples(source: Source, split: str) -> Any:
    """The examples of the split, or why their images are not shown."""
    dataset = source.dataset
    if isinstance(dataset, str):
        return dataset
    if math.prod(dataset.image_shape) > MOST_VALUES:
        return f"images of {dataset.image_shape[0]}×{dataset.image_shape[1]} are too large for a page"
    return dataset.splits()[split]


def _facts(measured: Mapping[str, Any]) -> list[tuple[str, str]]:
    low, high = measured["accuracy_interval"]
    facts = {
        "examples": f"{measured['examples']:,}",
        "accuracy": f"{measured['accuracy']:.4f}",
        "95 % interval of the accuracy": f"{low:.4f} to {high:.4f}, by the bootstrap over examples",
        "loss": f"{measured['loss']:.4f}",
        "balanced accuracy": f"{measured['balanced_accuracy']:.4f}",
        **{f"top-{k} accuracy": f"{value:.4f}" for k, value in measured.get("top_k", {}).items()},
        "macro F1": f"{measured['macro_f1']:.4f}",
        "weighted F1": f"{measured['weighted_f1']:.4f}",
    }
    if (error := measured.get("expected_calibration_error")) is not None:
        facts["expected calibration error"] = f"{error:.4f}"
    return list(facts.items())


def _classes(measured: Mapping[str, Any]) -> Table:
    columns = [
        Column("class"),
        Column("precision", "Share of the predictions of this class that are right.", is_numeric=True),
        Column("recall", "Share of the examples of this class that are predicted right.", is_numeric=True),
        Column("F1", "Harmonic mean of precision and recall.", is_numeric=True),
        Column("examples", is_numeric=True),
    ]
    rows = [
        [text(row["class"]), *(share_of(row[key]) for key in ("precision", "recall", "f1")), number(row["examples"])]
        for row in measured["classes"]
    ]
    return Table("By class", columns, rows, is_sortable=True)


def _confusion(
    source: Source, split: str, measured: Mapping[str, Any], predictions: Predictions, examples: Any
) -> Confusion:
    names, counts = source.record.data.class_names, measured["confusion_matrix"]
    if isinstance(examples, str):
        return Confusion(names, counts)
    wrong = Counter((label, predicted) for _, label, predicted, _ in predictions if label != predicted)
    images = {}
    for cell, count in wrong.most_common(MOST_CELLS):
        surest = _surest([row for row in predictions if row[1:3] == cell], MOST_BEHIND)
        title = f"{names[cell[0]]} predicted as {names[cell[1]]}: {_some_of(len(surest), count, split)}"
        which = [row[0] for row in surest]
        caption = f"{title}, the surest first: numbers {', '.join(map(str, which))}"
        images[cell] = strip(take(examples, which), title, caption)
    return Confusion(names, counts, images)


def _some_of(shown: int, count: int, split: str) -> str:
    return f"{'' if shown == count else f'{shown} of '}{counted(count, f'{split} example')}"


def _surest(rows: Predictions, most: int) -> Predictions:
    return sorted(rows, key=lambda row: -row[3])[:most]


def _mistakes(source: Source, predictions: Predictions, examples: Any, split: str) -> Iterator[Block]:
    wrong = [row for row in predictions if row[1] != row[2]]
    if not wrong:
        return
    names = source.record.data.class_names
    items = []
    for example, label, predicted, score in _surest(wrong, MOST_MISTAKES):
        title = f"{split} example {example}: {names[label]} predicted as {names[predicted]}"
        caption = f"{names[label]} as {names[predicted]}, {score:.2f}"
        items.append(strip(take(examples, [example]), title, caption))
    which = "The only mistake" if len(wrong) == 1 else f"The most confident of {len(wrong):,} mistakes"
    yield Pictures(items, f"{which}: true as predicted, and the score", are_small=True)


def _calibration(measured: Mapping[str, Any]) -> Iterator[Block]:
    bins = measured["calibration"]
    errors = [math.sqrt(max(0.0, one["accuracy"] * (1 - one["accuracy"])) / one["examples"]) for one in bins]
    accuracies = [one["accuracy"] for one in bins]
    yield Chart(
        "Calibration: how often predictions of a probability are right",
        "probability of the prediction",
        "share that is right",
        [
            Series(
                "the network, ± standard error",
                [one["confidence"] for one in bins],
                accuracies,
                [accuracy - error for accuracy, error in zip(accuracies, errors, strict=True)],
                [accuracy + error for accuracy, error in zip(accuracies, errors, strict=True)],
                kind="points",
                labels=[counted(one["examples"], "example") for one in bins],
            )
        ],
        y_range=(0, 1),
        diagonal=True,
    )
