"""Data sets of another package, installed for the test."""

import json
import sys
import textwrap

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from cnnlab.data import load
from cnnlab.data.loaders import LOADERS
from cnnlab.experiment.data import DATA_NAMES, Data
from tests.data.data_files import assert_refused

FACES = """
from typing import ClassVar, Literal
import numpy as np
from cnnlab.errors import DataError
from cnnlab.experiment.data.plugin import PluginData

X = np.arange(6 * 4 * 4, dtype=np.uint8).reshape(6, 4, 4)
Y = np.array([0, 1, 0, 1, 0, 1])

class Faces(PluginData):
    \"\"\"Faces.\"\"\"
    name: Literal["faces"]
    brightness: int = 0
    image_shape: ClassVar[tuple[int, int, int]] = (4, 4, 1)
    class_names: ClassVar[tuple[str, ...]] = ("woman", "man")

    def read(self):
        return {read}

class Nameless(PluginData):
    name: Literal["faces"]
    image_shape: ClassVar[tuple[int, int, int]] = (4, 4, 1)

class Stranger:
    pass
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """A function that installs a package whose class `Faces` returns the expression `read`."""

    def install(read="X + self.brightness, Y, X[:2], Y[:2]", entry="faces_of_test:Faces"):
        site = tmp_path / "site"
        about = site / "faces_of_test-1.dist-info"
        about.mkdir(parents=True)
        (site / "faces_of_test.py").write_text(FACES.replace("{read}", read))
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: faces-of-test\nVersion: 1\n")
        (about / "entry_points.txt").write_text(f"[cnnlab.data]\nfaces = {entry}\n")
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.delitem(sys.modules, "faces_of_test", raising=False)

    return install


def spec(**options):
    value = {"name": "faces", "validation": 0, **options} if options else "faces"
    return TypeAdapter(Data).validate_python(value)


def test_a_data_set_of_another_package_is_loaded_by_name(data_dir, install):
    install()
    dataset = load(spec())
    assert dataset.name == "faces"
    assert dataset.image_shape == (4, 4, 1)
    assert dataset.class_names == ("woman", "man")
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (5, 1, 2)
    assert dataset.test.images[0, 0, :, 0].tolist() == [0, 1, 2, 3]
    assert dataset.test.labels.dtype == np.int32
    assert dataset.genuine is None


def test_its_fields_are_options_in_addition_to_the_common_ones(data_dir, install):
    install()
    dataset = load(spec(brightness=50, classes=["man", "woman"]))
    assert dataset.test.images[0, 0, :, 0].tolist() == [0, 1, 2, 3]
    assert dataset.train.images[0, 0, 0, 0] == 50
    assert dataset.train.labels.tolist()[:2] == [1, 0]


def test_labels_may_be_one_hot_and_images_in_colour(data_dir, install):
    install("X[..., None], np.eye(2)[Y], X[:2, ..., None], Y[:2, None]")
    dataset = load(spec(validation="test"))
    assert dataset.train.labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert dataset.test.labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("read", "message"),
    [
        ("X / 255, Y, X, Y", "x_train: 3 dimensions of float64; expected images, uint8 in [0, 255]"),
        ("X, Y, X.reshape(6, 16), Y", "x_test: 2 dimensions of uint8; expected images"),
        ("X[:, :3], Y, X, Y", "x_train: images of 3×4×1, expected 4×4×1"),
        ("X, Y[1:], X, Y", "y_train: 5 labels for the 6 images of faces: x_train"),
        ("X, Y, X, Y + 1", "y_test: has a label 2; the labels of 2 classes are 0 to 1"),
        ("X, Y - 1, X, Y", "y_train: has a label -1; the labels of 2 classes are 0 to 1"),
        ("X, Y / 2, X, Y", "y_train: labels of shape (6,) and type float64"),
        ("X, Y, X[:0], Y[:0]", "y_test: has no examples"),
        ("X, Y", "read() returns 2 values; expected x_train, y_train, x_test, y_test"),
        ("None", "reading it failed: TypeError: "),
        ("[X, X[1:]], Y, X, Y", "reading it failed: ValueError: "),
        ("1 / 0", "reading it failed: ZeroDivisionError: division by zero"),
        ("open('/nowhere/faces')", "reading it failed: FileNotFoundError: [Errno 2] No such file"),
        ("super().read()", "reading it failed: NotImplementedError: Faces.read"),
        ("int('several\\nlines')", "reading it failed: ValueError: "),
    ],
)
def test_its_data_are_validated_and_its_exceptions_reported(data_dir, install, read, message):
    install(read)
    assert_refused(spec(), f"faces: {message}")


def test_its_data_error_is_reported_unchanged(data_dir, install):
    install("(_ for _ in ()).throw(DataError('faces.zip: damaged; get it anew'))")
    assert_refused(spec(), "faces.zip: damaged; get it anew")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("faces_of_test:Stranger", "faces: faces_of_test:Stranger is no subclass of PluginData"),
        ("faces_of_test:Y", "faces: faces_of_test:Y is no subclass of PluginData"),
        ("faces_of_test:Nameless", "faces: faces_of_test:Nameless lacks class_names"),
        ("faces_of_test:Missing", "faces: faces_of_test:Missing cannot be imported: "),
        ("faces_of_nobody:Faces", "faces: faces_of_nobody:Faces cannot be imported: No module named 'faces_of_nobody'"),
    ],
)
def test_an_entry_point_that_is_not_a_data_set_is_reported_as_a_config_problem(install, entry, message):
    install(entry=entry)
    with pytest.raises(ValidationError) as caught:
        spec()
    (problem,) = caught.value.errors()
    assert problem["msg"].startswith(message)


def test_an_unknown_name_stays_unknown(install):
    install()
    with pytest.raises(ValidationError, match="union_tag_invalid"):
        TypeAdapter(Data).validate_python("races")


def experiment(tmp_path, data):
    path = tmp_path / "x.yaml"
    path.write_text(
        textwrap.dedent(f"""\
        name: x
        data: {data}
        model: {{layers: [flatten, {{dense: 2}}]}}
        train: {{epochs: 1, batch_size: 2, optimizer: sgd}}
        """)
    )
    return path


def test_it_can_be_used_in_an_experiment_and_is_listed(tmp_path, data_dir, install, cnnlab):
    install()
    done = cnnlab("data", "info", experiment(tmp_path, "faces"), "--format", "json")
    assert done.returncode == 0, done.stderr
    assert [entry["class"] for entry in json.loads(done.stdout)["classes"]] == ["woman", "man"]
    done = cnnlab("data", "list")
    assert any(line.split()[0] == "faces" for line in done.stdout.splitlines() if line)


def test_an_unknown_option_is_named_with_its_place(tmp_path, data_dir, install, cnnlab):
    install()
    done = cnnlab("data", "info", experiment(tmp_path, "{name: faces, brightnes: 3}"))
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "x.yaml:2:" in done.stderr
    assert "unknown key" in done.stderr
    assert "brightness" in done.stderr


def test_every_built_in_data_set_has_a_loader():
    assert set(LOADERS) == set(DATA_NAMES)
