"""The cache of decoded images, and the processes that decode."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import types

import numpy as np
import pytest
from PIL import Image

from cnnlab.data import decoded, load
from cnnlab.data.fingerprint import fingerprint
from cnnlab.data.fingerprint import record as fingerprint_record
from cnnlab.data.sources import image_files as folder_source
from cnnlab.data.stored import digests_of
from cnnlab.errors import DataError
from cnnlab.images import batch, pool
from tests.conftest import DATA_DIR, needs_cifar10_folder
from tests.data.data_files import (
    CATS,
    DOGS,
    assert_refused,
    grey_values,
    warnings_about_files,
    write_classes,
    write_image,
)
from tests.data.data_files import folder_spec as spec


@pytest.fixture
def decodings(monkeypatch):
    """Records the number of images of each decoding."""
    counts = []

    def counted(path, files, size, levels):
        counts.append(len(files))
        return batch.decode_into(path, files, size, levels)

    monkeypatch.setattr(decoded, "decode_into", counted)
    return counts


def cache_of(tmp_path):
    (folder,) = (tmp_path / "cache" / "cnnlab" / "decoded").iterdir()
    return folder


def test_images_are_decoded_once(pets, decodings):
    first, second = load(spec()), load(spec())
    assert decodings == [17]
    assert grey_values(second.train) == grey_values(first.train) == [*CATS, *DOGS]
    for examples in (second.train, second.test):
        np.testing.assert_array_equal(examples.digests, digests_of(examples.images[:]))


def test_each_size_colour_and_fit_has_a_separate_cache(pets, decodings):
    specs = [
        spec(),
        spec(image_size=[4, 5]),
        spec(image_size=[5, 4]),
        spec(channels=3),
        spec(fit="pad"),
        spec(fit="crop"),
    ]
    for _ in range(2):
        for each in specs:
            assert load(each).image_shape == each.image_shape
    assert decodings == [17] * len(specs)


def test_folders_with_the_same_name_have_separate_caches(pets, tmp_path, decodings):
    write_classes(tmp_path / "other" / "pets", [1, 2], [101, 102])
    for _ in range(2):
        assert grey_values(load(spec(test=2, path=str(tmp_path / "other" / "pets"))).train) != grey_values(
            load(spec()).train
        )
    assert decodings == [4, 17]


def swap(cat, dog):
    """Swap two files of equal length, with their modification times."""
    first, second = cat / "010.png", dog / "110.png"
    for path in (first, second):
        path.write_bytes(path.read_bytes().ljust(200, b"\0"))  # data after the last chunk of a PNG is ignored
        os.utime(path, (1262304000,) * 2)
    load(spec())
    first.rename(cat / "new")
    second.rename(first)
    (cat / "new").rename(second)


def write_in_place(path):
    """Another image of the same length, with the same time, in the same inode."""
    status = path.stat()
    content = write_image(path.with_name("new.png"), 15).read_bytes()
    path.with_name("new.png").unlink()
    assert len(content) == status.st_size
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


CHANGES = {
    "swapped with one of another class": lambda cat: swap(cat, cat.parent / "dog"),
    "written in place": lambda cat: write_in_place(cat / "010.png"),
    "written": lambda cat: write_image(cat / "010.png", 15),
    "replaced": lambda cat: (write_image(cat / "new.png", 15), os.replace(cat / "new.png", cat / "010.png")),
    "added": lambda cat: write_image(cat / "015.png", 15),
    "removed": lambda cat: (cat / "010.png").unlink(),
    "renamed": lambda cat: (cat / "010.png").rename(cat / "099.png"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_folder_is_decoded_again(pets, decodings, capsys, change):
    before = load(spec())
    cat = pets / "train" / "cat"
    CHANGES[change](cat)
    count = len(decodings)
    dataset = load(spec())
    assert len(decodings) == count + 1
    assert fingerprint(dataset) != fingerprint(before)
    shown = [
        np.asarray(Image.open(path))[0, 0]
        for path in (*sorted(cat.iterdir()), *sorted((pets / "train" / "dog").iterdir()))
    ]
    assert grey_values(dataset.train) == shown
    assert load(spec()).train.files.tolist() == dataset.train.files.tolist()
    assert len(decodings) == count + 1
    assert warnings_about_files(capsys.readouterr().err) == ""


def test_verify_decodes_again_and_names_files_whose_cached_pixels_differ(pets, tmp_path, decodings):
    """Also where no metadata show a change, such as after a clock was set back."""
    load(spec())
    folder = cache_of(tmp_path)
    with np.load(folder / "index.npz") as index:
        arrays = dict(index)
    pixels = np.fromfile(folder / "pixels.bin", np.uint8).reshape(17, 4, 4, 1)
    pixels[2] += 1
    pixels.tofile(folder / "pixels.bin")
    np.savez(folder / "index.npz", **{**arrays, "digests": digests_of(pixels)})
    assert grey_values(load(spec()).train)[2] == CATS[2] + 1
    assert folder_source.verify(spec()) == ({}, [str(pets / "train/cat/030.png")])
    assert folder_source.verify(spec()) == ({}, [])
    assert grey_values(load(spec()).train) == [*CATS, *DOGS]
    assert len(decodings) == 3


def test_a_file_is_not_read_while_another_change_could_get_the_same_time(pets, monkeypatch):
    waited = []
    monkeypatch.setattr(decoded.time, "sleep", waited.append)
    write_image(pets / "train" / "cat" / "010.png", 15)
    load(spec())
    assert 0 < waited[-1] <= decoded.TICK
    for path in pets.rglob("*.png"):
        os.utime(path, (1262304000,) * 2)
    monkeypatch.setattr(decoded.time, "time", lambda: os.stat(path).st_ctime + 1)
    load(spec())
    assert waited[-1] == 0


def test_undecodable_files_are_skipped_if_the_experiment_allows_it(pets, tmp_path, decodings, capsys):
    for name in ("cat/090.png", "dog/005.png"):
        (pets / "train" / name).write_bytes(b"no image")
    write_image(pets / "test" / "cat" / "006.png").write_bytes(b"")
    for _ in range(2):
        dataset = load(spec(on_error="skip"))
        assert grey_values(dataset.train) == [*CATS, *DOGS]
        assert dataset.train.labels.tolist() == [0] * len(CATS) + [1] * len(DOGS)
        assert grey_values(dataset.test) == [5, 105, 205]
        assert {os.path.relpath(path, pets): reason[:9] for path, reason in dataset.origin.skipped.items()} == {
            "train/cat/090.png": "is not an", "train/dog/005.png": "is not an", "test/cat/006.png": "is empty",
        }  # fmt: skip
        assert "3 of 20 files cannot be decoded and are skipped, such as " in capsys.readouterr().err
    assert decodings == [20]
    assert fingerprint_record(dataset)["skipped"] == dict(dataset.origin.skipped)
    assert_refused(spec(), f"{pets / 'train/cat/090.png'}: is not an image")


def test_a_split_of_only_damaged_files_is_an_error(pets):
    for path in (pets / "test").rglob("*.png"):
        path.write_bytes(b"")
    assert_refused(spec(on_error="skip"), f"{pets}: test: none of its images can be decoded")


def test_a_renamed_class_is_decoded_again(pets, decodings):
    load(spec())
    for part in ("train", "test"):
        (pets / part / "cat").rename(pets / part / "emu")
    assert grey_values(load(spec()).train) == [*DOGS, *CATS]


def flip(path, place=-1):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def entry_with(place, value):
    """The index with one byte changed in its list of members."""

    def damage(folder):
        path = folder / "index.npz"
        content = bytearray(path.read_bytes())
        content[content.find(b"PK\x01\x02") + place] = value
        path.write_bytes(content)

    return damage


DAMAGES = {
    "a bit of a pixel": lambda folder: flip(folder / "pixels.bin"),
    "pixels truncated": lambda folder: os.truncate(folder / "pixels.bin", 100),
    "pixels longer": lambda folder: os.truncate(folder / "pixels.bin", 100_000),
    "no pixels": lambda folder: (folder / "pixels.bin").unlink(),
    "index truncated": lambda folder: os.truncate(folder / "index.npz", 300),
    "index empty": lambda folder: os.truncate(folder / "index.npz", 0),
    "index of text": lambda folder: (folder / "index.npz").write_text("no index"),
    "a bit of a digest": lambda folder: flip(folder / "index.npz", (folder / "index.npz").read_bytes().find(b"digests") + 200),
    "encrypted": entry_with(8, 1),
    "compression that is none": entry_with(10, 77),
    "version that is none": entry_with(6, 99),
    "other arrays": lambda folder: np.savez(folder / "index.npz", a=1),
}  # fmt: skip


@pytest.mark.parametrize("damage", [*DAMAGES])
def test_a_damaged_cache_is_detected_with_a_warning_and_repaired(pets, tmp_path, decodings, capsys, damage):
    load(spec())
    folder = cache_of(tmp_path)
    DAMAGES[damage](folder)
    assert grey_values(load(spec()).train) == [*CATS, *DOGS]
    assert (
        warnings_about_files(capsys.readouterr().err)
        == f"cnnlab: warning: {folder}: damaged; decoding the images again\n"
    )
    assert grey_values(load(spec()).train) == [*CATS, *DOGS]
    assert decodings == [17, 17]
    assert warnings_about_files(capsys.readouterr().err) == ""


def test_a_deleted_cache_is_created_again(pets, tmp_path, decodings, capsys):
    load(spec())
    shutil.rmtree(tmp_path / "cache")
    assert grey_values(load(spec()).train) == [*CATS, *DOGS]
    assert decodings == [17, 17]
    assert warnings_about_files(capsys.readouterr().err) == ""


def test_a_loaded_data_set_stays_readable_after_its_cache_is_deleted_or_recreated(pets, tmp_path):
    dataset = load(spec())
    write_image(pets / "train" / "cat" / "010.png", 15)
    load(spec())
    assert grey_values(dataset.train) == [*CATS, *DOGS]
    shutil.rmtree(tmp_path / "cache")
    assert grey_values(dataset.train) == [*CATS, *DOGS]


def test_a_data_set_whose_cache_is_truncated_is_an_error(pets, tmp_path):
    dataset = load(spec())
    os.truncate(cache_of(tmp_path) / "pixels.bin", 20)
    with pytest.raises(DataError, match=r"pixels\.bin: became shorter while it was read"):
        dataset.train.images[:]


@pytest.mark.parametrize(
    "which",
    [slice(None), slice(3, 9), slice(None, None, 2), slice(5, 5), np.array([3, 1, 2, 3]), np.array([], int), np.array([-1, 0]), np.arange(14) > 9],
    ids=str,
)  # fmt: skip
def test_images_on_disk_support_array_indexing(pets, which):
    train = load(spec()).train
    np.testing.assert_array_equal(train.images[which], train.images[:][which])
    np.testing.assert_array_equal(train.take(which).images[:], train.images[:][which])
    np.testing.assert_array_equal(train.take(which).take(slice(1, 3)).images[:], train.images[:][which][1:3])


def test_damaged_images_leave_no_cache(pets, tmp_path, capsys):
    path = pets / "train" / "cat" / "010.png"
    path.write_bytes(b"no image")
    assert_refused(spec(), f"{path}: is not an image")
    assert [file.name for file in cache_of(tmp_path).iterdir() if file.name != ".lock"] == []
    write_image(path, 10)
    assert grey_values(load(spec()).train) == [*CATS, *DOGS]
    assert warnings_about_files(capsys.readouterr().err) == ""


LOAD = """
import json, sys
from cnnlab.data import load
from cnnlab.experiment.data import Folder
dataset = load(Folder(**json.loads(sys.argv[1])), quiet=True)
print(dataset.train.images[:][:, 0, 0, 0].tolist())
"""


def test_two_concurrent_processes_both_load_the_data(pets, tmp_path, decodings):
    options = json.dumps({"name": "folder", **spec().model_dump(mode="json", exclude={"name"})})
    processes = [
        subprocess.Popen([sys.executable, "-c", LOAD, options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]  # fmt: skip
    for process in processes:
        out, err = process.communicate(timeout=300)
        assert (out, err, process.returncode) == (f"{[*CATS, *DOGS]}\n", "", 0)
    assert grey_values(load(spec()).train) == [*CATS, *DOGS]
    assert decodings == []


@pytest.fixture
def several(monkeypatch):
    """Two processes share even the smallest work."""
    monkeypatch.setattr(batch, "WORTH_PROCESSES", 1)
    monkeypatch.setattr(batch, "PER_TASK", 3)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


def test_several_processes_decode_the_same_as_one(pets, tmp_path, request):
    expected = load(spec(image_size=[7, 5], fit="pad"))
    shutil.rmtree(tmp_path / "cache")
    request.getfixturevalue("several")
    together = load(spec(image_size=[7, 5], fit="pad"))
    for name, examples in expected.splits().items():
        np.testing.assert_array_equal(together.splits()[name].images[:], examples.images[:])
        np.testing.assert_array_equal(together.splits()[name].digests, examples.digests)


def test_undecodable_files_are_named_by_several_processes(pets, several):
    path = pets / "train" / "dog" / "150.png"
    path.write_bytes(b"")
    assert_refused(spec(), f"{path}: is empty")


def test_a_killed_decoding_process_is_reported(pets, several, monkeypatch):
    monkeypatch.setattr(pool, "_end_with_parent", os._exit)
    assert_refused(spec(), "a process that decodes images died, perhaps for lack of memory")


def test_a_cache_that_cannot_be_written_is_a_single_error(pets, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert_refused(spec(), f"{tmp_path / 'file'}", "cannot be written: Not a directory; set XDG_CACHE_HOME")


def test_a_cache_without_write_permission_is_a_single_error(pets, tmp_path):
    (tmp_path / "cache").mkdir(mode=0o500)
    if os.access(tmp_path / "cache", os.W_OK):
        pytest.skip("root may write everywhere")
    assert_refused(spec(), f"{tmp_path / 'cache'}", "cannot be written: Permission denied; set XDG_CACHE_HOME")


def test_insufficient_disk_space_is_a_single_error_before_decoding(pets, monkeypatch, decodings):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: types.SimpleNamespace(free=17 * 16 - 1))
    assert_refused(spec(), "decoded, the images of", "choose a smaller image_size, or set XDG_CACHE_HOME")
    assert decodings == []


def test_a_full_disk_is_a_single_error_and_leaves_nothing(pets, tmp_path, monkeypatch):
    def full(path, files, size, levels):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(decoded, "decode_into", full)
    assert_refused(spec(), "cannot be written: No space left on device; set XDG_CACHE_HOME")
    assert [file.name for file in cache_of(tmp_path).iterdir() if file.name != ".lock"] == []


def test_a_folder_with_the_longest_name_is_cached(data_dir, decodings):
    write_classes(data_dir / ("x" * 255))
    for _ in range(2):
        assert len(load(spec(path="x" * 255, test=4)).test) == 4
    assert decodings == [14]


def test_an_image_with_a_non_utf8_name_is_read(pets):
    path = os.fsencode(pets / "train" / "cat") + b"/099\xe9.png"
    write_image(pets / "train" / "cat" / "099.png", 99).rename(os.fsdecode(path))
    for _ in range(2):
        assert grey_values(load(spec()).train) == [*CATS, 99, *DOGS]


@pytest.mark.slow
@needs_cifar10_folder
def test_a_folder_of_sixty_thousand_images_is_decoded_once(data_dir, tmp_path, decodings):
    for _ in range(2):
        dataset = load(spec(path=str(DATA_DIR / "cifar10-folder"), image_size=32, channels=3, num_classes=10))
        assert np.bincount(dataset.train.labels).tolist() == [5000] * 10
        assert np.bincount(dataset.test.labels).tolist() == [1000] * 10
    assert decodings == [60_000]
    assert 100 < dataset.test.images[:].mean() < 140
    shutil.rmtree(tmp_path / "cache")


ENDS = """
import sys
from cnnlab.data import load
from cnnlab.experiment.data import Folder
if __name__ == "__main__":
    load(Folder(name="folder", path="pets", image_size=4, num_classes=2))
"""


@pytest.mark.parametrize("seconds", [0.4, 0.6, 0.8])
def test_ctrl_c_while_decoding_is_handled_only_by_the_main_process(pets, tmp_path, seconds):
    """Only the main process prints anything, even if its workers have just started."""
    for number in range(3000):
        os.link(pets / "train/cat/010.png", pets / f"train/cat/x{number}.png")
    (tmp_path / "ends.py").write_text(ENDS)
    started = subprocess.Popen(
        [sys.executable, "ends.py"], cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    time.sleep(seconds)
    os.killpg(started.pid, signal.SIGINT)
    _, stderr = started.communicate(timeout=300)
    assert stderr.count("\nKeyboardInterrupt\n") <= 1
    assert "init_import_site" not in stderr


def test_worker_processes_end_with_their_parent(pets, tmp_path):
    for number in range(20_000):
        os.link(pets / "train/cat/010.png", pets / f"train/cat/x{number}.png")
    (tmp_path / "ends.py").write_text(ENDS)
    started = subprocess.Popen([sys.executable, "ends.py"], cwd=tmp_path, stderr=subprocess.PIPE)
    time.sleep(1.0)
    started.kill()
    started.communicate(timeout=300)  # their end of the pipe is closed


def test_decoded_images_are_usable_on_a_read_only_file_system(pets, tmp_path, monkeypatch):
    before = load(spec())
    monkeypatch.setattr(decoded, "exclusive", None)  # locks cannot be created
    np.testing.assert_array_equal(load(spec()).train.images[:], before.train.images[:])
