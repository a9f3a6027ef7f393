"""Downloads are tested here, with servers on loopback."""

import pytest

from cnnlab.data import load
from tests.data.data_files import cnnlab_in, folder_spec, write_classes


@pytest.fixture(autouse=True)
def _may_download(monkeypatch):
    monkeypatch.delenv("CNNLAB_OFFLINE")


@pytest.fixture
def cnnlab(tmp_path, monkeypatch, capsys):
    return cnnlab_in(tmp_path, monkeypatch, capsys)


@pytest.fixture
def pets(data_dir):
    """`train` and `test` with cats and dogs."""
    write_classes(data_dir / "pets" / "train")
    write_classes(data_dir / "pets" / "test", [5], [105, 205])
    return data_dir / "pets"


@pytest.fixture
def only_classes(data_dir):
    """A folder that contains only two classes."""
    write_classes(data_dir / "pets")
    return data_dir / "pets"


@pytest.fixture
def decode_image(data_dir):
    """A function that writes an image four times in each of two classes and returns it decoded."""

    def decode(make, name, **options):
        for place in ("cat/1", "cat/2", "dog/1", "dog/2"):
            path = data_dir / "pets" / f"{place}-{name}"
            path.parent.mkdir(parents=True, exist_ok=True)
            make(path)
        return load(folder_spec(test=2, **options)).train.images[:][0]

    return decode
