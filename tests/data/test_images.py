"""Decoding of image files."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from cnnlab.data import load
from cnnlab.errors import DataError
from tests.data.data_files import folder_spec as spec
from tests.data.data_files import write_image

RAMP = np.arange(16, dtype=np.uint8).reshape(4, 4) * 16
OTHER = 255 - RAMP
FULL_RAMP = RAMP.astype(np.uint16) * 256
COLOUR = np.stack([RAMP, OTHER, RAMP.T], axis=-1)
GREY_OF_COLOUR = np.asarray(Image.fromarray(COLOUR).convert("L"))
PALETTE = Image.fromarray(RAMP).convert("P")


def on_white(colour, alpha):
    """The colour composited on white."""
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
def test_images_of_every_mode_are_converted_to_grey_or_colour(decode_image, mode, channels):
    make, name, grey, colour = MODES[mode]
    image = decode_image(make, name, channels=channels)
    expected = grey[..., np.newaxis] if channels == 1 else np.dstack([grey] * 3) if colour is None else colour
    assert image.dtype == np.uint8
    tolerance = 1 if name == "x.jpg" or "transparent" in mode else 0  # JPEG and alpha compositing round
    assert np.abs(image.astype(int) - expected).max() <= tolerance


def test_images_of_mixed_sizes_and_modes_are_converted_to_one_shape(data_dir):
    for name, size in (("cat/1.png", (3, 9)), ("cat/2.jpg", (400, 300)), ("dog/1.bmp", (1, 1)), ("dog/2.gif", (4, 4))):
        write_image(data_dir / "pets" / name, 128, size)
    dataset = load(spec(image_size=[6, 5], channels=3, test=2))
    assert dataset.image_shape == (6, 5, 3)
    for examples in (dataset.train, dataset.test):
        np.testing.assert_array_equal(examples.images[:], np.full((2, 6, 5, 3), 128))


# The position of a marked quadrant after each EXIF orientation.
ORIENTATIONS = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "tiff", "mpo"])
def test_images_are_rotated_upright(decode_image, format, orientation):
    stored = np.zeros((16, 32), np.uint8)
    stored[:8, :16] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"jpeg": {"quality": 100}, "webp": {"lossless": True}}.get(format, {})
    if format == "mpo":  # as written by phones: a JPEG followed by another one
        options = {"quality": 100, "save_all": True, "append_images": [Image.fromarray(stored)]}
    image = decode_image(saved(Image.fromarray(stored), format=format, exif=exif, **options), "x.jpg", image_size=32)
    quadrants = image[..., 0].reshape(2, 16, 2, 16).mean(axis=(1, 3)) > 128
    assert np.argwhere(quadrants).tolist() == [list(ORIENTATIONS[orientation])]


@pytest.mark.parametrize("format", ["jpeg", "png", "webp"])
def test_unusual_exif_does_not_prevent_upright_rotation(decode_image, format):
    width, orientation = struct.pack("<HHIf", 0x0100, 11, 1, 1.5), struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    exif = b"Exif\0\0II*\0\x08\0\0\0\x02\0" + width + orientation + bytes(4)  # a fractional width
    stored = np.zeros((32, 32), np.uint8)
    stored[:16, :16] = 255
    image = decode_image(saved(Image.fromarray(stored), format=format, exif=exif), "x.jpg", image_size=32)
    assert image[:16, 16:].mean() > 200
    assert image[:, :16].mean() < 50


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
def test_fit_determines_how_an_image_is_resized(decode_image, fit):
    wide = np.repeat(np.array([[200, 200, 100, 100, 100, 100, 50, 50]], np.uint8), 4, axis=0)
    image = decode_image(saved(Image.fromarray(wide)), "x.png", fit=fit)[..., 0]
    if fit == "crop":  # the sides are removed
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
def test_extreme_aspect_ratios_are_resized(decode_image, fit, size):
    image = decode_image(saved(Image.new("L", size, 90)), "x.png", fit=fit)
    assert image.shape == (4, 4, 1)
    assert image.max() == 90


def test_sixteen_bit_pgm_values_are_reduced_to_eight(decode_image):
    pgm = b"P5 2 2 65535 " + np.array([0, 0x8000, 0x4000, 0xFFFF], ">u2").tobytes()
    assert decode_image(lambda path: path.write_bytes(pgm), "x.pgm", image_size=2).ravel().tolist() == [
        0,
        0x80,
        0x40,
        0xFF,
    ]


# More than 8 bits per channel

LEVELS = np.array([[0, 100, 200, 300], [310, 350, 400, 480], [500, 510, 520, 530], [531, 535, 539, 540]])
FULL = LEVELS * 121  # up to 65,340
WHITES = {"scaled by the brightest": (LEVELS, {}, LEVELS * 255 / 540), "upper 8 of 16 bits": (FULL, {}, FULL // 256)}
STATED = {
    f"bit_depth {bits}": (LEVELS, {"bit_depth": bits}, LEVELS // 2 ** (bits - 8)) for bits in (10, 12, 14, 16)
}  # fmt: skip


@pytest.mark.parametrize("values", {**WHITES, **STATED})
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_grey_images_of_more_than_8_bits_keep_their_contrast(decode_image, capsys, values, suffix):
    given, options, expected = {**WHITES, **STATED}[values]
    image = decode_image(saved(Image.fromarray(given.astype(np.uint16))), f"x.{suffix}", **options)
    assert np.abs(image[..., 0] - expected).max() <= 0.5
    output = capsys.readouterr().err
    guessed = "4 images of more than 8 bits with values up to 540, scaled so that 540 becomes 255; "
    assert (f"{guessed}set another scale with --set data.bit_depth=10" in output) == (
        values == "scaled by the brightest"
    )
    assert ("of 16 bits, of which the upper 8 are used" in output) == (values == "upper 8 of 16 bits")


def test_white_is_the_maximum_over_all_images(data_dir):
    """Not per image: dark images stay darker."""
    for name, factor in (("cat/1", 1), ("cat/2", 1), ("dog/1", 0.5), ("dog/2", 0.5)):
        (data_dir / "pets" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((LEVELS * factor).astype(np.uint16)).save(data_dir / "pets" / f"{name}.png")
    for _ in range(2):
        dataset = load(spec(test=2))
        assert sorted(int(image.max()) for image in dataset.train.images[:]) == [128, 255]
        assert dataset.origin.inferred == {"white": 540.0}


def test_a_value_beyond_the_given_bit_depth_is_rejected(decode_image):
    with pytest.raises(DataError, match=r"has a value 540; expected at most 511, the brightest of its depth"):
        decode_image(saved(Image.fromarray(LEVELS.astype(np.uint16))), "x.png", bit_depth=9)


def test_the_white_level_in_a_tiff_is_used(decode_image, capsys):
    image = decode_image(saved(Image.fromarray(LEVELS.astype(np.uint16)), tiffinfo={281: 1023}), "x.tif")
    assert np.abs(image[..., 0] - LEVELS * 255 / 1023).max() <= 0.5
    assert "scaled so that" not in capsys.readouterr().err


NUMBERS = {
    "integers": (LEVELS.astype(np.int32), LEVELS * 255 / 540),
    "floats from 0 to 1": ((RAMP / 255).astype(np.float32), RAMP),
    "floats of bytes": (np.maximum(RAMP, 1).astype(np.float32), np.maximum(RAMP, 1)),
    "floats of a camera": (LEVELS.astype(np.float32), LEVELS * 255 / 540),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_tiff_integers_and_floats_are_read(decode_image, capsys, kind):
    values, expected = NUMBERS[kind]
    image = decode_image(saved(Image.fromarray(values)), "x.tif")
    assert np.abs(image[..., 0] - expected).max() <= 1
    assert "images of more than 8 bits with values up to" in capsys.readouterr().err


def tiff(values, sample_format):
    """Grey `values` (height, width) as a TIFF, of a type that Pillow may not write."""
    height, width = values.shape
    content, bits = values.tobytes(), 8 * values.itemsize
    entries = {256: width, 257: height, 258: bits, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: len(content), 339: sample_format}  # fmt: skip
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries.items())
    return b"II" + struct.pack("<HI", 42, 8 + len(content)) + content + struct.pack("<H", len(entries)) + directory + bytes(4)  # fmt: skip


def test_unsigned_32_bit_integers_are_not_negative(decode_image):
    values = RAMP.astype(np.uint32) << 24
    image = decode_image(lambda path: path.write_bytes(tiff(values, 1)), "x.tif", bit_depth=32)
    np.testing.assert_array_equal(image[..., 0], RAMP)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda path: path.write_bytes(tiff(np.ones((4, 4)), 3)),
            "TIFF of values that are not supported; expected integers",
        ),
        (
            lambda path: Image.new("LAB", (4, 4)).save(path),
            "has colours in CIELAB, which is not supported; expected RGB",
        ),
    ],
    ids=["float64", "LAB"],
)
def test_an_unsupported_tiff_is_reported_as_unsupported(decode_image, make, message):
    with pytest.raises(DataError, match=message):
        decode_image(make, "x.tif")


@pytest.mark.parametrize(
    ("value", "message"),
    [(-1, r"has values from -1 to 540; expected none below 0"), (np.nan, "not finite"), (np.inf, "not finite")],
)
def test_invalid_pixel_values_are_reported(decode_image, value, message):
    values = LEVELS.astype(np.float32)
    values[1, 1] = value
    with pytest.raises(DataError, match=message):
        decode_image(saved(Image.fromarray(values)), "x.tif")


def write_images(folder, **images):
    for place, image in images.items():
        for number in range(4):
            path = folder / "pets" / place / f"{number}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)


DEPTHS = {
    "floats beside integers": ((RAMP / 255).astype(np.float32), LEVELS.astype(np.uint16), "which have no scale in common"),
    "floats of two ranges": ((RAMP / 255).astype(np.float32), RAMP.astype(np.float32), "4 of 8 images of more than 8 bits nearly black"),
    "12 bits beside 16": (LEVELS.astype(np.uint16), FULL.astype(np.uint16), "4 of 8 images of more than 8 bits nearly black"),
}  # fmt: skip


@pytest.mark.parametrize("depths", DEPTHS)
def test_different_bit_depths_are_rejected_or_reported(data_dir, capsys, depths):
    first, second, message = DEPTHS[depths]
    write_images(data_dir, cat=first, dog=second)
    if "beside integers" in depths:
        with pytest.raises(DataError, match=message):
            load(spec(test=2))
    else:
        load(spec(test=2))
        assert message in capsys.readouterr().err


def test_bit_depth_does_not_apply_to_floats(decode_image):
    with pytest.raises(DataError, match=r"has floating-point values, to which data.bit_depth does not apply"):
        decode_image(saved(Image.fromarray((RAMP / 255).astype(np.float32))), "x.tif", bit_depth=16)


def test_dark_16_bit_colour_images_are_reported(decode_image, capsys):
    decode_image(lambda path: path.write_bytes(colour_of_16_bits(0x0FFF)), "x.png")
    assert (
        "4 images in colour of 16 bits nearly black: the largest of their upper 8 bits is 15" in capsys.readouterr().err
    )
    decode_image(lambda path: path.write_bytes(colour_of_16_bits()), "y.png")
    assert "nearly black" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "values", [FULL.astype(np.uint16), (RAMP / 255).astype(np.float32)], ids=["integers", "floats"]
)
def test_a_tiff_with_inverted_greys_is_inverted(decode_image, values):
    usual = decode_image(saved(Image.fromarray(values)), "x.tif")
    inverted = decode_image(saved(Image.fromarray(values), tiffinfo={262: 0}), "y.tif")
    np.testing.assert_array_equal(inverted, 255 - usual)


def test_a_transparent_16_bit_value_is_composited_on_white(decode_image):
    image = decode_image(with_chunk(chunk(b"tRNS", struct.pack(">H", 0x4000)), FULL_RAMP), "x.png")
    np.testing.assert_array_equal(image[..., 0], np.where(RAMP == 0x40, 255, RAMP))


# Other chunks of a PNG


def chunk(kind, content, checksum=None):
    crc = zlib.crc32(kind + content) if checksum is None else checksum
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def with_chunk(added, pixels=RAMP):
    """A PNG of the pixels with an additional chunk after its header."""

    def make(path):
        Image.fromarray(pixels).save(path)
        content = path.read_bytes()
        path.write_bytes(content[:33] + added + content[33:])

    return make


HARMLESS = {
    "a large colour profile": chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(9_000_000))),
    "a large text": chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(9_000_000))),
    "a long text": chunk(b"tEXt", b"x\0" + b"a" * 2_000_000),
    "an international text": chunk(b"iTXt", b"x\0\1\0\0\0" + zlib.compress(bytes(9_000_000))),
    "a comment with a wrong checksum": chunk(b"tEXt", b"x\0y", checksum=1),
    "a time with a wrong checksum": chunk(b"tIME", bytes(7), checksum=1),
    "a chunk that nobody knows": chunk(b"abCd", b"anything"),
    "EXIF with a wrong checksum": chunk(b"eXIf", b"MM", checksum=1),
}


@pytest.mark.parametrize("what", HARMLESS)
def test_a_png_with_extra_chunks_is_read(decode_image, what):
    np.testing.assert_array_equal(decode_image(with_chunk(HARMLESS[what]), "x.png")[..., 0], RAMP)


HARMFUL = {
    "pixels with a wrong checksum": (lambda content: content[:-13] + b"\0" + content[-12:], "its IDAT chunk has a wrong checksum"),
    "a header with a wrong checksum": (lambda content: content[:29] + b"\0\0\0\0" + content[33:], "its IHDR chunk has a wrong checksum"),
    "an unknown chunk that matters": (lambda content: content[:33] + chunk(b"ABCd", b"", 1) + content[33:], "its ABCd chunk has a wrong checksum"),
    "no end": (lambda content: content[:-12], "it is truncated"),
    "an end within its pixels": (lambda content: content[:-20], "it is truncated within its IDAT chunk"),
}  # fmt: skip


@pytest.mark.parametrize("what", HARMFUL)
def test_a_png_with_damaged_essential_chunks_is_named(decode_image, what):
    change, message = HARMFUL[what]

    def make(path):
        Image.fromarray(RAMP).save(path)
        path.write_bytes(change(path.read_bytes()))

    with pytest.raises(DataError, match=f"is damaged: {message}"):
        decode_image(make, "x.png")


# Messages


def test_image_conversions_are_counted_and_reported_once(data_dir, capsys):
    turned = Image.Exif()
    turned[0x0112] = 6
    pets = data_dir / "pets"
    for place in ("cat", "dog"):
        (pets / place).mkdir(parents=True)
        Image.fromarray(COLOUR).save(pets / place / "1.png")
        Image.fromarray(RAMP).save(pets / place / "2.png", exif=turned)
        Image.fromarray(np.dstack([RAMP, OTHER])).save(pets / place / "3.png")
        Image.fromarray(RAMP).save(pets / place / "4.gif", save_all=True, append_images=[Image.fromarray(OTHER)])
        Image.new("L", (9, 7), 90).save(pets / place / "5.png")
        Image.fromarray(RAMP).save(pets / place / "6.png", save_all=True, append_images=[Image.fromarray(OTHER)])
    (pets / "dog" / "7.png").write_bytes(colour_of_16_bits())
    for _ in range(2):
        load(spec(fit="pad", test=2))
        assert capsys.readouterr().err == (
            f"cnnlab: note: {pets}: of 13 images 3 resized from 9×7 and other sizes to 4×4 by padding; 2 turned upright "
            "as EXIF says; 3 made grey from colour; 2 laid on white where transparent; 4 with several frames, of which "
            "the first is used; 1 in colour of 16 bits, of which the upper 8 are used\n"
        )


def colour_of_16_bits(high=0xFFFF):
    """A PNG of size 1×1 in colour, with 16 bits per channel."""
    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" + struct.pack(">HHH", high >> 1, high >> 2, high))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
