"""`cnnlab report` and `cnnlab train --report`."""

import json
import os
import re
import shutil
import webbrowser

import pytest

from cnnlab.runs import Run
from tests.conftest import assert_one_line, make_run


@pytest.fixture
def run(trained, tmp_path):
    """A trained run that may be changed."""
    shutil.copytree(trained / "runs", tmp_path / "runs")
    return tmp_path / "runs/tiny-1"


def text_of(page):
    """What a page says."""
    without_scripts = re.sub(r"<(style|script).*?</\1>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", without_scripts))


def change(run, **changes):
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, **changes}))


def test_the_page_of_a_run_is_in_its_folder_and_can_be_written_again(cnnlab, run, tmp_path):
    for _ in range(2):
        done = cnnlab("report", "runs/tiny-1")
        assert (done.returncode, done.stdout, done.stderr) == (0, "report: runs/tiny-1/report.html\n", "")
    measured = json.loads((run / "evaluation/test.json").read_text())
    text = text_of(run / "report.html")
    assert f"{100 * measured['accuracy']:.2f} % of 200 test images are predicted right" in text
    for row in measured["classes"]:
        assert f"{row['precision']:.4f}" in text
    assert "cnnlab train runs/tiny-1/config.yaml" in text
    assert "cnnlab verify runs/tiny-1" in text
    assert "conv2d_0" in text


def test_several_runs_are_compared_and_each_has_a_section(cnnlab, run, tmp_path):
    shutil.copytree(run, run.parent / "tiny-2")
    record = json.loads((run.parent / "tiny-2/run.json").read_text())
    record["experiment"]["seed"] = 1
    record["results"]["test_accuracy"] -= 0.1
    (run.parent / "tiny-2/run.json").write_text(json.dumps(record))
    done = cnnlab("report", "runs")
    assert (done.returncode, done.stdout) == (0, "report: runs/report.html\n")
    text = text_of(run.parent / "report.html")
    assert "1 experiment, 2 runs" in text
    assert "tiny-1 (finished)" in text
    assert "tiny-2 (finished)" in text
    mean = record["results"]["test_accuracy"] + 0.05
    assert f"{mean:.4f} ± 0.0707" in text


def test_runs_that_did_not_finish_have_a_page_too(cnnlab, run):
    change(run, status="diverged", error="diverged: the loss is nan")
    assert cnnlab("report", "runs/tiny-1").returncode == 0
    text = text_of(run / "report.html")
    assert "Training diverged after 2 of 2 epochs: the loss is nan" in text
    assert "a training is judged when it has finished" in text
    assert "cnnlab look" not in text
    assert "cnnlab verify runs" not in text
    assert cnnlab("report", "runs").returncode == 0
    assert "None of these runs is finished." in text_of(run.parent / "report.html")


def test_a_run_that_was_just_begun_has_a_page(cnnlab, tmp_path):
    make_run(tmp_path / "runs", "tiny", "tiny-1", {"status": "running"})
    assert cnnlab("report", "runs/tiny-1").returncode == 0
    text = text_of(tmp_path / "runs/tiny-1/report.html")
    assert "Training did not finish: crashed after 0 of 2 epochs" in text
    assert "No epoch was finished." in text


def test_the_page_names_the_runs_that_cannot_be_read(cnnlab, run):
    for name in ("a", "b"):
        shutil.copytree(run, run.parent / name)
        (run.parent / name / "run.json").write_text("{")
    done = cnnlab("report", "runs")
    assert done.returncode == 0
    assert done.stderr.count("damaged") == 2
    text = text_of(run.parent / "report.html")
    assert "2 runs are left out, whose run.json cannot be read: runs/a, runs/b." in text
    change(run, status="interrupted")
    assert cnnlab("report", "runs").returncode == 0
    assert "2 runs are left out" in text_of(run.parent / "report.html")


def test_damaged_measurements_of_validation_examples_are_said_to_be(cnnlab, run):
    (run / "evaluation/validation.json").write_text("{")
    assert cnnlab("report", "runs/tiny-1").returncode == 0
    page = text_of(run / "report.html")
    command = "cnnlab evaluate runs/tiny-1 --split validation"
    assert f"evaluation/validation.json is missing or damaged: {command} writes it again." in page


def test_the_page_says_that_curves_are_of_fewer_runs(cnnlab, run):
    shutil.copytree(run, run.parent / "tiny-2")
    change(run.parent / "tiny-2", experiment={**json.loads((run / "run.json").read_text())["experiment"], "seed": 1})
    (run / "metrics.csv").unlink()
    cnnlab("report", "runs")
    notice = "1 of these runs has no metrics.csv that can be read: not in the curves."
    assert notice in text_of(run.parent / "report.html")
    (run.parent / "tiny-2/metrics.csv").unlink()
    cnnlab("report", "runs")
    assert "None of these runs has a metrics.csv that can be read" in text_of(run.parent / "report.html")


def test_without_the_data_the_page_says_so(cnnlab, run, monkeypatch):
    record = json.loads((run / "run.json").read_text())
    change(run, data={**record["data"], "fingerprint": "0" * 64})
    assert cnnlab("report", "runs/tiny-1").returncode == 0
    assert "other examples than it was trained on" in text_of(run / "report.html")


MISSING = {
    "metrics.csv": "metrics.csv is missing or damaged: there are no curves.",
    "config.yaml": "It cannot be trained again from this folder: config.yaml ",
    "evaluation/test.json": "evaluation/test.json is missing or damaged: cnnlab evaluate runs/tiny-1 writes it again.",
    "evaluation/test-predictions.csv": "the file of predictions is missing or damaged",
}


@pytest.mark.parametrize("name", MISSING)
@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b'{"accuracy": "x"}', b"a,b\n1\n", b"[" * 100_000])
def test_the_page_says_what_is_missing_or_damaged(cnnlab, run, name, content):
    if content is None:
        (run / name).unlink()
    else:
        (run / name).write_bytes(content)
    done = cnnlab("report", "runs/tiny-1")
    assert done.returncode == 0, done.stderr
    assert MISSING[name] in text_of(run / "report.html")


CONFIGS = {
    None: "is missing",
    b" \n": "is empty",
    b"\xff\xfe": "cannot be read",
    b"name: [": "is no valid experiment",
}


@pytest.mark.parametrize("content", CONFIGS)
@pytest.mark.parametrize("status", ["finished", "interrupted"])
def test_no_command_is_proposed_that_needs_a_config_which_is_not_there(cnnlab, run, content, status):
    (run / "config.yaml").unlink()
    if content is not None:
        (run / "config.yaml").write_bytes(content)
    change(run, status=status)
    assert cnnlab("report", "runs/tiny-1").returncode == 0
    text = text_of(run / "report.html")
    assert f"It cannot be trained again from this folder: config.yaml {CONFIGS[content]}." in text
    assert f"Architecture and all hyperparameters config.yaml {CONFIGS[content]}" in text
    for command in ("train", "verify", "evaluate", "look", "resume"):
        assert f"cnnlab {command} runs/tiny-1" not in text


def test_the_page_says_why_a_run_cannot_be_verified(cnnlab, run):
    (run / "weights.safetensors").unlink()
    (run / "metrics.csv").unlink()
    assert cnnlab("report", "runs/tiny-1").returncode == 0
    text = text_of(run / "report.html")
    assert "It cannot be verified: weights.safetensors and metrics.csv missing." in text
    assert "cnnlab verify" not in text.partition("Reproducibility checklist")[0]
    assert "cnnlab look runs" not in text
    config = run / "config.yaml"
    callback = "callbacks: [{callback: {path: module.Class}}]"
    config.write_text(re.sub(r"callbacks: \[\]", callback, config.read_text()))
    assert callback in config.read_text()
    assert cnnlab("report", "runs/tiny-1").returncode == 0
    assert "it has a user callback, and verifying imports no code" in text_of(run / "report.html")


def test_a_run_folder_that_begins_with_a_hyphen_is_no_option(cnnlab, run):
    run.rename(run.parents[1] / "-x")
    assert cnnlab("report", "./-x").returncode == 0
    text = text_of(run.parents[1] / "-x/report.html")
    assert "cnnlab verify ./-x" in text
    assert "cnnlab train ./-x/config.yaml" in text
    assert "cnnlab look ./-x --what" in text


def test_the_environment_has_the_threads(cnnlab, run):
    change(run, threads={"within_operations": 3, "between_operations": 5, "cores": 8})
    assert cnnlab("report", "runs/tiny-1").returncode == 0
    text = text_of(run / "report.html")
    assert "cores 8 threads within an operation 3 operations at the same time 5" in text


def test_one_example_is_not_said_to_be_several(cnnlab, run):
    measured = json.loads((run / "evaluation/test.json").read_text())
    for one in measured["calibration"]:
        one["examples"] = 1
    (run / "evaluation/test.json").write_text(json.dumps({**measured, "examples": 1}))
    assert cnnlab("report", "runs/tiny-1").returncode == 0
    page = (run / "report.html").read_text()
    assert "1 example&#34;" in page
    assert not re.findall(r"[^\d,.]1 (?:test )?(?:examples|images)", page)
    assert "of 1 test image is predicted right" in page.replace("\u00a0", " ")


def test_images_of_look_are_shown_where_they_exist(cnnlab, run):
    from PIL import Image

    cnnlab("report", "runs/tiny-1")
    without = (run / "report.html").read_text()
    assert "cnnlab look runs/tiny-1" in without
    (run / "look").mkdir()
    Image.new("RGB", (3000, 500), "white").save(run / "look/filters.png")
    cnnlab("report", "runs/tiny-1")
    page = (run / "report.html").read_text()
    assert "cnnlab look" not in page
    assert page.count("data:image/") == without.count("data:image/") + 1


def test_options_of_compare_choose_runs(cnnlab, run):
    shutil.copytree(run, run.parent / "other-1")
    record = json.loads((run / "run.json").read_text())
    other = {**record["experiment"], "name": "other", "train": {**record["experiment"]["train"], "batch_size": 32}}
    change(run.parent / "other-1", experiment=other)
    cnnlab("report", "runs", "--where", "train.batch_size=32")
    text = text_of(run.parent / "report.html")
    assert "other-1 (finished)" in text
    assert "tiny-1 (finished)" not in text
    assert cnnlab("report", "runs", "--baseline", "tiny", "--out", "page.html").returncode == 0
    assert "tiny is the baseline" in text_of(run.parents[1] / "page.html")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nowhere"], 2, ["nowhere: no such folder"]),
        (["runs/tiny-1", "--metric", "test_loss"], 2, ["--metric: is for several runs, and runs/tiny-1 is one"]),
        (["runs/tiny-1", "--out", "tiny.yaml"], 2, ["--out tiny.yaml: exists, and is no report of cnnlab"]),
        (["runs/tiny-1", "--out", "runs"], 2, ["--out runs: is a folder; expected a file, such as runs/report.html"]),
        (
            ["runs/tiny-1", "--format", "md", "--out", "runs"],
            2,
            ["--out runs: exists, and is not a report in Markdown"],
        ),
        (["tiny.yaml"], 2, ["cnnlab: tiny.yaml: is a file; expected a run folder"]),
        (["runs/tiny-1/run.json"], 2, ["cnnlab: runs/tiny-1/run.json: is a file; expected a run folder"]),
        (["runs", "--out", "-"], 2, ["--out -: a report is not printed; expected the name of a file"]),
        (["runs", "--out", "-", "--format", "md"], 2, ["--out -: a report is not printed; expected the name of a fol"]),
        (["runs", "--metric", "speed"], 2, ["--metric speed: no such metric"]),
        (["runs", "--where", "train.epochs=99"], 1, ["train.epochs=99: true of none"]),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(cnnlab, run, tmp_path, arguments, code, words):
    (tmp_path / "tiny.yaml").write_text("name: tiny\n")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    done = cnnlab("report", *arguments)
    assert_one_line(done, code, *words)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("target", ["pipe", "link", "/dev/null"])
def test_what_is_not_a_regular_file_is_refused_without_reading_it(cnnlab, run, tmp_path, target):
    os.mkfifo(tmp_path / "pipe")  # reading it would wait for a writer
    (tmp_path / "link").symlink_to("pipe")
    for runs in ("runs", "runs/tiny-1"):
        assert_one_line(cnnlab("report", runs, "--out", target), 2, f"--out {target}: is not a regular file")


@pytest.mark.parametrize(
    "name",
    ["config.yaml", "metrics.csv", "evaluation/test.json", "evaluation/test-predictions.csv", "look/filters.png"],
)
def test_a_pipe_in_a_run_folder_is_not_waited_for(cnnlab, run, name):
    (run / "look").mkdir()
    (run / name).unlink(missing_ok=True)
    os.mkfifo(run / name)
    os.mkfifo(run / "look/saliency-example-3.png")
    assert cnnlab("report", "runs/tiny-1").returncode == 0


def test_what_is_in_the_way_of_the_default_page_is_named_as_it_is(cnnlab, run):
    (run / "report.html").mkdir()
    line = "cnnlab: runs/tiny-1/report.html: is a folder; name another file, such as --out my-report.html"
    assert_one_line(cnnlab("report", "runs/tiny-1"), 2, line)
    (run / "report.html").rmdir()
    os.mkfifo(run / "report.html")
    assert_one_line(cnnlab("report", "runs/tiny-1"), 2, "cnnlab: runs/tiny-1/report.html: is not a regular file")
    (run / "report").write_text("")
    line = "runs/tiny-1/report: exists, and is not a report in Markdown; name another folder, such as --out my-report"
    assert_one_line(cnnlab("report", "runs/tiny-1", "--format", "md"), 2, line)


def test_markdown_is_a_folder_with_png_files(cnnlab, run):
    for _ in range(2):
        done = cnnlab("report", "runs/tiny-1", "--format", "md")
        assert (done.returncode, done.stdout) == (0, "report: runs/tiny-1/report/report.md\n")
    text = (run / "report/report.md").read_text()
    files = set(re.findall(r"\]\((report-files/[^)]+)\)", text))
    assert files == {f"report-files/{path.name}" for path in (run / "report/report-files").iterdir()}
    assert {path.read_bytes()[:4] for path in (run / "report/report-files").iterdir()} == {b"\x89PNG"}


def test_open_opens_the_browser(cnnlab, run, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: bool(opened.append(address)) or True)
    assert cnnlab("report", "runs/tiny-1", "--open").returncode == 0
    assert opened == [(run / "report.html").as_uri()]
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    done = cnnlab("report", "runs/tiny-1", "--open")
    assert done.returncode == 1
    assert "no browser was found; open runs/tiny-1/report.html in one" in done.stderr


@pytest.mark.parametrize(
    ("seeds", "page"), [([], "runs/tiny-1/report.html"), (["--seeds", "2"], "runs/tiny-1-to-tiny-2-report.html")]
)
def test_training_writes_it_at_the_end(cnnlab, trained, tmp_path, seeds, page):
    shutil.copy(trained / "tiny.yaml", tmp_path)
    done = cnnlab("train", "tiny.yaml", "--quiet", "--report", *seeds, "--epochs", "1")
    assert done.returncode == 0, done.stderr
    assert f"report: {page}" in done.stderr
    assert "1 of 1" in text_of(tmp_path / page)
    record = Run(tmp_path / "runs/tiny-1").record()
    assert len(record.test_uses) == 1  # the report is made of what training measured
