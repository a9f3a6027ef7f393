"""What a picture file becomes."""

import struct

import numpy as np
import pytest
from PIL import Image

from cnnlab.data import load
from tests.data.making import folder_spec as spec
from tests.data.making import write_picture

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


def test_sixteen_bits_in_a_pgm_become_eight(alone):
    pgm = b"P5 2 2 65535 " + np.array([0, 0x8000, 0x4000, 0xFFFF], ">u2").tobytes()
    assert alone(lambda path: path.write_bytes(pgm), "x.pgm", image_size=2).ravel().tolist() == [0, 0x80, 0x40, 0xFF]
