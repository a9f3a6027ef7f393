"""`cnnlab convolve`."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from cnnlab.lessons.kernels import KERNELS
from cnnlab.lessons.lessons import LESSONS
from cnnlab.runs import Run
from tests.conftest import assert_one_line, invoke

INTEL = ("--input", "[[3,2,1],[1,2,3],[1,1,1]]", "--kernel", "[[-1,0,1],[-2,0,2],[-1,0,1]]")
SQUARE = ("--input", "[[1,2,3],[4,5,6],[7,8,9]]")
PLAIN = ("--input", "[[1,2],[3,4]]")


def arrays(done):
    """By name, of --format json."""
    assert done.returncode == 0, done.stderr
    return {array["name"]: array for array in json.loads(done.stdout)["arrays"]}


@pytest.fixture
def photograph(tmp_path):
    """A file in colour."""
    pixels = np.random.default_rng(0).integers(0, 256, (12, 20, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return pixels / 255


def test_the_example_of_the_intel_lecture_is_printed_as_it_prints_it(cnnlab):
    done = cnnlab("convolve", *INTEL, "--steps")
    assert "(3*-1)+(2*0)+(1*1)+(1*-2)+(2*0)+(3*2)+(1*-1)+(1*0)+(1*1) = 2\n" in done.stdout
    assert done.stderr == ""


def test_everything_in_turn_is_in_json(cnnlab):
    done = cnnlab(
        *("convolve", *SQUARE, "--kernel", "[[1,0],[0,-1]]", "--kernel", "[[0,1],[0,0]]", "--padding", "same"),
        *("--bias", "[1,-5]", "--relu", "--pool", "max", "--pool-padding", "same", "--flatten", "--format", "json"),
    )
    found = arrays(done)
    assert list(found) == ["input", "kernel", "bias", "output", "after ReLU", "after max pooling", "flattened"]
    image, kernels = np.arange(1.0, 10).reshape(1, 3, 3, 1), np.array([[[1, 0], [0, 1]], [[0, 0], [-1, 0]]])[:, :, None]
    theirs = tf.nn.conv2d(image, kernels.astype(float), 1, "SAME") + np.array([1.0, -5])
    assert found["output"]["values"] == theirs[0].numpy().tolist()
    pooled = tf.nn.max_pool2d(tf.nn.relu(theirs), 2, 2, "SAME")
    assert found["after max pooling"]["values"] == pooled[0].numpy().tolist()
    assert found["flattened"]["values"] == pooled.numpy().ravel().tolist()
    assert found["output"]["shape"] == [3, 3, 2]


def test_flip_is_true_convolution(cnnlab):
    image, kernel = ("--input", "[[0,0,0],[0,1,0],[0,0,0]]"), ("--kernel", "[[1,2],[3,4]]")
    plain, flipped = (
        arrays(cnnlab("convolve", *image, *kernel, *more, "--format", "json"))["output"]["values"]
        for more in ((), ("--flip",))
    )
    assert np.squeeze(plain).tolist() == [[4, 3], [2, 1]]
    assert np.squeeze(flipped).tolist() == [[1, 2], [3, 4]]


def test_pooling_alone_needs_no_kernel(cnnlab):
    done = cnnlab("convolve", *SQUARE, "--pool", "average", "--pool-size", 3)
    assert done.stdout.splitlines()[-2:] == ["after average pooling, 1×1:", "  5"]


@pytest.mark.parametrize("flip", [(), ("--flip",)])
def test_backward_gives_gradients_and_the_next_kernel(cnnlab, flip):
    upstream = ("--backward", "[[1,-1],[2,0.5]]", "--learning-rate", 0.1)
    found = arrays(cnnlab("convolve", *SQUARE, "--kernel", "[[1,0],[-1,2]]", *upstream, *flip, "--format", "json"))
    image, kernel = tf.constant(np.arange(1.0, 10).reshape(1, 3, 3, 1)), tf.constant([[1.0, 0], [-1, 2]], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch([image, kernel])
        seen = tf.reverse(kernel, [0, 1]) if flip else kernel
        sums = tf.nn.conv2d(image, seen[:, :, None, None], 1, "VALID")
        error = tf.reduce_sum(sums[0, :, :, 0] * np.array([[1, -1], [2, 0.5]]))
    of_image, of_kernel = (gradient.numpy() for gradient in tape.gradient(error, [image, kernel]))
    assert np.squeeze(found["dE/dw"]["values"]).tolist() == of_kernel.tolist()
    assert found["dE/dx"]["values"] == of_image[0].tolist()
    assert found["dE/db"]["values"] == [2.5]
    np.testing.assert_allclose(np.squeeze(found["w_next = w - 0.1 dE/dw"]["values"]), kernel - 0.1 * of_kernel)
    for name in ("dE/dw", "dE/dx"):
        totals = [float(line.rsplit("= ")[-1]) for line in found[name]["steps"]]
        assert totals == np.ravel(found[name]["values"]).tolist()


@pytest.mark.parametrize(("flip", "term"), [((), "dE/dh11*w11 = (1*1)"), (("--flip",), "dE/dh11*w22 = (1*4)")])
def test_terms_name_the_weights_of_the_kernel_as_it_was_given(cnnlab, flip, term):
    done = cnnlab("convolve", *SQUARE, "--kernel", "[[1,2],[3,4]]", "--backward", "[[1,0],[0,1]]", *flip)
    assert f"dE/dx11 = {term}" in done.stdout


def test_files_of_numbers_are_read(cnnlab, tmp_path):
    np.save(tmp_path / "x.npy", np.arange(9, dtype=np.uint8).reshape(3, 3))
    (tmp_path / "k.json").write_text("[[0, 1]]")
    done = cnnlab("convolve", "--input", "x.npy", "--kernel", "k.json", "--format", "json")
    assert np.squeeze(arrays(done)["output"]["values"]).tolist() == [[1, 2], [4, 5], [7, 8]]


@pytest.mark.parametrize("name", KERNELS)
def test_a_named_kernel_is_applied_to_each_channel_of_a_photograph(cnnlab, photograph, name):
    done = cnnlab("convolve", "--image", "photo.png", "--kernel", name, "--format", "json")
    output = arrays(done)["output"]
    kernel = KERNELS[name]()[:, :, None, None].repeat(3, axis=2)
    expected = tf.nn.depthwise_conv2d(photograph[None], kernel, [1, 1, 1, 1], "SAME")[0]
    np.testing.assert_allclose(output["values"], expected, atol=1e-12)
    assert (output["min"], output["max"]) == (np.min(output["values"]), np.max(output["values"]))
    assert done.stderr.count("is applied to each of the 3 channels by itself") == 1


def test_without_an_input_the_photograph_of_scikit_learn_is_used(cnnlab):
    done = cnnlab("convolve", "--kernel", "sobel-x")
    assert "china.jpg, 427×640×3: 0 to 1" in done.stdout
    assert "neither --input nor --image: the input is the photograph china.jpg that scikit-learn ships" in done.stderr
    assert "output, 427×640×3: -4 to 3.65" in done.stdout


def test_a_grey_image_has_one_channel_and_a_large_one_is_resized(cnnlab, tmp_path):
    Image.new("L", (2048, 1024), 255).save(tmp_path / "grey.png")
    done = cnnlab("convolve", "--image", "grey.png", "--kernel", "identity")
    assert "grey.png, 512×1024: all 1" in done.stdout
    assert "grey.png: resized from 1024×2048 to 512×1024" in done.stderr
    Image.new("L", (1, 5000), 255).save(tmp_path / "thin.png")
    assert "resized from 5000×1 to 1024×1\n" in cnnlab("convolve", "--image", "thin.png", "--relu").stderr


def test_a_photograph_on_its_side_is_turned_upright(cnnlab, tmp_path):
    tags = Image.Exif()
    tags[0x0112] = 6
    Image.new("RGB", (30, 20), "red").save(tmp_path / "side.jpg", exif=tags)
    assert "side.jpg, 30×20×3" in cnnlab("convolve", "--image", "side.jpg", "--kernel", "identity").stdout


def test_filters_of_a_run_are_kernels(trained, tmp_path):
    from safetensors.numpy import load_file

    weights = load_file(trained / "runs" / "tiny-1" / "weights.safetensors")["conv2d_0/kernel"]
    run, image = trained / "runs" / "tiny-1", "[[0,0,0],[0,1,0],[0,0,0]]"
    options = ("--input", image, "--padding", "same", "--flip", "--format", "json")
    one = arrays(invoke("convolve", "--kernel", f"{run}:conv2d_0/3", *options, cwd=tmp_path))
    np.testing.assert_allclose(one["output"]["values"], weights[:, :, 0, 3:4])
    every = arrays(invoke("convolve", "--kernel", f"{run}:conv2d_0", *options, cwd=tmp_path))
    np.testing.assert_allclose(every["output"]["values"], weights[:, :, 0])


@pytest.mark.parametrize(
    ("place", "code", "parts"),
    [
        ("nowhere:conv2d_0/3", 2, ["nowhere: no such folder"]),
        ("runs/tiny-1:conv2d_7/0", 2, ["has no convolution 'conv2d_7'", "did you mean 'conv2d_0'"]),
        ("runs/tiny-1:conv2d_0/4", 2, ["filter '4'", "has 4, expected 0 to 3"]),
        ("runs/tiny-1:conv2d_0/x", 2, ["filter 'x'"]),
        ("runs:conv2d_0/0", 2, ["not a run folder", "tiny-1"]),
        ("runs/tiny-1", 2, ["runs/tiny-1: is a run; add the name of a layer and a filter, such as :conv2d_0/0"]),
    ],
)
def test_a_filter_that_is_not_there_is_refused(trained, place, code, parts):
    assert_one_line(invoke("convolve", *PLAIN, "--kernel", place, cwd=trained), code, *parts)


def test_a_run_without_convolution_is_refused(trained, tmp_path):
    from safetensors.numpy import save_file

    shutil.copytree(trained / "runs", tmp_path / "runs")
    save_file({"dense_0/kernel": np.ones((2, 2))}, tmp_path / "runs" / "tiny-1" / "weights.safetensors")
    done = invoke("convolve", *PLAIN, "--kernel", "runs/tiny-1:dense_0/0", cwd=tmp_path)
    assert_one_line(done, 2, "has no convolution 'dense_0'; it has none at all")


def test_filters_of_a_depthwise_layer_see_one_channel(trained, tmp_path):
    from safetensors.numpy import save_file

    shutil.copytree(trained / "runs", tmp_path / "runs")
    kernels = np.arange(12, dtype=np.float32).reshape(1, 2, 3, 2)
    save_file({"depthwise_conv2d_0/kernel": kernels}, tmp_path / "runs" / "tiny-1" / "weights.safetensors")
    command = ("convolve", *PLAIN, "--kernel", "runs/tiny-1:depthwise_conv2d_0/3", "--format", "json")
    done = arrays(invoke(*command, cwd=tmp_path))
    assert np.squeeze(done["kernel runs/tiny-1:depthwise_conv2d_0/3"]["values"]).tolist() == [3, 9]


def test_weights_that_are_missing_or_damaged_are_reported(trained, tmp_path):
    shutil.copytree(trained / "runs", tmp_path / "runs")
    weights = tmp_path / "runs" / "tiny-1" / "weights.safetensors"
    weights.write_bytes(b"12345678{")
    command = ("convolve", *PLAIN, "--kernel", "runs/tiny-1:conv2d_0/0")
    assert_one_line(invoke(*command, cwd=tmp_path), 1, "weights.safetensors: damaged")
    weights.unlink()
    assert_one_line(invoke(*command, cwd=tmp_path), 1, "weights.safetensors missing, though the run finished")
    Run(tmp_path / "runs" / "tiny-1").update({"status": "interrupted"})
    advice = "its status is 'interrupted'; only a finished run has them; `cnnlab resume runs/tiny-1` continues it"
    assert_one_line(invoke(*command, cwd=tmp_path), 1, advice)


def test_the_filters_of_a_kernel_of_four_axes_are_printed_one_by_one(cnnlab, tmp_path):
    kernels = np.arange(24.0).reshape(2, 2, 2, 3)
    np.save(tmp_path / "k.npy", kernels)
    found = arrays(
        cnnlab("convolve", "--input", "[[[1,2],[3,4]],[[5,6],[7,8]]]", "--kernel", "k.npy", "--format", "json")
    )
    names = ["input", "kernel k.npy, filter 0", "kernel k.npy, filter 1", "kernel k.npy, filter 2", "output"]
    assert list(found) == names
    assert found[names[2]]["values"] == kernels[..., 1].tolist()


def test_lessons_are_listed(cnnlab):
    done = cnnlab("convolve", "--lesson", "list", "--format", "json")
    assert [row["lesson"] for row in json.loads(done.stdout)] == list(LESSONS)
    assert "kth-xo" in cnnlab("convolve", "--lesson", "list").stdout


@pytest.mark.parametrize("name", LESSONS)
def test_every_lesson_is_printed_and_says_what_agrees(cnnlab, name):
    done = cnnlab("convolve", "--lesson", name)
    assert done.stdout.startswith(f"{LESSONS[name].source}: ")
    assert "NOT as" not in done.stdout
    agreeing = [step.agrees for step in LESSONS[name].work()].count(True)
    assert done.stdout.count("  as the lecture prints") == agreeing


def test_numbers_of_the_kth_toy_are_cut_to_two_digits(cnnlab):
    printed = cnnlab("convolve", "--lesson", "kth-xo").stdout
    assert "   0.77  -0.11   0.11   0.33   0.55  -0.11   0.33\n" in printed
    assert "  0.77  0.55  1.00" not in printed.replace("  0.33  0.55  1.00  0.77", "")
    assert "  1.00  0.33  0.55  0.33\n" in printed


def test_lessons_in_json_say_what_agrees(cnnlab):
    found = json.loads(cnnlab("convolve", "--lesson", "intel-3x3", "--format", "json").stdout)
    assert (found["lesson"], found["source"]) == ("intel-3x3", "Intel")
    assert found["arrays"][-1]["agrees"] is True


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--input", "[[1,2],[3]]", "--kernel", "identity"], ["--input: ragged", "shape [1] and item 0 [2]"]),
        (["--input", "[[1,[2]],[3,4]]", "--kernel", "identity"], ["--input: ragged"]),
        (["--input", '[[1,"a"]]', "--kernel", "identity"], ["--input: 'a' is not a number"]),
        (["--input", "[[1,true]]", "--kernel", "identity"], ["true is not a number"]),
        (["--input", "[[1,null]]", "--kernel", "identity"], ["--input: null is not a number"]),
        (["--input", "[[1,NaN]]", "--kernel", "identity"], ["--input: has NaN, infinity"]),
        (["--input", "[[1e101]]", "--kernel", "identity"], ["numbers beyond 1e+100"]),
        (["--input", f"[[1{'0' * 400}]]", "--kernel", "identity"], ["too large"]),
        (["--input", "[" * 5000, "--kernel", "identity"], ["is not JSON"]),
        (["--input", "[]", "--kernel", "identity"], ["--input: 0 numbers"]),
        (["--input", "[1,2]", "--kernel", "identity"], ["--input: the shape is [2]; expected [height, width]"]),
        (["--input", "hello", "--kernel", "identity"], ["--input: 'hello' is not JSON", ".npy file"]),
        (["--input", "x.npy", "--kernel", "identity"], ["--input x.npy: cannot be read: No such file"]),
        (
            ["--input", "text.npy", "--kernel", "identity"],
            ["--input text.npy: is damaged, or not an array of numbers as numpy.save"],
        ),
        (["--input", "words.npy", "--kernel", "identity"], ["--input words.npy: an array of <U1"]),
        (["--input", "text.json", "--kernel", "identity"], ["--input text.json: 'no array' is not JSON"]),
        ([*PLAIN, "--kernel", "identity"], ["--kernel: a window of 3×3 does not fit into the input of 2×2"]),
        ([*PLAIN, "--kernel", "box-blur:size=7", "--padding", "1"], ["input of 2×2, 4×4 with its padding"]),
        (
            [*PLAIN, "--kernel", "[[[1,2,3]]]"],
            ["--kernel '[[[1,2,3]]]': has 3 input channels, and the input has 1; expected"],
        ),
        ([*PLAIN, "--kernel", "[1]"], ["--kernel: the shape is [1]"]),
        ([*PLAIN, "--kernel", "[[1]]", "--stride", "0"], ["'--stride'", "greater than or equal to 1"]),
        ([*PLAIN, "--kernel", "[[1]]", "--padding", "-1"], ["--padding -1: expected valid, same"]),
        ([*PLAIN, "--kernel", "[[1]]", "--padding", "9999"], ["up to 1000"]),
        (
            [*PLAIN, "--kernel", "[[1]]", "--bias", "[1,2]"],
            ["--bias: 2 numbers; expected 1, since there is one output"],
        ),
        ([*PLAIN, "--kernel", "[[1]]", "--kernel", "[[1,2]]"], ["--kernel: different sizes give outputs"]),
        ([*PLAIN, "--kernel", "sobelx"], ["--kernel sobelx: no kernel of that name; did you mean 'sobel-x'?"]),
        (
            [*PLAIN, "--kernel", "[[1]]", "--backward", "[[1]]"],
            ["--backward: dE/dh has the shape [1, 1]; expected that of the sums, [2, 2]"],
        ),
        ([*PLAIN, "--kernel", "[[[[1,2]]]]", "--backward", "[[1]]"], ["has the shape [1, 1]; expected", "[2, 2, 2]"]),
        (
            [*PLAIN, "--kernel", "[[1]]", "--backward", "[[1,2],[3,4]]", "--relu"],
            ["--relu: leave it out: the gradient is with respect to"],
        ),
        (["--input", "[[[1,2]]]", "--kernel", "[[1]]", "--backward", "[[[1,2]]]"], ["1 input channel and the input 2"]),
        (
            [*PLAIN, "--kernel", "[[1]]", "--learning-rate", "1"],
            ["--learning-rate 1: is of the backward pass; add dE/dh, such as --backward"],
        ),
        ([*PLAIN, "--kernel", "[[1]]", "--backward", "[[1]]", "--learning-rate", "nan"], ["a finite number"]),
        ([*PLAIN, "--pool", "max", "--pool-size", "3"], ["--pool-size: a window of 3×3 does not fit"]),
        ([*PLAIN, "--pool", "average", "--pool-size", "3"], ["--pool-size: a window of 3×3 does not fit"]),
        ([*PLAIN, "--pool", "channels", "--pool-size", "3"], ["--pool-size 3: of channels; expected a divisor"]),
        (
            [*PLAIN, "--pool", "global-max", "--pool-size", "3"],
            ["--pool-size: leave it out: global-max pooling is of all"],
        ),
        ([*PLAIN, "--pool", "global-average", "--pool-padding", "same"], ["--pool-padding: leave it out"]),
        (
            [*PLAIN, "--pool", "channels", "--pool-stride", "7"],
            ["--pool-stride: leave it out: channels pooling has no"],
        ),
        (["--lesson", "list", "--out", "x.png"], ["--out: leave it out where lessons are listed"]),
        (["--lesson", "list", "--relu"], ["--relu: leave it out where lessons are listed"]),
        ([*PLAIN, "--kernel", "gabor:size=3,size=5"], ["size is given twice"]),
        (
            [*PLAIN, "--kernel", "sobel"],
            ["--kernel sobel: no kernel of that name; did you mean 'sobel-x' or 'sobel-y'?"],
        ),
        ([*PLAIN, "--kernel", "sobel:size=3"], ["no kernel of that name; did you mean 'sobel-x' or 'sobel-y'?"]),
        (
            [*PLAIN, "--kernel", "5"],
            ["expected an array such as [[0, 1], [1, 0]], a .json or", "RUN:LAYER/INDEX, or one of"],
        ),
        ([*PLAIN, "--kernel", "[[1]]", "--bias", "abc"], ["--bias: 'abc' is not JSON; expected a number, or an array"]),
        (
            [*PLAIN, "--kernel", "[[[[1,2]]]]", "--bias", "[1,2,3]"],
            ["--bias: 3 numbers; expected 1, or 2, one per output"],
        ),
        ([*PLAIN, "--kernel", "[[1]]", "--stride", "1.5"], ["'--stride'", "expected a valid integer, got '1.5'"]),
        (["--input", "folder.npy", "--kernel", "identity"], ["--input folder.npy: is not a file; expected a file of"]),
        (
            ["--input", "huge.npy", "--kernel", "identity"],
            ["--input huge.npy: 1,000,000,000,000 numbers; expected 1 to"],
        ),
        (
            ["--input", "short.npy", "--kernel", "identity"],
            ["short.npy: is damaged: has 8 bytes of numbers; its header"],
        ),
        (
            ["--image", "photo.png", "--kernel", "identity", "--out", "photo.png"],
            ["--out photo.png: is the input image"],
        ),
        ([*PLAIN, "--kernel", "[[1]]", "--out", "photo.png"], ["--out photo.png: exists, and is no figure of cnnlab"]),
        ([*PLAIN, "--kernel", "[[1]]", "--out", "text.svg"], ["--out text.svg: exists, and is no figure of cnnlab"]),
        ([*PLAIN, "--kernel", "[[1]]", "--out", "folder.png"], ["--out folder.png: is a folder"]),
        (["--lesson", "kth-xo", "--out", "text.svg"], ["--out text.svg: exists, and is no figure of cnnlab"]),
        ([*PLAIN, "--pool", "max", "--pool-padding", "2"], ["--pool-padding 2: is around windows of 2×2"]),
        ([*PLAIN, "--image", "photo.png", "--relu"], ["--input and --image photo.png: expected one"]),
        ([*PLAIN, "--steps", "--relu"], ["--steps: is of a convolution; add a kernel"]),
        ([*PLAIN, "--kernel", "[[1]]", "--out", "x.bmp"], ["--out x.bmp: expected a file name that ends in"]),
        ([*PLAIN], ["nothing to compute", "--kernel sobel-x"]),
        (["--image", "text.json", "--kernel", "identity"], ["--image text.json: is not an image"]),
        (["--image", "nowhere.png", "--kernel", "identity"], ["--image nowhere.png: cannot be read: No such file"]),
        (["--image", "photo.png", "--kernel", "identity", "--steps"], ["--steps:", "720 sums"]),
        (["--lesson", "kth-ox"], ["--lesson kth-ox: no such lesson; did you mean 'kth-xo'?"]),
        (["--lesson", "kth-xo", "--kernel", "identity"], ["--kernel: leave it out with --lesson kth-xo"]),
        (["--lesson", "kth-xo", "--stride", "2"], ["--stride: leave it out with --lesson kth-xo"]),
        ([*PLAIN, "--kernel", "[[1]]", "--pool-size", "2"], ["--pool-size: is of pooling"]),
        ([*PLAIN, "--relu", "--flip"], ["--flip: is of a convolution; add a kernel"]),
        ([*PLAIN, "--kernel", ""], ["--kernel : no kernel of that name"]),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value[0], str) else None,
)
def test_bad_input_is_one_line(cnnlab, tmp_path, photograph, options, parts, monkeypatch):
    monkeypatch.setattr("cnnlab.cli.convolutions.MOST_SUMS", 700)
    for name in ("text.npy", "text.json", "text.svg"):
        (tmp_path / name).write_text("no array")
    for name in ("folder.npy", "folder.png"):
        (tmp_path / name).mkdir()
    for name, side in (("huge.npy", 10**6), ("short.npy", 2)):
        write_npy(tmp_path / name, (side, side), np.ones(1))
    before = (tmp_path / "photo.png").read_bytes()
    np.save(tmp_path / "words.npy", np.array([["a"]]))
    assert_one_line(cnnlab("convolve", *options), 2, *parts)
    assert (tmp_path / "photo.png").read_bytes() == before
    assert (tmp_path / "text.svg").read_text() == "no array"


def write_npy(path, shape, values):
    """A file whose header states this shape, whatever its values are."""
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
        file.write(values.astype("<f8").tobytes())


def test_the_bias_is_printed(cnnlab):
    done = cnnlab("convolve", *PLAIN, "--kernel", "[[1]]", "--kernel", "[[2]]", "--bias", "[0.5, -1]")
    assert "\nbias, 2:\n  0.5, -1\noutput, 2×2×2:\n" in done.stdout


def test_many_equal_numbers_are_one_line(cnnlab):
    assert "output of a 5×5 filter on 32×32 (both of zeros), 28×28: all 0\n" in (
        cnnlab("convolve", "--lesson", "kth-shapes").stdout
    )


def test_an_image_of_floats_is_scaled_as_other_commands_do_and_that_is_said(cnnlab, tmp_path):
    Image.fromarray(np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)).save(tmp_path / "float.tif")
    done = cnnlab("convolve", "--image", "float.tif", "--relu", "--format", "json")
    assert arrays(done)["float.tif"]["max"] == 1
    assert done.stderr == "cnnlab: note: of 1 image 1 of more than 8 bits, each scaled by its own largest value\n"


def test_an_image_of_too_many_pixels_is_refused_in_one_line(cnnlab, tmp_path, monkeypatch):
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 100)  # where Pillow warns
    monkeypatch.setattr("cnnlab.images.decode.MAX_PIXELS", 100)
    Image.new("L", (11, 11)).save(tmp_path / "bomb.png")
    done = cnnlab("convolve", "--image", "bomb.png", "--relu")
    assert_one_line(done, 2, "--image bomb.png: has 11×11 pixels; expected at most 100")
