import json

import pytest
from rich.cells import cell_len
from typer.testing import CliRunner

from cnnlab.cli.app import app
from cnnlab.cli.tables import Format, render
from cnnlab.config.differences import short

ROWS = [
    {"run": "a", "rate": 0.1, "accuracy": 0.98125, "count": 61706, "note": None},
    {"run": "bb", "rate": 0.01, "accuracy": 0.5, "count": 10, "note": "x|y"},
]
COLUMNS = ["run", "rate", "accuracy", "count", "note"]


def test_table_aligns_numbers_with_equal_digits_per_column():
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


def test_keys_are_shortened_while_they_stay_distinct():
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


def widths(text):
    return [len(line) for line in text.splitlines()]


def test_a_wide_table_is_split_into_several_with_the_same_first_column():
    rows = [{"run": f"runs/{number}", **{f"column_{index}": 1000 * index for index in range(12)}} for number in (1, 2)]
    text = render(rows, list(rows[0]), Format.TABLE, width=40)
    blocks = [block.splitlines() for block in text.split("\n\n")]
    assert max(widths(text)) <= 40
    assert {block[0].split()[0] for block in blocks} == {"run"}
    assert {tuple(line.split()[0] for line in block[1:]) for block in blocks} == {("runs/1", "runs/2")}
    assert [name for block in blocks for name in block[0].split()[1:]] == list(rows[0])[1:]


def test_long_text_is_wrapped_in_its_column():
    rows = [
        {"name": "a", "what": "one two three four five six seven eight", "n": 1},
        {"name": "b", "what": "x", "n": 2},
    ]
    assert render(rows, list(rows[0]), Format.TABLE, width=32).splitlines() == [
        "name  what                     n",
        "a     one two three four five  1",
        "      six seven eight",
        "b     x                        2",
    ]
    assert render(rows, list(rows[0]), Format.TABLE, width=None).splitlines()[1].endswith("seven eight  1")


def test_a_word_wider_than_the_table_is_not_broken():
    (_, row) = render([{"path": "x" * 50}], ["path"], Format.TABLE, width=20).splitlines()
    assert row == "x" * 50


@pytest.mark.parametrize(
    "arguments",
    [
        ["configs"],
        ["data", "list"],
        ["data", "info", "digits"],
        ["describe", "resnet20"],
        ["describe", "conv", "--compare", "mlp-mse"],
        ["reproduce", "--no-train"],
    ],
    ids=" ".join,
)
def test_no_table_is_wider_than_eighty_columns(arguments):
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "80"})
    assert done.exit_code == 0
    in_tables = [line for line in done.stdout.splitlines() if "  " in line]  # only table rows
    assert len(in_tables) > 5
    assert [line for line in in_tables if cell_len(line) > 80] == []


def test_csv_and_json_have_full_precision():
    assert render(ROWS, COLUMNS, Format.CSV).splitlines()[1] == "a,0.1,0.98125,61706,"
    assert json.loads(render(ROWS, COLUMNS, Format.JSON)) == ROWS


def test_small_values_keep_their_digits():
    assert render([{"x": 1.25e-7}], ["x"], Format.TABLE).splitlines()[1] == "1.25e-07"


def test_latex_has_the_rules_of_booktabs_and_prints_every_sign_as_it_is():
    lines = render(ROWS, COLUMNS, Format.LATEX, ["p < 5 %: `cnnlab train a_b --seeds 5`"]).splitlines()
    assert lines == [
        r"% \usepackage{booktabs}",
        r"\begin{tabular}{lrrrl}",
        r"\toprule",
        r"run & rate & accuracy & count & note \\",
        r"\midrule",
        r"a & 0.10 & 0.9812 & 61,706 &  \\",
        r"bb & 0.01 & 0.5000 & 10 & x\textbar{}y \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\par\smallskip\noindent{\footnotesize p \textless{} 5 \%: \texttt{cnnlab train a\_b --seeds 5}}",
    ]
    hostile = r"[3] \input{x} $x^2$ #1 & ~ {a} 0.98 ± 0.01"
    cell = render([{"run": hostile}], ["run"], Format.LATEX).splitlines()[5]
    assert cell == (
        r"{[}3] \textbackslash{}input\{x\} \$x\textasciicircum{}2\$ \#1 \& \textasciitilde{} \{a\} 0.98 $\pm$ 0.01 \\"
    )
