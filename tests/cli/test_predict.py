"""`predict`: of image files, folders, lists of paths and data sets, by one network or the mean of several."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from cnnlab import data
from cnnlab.config.load import load_file
from cnnlab.evaluation.predict import LONGEST_WAIT
from cnnlab.images import stream
from cnnlab.plots import grid
from tests.conftest import TINY, assert_one_line, invoke

RUN = "runs/tiny-1"


@pytest.fixture(scope="module")
def experiments(tmp_path_factory, trained):
    """A folder with runs of two seeds, one of other classes and one that is trained with the squared error."""
    folder = tmp_path_factory.mktemp("experiments")
    shutil.copytree(trained / "runs", folder / "runs")
    (folder / "tiny.yaml").write_text(TINY)
    for name, *options in (
        ("second", "--seed", 1),
        ("three", "--set", "data.classes=['1', '3', '7']", "--set", "model.layers[3].dense.units=3"),
        ("mse", "--set", "train.loss=mse"),
    ):
        done = invoke("train", "tiny.yaml", "--epochs", 1, "--name", name, *options, "--quiet", cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def test_split(trained):
    return data.load(load_file(trained / "tiny.yaml").data).test


@pytest.fixture(scope="module")
def digits(tmp_path_factory, test_split):
    """The test images as digits/CLASS/NUMBER.png."""
    folder = tmp_path_factory.mktemp("images") / "digits"
    for number, (image, label) in enumerate(zip(test_split.images, test_split.labels, strict=True)):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(folder / str(label) / f"{number:03}.png")
    return folder


@pytest.fixture
def predict(experiments):
    """`cnnlab predict runs/tiny-1 ARGUMENTS`."""
    return lambda *arguments, run=RUN: invoke("predict", run, *arguments, cwd=experiments)


@pytest.fixture
def image(tmp_path, test_split):
    """Writes a test image, changed by `change`, to a file of that name."""

    def write(name, change=lambda values: values, **options):
        path = tmp_path / name
        Image.fromarray(change(test_split.images[0, ..., 0])).save(path, **options)
        return path

    return write


def rows_of(done):
    return list(csv.DictReader(io.StringIO(done.stdout)))


def evaluated(experiments):
    return list(csv.DictReader((experiments / RUN / "evaluation/test-predictions.csv").read_text().splitlines()))


def assert_as_evaluated(rows, experiments):
    expected = evaluated(experiments)
    assert len(rows) == len(expected) == 200
    assert [row["label"] for row in rows] == [row["prediction_name"] for row in expected]
    assert [row["truth"] for row in rows] == [row["label_name"] for row in expected]
    found, stored = ([float(row[key]) for row in some] for some, key in ((rows, "probability"), (expected, "score")))
    assert found == pytest.approx(stored, abs=1e-6)


@pytest.mark.parametrize("batch_size", [None, 1, 7])
def test_examples_of_the_test_set_are_predicted_as_evaluate_does(predict, experiments, monkeypatch, batch_size):
    if batch_size:
        monkeypatch.setattr("cnnlab.evaluation.ensemble.Ensemble.batch_size", batch_size)
    done = predict("--data", "digits", "--format", "csv")
    assert done.returncode == 0, done.stderr
    assert_as_evaluated(rows_of(done), experiments)
    right = sum(row["prediction"] == row["label"] for row in evaluated(experiments))
    assert f"{right} of 200 images whose class is known are predicted right: accuracy {right / 200:.4f}" in done.stderr


@pytest.mark.parametrize("processes", [1, 2])
def test_files_are_predicted_as_evaluate_does(predict, experiments, digits, monkeypatch, processes):
    if processes == 2:
        monkeypatch.setattr(stream, "WORTH_PROCESSES", 100)
        monkeypatch.setattr(os, "cpu_count", lambda: 2)
    done = predict(digits, "--format", "csv")
    assert done.returncode == 0, done.stderr
    assert_as_evaluated(sorted(rows_of(done), key=lambda row: row["image"].rpartition("/")[2]), experiments)


def test_every_process_decodes_its_part_in_order(digits, monkeypatch):
    paths = [str(path) for path in sorted(digits.rglob("*.png"))]
    size = stream.Size(28, 28, 1, "stretch")
    alone = [decoded.pixels for decoded in stream.decode_many(paths, size, None)]
    monkeypatch.setattr(stream, "WORTH_PROCESSES", 100)
    monkeypatch.setattr(stream, "PER_TASK", 16)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    shared = [decoded.pixels for decoded in stream.decode_many(paths, size, None)]
    assert np.array_equal(alone, shared)


def test_examples_of_a_split_can_be_chosen(predict, experiments):
    whole = [row["prediction_name"] for row in evaluated(experiments)]
    for text, expected in (("3", whole[3:4]), ("5:8", whole[5:8]), ("198:", whole[198:]), (":2", whole[:2])):
        rows = rows_of(predict("--data", "digits", "--examples", text, "--format", "csv"))
        assert [row["label"] for row in rows] == expected
    assert rows[0]["image"] == "digits/test/0"
    assert len(rows_of(predict("--data", "digits", "--split", "validation", "--format", "csv"))) == 144


def test_predicting_the_test_set_is_recorded_as_its_use(experiments, predict):
    record = experiments / RUN / "run.json"
    before = json.loads(record.read_text())["test_uses"]
    predict("--data", "digits", "--split", "validation", "--examples", "0:2")
    assert json.loads(record.read_text())["test_uses"] == before
    predict("--data", "digits", "--examples", "0:2")
    assert [use["by"] for use in json.loads(record.read_text())["test_uses"][len(before) :]] == ["predict"]


def test_rows_for_scripts(predict, digits):
    path = str(digits)
    rows = json.loads(predict(path, "--top", 3, "--format", "json").stdout)
    assert list(rows[0]) == ["image", "label", "probability", "top", "truth"]
    assert rows[0]["image"].startswith(path)
    assert [list(entry) for entry in rows[0]["top"]] == [["label", "probability"]] * 3
    assert rows[0]["top"][0] == {"label": rows[0]["label"], "probability": rows[0]["probability"]}
    lines = predict(path, "--top", 3, "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line) for line in lines] == rows
    first = rows_of(predict(path, "--top", 3, "--format", "csv"))[0]
    assert [float(first[key]) for key in ("probability", "probability_2", "probability_3")] == [
        entry["probability"] for entry in rows[0]["top"]
    ]
    everything = json.loads(predict(path, "--top", 99, "--format", "json").stdout)
    for row in everything:
        assert sum(entry["probability"] for entry in row["top"]) == pytest.approx(1, abs=1e-6)


def test_a_table_has_a_line_per_image(predict, digits):
    lines = predict(digits / "3" / "*.png").stdout.splitlines()
    assert lines[0].split() == ["label", "probability", "image"]
    assert len(lines) == 1 + len(list((digits / "3").iterdir()))
    assert predict(digits).stdout.splitlines()[0].split() == ["label", "probability", "true", "image"]


def test_an_ensemble_gives_the_mean_of_its_probabilities(experiments):
    def probabilities(*runs):
        options = ("--data", "digits", "--top", 10, "--format", "json")
        rows = json.loads(invoke("predict", *runs, *options, cwd=experiments).stdout)
        return np.array(
            [
                [score for _, score in sorted((entry["label"], entry["probability"]) for entry in row["top"])]
                for row in rows
            ]
        )

    first, second = probabilities(RUN), probabilities("runs/second")
    np.testing.assert_allclose(probabilities(RUN, "runs/second"), (first + second) / 2, atol=1e-6)
    assert np.abs(first - second).max() > 0.01


def test_an_ensemble_is_evaluated_as_the_mean(experiments):
    done = invoke("evaluate", RUN, "runs/second", "--format", "json", cwd=experiments)
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    rows = json.loads(
        invoke("predict", RUN, "runs/second", "--data", "digits", "--format", "json", cwd=experiments).stdout
    )
    assert measured["accuracy"] == np.mean([row["label"] == row["truth"] for row in rows])
    assert measured["runs"] == [RUN, "runs/second"]
    assert "the mean probabilities of 2 runs" in invoke("evaluate", RUN, "runs/second", cwd=experiments).stdout


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_networks_that_cannot_be_averaged_are_refused(experiments, digits, command):
    images = [digits] if command == "predict" else []
    done = invoke(command, RUN, "runs/three", *images, cwd=experiments)
    assert_one_line(done, 2, f"runs/three: has other classes than {RUN}")
    done = invoke(command, RUN, "runs/mse", *images, cwd=experiments)
    assert_one_line(done, 2, "runs/mse: gives scores; an ensemble averages probabilities")


def test_a_network_without_probabilities_gives_scores_and_says_so(predict, digits):
    done = predict(digits / "3", "--top", 10, "--format", "json", run="runs/mse")
    assert "was not trained to give probabilities" in done.stderr
    (row, *_) = json.loads(done.stdout)
    assert list(row)[:3] == ["image", "label", "score"]
    assert sum(entry["score"] for entry in row["top"]) != pytest.approx(1, abs=1e-3)


def test_the_data_set_is_not_needed(predict, digits, monkeypatch):
    monkeypatch.setattr("cnnlab.data.load", lambda *_, **__: pytest.fail("the data set is read"))
    assert predict(digits / "3").returncode == 0


def test_paths_come_from_standard_input(predict, digits, monkeypatch):
    paths = sorted(map(str, (digits / "3").iterdir()))
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(paths) + "\n\nnowhere.png\n"))
    done = predict("-", "--format", "csv")
    assert [row["image"] for row in rows_of(done)] == paths
    assert done.returncode == 1
    assert "cnnlab: nowhere.png: cannot be read: No such file or directory" in done.stderr.splitlines()


def test_what_came_before_a_pause_is_not_held_back():
    reading, writing = os.pipe()
    with open(reading) as lines, open(writing, "w") as source:
        paths = stream.paths_in(lines)
        source.write("a.png\nb.png\n")
        source.flush()
        assert [next(paths), next(paths), next(paths)] == ["a.png", "b.png", None]
        source.write("c.png\n")
        source.close()
        assert list(paths) == ["c.png"]
    assert stream.PAUSE < LONGEST_WAIT


def test_what_is_changed_is_said_once(predict, tmp_path, image):
    for number in range(3):
        image(f"{number}.png", lambda values: np.repeat(np.kron(values, np.ones((2, 1), np.uint8))[..., None], 3, 2))
    (tmp_path / "notes.txt").write_text("x")
    done = predict(tmp_path)
    note = "of 3 images 3 resized from 28×56 to 28×28 by stretching; 3 made grey from colour"
    assert [line for line in done.stderr.splitlines() if "resized" in line] == [f"cnnlab: note: {note}"]
    assert f"1 file in folders skipped, not named as images: {tmp_path}/notes.txt" in done.stderr


def test_inverted_images_are_warned_of_and_can_be_inverted(predict, image):
    plain, inverted = image("plain.png"), image("inverted.png", lambda values: 255 - values)
    expected = predict(plain, "--format", "json")
    assert "border" not in expected.stderr
    warned = predict(inverted)
    assert "1 of 1 image has a light border, and the training images a dark one" in warned.stderr
    assert "try --invert" in warned.stderr
    again = predict(inverted, "--invert", "--format", "json")
    assert json.loads(again.stdout)[0]["top"] == json.loads(expected.stdout)[0]["top"]
    assert "1 image inverted" in again.stderr
    assert "leave --invert out" in predict(plain, "--invert").stderr


def test_a_grid_overwrites_no_image(predict, image):
    path = image("x.png")
    before = path.read_bytes()
    assert_one_line(
        predict(path, "--grid", path), 2, f"--grid {path}: exists, and is no figure of cnnlab; name another"
    )
    assert path.read_bytes() == before


def test_the_grid_names_true_and_predicted_classes(predict, digits, image, tmp_path, monkeypatch):
    drawn = []
    draw = grid.draw

    def recording(images, titles, heading, path, columns, option, colors):
        drawn.append((len(images), titles, heading, colors))
        return draw(images, titles, heading, path, columns, option, colors)

    monkeypatch.setattr(grid, "draw", recording)
    done = predict("--data", "digits", "--examples", "0:30", "--grid", tmp_path / "grid.png", "--format", "json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    ((count, titles, heading, colors),) = drawn
    assert (count, heading) == (30, "true:predicted")
    assert titles == [f"{row['truth']}:{row['label']}" for row in rows]
    assert colors == [grid.RIGHT if row["truth"] == row["label"] else grid.WRONG for row in rows]
    assert set(colors) == {grid.RIGHT, grid.WRONG}
    with Image.open(tmp_path / "grid.png") as written:
        assert written.width > 1000
    (row,) = json.loads(predict(image("x.png"), "--grid", tmp_path / "one.svg", "--format", "json").stdout)
    assert drawn[1][1] == [f"{row['label']} {row['probability']:.2f}"]
    many = predict(digits, "--grid", tmp_path / "many.png")
    assert drawn[2][0] == 100
    assert "has the first 100 of 200 images" in many.stderr


@pytest.mark.parametrize("name", ["a b.png", "zoë–7.png", "-dash.png", "[1].png", "a\nb.png"])
def test_any_name_is_a_name(predict, image, name):
    path = image(name)
    (row,) = json.loads(predict("--format", "json", "--", path).stdout)
    assert row["image"] == str(path)


def as_deep(values):
    return values.astype(np.uint16) * 16


@pytest.mark.parametrize(
    ("change", "name", "said"),
    [
        (as_deep, "deep.png", "1 of more than 8 bits, each scaled by its own largest value"),
        (lambda values: np.repeat(values[..., None], 3, 2), "colour.png", "1 made grey from colour"),
        (lambda values: values[:1, :1], "one.png", "1 resized from 1×1 to 28×28"),
    ],
)
def test_odd_images_are_predicted_and_what_is_done_is_said(predict, image, change, name, said):
    done = predict(image(name, change))
    assert done.returncode == 0
    assert said in done.stderr


def test_cmyk_is_predicted(predict, tmp_path, test_split):
    Image.fromarray(test_split.images[0, ..., 0]).convert("CMYK").save(tmp_path / "cmyk.jpg")
    done = predict(tmp_path / "cmyk.jpg")
    assert done.returncode == 0
    assert "1 made grey from colour" in done.stderr


def test_a_damaged_image_is_one_line_and_the_others_are_predicted(predict, image, tmp_path):
    good = image("good.png")
    (tmp_path / "bad.png").write_text("no image")
    done = predict(tmp_path, "--format", "json")
    assert done.returncode == 1
    assert [row["image"] for row in json.loads(done.stdout)] == [str(good)]
    (line,) = done.stderr.splitlines()
    assert line == f"cnnlab: {tmp_path}/bad.png: is not an image of a supported format, or its beginning is damaged"
    none = predict(tmp_path / "bad.png", "--format", "json")
    assert (none.returncode, json.loads(none.stdout)) == (1, [])


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["nowhere.png"], ["nowhere.png: no such file or folder; expected images"]),
        (["*.gif"], ["*.gif: matches no files"]),
        (["empty"], ["empty: no images in this folder"]),
        ([], ["no images; expected files, folders, - for a list of paths, or a data set, such as --data digits"]),
        (["x.png", "--data", "digits"], ["--data digits: predicts examples of a data set; x.png names images"]),
        (
            ["x.png", "--examples", "0:2"],
            ["--examples 0:2: selects examples of a data set; name it, such as --data digits"],
        ),
        (["--data", "digits", "--examples", "5:2"], ["--examples 5:2: no such examples; there are 200"]),
        (["--data", "digits", "--examples", "x"], ["--examples x: expected a number such as 7, or a range"]),
        (["--data", "digts"], ["digts", "did you mean 'digits'?"]),
        (["x.png", "--grid", "x.txt"], ["--grid x.txt: expected a file name that ends in .png, .svg or .pdf"]),
    ],
)
def test_a_wrong_request_is_one_line(predict, experiments, arguments, parts):
    (experiments / "empty").mkdir(exist_ok=True)
    assert_one_line(predict(*arguments), 2, *parts)


def test_a_run_that_is_not_finished_is_refused(experiments, digits, tmp_path):
    shutil.copytree(experiments / "runs/second", tmp_path / "runs/second")
    record = tmp_path / "runs/second/run.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"status": "interrupted"}))
    assert_one_line(invoke("predict", "runs/second", digits, cwd=tmp_path), 1, "runs/second", "interrupted")


def test_the_reader_may_leave(experiments, digits):
    command = f"{sys.executable} -m cnnlab predict {RUN} {digits} {digits} | head -1"
    done = subprocess.run(["bash", "-c", command], cwd=experiments, capture_output=True, text=True, timeout=300)
    assert done.stdout.split() == ["label", "probability", "true", "image"]
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
