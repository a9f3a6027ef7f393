import json
import re
import shlex
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from cnnlab.analysis.compare import compare as side_by_side
from cnnlab.cli.comparison import _as_text, format_comparison
from cnnlab.cli.shorthands import parse_seeds
from cnnlab.cli.tables import Format
from cnnlab.config.load import load
from cnnlab.sweep.folder import SweepFolder
from tests.conftest import assert_one_line, complete, invoke


def change(run, changing):
    """Change the run.json of a run."""
    record = json.loads((run / "run.json").read_text())
    changing(record)
    (run / "run.json").write_text(json.dumps(record))


@pytest.fixture(scope="module")
def two_experiments(trained, tmp_path_factory):
    """Two experiments with three seeds each, made from one run."""
    folder = tmp_path_factory.mktemp("two")
    for number, (rate, seed) in enumerate((rate, seed) for rate in (0.1, 0.2) for seed in (0, 1, 2)):
        run = folder / f"runs/tiny-{number}"
        shutil.copytree(trained / "runs/tiny-1", run)
        record = json.loads((run / "run.json").read_text())
        record["experiment"]["seed"] = seed
        record["experiment"]["train"]["optimizer"]["sgd"]["learning_rate"] = rate
        record["results"]["test_accuracy"] = 0.9 + seed / 100 - (rate == 0.2) * (0.2 + seed / 500)
        record["experiment"]["published"] = {"source": "a book", "accuracy": 0.9}
        (run / "run.json").write_text(json.dumps(record))
    return folder


def test_compare_prints_one_row_per_group_and_its_conclusions(two_experiments):
    done = invoke("compare", "runs", cwd=two_experiments, env={"COLUMNS": "200"})
    assert (done.returncode, done.stderr) == (0, "")
    heading, first, second, _, legend, _, note, _, candidates, *_ = done.stdout.splitlines()
    assert heading.split() == [
        *("group", "n", "val_accuracy", "test_accuracy", "interval", "verdict", "p", "best_epoch", "parameters"),
        *("multiplications", "seconds_per_epoch", "learning_rate"),
    ]
    assert first.split(maxsplit=4)[4].startswith("0.0000  0.9100 ± 0.0100  0.8852 to 0.9348  best by validation ")
    assert "0.7080 ± 0.0080  0.6881 to 0.7279  detectably worse, by 20.20 points  < 0.001 " in second
    assert legend == (
        "against tiny-0 (best by validation): paired t; detectable where p < 0.05; "
        "interval: 95 % of the mean over seeds"
    )
    assert note.startswith("sorted by val_accuracy, by which the best is chosen")
    assert candidates.startswith("2 candidates of tiny were looked at, ranked by val_accuracy")


def test_no_detectable_difference_is_reported(two_experiments):
    done = invoke("compare", "runs", "--metric", "val_accuracy", "--baseline", "tiny-4", cwd=two_experiments)
    assert "no detectable difference (+0.00 points)  1.000" in done.stdout
    assert "against tiny-3 (baseline)" in done.stdout
    assert "on the test set" not in done.stdout


def test_required_seeds_are_printed_with_a_command_that_trains_them(two_experiments, tmp_path, monkeypatch):
    shutil.copytree(two_experiments / "runs", tmp_path / "my runs")
    for number, accuracy in enumerate([0.90, 0.92, 0.94, 0.87, 0.91, 0.90]):
        change(
            tmp_path / f"my runs/tiny-{number}",
            lambda record, value=accuracy: record["results"].update(test_accuracy=value),
        )
    monkeypatch.chdir(tmp_path)
    text = " ".join(format_comparison(side_by_side([Path("my runs")]), Format.TABLE, published=False).split())
    assert "no detectable difference does not mean equal; seeds of each that would detect such a difference" in text
    (needed,) = re.findall(r"in 4 of 5 cases: tiny-3 (\d+);", text)
    command, *_ = re.findall("`(cnnlab train [^`]*)`", text)
    words = shlex.split(command)
    assert words[:3] == ["cnnlab", "train", "my runs/tiny-0/config.yaml"]
    assert words[-2:] == ["--runs", "my runs"]
    new = parse_seeds(words[4], 0)
    assert load(words[2])
    assert not {0, 1, 2} & set(new)
    assert len(new) + 3 == int(needed)


def test_two_seeds_are_reported_as_too_few(two_experiments, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shutil.copytree(two_experiments / "runs", tmp_path / "runs")
    for number in (2, 5):
        shutil.rmtree(tmp_path / f"runs/tiny-{number}")
    change(tmp_path / "runs/tiny-4", lambda record: record["results"].update(test_accuracy=0.2))
    text = " ".join(format_comparison(side_by_side([tmp_path / "runs"]), Format.TABLE, published=False).split())
    assert "two seeds are too few (-45.50 points)" in text
    assert "two seeds are too few to know their spread; " in text
    assert "chance" not in text


def test_a_single_run_is_a_table_with_one_row(trained):
    done = invoke("compare", "runs", cwd=trained)
    assert (done.returncode, done.stderr) == (0, "")
    _, row = done.stdout.splitlines()
    assert row.split()[0] == "tiny"
    assert "1,490" in row


def test_output_formats(two_experiments):
    first, second = json.loads(invoke("compare", "runs", "--format", "json", cwd=two_experiments).stdout)
    assert first["test_accuracy"] == pytest.approx(0.91)
    assert first["val_accuracy"] == second["val_accuracy"]
    assert first["parameters"] == 1490
    assert first["seeds"] == [0, 1, 2]
    assert first["runs"] == ["runs/tiny-0", "runs/tiny-1", "runs/tiny-2"]
    assert second["against"] == "tiny-0"
    assert second["difference_low"] < second["difference"] < second["difference_high"]
    assert second["test"] == "paired t"
    assert second["train.optimizer.sgd.learning_rate"] == 0.2
    assert invoke("compare", "runs", "--format", "md", cwd=two_experiments).stdout.startswith("| group ")
    assert invoke("compare", "runs", "--format", "csv", cwd=two_experiments).stdout.startswith(
        "group,n,val_accuracy,val_accuracy_standard_"
    )
    page = ElementTree.fromstring(
        invoke("compare", "runs", "--format", "html", cwd=two_experiments)
        .stdout.partition("</style>")[2]
        .join(["<a>", "</a>"])
    )
    assert [cell.text for cell in page.findall("table/tr/td")][:4][::3] == ["tiny-0", "0.9100 ± 0.0100"]
    assert page.find("p").text.startswith("against tiny-0")


def test_published_results_are_shown_next_to_ours(two_experiments):
    done = invoke(
        "compare",
        "runs",
        "--published",
        "--where",
        "train.optimizer.sgd.learning_rate=0.1",
        cwd=two_experiments,
        env={"COLUMNS": "200"},
    )
    heading, row = done.stdout.splitlines()
    assert "verdict" not in heading
    assert heading.split()[4:6] == ["published", "above_published"]
    assert re.search(r" 0\.9 +\+0\.0100 ", row)


def test_top_limits_the_rows(two_experiments):
    (row,) = json.loads(invoke("compare", "runs", "--top", "1", "--format", "json", cwd=two_experiments).stdout)
    assert row["group"] == "tiny-0"


def test_notes_are_warnings_in_machine_readable_output(two_experiments, tmp_path):
    shutil.copytree(two_experiments / "runs", tmp_path / "runs")
    record = json.loads((tmp_path / "runs/tiny-5/run.json").read_text())
    (tmp_path / "runs/tiny-5/run.json").write_text(json.dumps({**record, "status": "failed"}))
    done = invoke("compare", "runs", cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "skipped: runs/tiny-5: failed"
    done = invoke("compare", "runs", "--format", "json", cwd=tmp_path)
    assert {row["group"]: row["n"] for row in json.loads(done.stdout)} == {"tiny-0": 3, "tiny-3": 2}
    candidates, skipped = done.stderr.splitlines()
    assert candidates.startswith("cnnlab: warning: 2 candidates of tiny were looked at")
    assert skipped == "cnnlab: warning: skipped: runs/tiny-5: failed"


@pytest.mark.parametrize("format", [*Format])
def test_every_format_says_how_many_candidates_were_looked_at(two_experiments, format):
    done = invoke("compare", "runs", "--format", format, cwd=two_experiments)
    place = done.stderr if format in (Format.JSON, Format.CSV) else done.stdout
    assert "2 candidates of tiny were looked at" in " ".join(place.split())


def test_the_command_that_measures_the_best_on_fresh_seeds_trains_no_seed_again(two_experiments, tmp_path):
    done = invoke("compare", "runs", cwd=two_experiments)
    (command,) = re.findall("`(cnnlab train [^`]*fresh)`", done.stdout)
    words = shlex.split(command)
    assert load(str(two_experiments / words[2]))
    assert parse_seeds(words[4], 0) == [3, 4, 5, 6, 7]
    assert words[5:] == ["--set", "train.test=end", "--runs", "fresh"]


def test_test_accuracies_are_shown_where_only_some_have_them(two_experiments, tmp_path):
    shutil.copytree(two_experiments / "runs", tmp_path / "runs")
    for number in (3, 4, 5):
        change(tmp_path / f"runs/tiny-{number}", lambda record: record["results"].pop("test_accuracy"))
    heading, first, second, *_ = invoke("compare", "runs", cwd=tmp_path, env={"COLUMNS": "220"}).stdout.splitlines()
    names = ("val_accuracy", "interval", "test_accuracy", "verdict")
    places = [heading.index(name) for name in names]
    assert places == sorted(places)
    measured, missing = (line[places[2] : places[3]].strip() for line in (first, second))
    assert (measured, missing) == ("0.9100 ± 0.0100", "")
    first, second = json.loads(invoke("compare", "runs", "--format", "json", cwd=tmp_path).stdout)
    assert (first["test_accuracy"], second["test_accuracy"]) == (pytest.approx(0.91), None)
    assert first["test_accuracy_standard_deviation"] == pytest.approx(0.01)
    assert first["standard_deviation"] == pytest.approx(0)
    done = invoke("compare", "runs", "--sort", "test_accuracy", "--format", "json", cwd=tmp_path)
    assert [row["test_accuracy"] for row in json.loads(done.stdout)] == [pytest.approx(0.91), None]
    done = invoke("report", "runs", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "runs/report.html").read_text()
    assert "2 candidates of tiny were looked at" in page
    assert "0.9100 ± 0.0100" in page


def test_runs_of_sweeps_inside_a_folder_are_compared_too(two_experiments, tmp_path):
    for name, numbers in (("a", (0, 1)), ("b", (3,))):
        for number in numbers:
            shutil.copytree(two_experiments / f"runs/tiny-{number}", tmp_path / f"runs/{name}/trial-{number}")
        SweepFolder(tmp_path / "runs" / name).space.touch()
    (tmp_path / "runs/other").mkdir()
    shutil.copytree(two_experiments / "runs/tiny-5", tmp_path / "runs/other/tiny-5")

    def compared():
        rows = json.loads(invoke("compare", "runs", "--format", "json", cwd=tmp_path).stdout)
        return sorted(run for row in rows for run in row["runs"])

    trials = ["runs/a/trial-0", "runs/a/trial-1", "runs/b/trial-3"]
    assert compared() == trials
    shutil.copytree(two_experiments / "runs/tiny-4", tmp_path / "runs/tiny-4")
    assert compared() == [*trials, "runs/tiny-4"]


def test_plot_writes_a_figure(trained, tmp_path):
    done = invoke("compare", "runs", "--plot", tmp_path / "curves.png", cwd=trained)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_runs_with_different_losses_are_plotted_and_reported(trained, tmp_path):
    runs = tmp_path / "runs"
    for name, loss in [("a", "mse"), ("b", {"cross_entropy": {"label_smoothing": 0.1, "from_logits": True}})]:
        shutil.copytree(trained / "runs/tiny-1", runs / name)
        record = json.loads((runs / name / "run.json").read_text())
        record["experiment"]["train"]["loss"] = loss
        (runs / name / "run.json").write_text(json.dumps(record))
    done = invoke("compare", runs, trained / "runs", "--plot", tmp_path / "curves.svg", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "cross_entropy(0.1)" in done.stdout
    assert "not on one scale" in (tmp_path / "curves.svg").read_text()


def test_a_damaged_run_affects_neither_table_nor_plot(trained, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(trained / "runs", runs)
    failed = json.dumps(complete({"status": "failed", "experiment": {"name": "$x^$"}}))
    for number, record in enumerate(["{", failed]):
        (runs / f"bad-{number}").mkdir()
        (runs / f"bad-{number}/run.json").write_text(record)
        shutil.copy(runs / "tiny-1/metrics.csv", runs / f"bad-{number}/metrics.csv")
    done = invoke("compare", runs, "--plot", tmp_path / "curves.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines() if line] == ["group", "tiny", "skipped:"]
    assert "bad-0/run.json: damaged" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_settings_too_long_for_the_table_are_printed_above_it_also_when_piped(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    settings = {"train.epochs": [3], "model.layers": ["2 conv2d, flatten, dense"]}
    text = _as_text(
        settings, [{"group": "lenet", "accuracy": 0.5}], ["try it once more: `cnnlab train lenet --seeds 1,2,3`"]
    )
    assert text.splitlines() == [
        "What differs:",
        "lenet: epochs: 3; layers: 2 conv2d,",
        "    flatten, dense",
        "",
        "group  accuracy",
        "lenet       0.5",
        "",
        "try it once more:",
        "`cnnlab train lenet --seeds 1,2,3`",
    ]


@pytest.mark.parametrize("format", [Format.MD, Format.HTML])
def test_long_settings_are_below_the_table_in_page_formats(two_experiments, tmp_path, format):
    shutil.copytree(two_experiments / "runs", tmp_path / "runs")
    layers = ["flatten", {"dense": 9}, "batch_norm", {"activation": "relu"}, {"dropout": 0.1}, {"dense": 10}]
    change(tmp_path / "runs/tiny-0", lambda record: record["experiment"]["model"].update(layers=layers))
    text = format_comparison(side_by_side([tmp_path / "runs"]), format, published=False)
    table, notes = text.split("</table>" if format is Format.HTML else "\n\n", maxsplit=1)
    assert "layers" not in table
    assert "layers: flatten, 2 dense, batch_norm, activation, dropout" in notes


def test_invalid_requests_are_one_line_errors(trained, tmp_path):
    (tmp_path / "empty").mkdir()
    for arguments, code, part in [
        (["nowhere"], 2, "nowhere: no such folder"),
        ([tmp_path / "empty"], 2, "no runs in this folder"),
        (["runs", "--sort", "acuracy"], 2, "no such column; did you mean 'test_accuracy'?"),
        (["runs", "--metric", "f1"], 2, "--metric f1: no such metric; expected one of accuracy, "),
        (["runs", "--where", "train.epochs=99"], 1, "--where train.epochs=99: true of none of the 1 runs"),
        (["runs", "--where", "epochs"], 2, "expected key=value, such as --where train.epochs=12"),
        (["runs", "--baseline", "tinny"], 2, "--baseline tinny: no such experiment or run here; did you mean 'tiny'?"),
        (["runs", "--top", "0"], 2, "Invalid value for '--top'"),
        (["runs", "--format", "xml"], 2, "Invalid value for '--format'"),
        (["runs", "--plot", tmp_path / "x/y/curves.png"], 1, "curves.png: cannot be written"),
        (["runs", "--plot", tmp_path / "curves.docx"], 2, "expected a file name that ends in .png, .svg or .pdf"),
        (["runs", "--plot", "."], 2, "expected a file name that ends in .png, .svg or .pdf"),
        (["n" * 300], 1, "File name too long"),
    ]:
        assert_one_line(invoke("compare", *arguments, cwd=trained), code, part)
