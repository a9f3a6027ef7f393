"""`cnnlab look`."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from cnnlab.errors import RunError
from cnnlab.explain.embedding import Embedding
from cnnlab.runs import Run
from tests.conftest import assert_one_line, invoke
from tests.explain.conftest import loaded, looked_at  # noqa: F401 - fixtures

PAGES = ["layers", "hidden", "filters", "patches", "saliency", "confusions", "map"]


@pytest.fixture
def look(looked_at, tmp_path):  # noqa: F811
    """`cnnlab look RUN ARGUMENTS` on a copy of a run."""

    def run(name, *arguments):
        if not (tmp_path / name).exists():
            shutil.copytree(looked_at / "runs" / name, tmp_path / name)
        return invoke("look", name, *arguments, cwd=tmp_path)

    return run


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 40, 3), np.uint8)).save(path)
    return path


def test_by_default_the_surest_mistake_is_shown_layer_by_layer(look, tmp_path):
    done = look("tiny-1", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    shown = json.loads(done.stdout)
    with (tmp_path / "tiny-1/evaluation/test-predictions.csv").open() as file:
        wrong = [row for row in csv.DictReader(file) if row["label"] != row["prediction"]]
    surest = max(wrong, key=lambda row: float(row["score"]))
    assert shown["example"] == f"digits/test/{surest['example']}"
    assert (shown["true"], shown["predicted"]) == (surest["label_name"], surest["prediction_name"])
    assert max(shown["scores"].values()) == pytest.approx(float(surest["score"]), rel=1e-4)
    assert [row["layer"] for row in shown["layers"]] == ["image", "conv2d_0", "max_pool2d_1", "flatten_2", "dense_3"]
    assert shown["pictures"] == ["tiny-1/look/layers.png"]
    record = json.loads((tmp_path / "tiny-1/run.json").read_text())
    assert record["test_uses"][-1]["by"] == "look"


def test_without_saved_predictions_the_same_example_is_found(look, tmp_path):
    first = json.loads(look("tiny-1", "--format", "json").stdout)["example"]
    (tmp_path / "tiny-1/evaluation/test-predictions.csv").write_text("damaged")
    assert json.loads(look("tiny-1", "--format", "json").stdout)["example"] == first


def test_everything_is_shown_of_a_convolutional_network(look, tmp_path):
    done = look("tiny-1", "--what", "all", "--example", 5, "--out", "pages")
    assert done.returncode == 0, done.stderr
    assert "digits/test/5: true " in done.stdout
    assert "weights: left out, the network has no dense layer on the pixels" in done.stderr
    of_example = {"layers", "hidden", "saliency"}
    expected = [f"{name}-example-5" if name in of_example else name for name in PAGES]
    assert sorted(path.stem for path in (tmp_path / "pages").iterdir()) == sorted(expected)
    assert not (tmp_path / "tiny-1/look").exists()


def test_blocks_in_bfloat16_can_be_looked_at(look):
    aspects = [word for what in ("layers", "filters", "patches", "saliency") for word in ("--what", what)]
    done = look("blocks-1", *aspects, "--classes", 1, "--format", "json")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert all(np.isfinite(row["activation_max"]) for row in shown["layers"])
    assert {row["layer"] for row in shown["filters"]} >= {"conv2d_0", "conv2d_3.shortcut"}
    assert [row["dead"] is None for row in shown["filters"] if row["layer"] == "conv2d_3.shortcut"] == [True]
    assert {row["method"] for row in shown["saliency"]} == {"Grad-CAM", "gradient", "integrated gradients"}


def test_a_network_without_convolution_has_no_grad_cam_but_weights_on_the_pixels(look, tmp_path):
    done = look("flat-1", "--what", "all", "--format", "json")
    assert done.returncode == 0
    assert "Grad-CAM does not apply: the network has no convolution" in done.stderr
    shown = json.loads(done.stdout)
    assert {row["method"] for row in shown["saliency"]} == {"gradient", "integrated gradients"}
    assert (tmp_path / "flat-1/look/weights.png").is_file()


def test_an_image_file_is_decoded_as_in_training_and_leaves_the_test_set_alone(look, tmp_path, photo):
    done = look("tiny-1", "--image", photo.name, "--what", "layers", "--what", "saliency", "--classes", 2)
    assert done.returncode == 0, done.stderr
    assert "resized" in done.stderr
    assert "its class is not known; gradients are of the loss of" in done.stderr
    assert "true" not in done.stdout.splitlines()[0]
    record = json.loads((tmp_path / "tiny-1/run.json").read_text())
    assert [use["by"] for use in record["test_uses"]] == ["train"]


def test_one_layer_can_be_chosen(look):
    done = look("blocks-1", "--layer", "conv2d_3.0", "--what", "layers", "--what", "filters", "--format", "json")
    shown = json.loads(done.stdout)
    assert [row["layer"] for row in shown["layers"]] == ["conv2d_3.0"]
    assert [row["layer"] for row in shown["filters"]] == ["conv2d_3.0"]


def test_the_map_has_tsne_on_request(look, monkeypatch):
    done = look("flat-1", "--what", "map", "--format", "json")
    assert json.loads(done.stdout)["map"][0]["axis"].startswith("component 1: ")
    asked = []
    points = Embedding(np.zeros((200, 2)), ("t-SNE 1", "t-SNE 2"))  # tests/explain/test_embedding.py runs it
    monkeypatch.setattr(
        "cnnlab.explain.embedding.embed",
        lambda features, method, seed: asked.append((features.shape, method)) or points,
    )
    done = look("flat-1", "--what", "map", "--format", "json", "--method", "tsne")
    assert json.loads(done.stdout)["map"] == [{"axis": "t-SNE 1"}, {"axis": "t-SNE 2"}]
    assert asked == [((200, 784), "tsne")]


@pytest.mark.parametrize(
    ("name", "arguments", "parts"),
    [
        ("tiny-1", ["--example", 200], ["--example 200: no such example; the test set has 200, counted from 0"]),
        ("tiny-1", ["--example", "-1"], ["--example -1: no such example"]),
        ("tiny-1", ["--layer", "conv_0"], ["--layer conv_0: no such layer; did you mean 'conv2d_0'?"]),
        ("tiny-1", ["--layer", "dense_3", "--what", "saliency"], ["Grad-CAM needs a layer whose output is an image"]),
        ("tiny-1", ["--layer", "flatten_2", "--what", "patches"], ["needs a convolution: conv2d_0"]),
        ("tiny-1", ["--what", "weights"], ["--what weights: the network has no dense layer on the pixels"]),
        ("flat-1", ["--what", "filters"], ["--what filters: the network has no convolution"]),
        ("tiny-1", ["--image", "nowhere.png"], ["nowhere.png"]),
        ("tiny-1", ["--image", "tiny-1"], ["--image tiny-1: is a folder; expected an image file"]),
        ("tiny-1", ["--image", "tiny-1/run.json"], ["run.json"]),
        ("tiny-1", ["--image", "x.png", "--example", 3], ["--example 3: not with --image"]),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_line(look, name, arguments, parts):
    assert_one_line(look(name, *arguments), 2, *parts)


def test_an_unfinished_run_is_refused(look, tmp_path):
    look("tiny-1", "--example", "-1")  # copies it
    record = json.loads((tmp_path / "tiny-1/run.json").read_text())
    (tmp_path / "tiny-1/run.json").write_text(json.dumps({**record, "status": "interrupted"}))
    assert_one_line(look("tiny-1"), 1, "has no final weights: its status is 'interrupted'")


def test_a_folder_that_cannot_be_made_is_an_error_in_one_line(look, tmp_path):
    (tmp_path / "file").write_text("")
    done = look("tiny-1", "--out", "file/look", "--example", 0)
    assert_one_line(done, 2, "--out file/look: cannot be written: Not a directory")
    assert_one_line(look("tiny-1", "--out", "file"), 2, "--out file: is a file; expected a folder")


def test_weights_that_are_not_finite_are_an_error_in_one_line(look, tmp_path):
    look("tiny-1", "--example", "-1")  # copies it
    path = tmp_path / "tiny-1/weights.safetensors"
    arrays = load_file(path)
    arrays["conv2d_0/bias"] = np.full_like(arrays["conv2d_0/bias"], np.nan)
    save_file(arrays, path)
    assert_one_line(look("tiny-1", "--example", 0), 1, "weights.safetensors: damaged: has weights that are not finite")


def test_another_test_set_is_refused(look, tmp_path):
    look("tiny-1", "--example", "-1")
    record = json.loads((tmp_path / "tiny-1/run.json").read_text())
    record["data"]["splits"]["test"]["labels"] = "another"
    (tmp_path / "tiny-1/run.json").write_text(json.dumps(record))
    assert_one_line(
        look("tiny-1"), 1, "was trained on other examples of digits than are here: test: the same examples in another"
    )


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--method", "tsne"], "--method tsne: is for --what map"),
        (["--classes", 2, "--what", "hidden"], "--classes 2: is for --what saliency"),
        (["--layer", "conv2d_0", "--what", "confusions"], "--layer conv2d_0: is for --what layers or --what hidden"),
        (["--layer", "flatten_2"], "--layer flatten_2: --what layers does not draw it"),
        (["--layer", "flatten_2", "--what", "hidden"], "--layer flatten_2: --what hidden does not draw it"),
    ],
)
def test_an_option_without_a_use_is_refused(look, options, part):
    assert_one_line(look("tiny-1", *options), 2, part)


def test_the_pages_of_another_example_replace_none(look, tmp_path):
    look("tiny-1", "--what", "hidden")
    look("tiny-1", "--what", "hidden", "--example", 3)
    assert {path.name for path in (tmp_path / "tiny-1/look").iterdir()} == {"hidden.png", "hidden-example-3.png"}


def test_a_run_of_someone_else_can_be_looked_at(look, tmp_path, monkeypatch):
    def refuse(run, by):
        raise RunError(f"{run.path}/run.json: cannot be written: Permission denied")

    monkeypatch.setattr(Run, "record_test_use", refuse)
    done = look("tiny-1", "--out", "mine")
    assert done.returncode == 0
    assert "Permission denied; that the test set was used is not recorded" in done.stderr
    assert "conv2d_0" in done.stdout


def test_an_unfinished_run_says_how_to_continue(look, tmp_path):
    look("tiny-1", "--example", "-1")  # copies it
    record = json.loads((tmp_path / "tiny-1/run.json").read_text())
    (tmp_path / "tiny-1/run.json").write_text(json.dumps({**record, "status": "interrupted"}))
    assert_one_line(look("tiny-1"), 1, "its status is 'interrupted'", "`cnnlab resume tiny-1` continues it")
