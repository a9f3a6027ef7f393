import os
import subprocess
import sys

import pytest

from cnnlab.runs.metrics import count_epochs, read_numbers, read_rows, write_rows


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.csv"


def test_a_table_round_trips(path):
    write_rows(
        path, [{"epoch": 1, "loss": 0.5, "val_loss": None}, {"epoch": 2, "loss": 0.1}], ["epoch", "loss", "val_loss"]
    )
    assert path.read_text() == "epoch,loss,val_loss\n1,0.5,\n2,0.1,\n"
    assert read_rows(path) == [
        {"epoch": "1", "loss": "0.5", "val_loss": ""},
        {"epoch": "2", "loss": "0.1", "val_loss": ""},
    ]
    assert read_numbers(path) == {"epoch": [1, 2], "loss": [0.5, 0.1]}
    assert count_epochs(path) == 2


@pytest.mark.parametrize(
    ("table", "epochs"),
    [
        (b"", 0),
        (b"epoch,loss\n", 0),
        (b"epoch,loss\n1,0.5\n2,\n", 2),
        (b"epoch,loss\r\n1,0.5\r\n2,0.4", 2),
        (b"epoch,loss\n\n\n1,0.5\n\n", 1),
        (b'epoch,loss\n1,"0.5\n2,0.4\n', 1),
    ],
    ids=["empty", "heading", "two", "of another system", "with blank lines", "quote"],
)
def test_epochs_are_counted(path, table, epochs):
    path.write_bytes(table)
    assert count_epochs(path) == len(read_rows(path)) == epochs


@pytest.mark.parametrize(
    "table",
    [
        bytes(range(256)) * 4,
        b"\xff\xfe" + "epoch\n1\n".encode("utf-16-le"),
        b"epoch,loss\n" + b"9" * 200_000,
        b"epoch,loss\n1,0.5\n2\n",
        b"epoch,loss\n1,0.5,3\n",
    ],
    ids=["binary", "UTF-16", "long cell", "short row", "long row"],
)
def test_a_damaged_table_has_no_epochs(path, table):
    path.write_bytes(table)
    assert (count_epochs(path), read_numbers(path)) == (0, {})
    with pytest.raises(ValueError):  # noqa: PT011 - messages of the decoder
        read_rows(path)


@pytest.mark.parametrize("table", ["epoch\n", "a,b\n1,2\n", "epoch,loss\nx,1\n", "epoch,loss\nnan,1\n", "epoch\ninf\n"])
def test_a_table_without_epochs_has_no_numbers(path, table):
    path.write_text(table)
    assert read_numbers(path) == {}


def test_only_columns_of_finite_numbers_are_read(path):
    path.write_text("epoch,a,b,c\n1,nan,1,\n2,1,2,3\n")
    assert read_numbers(path) == {"epoch": [1, 2], "b": [1, 2]}


def test_an_unreadable_table_has_no_epochs(path):
    assert (count_epochs(path), read_numbers(path)) == (0, {})
    path.mkdir()
    assert (count_epochs(path), read_numbers(path)) == (0, {})


def test_a_table_that_is_a_pipe_does_not_block(path):
    os.mkfifo(path)
    code = "import sys; from pathlib import Path; from cnnlab.runs.metrics import count_epochs; print(count_epochs(Path(sys.argv[1])))"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "0\n"
