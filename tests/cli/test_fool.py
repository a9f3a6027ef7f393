"""`fool`: one image, a test set, and requests that cannot be served."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from cnnlab.evaluation.load import load_dataset, load_model
from cnnlab.runs import Run
from tests.conftest import assert_one_line, invoke

RUN = "runs/tiny-1"


@pytest.fixture(scope="module")
def experiments(tmp_path_factory, trained):
    """A folder with the tiny run, longer trained, and another seed of it."""
    folder = tmp_path_factory.mktemp("experiments")
    shutil.copytree(trained, folder, dirs_exist_ok=True)
    options = ["--epochs", 10, "--quiet", "--set", "train.schedule=constant", "--set", "data.limit=600"]
    for name, seed in (("first", 0), ("second", 1)):
        done = invoke("train", "tiny.yaml", *options, "--name", name, "--seed", seed, cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def fool(experiments):
    """`cnnlab fool runs/first OPTIONS`."""
    return lambda *options, runs=("runs/first",): invoke("fool", *runs, *options, cwd=experiments)


def results(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def by_name(result):
    return {row["image"]: row for row in result["images"]}


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_one_image_is_fooled_by_less_than_noise(fool, experiments, norm):
    result = results(fool("--norm", norm, "--format", "json"))
    rows = by_name(result)
    assert list(rows) == ["unperturbed", "FGSM", "PGD-40", "noise"]
    assert rows["unperturbed"]["prediction"] == result["label"]
    for name in ("FGSM", "PGD-40"):
        assert rows[name]["succeeds"]
        assert rows[name]["prediction"] != result["label"]
        assert 0 < rows[name]["distance"] <= rows[name]["smallest_epsilon"] + 1e-6
    assert not rows["noise"]["succeeds"]
    assert rows["noise"]["distance"] <= max(rows[name]["distance"] for name in ("FGSM", "PGD-40")) + 1e-6
    with Image.open(experiments / result["figure"]) as figure:
        assert figure.width > 500


def test_the_first_example_that_is_predicted_right_is_taken(fool, experiments):
    run = Run(experiments / "runs/first")
    loaded = load_model(run)
    test = load_dataset(loaded.record, loaded.experiment).test
    right = int((loaded.forward(test).predictions == test.labels).argmax())
    result = results(fool("--format", "json"))
    assert result["image"] == f"digits/test/{right}"
    assert result["label"] == loaded.class_names[test.labels[right]]
    assert [use["by"] for use in run.record().test_uses][-1] == "fool"


def test_a_target_is_reached(fool):
    label = results(fool("--format", "json"))["label"]
    target = "3" if label != "3" else "5"
    rows = by_name(results(fool("--target", target, "--format", "json")))
    assert rows["PGD-40"]["prediction"] == target
    assert rows["PGD-40"]["target_probability"] > rows["unperturbed"]["target_probability"]


def test_an_epsilon_is_used_as_given(fool):
    rows = by_name(results(fool("--epsilon", "8/255", "--steps", 5, "--format", "json")))
    assert rows["PGD-5"]["distance"] <= 8 / 255 + 1e-6
    assert rows["noise"]["distance"] == pytest.approx(8 / 255)


def test_a_file_is_decoded_as_for_training(fool, tmp_path):
    pixels = np.zeros((40, 40), np.uint8)
    pixels[5:35, 18:22] = 255
    Image.fromarray(pixels).save(tmp_path / "one.png")
    done = fool("--image", tmp_path / "one.png", "--format", "json")
    assert results(done)["label"] is None
    assert "its class is not known" in done.stderr
    assert "resized" in done.stderr


def test_accuracy_falls_with_epsilon_and_pgd_is_the_strongest(fool, experiments):
    done = fool("--all", "--epsilon", 0.05, "--epsilon", 0.3, "--format", "json")
    result = results(done)
    (run,) = result["runs"]
    small, large = run["points"]
    assert run["accuracy"] >= small["pgd"] > large["pgd"]
    assert large["pgd"] <= large["fgsm"] < large["noise"]
    assert large["pgd_loss"] > small["pgd_loss"]
    assert large["robust"] <= min(large["pgd"], large["fgsm"])
    assert (large["transfer"], run["suspicions"]) == (None, [])
    assert "images made for another network were not tried" in done.stderr
    assert (experiments / result["figure"]).exists()
    assert result["examples"] == 360


def test_several_runs_have_a_mean_and_are_attacked_with_each_others_images(fool):
    both = ("runs/first", "runs/second")
    options = ["--epsilon", 0.1, "--steps", 10, "--limit", 100]
    result = results(fool(*options, "--format", "json", runs=both))
    points = [run["points"][0] for run in result["runs"]]
    assert all(point["pgd"] <= point["transfer"] for point in points)
    done = fool(*options, runs=both)
    mean, std = np.mean([p["pgd"] for p in points]), np.std([p["pgd"] for p in points], ddof=1)
    assert f"{mean:.4f} ± {std:.4f}" in done.stdout
    assert "mean ± standard deviation of 2 runs" in done.stdout


def test_restarts_are_at_least_as_strong(fool):
    weak, strong = (
        results(fool("--all", "--epsilon", 0.1, "--steps", 3, "--restarts", count, "--format", "json"))["runs"][0][
            "points"
        ][0]
        for count in (1, 4)
    )
    assert strong["pgd"] <= weak["pgd"]
    assert strong["pgd_loss"] > weak["pgd_loss"]


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--example", 10000], "--example 10000: digits has 360 test examples, counted from 0"),
        (["--epsilon", "-1"], "--epsilon -1: expected a number above 0 and up to 1,000,000, such as 0.1 or 8/255"),
        (["--epsilon", "1/0"], "--epsilon 1/0: expected"),
        (["--epsilon", "x"], "--epsilon x: expected"),
        (["--epsilon", "1e7"], "--epsilon 1e7: expected a number above 0 and up to 1,000,000"),
        (["--target", "seven"], "--target seven: no such class"),
        (["--target", "12"], "--target 12: no such class; expected one of 0, 1, 2"),
        (["--step-size", "0"], "--step-size 0: expected a number above 0"),
        (["--example", 1, "--image", "x.png"], "--image: perturbs a file"),
        (["--image", "nowhere.png"], "nowhere.png"),
        (["--all", "--target", "3"], "--target: is for one image of one run"),
        (["--limit", "5"], "--limit 5: is for the test set; add --all"),
        (["--epsilon", "0.1", "--epsilon", "0.2"], "--epsilon: expected one for one image"),
        (["--steps", "0"], "'--steps'"),
    ],
)
def test_bad_requests_are_one_line(fool, options, part):
    assert_one_line(fool(*options), 2, part)


def test_a_class_that_is_predicted_already_is_no_target(fool):
    label = results(fool("--format", "json"))["label"]
    assert_one_line(fool("--target", label), 2, "is predicted already")


def test_a_run_without_weights_is_one_line(fool, trained, tmp_path):
    shutil.copytree(trained / RUN, tmp_path / "broken")
    (tmp_path / "broken/weights.safetensors").unlink()
    assert_one_line(fool(runs=(tmp_path / "broken",)), 1, "weights.safetensors missing")


def test_adversarial_training_makes_a_network_more_robust(fool, experiments):
    done = invoke(
        "train", "tiny.yaml", "--name", "robust", "--epochs", 25, "--quiet", "--set", "train.schedule=constant",
        "--set", "data.limit=600", "--set", "train.optimizer={adam: 0.005}", "--set", "train.adversarial={epsilon: 0.1, steps: 3}", cwd=experiments,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    options = ["--all", "--epsilon", 0.1, "--steps", 10, "--format", "json"]
    plain, robust = (
        results(fool(*options, runs=(f"runs/{name}",)))["runs"][0]["points"][0] for name in ("first", "robust")
    )
    assert robust["robust"] > plain["robust"] + 0.1


def test_gradients_of_16_bits_do_not_vanish(fool, experiments):
    done = invoke(
        "train", "tiny.yaml", "--name", "half", "--epochs", 10, "--quiet", "--set", "train.schedule=constant",
        "--precision", "mixed_float16", cwd=experiments,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = results(fool("--all", "--epsilon", 0.3, "--steps", 10, "--format", "json", runs=("runs/half",)))
    (point,) = result["runs"][0]["points"]
    assert point["pgd"] < 0.1


def test_a_folder_that_cannot_be_made_is_refused_at_once(fool):
    assert_one_line(fool("--out", "/proc/figures"), 2, "--out /proc/figures: cannot be written")


def test_a_perturbation_that_no_file_can_hold_is_said(fool):
    done = fool("--epsilon", 0.001, "--format", "json")
    assert by_name(results(done))["PGD-40"]["distance"] == 0
    assert "--epsilon 0.001: is less than 1/255" in done.stderr


def test_a_run_counts_once(fool):
    runs = ("runs/first", "runs/../runs/first")
    assert_one_line(fool("--limit", 10, runs=runs), 2, "runs/../runs/first: is named twice; each run counts once")


def test_runs_of_other_data_have_no_mean(fool, experiments):
    shutil.copytree(experiments / "runs/first", experiments / "runs/elsewhere", dirs_exist_ok=True)
    path = experiments / "runs/elsewhere/run.json"
    record = json.loads(path.read_text())
    record["experiment"]["data"]["name"] = "mnist"
    path.write_text(json.dumps(record))
    done = fool("--limit", 10, runs=("runs/first", "runs/elsewhere"))
    assert_one_line(done, 2, "runs/elsewhere: is of other data (mnist) than runs/first (digits)")


def test_means_over_different_experiments_are_told(fool, experiments):
    shutil.copytree(experiments / "runs/first", experiments / "runs/otherwise", dirs_exist_ok=True)
    path = experiments / "runs/otherwise/run.json"
    record = json.loads(path.read_text())
    record["experiment"]["train"]["batch_size"] += 1
    path.write_text(json.dumps(record))
    done = fool("--limit", 10, "--epsilon", 0.1, "--steps", 1, runs=("runs/first", "runs/otherwise"))
    assert done.returncode == 0
    assert "the runs differ in more than the seed" in done.stderr


def test_an_example_that_is_wrong_already_is_told(fool, experiments):
    lines = (experiments / "runs/first/evaluation/test-predictions.csv").read_text().splitlines()[1:]
    wrong = next(cells[0] for cells in (line.split(",") for line in lines) if cells[1] != cells[2])
    done = fool("--example", wrong)
    assert f"digits/test/{wrong}: is predicted wrong without any change" in done.stderr


def test_figures_of_other_settings_replace_none(fool):
    pages = {
        results(fool("--example", 0, *more, "--steps", 1, "--format", "json"))["figure"]
        for more in ([], ["--norm", "l2"])
    }
    pages |= {
        results(fool("--all", "--limit", n, "--epsilon", 0.1, "--steps", 1, "--format", "json"))["figure"]
        for n in (5, 6)
    }
    assert len(pages) == 4
