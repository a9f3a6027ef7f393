"""`cnnlab data verify`: pairs of equal and nearly equal images, and names that look grouped."""

import csv
import json
import re
import shlex

import numpy as np
import pytest
from PIL import Image

from tests.conftest import assert_one_line
from tests.data.data_files import cnnlab_in
from tests.plots.figure_texts import texts


@pytest.fixture
def cnnlab(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CNNLAB_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cnnlab_in(tmp_path, monkeypatch, capsys)


@pytest.fixture
def people(tmp_path):
    """Photographs of 8 people, each with a cat, a dog and a fox, of which two are there twice."""
    random = np.random.default_rng(1)
    for number in range(24):
        place = tmp_path / f"pets/{('cat', 'dog', 'fox')[number % 3]}"
        place.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(random.integers(0, 256, (5, 5), dtype=np.uint8))
        coarse.resize((16, 16), Image.Resampling.BICUBIC).save(place / f"DSC_{4000 + number}.png")
    first = np.asarray(Image.open(tmp_path / "pets/cat/DSC_4000.png"))
    Image.fromarray((first * 0.7 + 20).astype(np.uint8)).save(tmp_path / "pets/dog/DSC_4024.png")
    (tmp_path / "pets/cat/DSC_4030.png").write_bytes((tmp_path / "pets/cat/DSC_4003.png").read_bytes())
    return tmp_path


VERIFY = ("data", "verify", "pets", "--set", "data.image_size=16", "--set", "data.channels=1", "--set", "data.test=4")


def test_pairs_are_findings_rows_of_a_table_and_images_side_by_side(cnnlab, people, figures):
    done = cnnlab(*VERIFY, "--format", "json", "--plot", "new/pairs.png", "--pairs", "new/of/pairs.csv")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    kinds = {finding["kind"] for finding in found["findings"]}
    assert "near-contradictions" in kinds
    assert kinds & {"duplicates", "leak"}
    assert kinds & {"near-duplicates", "near-leak"}
    equal, near = found["pairs"]
    assert (equal["kind"], equal["same_label"], equal["correlation"]) == ("equal", True, 1)
    assert {equal["file_1"], equal["file_2"]} == {"cat/DSC_4003.png", "cat/DSC_4030.png"}
    assert (near["kind"], near["same_label"], {near["label_1"], near["label_2"]}) == ("near", False, {"cat", "dog"})
    with (people / "new/of/pairs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["file_2"] for row in rows] == [equal["file_2"], near["file_2"]]
    (drawn,) = figures
    shown = "".join(text for text, _ in texts(drawn)).replace(" ", "")
    assert "folder:2pairsofequalornearlyequalimages" in shown
    assert shown.index("DSC_4024") < shown.index("DSC_4030")  # different labels first
    assert "pairs.png: orange captions: different labels" in done.stderr
    assert "pairs.csv: 2 pairs" in done.stderr
    assert cnnlab(*VERIFY, "--pairs", "new/of/pairs.csv").returncode == 0  # written anew


def test_no_pairs_no_figure(cnnlab, tmp_path):
    done = cnnlab("data", "verify", "digits", "--plot", "pairs.png")
    assert done.returncode == 0
    assert "--plot pairs.png: not drawn, since no images are equal or nearly equal" in done.stderr
    assert not (tmp_path / "pairs.png").exists()


def test_the_similarity_is_chosen(cnnlab):
    done = cnnlab("data", "verify", "digits", "--similarity", 0.98, "--format", "json")
    pairs = json.loads(done.stdout)["pairs"]
    assert pairs
    assert all(pair["correlation"] >= 0.98 for pair in pairs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--plot", "pairs.txt"], "--plot pairs.txt: "),
        (["--pairs", "pairs.txt"], "--pairs pairs.txt: expected a file name that ends in .csv"),
        (["--pairs", "mine.csv"], "--pairs mine.csv: exists, and is no table of pairs; name another file"),
        (["--pairs", "folder.csv"], "--pairs folder.csv: "),
        (["--similarity", "0.5"], "--similarity"),
    ],
)
def test_unusable_options_are_refused_before_the_data_are_read(cnnlab, tmp_path, options, message):
    (tmp_path / "mine.csv").write_text("precious")
    (tmp_path / "folder.csv").mkdir()
    assert_one_line(cnnlab("data", "verify", "nowhere/", *options), 2, message)
    assert (tmp_path / "mine.csv").read_text() == "precious"


def test_the_proposed_group_can_be_pasted(cnnlab, people):
    (line,) = [line for line in cnnlab(*VERIFY).stdout.splitlines() if "look grouped" in line]
    assert "consecutive numbers go through the classes (8 groups of 3 to 5 images)" in line
    proposal = shlex.split(re.search("--set .*", line)[0])
    assert proposal == ["--set", "data.group={rounds: '^DSC_([0-9]+)'}"]
    done = cnnlab(*VERIFY, *proposal)
    assert done.returncode == 0, done.stderr
    assert "look grouped" not in done.stdout
    assert "data.group: 8 groups, none divided by a split" in cnnlab("data", "info", *VERIFY[2:], *proposal).stderr
