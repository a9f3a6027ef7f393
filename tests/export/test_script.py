"""The script beside an exported network decodes images as cnnlab does."""

import runpy
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from cnnlab.experiment.data.user import Folder, Synthetic
from cnnlab.export.script import script_for
from cnnlab.export.targets import Files, Format, Input, Target
from cnnlab.images.decode import Size, decode


@pytest.fixture
def images_taken(tmp_path, monkeypatch):
    """What the script gives to ONNX Runtime for an image file, when it is run with that of a data set."""

    def run(path, spec, input):
        target = Target(Format.ONNX, input)
        files = Files.within(tmp_path, 'a "b"', target)
        files.script.write_text(script_for(files, target, spec, "probabilities", 2))
        taken = []

        class Session:
            def __init__(self, path):
                assert path == files.network

            def get_modelmeta(self):
                return SimpleNamespace(custom_metadata_map={"classes": '["a", "b"]'})

            def run(self, outputs, inputs):
                assert outputs == ["probabilities"]
                taken.append(inputs["images"])
                return [np.array([[0.25, 0.75]], np.float32)]

        monkeypatch.setitem(sys.modules, "onnxruntime", SimpleNamespace(InferenceSession=Session))
        monkeypatch.setattr(sys, "argv", ["use_it.py", str(path)])
        runpy.run_path(str(files.script), run_name="__main__")
        return taken[0]

    return run


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(31, 17), (8, 12), (9, 40)])
def test_images_are_decoded_as_for_training(images_taken, tmp_path, capsys, fit, channels, size):
    pixels = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8)
    image, exif = Image.fromarray(pixels), Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    image.save(tmp_path / "image.png", exif=exif)
    spec = Folder(name="folder", path="x", image_size=(12, 10), channels=channels, fit=fit, num_classes=2)
    expected = decode(str(tmp_path / "image.png"), Size(12, 10, channels, fit)).pixels[None]
    taken = images_taken(tmp_path / "image.png", spec, Input.UINT8)
    assert taken.dtype == np.uint8
    np.testing.assert_array_equal(taken, expected)
    assert capsys.readouterr().out == f"{tmp_path / 'image.png'} b 0.7500\n"
    floats = images_taken(tmp_path / "image.png", spec, Input.FLOAT32)
    assert floats.dtype == np.float32
    np.testing.assert_array_equal(floats, expected / np.float32(255))


def test_images_of_two_channels_are_arrays(images_taken, tmp_path):
    spec = Synthetic(name="synthetic", image_shape=(4, 5, 2), num_classes=2)
    array = np.arange(40, dtype=np.uint8).reshape(4, 5, 2)
    np.save(tmp_path / "image.npy", array)
    np.testing.assert_array_equal(images_taken(tmp_path / "image.npy", spec, Input.UINT8), array[None])
