"""Predictions as rows of text, each printed when it is there."""

import csv
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

from cnnlab.errors import printable

if TYPE_CHECKING:
    from cnnlab.evaluation.predict import Prediction


class Format(StrEnum):
    """How predictions are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"


@dataclass
class Writer(ABC):
    """Prints one row per prediction: the `top` classes, and the true one where there `are truths`."""

    class_names: Sequence[str]
    top: int
    value: str
    """What scores are called."""
    has_truths: bool
    count: int = 0
    """Of rows so far."""

    @abstractmethod
    def begin(self) -> None:
        """Print what comes before all rows."""

    def write(self, prediction: "Prediction") -> None:
        """Print a row."""
        best = prediction.top(self.top, self.class_names)
        self.row(prediction.sample.name, best, prediction.sample.truth)
        self.count += 1

    @abstractmethod
    def row(self, image: str, best: Sequence[tuple[str, float]], truth: str | None) -> None:
        """Print a row of the best classes with their scores."""

    def flush(self) -> None:
        """Have all rows so far be seen."""
        sys.stdout.flush()

    def end(self) -> None:
        """Print what comes after all rows."""
        self.flush()


class _Table(Writer):
    def begin(self) -> None:
        self._width = max(map(cell_len, map(printable, [*self.class_names, "label"])))
        parts = [part for _ in range(self.top) for part in (self._padded("label"), f"{self.value:<11}")]
        print("  ".join([*parts, *([self._padded("true")] if self.has_truths else []), "image"]))

    def row(self, image: str, best: Sequence[tuple[str, float]], truth: str | None) -> None:
        parts = [part for name, score in best for part in (self._padded(name), f"{score:<11.4f}")]
        if self.has_truths:
            parts.append(self._padded(truth or ""))
        print("  ".join([*parts, printable(image)]))

    def _padded(self, text: str) -> str:
        text = printable(text)
        return text + " " * (self._width - cell_len(text))


class _Csv(Writer):
    def begin(self) -> None:
        self._rows = csv.writer(sys.stdout, lineterminator="\n")
        further = [f"{part}_{place}" for place in range(2, self.top + 1) for part in ("label", self.value)]
        self._rows.writerow(["image", "label", self.value, *further, *(["truth"] if self.has_truths else [])])

    def row(self, image: str, best: Sequence[tuple[str, float]], truth: str | None) -> None:
        values = [part for name, score in best for part in (name, _rounded(score))]
        self._rows.writerow([image, *values, *([truth or ""] if self.has_truths else [])])


class _Jsonl(Writer):
    def begin(self) -> None:
        pass

    def row(self, image: str, best: Sequence[tuple[str, float]], truth: str | None) -> None:
        print(self.as_json(image, best, truth))

    def as_json(self, image: str, best: Sequence[tuple[str, float]], truth: str | None) -> str:
        values = [{"label": name, self.value: _rounded(score)} for name, score in best]
        row: dict[str, Any] = {"image": image, **values[0], "top": values}
        return json.dumps(row if truth is None else {**row, "truth": truth})


class _Json(_Jsonl):
    def begin(self) -> None:
        self._separator = "["

    def row(self, image: str, best: Sequence[tuple[str, float]], truth: str | None) -> None:
        print(self._separator)
        print(self.as_json(image, best, truth), end="")
        self._separator = ","

    def end(self) -> None:
        print("[]" if self._separator == "[" else "\n]")
        super().end()


def _rounded(score: float) -> float:
    """To the digits that a float32 has."""
    return float(f"{score:.8g}")


def writer_for(
    format: Format, class_names: Sequence[str], top: int, *, are_probabilities: bool, has_truths: bool
) -> Writer:
    """The writer of a format, which has begun."""
    kinds: dict[Format, type[Writer]] = {
        Format.TABLE: _Table,
        Format.CSV: _Csv,
        Format.JSON: _Json,
        Format.JSONL: _Jsonl,
    }
    top = min(top, len(class_names))
    writer = kinds[format](class_names, top, "probability" if are_probabilities else "score", has_truths)
    writer.begin()
    return writer
