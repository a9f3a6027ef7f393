"""Reports of run folders in which every text that can be is an attack."""

import json
import re
import shutil
from dataclasses import replace

import pytest

from cnnlab.analysis.compare import compare_records
from cnnlab.report.build import of_one, of_several
from cnnlab.report.html import render
from cnnlab.report.markdown import write
from cnnlab.runs import Run, files
from tests.report.hostile import HACK, TEXTS
from tests.report.test_in_browser import ALL_USED, FOUND, browser, overflow, visit, wide  # noqa: F401 - fixtures


def attacked(run, text):
    """The run folder, with `text` wherever run.json and the other files may have any."""
    record = json.loads((run / "run.json").read_text())
    data = record["data"]
    data["classes"] = [f"{number}{text}" for number in range(len(data["classes"]))]
    record["experiment"]["name"] = text or "x"
    record["experiment"]["data"]["name"] = text or "x"
    for part in (record["versions"], record["cpu"], record["devices"], record["data"]):
        for key, value in part.items():
            if isinstance(value, str):
                part[key] = text
    record["devices"]["devices"] = [text]
    record["versions"][text] = text
    changes = {"error": text, "findings": [text], "test_uses": [{"by": text, "when": text}] * 2, "started": text}
    (run / "run.json").write_text(json.dumps({**record, **changes, "experiment_sha256": text}))
    measured = json.loads((run / "evaluation/test.json").read_text())
    for row, name in zip(measured["classes"], data["classes"], strict=True):
        row["class"] = name
    (run / "evaluation/test.json").write_text(json.dumps({**measured, "top_k": {text: 0.5}, "absent_classes": [text]}))
    with (run / "config.yaml").open("a", encoding="utf-8", errors="replace") as config:
        config.write(f"\n# {' '.join(text.split())}\n")
    table = (run / "metrics.csv").read_text().splitlines()
    columns = ",".join([table[0], '"' + text.replace('"', '""').replace("\x00", "") + '"'])
    lines = [columns, *(f"{line},1" for line in table[1:])]
    (run / "metrics.csv").write_text("\n".join(lines), encoding="utf-8", errors="replace")
    return Run(run)


@pytest.fixture(scope="module")
def document(trained, tmp_path_factory):
    """The report of a run for each attack, of different experiments, and of one that failed."""
    folder = tmp_path_factory.mktemp("hostile")
    records = []
    for number, (name, text) in enumerate([*TEXTS.items(), ("failed", TEXTS["script"])]):
        run = attacked(shutil.copytree(trained / "runs/tiny-1", folder / f"{number}-{name}"), text)
        experiment = run.record().raw["experiment"]
        experiment["train"]["epochs"] = number + 1
        run.update({"experiment": experiment, "status": "failed" if name == "failed" else "finished"})
        records.append(run.record())
    several = of_several(records, compare_records(records, [folder]))
    sections = [section for record in records for section in of_one(record).sections]
    alone = [replace(section, key=f"{number}-{section.key}") for number, section in enumerate(sections)]
    return replace(several, sections=[*several.sections, *alone])


def test_nothing_of_a_run_folder_becomes_markup(document):
    page = render(document)
    assert f"<script>{HACK}" not in page
    assert "<img src=x" not in page
    assert page.count("<script") == 1


def test_nothing_of_a_run_folder_becomes_html_in_markdown(document, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "write_folder", lambda folder, save: None)  # the images take long
    text = write(document, tmp_path).read_text()
    assert "<script" not in re.sub(r"(?ms)^(`{3,}).*?^\1$", "", text)  # but in blocks of code


@pytest.mark.skipif(FOUND is None, reason="no browser is installed")
def test_nothing_of_a_run_folder_runs(document, visit):  # noqa: F811
    page = visit(document, **wide(360))
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.evaluate(ALL_USED)
    assert page.evaluate("window.hacked") is None
    assert overflow(page) <= 0
