"""The identity of examples: SHA-256 over the decoded images, the labels and the splits."""

import hashlib
import unicodedata
from collections.abc import Mapping
from typing import Any

import numpy as np

from cnnlab.data.dataset import Dataset, Examples


def fingerprint(dataset: Dataset) -> str:
    """Equal where the splits have the same images and labels in the same order."""
    digest = hashlib.sha256(repr(dataset.image_shape).encode())
    for name, examples in dataset.splits().items():
        digest.update(f"{name} {len(examples)}".encode())
        digest.update(np.ascontiguousarray(examples.digests).data)
        digest.update(_label_bytes(examples))
    return digest.hexdigest()


def record(dataset: Dataset) -> dict[str, Any]:
    """The entry `data` of run.json, from which `differences` describes how other data differ."""
    return {
        "name": dataset.name,
        "fingerprint": fingerprint(dataset),
        "genuine": dataset.genuine,
        "place": dataset.origin.place,
        "warnings": [remark.text for remark in dataset.origin.warnings],
        "absent_classes": dataset.absent_classes(),
        "skipped": dict(dataset.origin.skipped),
        "resolved": dict(dataset.origin.inferred),
        "image_shape": list(dataset.image_shape),
        "classes": list(dataset.class_names),
        **({} if dataset.pool is None else {"pool": _digest_in_any_order(dataset.pool)}),
        "splits": {
            name: {
                "examples": len(examples),
                # The key of run folders since version 0.1.0.
                "pictures": hashlib.sha256(np.ascontiguousarray(examples.digests).data).hexdigest(),
                "labels": hashlib.sha256(_label_bytes(examples)).hexdigest(),
                "in_any_order": _digest_in_any_order(examples),
            }
            for name, examples in dataset.splits().items()
        },
    }


def differences(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """How the data of `now` differ from those `recorded`, both from `record`; none where they are the same."""
    # run.json of version 0.1.0 has the names of the folders unchanged, not in NFC.
    recorded = {**recorded, "classes": [unicodedata.normalize("NFC", name) for name in recorded["classes"]]}
    if all(recorded[key] == now[key] for key in ("fingerprint", "classes")):
        return []
    found = []
    if recorded["image_shape"] != now["image_shape"]:
        shapes = ("×".join(map(str, data["image_shape"])) for data in (recorded, now))
        found.append("images of {} then, of {} now".format(*shapes))
    if recorded["classes"] != now["classes"]:
        found.append(_class_difference(recorded["classes"], now["classes"]))
    for split in ("train", "validation", "test"):
        difference = _split_difference(recorded["splits"].get(split), now["splits"].get(split))
        if difference:
            found.append(f"{split}: {difference}")
    return found or ["the same splits under another name"]


def _class_difference(then: list[str], now: list[str]) -> str:
    if len(then) != len(now):
        return f"{len(then)} classes then, {len(now)} now"
    first = next(index for index, (a, b) in enumerate(zip(then, now, strict=True)) if a != b)
    return f"class {first} was {then[first]}, is {now[first]}"


def _split_difference(then: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> str:
    if then is None or now is None:
        return (
            "" if then is now else f"{'none' if then is None else 'some'} then, {'none' if now is None else 'some'} now"
        )
    if then["examples"] != now["examples"]:
        return f"{then['examples']:,} examples then, {now['examples']:,} now"
    changed = [what for what in ("pictures", "labels") if then[what] != now[what]]
    if not changed:
        return ""
    if then["in_any_order"] == now["in_any_order"]:
        return "the same examples in another order"
    return f"other {' and '.join(changed).replace('pictures', 'images')}"


def _label_bytes(examples: Examples) -> memoryview:
    return np.ascontiguousarray(examples.labels, "<i4").data


def _digest_in_any_order(examples: Examples) -> str:
    """SHA-256 over the images' digests with their labels, sorted."""
    labels = np.frombuffer(_label_bytes(examples), np.uint8).reshape(-1, 4)
    rows = np.hstack([examples.digests, labels])
    return hashlib.sha256(np.sort(np.ascontiguousarray(rows).view("S36").ravel()).tobytes()).hexdigest()
