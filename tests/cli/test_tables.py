import json

from cnnlab.analysis.differences import short
from cnnlab.cli.tables import Format, render

ROWS = [
    {"run": "a", "rate": 0.1, "accuracy": 0.98125, "count": 61706, "note": None},
    {"run": "bb", "rate": 0.01, "accuracy": 0.5, "count": 10, "note": "x|y"},
]
COLUMNS = ["run", "rate", "accuracy", "count", "note"]


def test_table_aligns_numbers_and_gives_a_column_the_same_digits():
    assert render(ROWS, COLUMNS, Format.TABLE).splitlines() == [
        "run  rate  accuracy   count  note",
        "a    0.10    0.9812  61,706",
        "bb   0.01    0.5000      10  x|y",
    ]


def test_markdown_escapes_and_aligns():
    assert render(ROWS, COLUMNS, Format.MD).splitlines() == [
        "| run | rate | accuracy |  count | note |",
        "|-----|-----:|---------:|-------:|------|",
        "| a   | 0.10 |   0.9812 | 61,706 |      |",
        "| bb  | 0.01 |   0.5000 |     10 | x\\|y |",
    ]


def test_keys_are_as_short_as_they_can_be_told_apart():
    columns = [
        "run",
        "train.loss",
        "train.batch_size",
        "model.layers[0].dense.units",
        "model.layers[1].dense.units",
        "loss",
        "a class.with a dot",
    ]
    assert short(columns) == [
        "run",
        "train.loss",
        "batch_size",
        "layers[0].dense.units",
        "layers[1].dense.units",
        "loss",
        "a class.with a dot",
    ]
    assert short(["model.layers[5].dropout.rate"]) == ["dropout.rate"]


def test_csv_and_json_keep_the_whole_number():
    assert render(ROWS, COLUMNS, Format.CSV).splitlines()[1] == "a,0.1,0.98125,61706,"
    assert json.loads(render(ROWS, COLUMNS, Format.JSON)) == ROWS


def test_tiny_values_keep_their_digits():
    assert render([{"x": 1.25e-7}], ["x"], Format.TABLE).splitlines()[1] == "1.25e-07"
