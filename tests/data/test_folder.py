"""Folders of pictures: what is taken from them, what it becomes, and how it is kept."""

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import types

import numpy as np
import pytest
from PIL import Image

from cnnlab import pictures
from cnnlab.data import decoded, load
from cnnlab.data.stored import digests_of
from cnnlab.errors import ConfigError, DataError
from cnnlab.experiment.data import Folder
from tests.conftest import DATA_DIR, needs_cifar10_folder
from tests.data.making import assert_refused, write_picture

CATS, DOGS = range(10, 70, 10), range(110, 190, 10)  # a grey each


def spec(**options):
    given = {"path": "pets", "image_size": 4, "channels": 1, "num_classes": 2, "validation": 0, **options}
    return Folder(name="folder", **given)


def greys(examples):
    """The grey of every picture, each of a single one."""
    return examples.images[:][:, 0, 0, 0].tolist()


def write_classes(folder, cats=CATS, dogs=DOGS):
    for name, values in (("cat", cats), ("dog", dogs)):
        for value in values:
            write_picture(folder / name / f"{value:03}.png", value)


@pytest.fixture
def pets(data_dir):
    """`train` and `test` with cats and dogs."""
    write_classes(data_dir / "pets" / "train")
    write_classes(data_dir / "pets" / "test", [5], [105, 205])
    return data_dir / "pets"


@pytest.fixture
def only_classes(data_dir):
    """A folder of nothing but two classes."""
    write_classes(data_dir / "pets")
    return data_dir / "pets"


@pytest.fixture
def alone(data_dir):
    """A function that decodes a picture: it loads a data set of two classes, each with that picture four times."""

    def decode(make, name, **options):
        for place in ("cat/1", "cat/2", "dog/1", "dog/2"):
            path = data_dir / "pets" / f"{place}-{name}"
            path.parent.mkdir(parents=True, exist_ok=True)
            make(path)
        return load(spec(test=2, **options)).train.images[:][0]

    return decode


# What is taken


def test_classes_are_folders_numbered_by_name_and_pictures_are_in_the_order_of_theirs(pets):
    dataset = load(spec())
    assert dataset.class_names == ("cat", "dog")
    assert greys(dataset.train) == [*CATS, *DOGS]
    assert dataset.train.labels.tolist() == [0] * len(CATS) + [1] * len(DOGS)
    assert dataset.train.labels.dtype == np.int32
    assert greys(dataset.test) == [5, 105, 205]
    assert dataset.test.labels.tolist() == [0, 1, 1]
    assert dataset.test.files.tolist() == [
        str(pets / "test" / name) for name in ("cat/005.png", "dog/105.png", "dog/205.png")
    ]
    assert dataset.genuine is None


@pytest.mark.parametrize("name", ["validation", "val", "valid"])
def test_a_validation_folder_is_used_by_auto_and_else_refused(pets, name):
    write_classes(pets / name, [7], [107, 207])
    assert greys(load(spec(validation="auto")).validation) == [7, 107, 207]
    assert greys(load(spec(validation="test")).validation) == [5, 105, 205]
    for validation in (2, 0.1, 0):
        with pytest.raises(
            ConfigError, match=r"but folder comes with 3 validation examples; leave it out, or say validation: auto"
        ):
            load(spec(validation=validation))


def test_auto_holds_out_a_tenth_where_there_is_no_validation_folder(pets):
    dataset = load(spec(validation="auto"))
    assert [len(part) for part in dataset.splits().values()] == [13, 1, 3]


@pytest.mark.parametrize("layout", ["train", "classes"])
def test_a_missing_test_folder_is_set_aside_by_the_option_test(data_dir, layout):
    write_classes(data_dir / "pets" / "train" if layout == "train" else data_dir / "pets")
    dataset = load(spec(test=7, validation=2))
    assert {name: len(part) for name, part in dataset.splits().items()} == {"train": 5, "validation": 2, "test": 7}
    assert np.bincount(dataset.test.labels).tolist() == [3, 4]
    assert sorted(grey for part in dataset.splits().values() for grey in greys(part)) == [*CATS, *DOGS]
    assert greys(load(spec(test=7, validation=2)).test) == greys(dataset.test)
    assert [int(os.path.basename(file)[:3]) for file in dataset.train.files] == greys(dataset.train)


def test_hidden_files_and_those_that_are_no_pictures_by_name_are_left_out(pets):
    for name in (".001.png", "Thumbs.db", "notes.txt", "png", "002.png.part"):
        (pets / "train" / "cat" / name).write_bytes(b"no picture")
    write_picture(pets / "train" / ".git" / "1.png")
    (pets / ".DS_Store").write_bytes(b"")
    (pets / "README.md").write_text("pets")
    assert greys(load(spec()).train) == [*CATS, *DOGS]


@pytest.mark.parametrize("suffix", [".PNG", ".jpg", ".JPEG", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"])
def test_a_picture_is_told_by_its_suffix_and_read_by_its_content(pets, suffix):
    path = write_picture(pets / "train" / "cat" / "099.bmp", 99)
    path.rename(path.with_suffix(suffix))
    assert greys(load(spec()).train) == [*CATS, 99, *DOGS]


def test_links_to_pictures_and_folders_are_followed(pets, tmp_path):
    elsewhere = write_picture(tmp_path / "elsewhere" / "cat" / "099.png", 99)
    (pets / "train" / "cat" / "099.png").symlink_to(elsewhere)
    (tmp_path / "elsewhere" / "dog").symlink_to(pets / "train" / "dog")
    (pets / "validation").symlink_to(tmp_path / "elsewhere")
    dataset = load(spec(validation="auto"))
    assert greys(dataset.train) == [*CATS, 99, *DOGS]
    assert greys(dataset.validation) == [99, *DOGS]


def remove(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize(
    ("change", "named", "message"),
    [
        (lambda pets: write_picture(pets / "test" / "emu" / "1.png"), "test/emu", "a class that train does not have"),
        (lambda pets: write_picture(pets / "train" / "emu" / "1.png"), "train", "3 class folders (cat, dog, emu), but data.num_classes is 2; splits are folders called train, validation and test"),
        (lambda pets: remove(pets / "train" / "cat"), "train", "1 class folders (dog), but data.num_classes is 2"),
        (lambda pets: remove(pets / "test" / "cat"), "test/cat", "no such folder, though it is a class of train"),
        (lambda pets: [file.unlink() for file in (pets / "train" / "cat").iterdir()], "train/cat", "no pictures (.bmp, .gif, "),
        (lambda pets: [file.rename(f"{file}.part") for file in (pets / "test" / "dog").iterdir()], "test/dog", "no pictures"),
        (lambda pets: remove(pets / "train"), ".", "has test, but no train"),
        (lambda pets: (remove(pets), pets.write_bytes(b"")), ".", "is a file; expected a folder of pictures"),
    ],
    ids=["unknown class", "a class too many", "a class too few", "class not in test", "empty class", "no pictures", "no train", "file"],
)  # fmt: skip
def test_a_folder_that_lacks_something_is_named(pets, change, named, message):
    change(pets)
    assert_refused(spec(), f"{pets if named == '.' else pets / named}: {message}")


def test_a_missing_folder_is_named_with_the_places(data_dir):
    assert_refused(spec(), f"folder: pets: no such file or folder in {data_dir}", "--data synthetic")


def test_every_damaged_picture_is_counted_and_the_first_three_named(pets):
    for number in range(5):
        (pets / "train" / "cat" / f"9{number}.png").write_bytes(b"no picture")
    assert_refused(
        spec(),
        f"{pets / 'train/cat/90.png'}: is not a picture",
        f"{pets / 'train/cat/92.png'}: is not a picture",
        "; and 2 more of 22 files: `cnnlab data verify` lists them",
    )


# What it becomes

RAMP = np.arange(16, dtype=np.uint8).reshape(4, 4) * 16
OTHER = 255 - RAMP
COLOUR = np.stack([RAMP, OTHER, RAMP.T], axis=-1)
GREY_OF_COLOUR = np.asarray(Image.fromarray(COLOUR).convert("L"))
PALETTE = Image.fromarray(RAMP).convert("P")


def on_white(colour, alpha):
    """What is seen of a picture on paper."""
    return np.rint((colour * (alpha / 255)) + (255 - alpha.astype(float))).astype(np.uint8)


WHITE_RAMP = on_white(RAMP, OTHER)
WHITE_COLOUR = on_white(COLOUR, RAMP[..., np.newaxis])
GREY_OF_WHITE_COLOUR = np.asarray(Image.fromarray(WHITE_COLOUR).convert("L"))


def saved(image, **options):
    return lambda path: image.save(path, **options)


MODES = {
    "grey": (saved(Image.fromarray(RAMP)), "x.png", RAMP, None),
    "colour": (saved(Image.fromarray(COLOUR)), "x.png", GREY_OF_COLOUR, COLOUR),
    "grey, transparent": (saved(Image.fromarray(np.stack([RAMP, OTHER], -1))), "x.png", WHITE_RAMP, None),
    "colour, transparent": (saved(Image.fromarray(np.dstack([COLOUR, RAMP]))), "x.png", GREY_OF_WHITE_COLOUR, WHITE_COLOUR),
    "palette": (saved(PALETTE), "x.png", RAMP, None),
    "palette, one colour transparent": (saved(PALETTE, transparency=0), "x.png", np.where(RAMP == 0, 255, RAMP), None),
    "palette, transparent": (saved(PALETTE, transparency=bytes(range(16))), "x.png", np.where(RAMP == 0, 255, RAMP), None),
    "grey, one level transparent": (saved(Image.fromarray(RAMP), transparency=16), "x.png", np.where(RAMP == 16, 255, RAMP), None),
    "two levels": (saved(Image.fromarray(RAMP > 99)), "x.png", (RAMP > 99) * np.uint8(255), None),
    "16 bits": (saved(Image.fromarray(RAMP * np.uint16(256) + np.uint16(255))), "x.png", RAMP, None),
    "16 bits, TIFF": (saved(Image.fromarray(RAMP * np.uint16(256))), "x.tif", RAMP, None),
    "inks": (saved(Image.fromarray(np.dstack([RAMP] * 3)).convert("CMYK"), quality=100), "x.jpg", RAMP, None),
    "inks, TIFF": (saved(Image.fromarray(COLOUR).convert("CMYK")), "x.tif", GREY_OF_COLOUR, COLOUR),
    "GIF": (saved(Image.fromarray(RAMP)), "x.gif", RAMP, None),
    "GIF that moves": (saved(Image.fromarray(RAMP), save_all=True, append_images=[Image.fromarray(OTHER)]), "x.gif", RAMP, None),
}  # fmt: skip


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", MODES)
def test_pictures_of_every_mode_become_grey_or_colour(alone, mode, channels):
    make, name, grey, colour = MODES[mode]
    image = alone(make, name, channels=channels)
    expected = grey[..., np.newaxis] if channels == 1 else np.dstack([grey] * 3) if colour is None else colour
    assert image.dtype == np.uint8
    tolerance = 1 if name == "x.jpg" or "transparent" in mode else 0  # JPEG rounds, and so does laying on white
    assert np.abs(image.astype(int) - expected).max() <= tolerance


def test_pictures_of_mixed_sizes_and_modes_become_one(data_dir):
    for name, size in (("cat/1.png", (3, 9)), ("cat/2.jpg", (400, 300)), ("dog/1.bmp", (1, 1)), ("dog/2.gif", (4, 4))):
        write_picture(data_dir / "pets" / name, 128, size)
    dataset = load(spec(image_size=[6, 5], channels=3, test=2))
    assert dataset.image_shape == (6, 5, 3)
    for examples in (dataset.train, dataset.test):
        np.testing.assert_array_equal(examples.images[:], np.full((2, 6, 5, 3), 128))


# The picture that was taken, one quadrant of it marked, and where a camera that was held so puts the mark.
ORIENTATIONS = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "tiff", "mpo"])
def test_pictures_are_turned_upright(alone, format, orientation):
    stored = np.zeros((16, 32), np.uint8)
    stored[:8, :16] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"jpeg": {"quality": 100}, "webp": {"lossless": True}}.get(format, {})
    if format == "mpo":  # as telephones take them: a JPEG with another one after it
        options = {"quality": 100, "save_all": True, "append_images": [Image.fromarray(stored)]}
    image = alone(saved(Image.fromarray(stored), format=format, exif=exif, **options), "x.jpg", image_size=32)
    quadrants = image[..., 0].reshape(2, 16, 2, 16).mean(axis=(1, 3)) > 128
    assert np.argwhere(quadrants).tolist() == [list(ORIENTATIONS[orientation])]


@pytest.mark.parametrize("format", ["jpeg", "png", "webp"])
def test_odd_exif_does_not_keep_a_picture_from_being_turned_upright(alone, format):
    width, orientation = struct.pack("<HHIf", 0x0100, 11, 1, 1.5), struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    exif = b"Exif\0\0II*\0\x08\0\0\0\x02\0" + width + orientation + bytes(4)  # half a pixel of width
    stored = np.zeros((32, 32), np.uint8)
    stored[:16, :16] = 255
    image = alone(saved(Image.fromarray(stored), format=format, exif=exif), "x.jpg", image_size=32)
    assert image[:16, 16:].mean() > 200
    assert image[:, :16].mean() < 50


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
def test_a_picture_comes_to_its_size_by_fit(alone, fit):
    wide = np.repeat(np.array([[200, 200, 100, 100, 100, 100, 50, 50]], np.uint8), 4, axis=0)
    image = alone(saved(Image.fromarray(wide)), "x.png", fit=fit)[..., 0]
    if fit == "crop":  # what is left and right
        assert (image == 100).all()
        return
    rows = image if fit == "stretch" else image[1:3]
    assert (rows[:, 0] > 150).all()
    assert (rows[:, 3] < 75).all()
    if fit == "pad":
        assert (image[[0, 3]] == 0).all()
        assert (rows > 0).all()


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("size", [(1, 500), (500, 1), (1, 1)])
def test_the_narrowest_picture_comes_to_its_size(alone, fit, size):
    image = alone(saved(Image.new("L", size, 90)), "x.png", fit=fit)
    assert image.shape == (4, 4, 1)
    assert image.max() == 90


# How it is kept


@pytest.fixture
def decodings(monkeypatch):
    """The number of pictures of every decoding."""
    counts = []

    def counted(path, files, size):
        counts.append(len(files))
        return pictures.decode_into(path, files, size)

    monkeypatch.setattr(decoded, "decode_into", counted)
    return counts


def cache_of(tmp_path):
    (folder,) = (tmp_path / "cache" / "cnnlab" / "decoded").iterdir()
    return folder


def test_pictures_are_decoded_once(pets, decodings):
    first, second = load(spec()), load(spec())
    assert decodings == [17]
    assert greys(second.train) == greys(first.train) == [*CATS, *DOGS]
    for examples in (second.train, second.test):
        np.testing.assert_array_equal(examples.digests, digests_of(examples.images[:]))


def test_each_size_colour_and_fit_is_kept_for_itself(pets, decodings):
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


def test_folders_of_one_name_are_kept_apart(pets, tmp_path, decodings):
    write_classes(tmp_path / "other" / "pets", [1, 2], [101, 102])
    for _ in range(2):
        assert greys(load(spec(test=2, path=str(tmp_path / "other" / "pets"))).train) != greys(load(spec()).train)
    assert decodings == [4, 17]


CHANGES = {
    "written": lambda cat: write_picture(cat / "010.png", 15),
    "replaced": lambda cat: (write_picture(cat / "new.png", 15), os.replace(cat / "new.png", cat / "010.png")),
    "added": lambda cat: write_picture(cat / "015.png", 15),
    "removed": lambda cat: (cat / "010.png").unlink(),
    "renamed": lambda cat: (cat / "010.png").rename(cat / "099.png"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_that_was_changed_is_decoded_again(pets, decodings, capsys, change):
    load(spec())
    cat = pets / "train" / "cat"
    CHANGES[change](cat)
    dataset = load(spec())
    assert len(decodings) == 2
    with_images = [np.asarray(Image.open(path))[0, 0] for path in sorted(cat.iterdir())]
    assert greys(dataset.train) == [*with_images, *DOGS]
    assert load(spec()).train.files.tolist() == dataset.train.files.tolist()
    assert len(decodings) == 2
    assert capsys.readouterr().err == ""


def test_a_class_that_was_renamed_is_decoded_again(pets, decodings):
    load(spec())
    for part in ("train", "test"):
        (pets / part / "cat").rename(pets / part / "emu")
    assert greys(load(spec()).train) == [*DOGS, *CATS]


def flip(path, place=-1):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def entry_with(place, value):
    """The index with another byte in its list of members."""

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
def test_a_damaged_cache_is_noticed_with_a_warning_and_repaired(pets, tmp_path, decodings, capsys, damage):
    load(spec())
    folder = cache_of(tmp_path)
    DAMAGES[damage](folder)
    assert greys(load(spec()).train) == [*CATS, *DOGS]
    assert capsys.readouterr().err == f"cnnlab: warning: {folder}: damaged; decoding the pictures again\n"
    assert greys(load(spec()).train) == [*CATS, *DOGS]
    assert decodings == [17, 17]
    assert capsys.readouterr().err == ""


def test_a_cache_that_was_deleted_is_made_again(pets, tmp_path, decodings, capsys):
    load(spec())
    shutil.rmtree(tmp_path / "cache")
    assert greys(load(spec()).train) == [*CATS, *DOGS]
    assert decodings == [17, 17]
    assert capsys.readouterr().err == ""


def test_a_data_set_is_read_on_when_its_cache_is_deleted_or_made_again(pets, tmp_path):
    dataset = load(spec())
    write_picture(pets / "train" / "cat" / "010.png", 15)
    load(spec())
    assert greys(dataset.train) == [*CATS, *DOGS]
    shutil.rmtree(tmp_path / "cache")
    assert greys(dataset.train) == [*CATS, *DOGS]


def test_a_data_set_whose_cache_becomes_shorter_is_an_error(pets, tmp_path):
    dataset = load(spec())
    os.truncate(cache_of(tmp_path) / "pixels.bin", 20)
    with pytest.raises(DataError, match=r"pixels\.bin: became shorter while it was read"):
        dataset.train.images[:]


@pytest.mark.parametrize(
    "which",
    [slice(None), slice(3, 9), slice(None, None, 2), slice(5, 5), np.array([3, 1, 2, 3]), np.array([], int), np.array([-1, 0]), np.arange(14) > 9],
    ids=str,
)  # fmt: skip
def test_pictures_on_disk_are_indexed_as_arrays_are(pets, which):
    train = load(spec()).train
    np.testing.assert_array_equal(train.images[which], train.images[:][which])
    np.testing.assert_array_equal(train.take(which).images[:], train.images[:][which])
    np.testing.assert_array_equal(train.take(which).take(slice(1, 3)).images[:], train.images[:][which][1:3])


def test_damaged_pictures_leave_no_cache_behind(pets, tmp_path, capsys):
    path = pets / "train" / "cat" / "010.png"
    path.write_bytes(b"no picture")
    assert_refused(spec(), f"{path}: is not a picture")
    assert [file.name for file in cache_of(tmp_path).iterdir() if file.name != ".lock"] == []
    write_picture(path, 10)
    assert greys(load(spec()).train) == [*CATS, *DOGS]
    assert capsys.readouterr().err == ""


LOAD = """
import json, sys
from cnnlab.data import load
from cnnlab.experiment.data import Folder
dataset = load(Folder(**json.loads(sys.argv[1])))
print(dataset.train.images[:][:, 0, 0, 0].tolist())
"""


def test_two_processes_that_want_the_same_both_get_it(pets, tmp_path, decodings):
    options = json.dumps({"name": "folder", **spec().model_dump(mode="json", exclude={"name"})})
    processes = [
        subprocess.Popen([sys.executable, "-c", LOAD, options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]  # fmt: skip
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert (out, err, process.returncode) == (f"{[*CATS, *DOGS]}\n", "", 0)
    assert greys(load(spec()).train) == [*CATS, *DOGS]
    assert decodings == []


@pytest.fixture
def several(monkeypatch):
    """Two processes share the work, however little it is."""
    monkeypatch.setattr(pictures, "WORTH_PROCESSES", 1)
    monkeypatch.setattr(pictures, "PER_TASK", 3)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


def test_several_processes_decode_as_one_does(pets, tmp_path, request):
    alone = load(spec(image_size=[7, 5], fit="pad"))
    shutil.rmtree(tmp_path / "cache")
    request.getfixturevalue("several")
    together = load(spec(image_size=[7, 5], fit="pad"))
    for name, examples in alone.splits().items():
        np.testing.assert_array_equal(together.splits()[name].images[:], examples.images[:])
        np.testing.assert_array_equal(together.splits()[name].digests, examples.digests)


def test_what_several_processes_cannot_decode_is_named(pets, several):
    path = pets / "train" / "dog" / "150.png"
    path.write_bytes(b"")
    assert_refused(spec(), f"{path}: is empty")


def test_a_decoding_process_that_dies_is_told_of(pets, several, monkeypatch):
    monkeypatch.setattr(pictures, "_end_with_parent", os._exit)
    assert_refused(spec(), "a process that decodes pictures died, perhaps for lack of memory")


def test_a_cache_that_cannot_be_written_is_one_error(pets, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert_refused(spec(), f"{tmp_path / 'file'}", "cannot be written: Not a directory; set XDG_CACHE_HOME")


def test_a_cache_that_may_not_be_written_is_one_error(pets, tmp_path):
    (tmp_path / "cache").mkdir(mode=0o500)
    if os.access(tmp_path / "cache", os.W_OK):
        pytest.skip("root may write everywhere")
    assert_refused(spec(), f"{tmp_path / 'cache'}", "cannot be written: Permission denied; set XDG_CACHE_HOME")


def test_too_little_room_is_one_error_before_anything_is_decoded(pets, monkeypatch, decodings):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: types.SimpleNamespace(free=17 * 16 - 1))
    assert_refused(spec(), "decoded, the pictures of", "choose a smaller image_size, or set XDG_CACHE_HOME")
    assert decodings == []


def test_a_disk_that_becomes_full_is_one_error_and_nothing_is_kept(pets, tmp_path, monkeypatch):
    def full(path, files, size):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(decoded, "decode_into", full)
    assert_refused(spec(), "cannot be written: No space left on device; set XDG_CACHE_HOME")
    assert [file.name for file in cache_of(tmp_path).iterdir() if file.name != ".lock"] == []


def test_a_folder_with_the_longest_name_is_kept(data_dir, decodings):
    write_classes(data_dir / ("x" * 255))
    for _ in range(2):
        assert len(load(spec(path="x" * 255, test=4)).test) == 4
    assert decodings == [14]


def test_a_picture_whose_name_is_no_utf8_is_read(pets):
    path = os.fsencode(pets / "train" / "cat") + b"/099\xe9.png"
    write_picture(pets / "train" / "cat" / "099.png", 99).rename(os.fsdecode(path))
    for _ in range(2):
        assert greys(load(spec()).train) == [*CATS, 99, *DOGS]


@needs_cifar10_folder
def test_a_folder_of_sixty_thousand_pictures_is_decoded_once(data_dir, tmp_path, decodings):
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
def test_ctrl_c_while_decoding_is_heard_by_one_process_alone(pets, tmp_path, seconds):
    """Only the process that was started says anything, however young its helpers are."""
    for number in range(3000):
        os.link(pets / "train/cat/010.png", pets / f"train/cat/x{number}.png")
    (tmp_path / "ends.py").write_text(ENDS)
    started = subprocess.Popen(
        [sys.executable, "ends.py"], cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    time.sleep(seconds)
    os.killpg(started.pid, signal.SIGINT)
    _, said = started.communicate(timeout=30)
    assert said.count("Traceback") <= 1
    assert "init_import_site" not in said


def test_helpers_end_with_the_process_that_started_them(pets, tmp_path):
    for number in range(20_000):
        os.link(pets / "train/cat/010.png", pets / f"train/cat/x{number}.png")
    (tmp_path / "ends.py").write_text(ENDS)
    started = subprocess.Popen([sys.executable, "ends.py"], cwd=tmp_path, stderr=subprocess.PIPE)
    time.sleep(1.0)
    started.kill()
    started.communicate(timeout=20)  # their end of the pipe is closed


def test_sixteen_bits_in_a_pgm_become_eight(alone):
    pgm = b"P5 2 2 65535 " + np.array([0, 0x8000, 0x4000, 0xFFFF], ">u2").tobytes()
    assert alone(lambda path: path.write_bytes(pgm), "x.pgm", image_size=2).ravel().tolist() == [0, 0x80, 0x40, 0xFF]


def test_what_is_decoded_can_be_used_where_nothing_may_be_written(pets, tmp_path, monkeypatch):
    before = load(spec())
    monkeypatch.setattr(decoded, "alone", None)  # no lock can be made
    np.testing.assert_array_equal(load(spec()).train.images[:], before.train.images[:])


def test_classes_may_be_called_as_splits_are(tmp_path, data_dir):
    for name in ("test", "exam"):
        write_picture(data_dir / "pets" / name / "1.png")
        write_picture(data_dir / "pets" / name / "2.png")
    assert load(spec(test=2)).class_names == ("exam", "test")
