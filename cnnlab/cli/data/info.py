"""`cnnlab data info`."""

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnlab.cli import tables
from cnnlab.cli.data.target import Target, find, propose_init
from cnnlab.cli.options import Set
from cnnlab.terminal import hint

if TYPE_CHECKING:
    from collections import Counter

    from cnnlab.data import Dataset
    from cnnlab.data.recognition import Recognized
    from cnnlab.experiment.data import Data


class Format(StrEnum):
    """How it is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def info(
    target: Target,
    set: Set = None,
    format: Annotated[
        Format, typer.Option(help="table for people, json for everything, csv for the classes.")
    ] = Format.TABLE,
) -> None:
    """Print examples per class and split, pixel statistics, fingerprint and size of the data."""
    found = find(target, set or [])
    spec, recognized = found.spec, found.recognized
    from cnnlab import data

    dataset = data.load(spec)
    classes = _classes(dataset)
    if format is Format.CSV:
        print(tables.render(classes, list(classes[0]), tables.Format.CSV))
        return
    measured = _measured(spec, dataset)
    if format is Format.JSON:
        described = {"recognized": recognized.to_json()} if recognized else {}
        print(json.dumps({**measured, "classes": classes, **described}, indent=2, ensure_ascii=False))
        return
    if recognized is not None:
        print(_recognized(recognized) + "\n")
    print(_report(measured, classes, dataset))
    if recognized is not None:
        if recognized.grouping:
            hint(f"{recognized.path}: {recognized.grouping}")
        propose_init(recognized)


def _recognized(recognized: "Recognized") -> str:
    """What was recognised, and each option with the reason for it."""
    measured = recognized.measured
    rows = [
        {"option": option, "value": str(value), "why": recognized.reasons[option]}
        for option, value in recognized.options.items()
        if option in recognized.reasons
    ]
    return "\n".join(
        [
            f"{recognized.path}: {recognized.summary}",
            f"sizes, of {measured.of}: {measured.described_sizes()}",
            f"formats: {_counted(measured.formats)}; colours: {_counted(measured.modes)}",
            "",
            tables.render(rows, list(rows[0]), tables.Format.TABLE),
        ]
    )


def _counted(counter: "Counter[str]") -> str:
    return ", ".join(f"{name} ({count:,})" for name, count in counter.most_common())


def _classes(dataset: "Dataset") -> list[dict[str, Any]]:
    import numpy as np

    counts = {
        name: np.bincount(examples.labels, minlength=dataset.num_classes).tolist()
        for name, examples in dataset.splits().items()
    }
    return [
        {"class": name, **{split: of_split[index] for split, of_split in counts.items()}}
        for index, name in enumerate(dataset.class_names)
    ]


def _measured(spec: "Data", dataset: "Dataset") -> dict[str, Any]:
    from dataclasses import asdict

    from cnnlab.data import catalog
    from cnnlab.data.fingerprint import fingerprint
    from cnnlab.data.groups import sizes
    from cnnlab.data.statistics import pixel_statistics

    return {
        "name": dataset.name,
        **catalog.about(spec),
        "place": dataset.origin.place,
        "notes": list(dataset.origin.notes),
        "warnings": [remark.text for remark in dataset.origin.warnings],
        "skipped": dict(dataset.origin.skipped),
        "absent_classes": dataset.absent_classes(),
        "genuine": dataset.genuine,
        "image_shape": list(dataset.image_shape),
        "dtype": "uint8",
        "splits": {
            name: {
                "examples": len(examples),
                "bytes": examples.images.nbytes,
                "pixels": asdict(pixel_statistics(examples)),
            }
            for name, examples in dataset.splits().items()
        },
        "groups": sizes(dataset) if dataset.group_names else None,
        "fingerprint": fingerprint(dataset),
    }


def _report(measured: dict[str, Any], classes: list[dict[str, Any]], dataset: "Dataset") -> str:
    from cnnlab.quantities import Bytes

    heading = f"{measured['name']}: images of {'×'.join(map(str, measured['image_shape']))}, uint8 in [0, 255]"
    facts = [f"{key}: {measured[key]}" for key in ("licence", "origin", "place") if measured[key]]
    if measured["genuine"] is not None:
        by_digests = f"by the digests of its {len(measured['published_digests'])} files"
        facts.append(f"genuine: yes, {by_digests}" if measured["genuine"] else f"genuine: no, a variant, {by_digests}")
    total = {"class": "total", **{name: len(examples) for name, examples in dataset.splits().items()}}
    pixels = [
        {
            "split": name,
            "examples": split["examples"],
            "bytes": Bytes(split["bytes"]),
            **{
                f"{what} {_channel(index, dataset.image_shape[2])}".strip(): value
                for what in ("mean", "std")
                for index, value in enumerate(split["pixels"][what])
            },
            "least": min(split["pixels"]["low"]),
            "greatest": max(split["pixels"]["high"]),
        }
        for name, split in measured["splits"].items()
    ]
    groups = measured["groups"]
    return "\n\n".join(
        [
            "\n".join([heading, *facts]),
            tables.render([*classes, total], list(total), tables.Format.TABLE),
            *(
                ["examples per group:\n" + tables.render(groups, list(groups[0]), tables.Format.TABLE)]
                if groups
                else []
            ),
            "pixels as 0 to 1:\n" + tables.render(pixels, list(pixels[0]), tables.Format.TABLE),
            f"fingerprint: {measured['fingerprint']}",
        ]
    )


def _channel(index: int, channels: int) -> str:
    return ("red", "green", "blue")[index] if channels == 3 else ("" if channels == 1 else str(index))
