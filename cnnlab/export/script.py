"""The script beside an exported network, which uses it with nothing but its runtime."""

import json

from cnnlab.experiment.data import Data
from cnnlab.export.targets import Files, Format, Input, Target

LOADERS = {
    Format.KERAS: """\
model = keras.models.load_model(HERE / {file})
classes = json.loads((HERE / {metadata}).read_text())["classes"]
""",
    Format.SAVEDMODEL: """\
model = tf.saved_model.load(HERE / {file})
classes = json.loads(model.metadata()["json"].numpy())["classes"]
""",
    Format.ONNX: """\
model = onnxruntime.InferenceSession(HERE / {file})
classes = json.loads(model.get_modelmeta().custom_metadata_map["classes"])
""",
    Format.LITERT: """\
model = Interpreter(str(HERE / {file})).get_signature_runner("serving_default")
classes = json.loads((HERE / {metadata}).read_text())["classes"]
""",
}
IMPORTS = {
    Format.KERAS: "import keras",
    Format.SAVEDMODEL: "import tensorflow as tf",
    Format.ONNX: "import onnxruntime",
    Format.LITERT: "from ai_edge_litert.interpreter import Interpreter",
}
PACKAGES = {
    Format.KERAS: "tensorflow",
    Format.SAVEDMODEL: "tensorflow",
    Format.ONNX: "onnxruntime",
    Format.LITERT: "ai-edge-litert",
}
CALLS = {
    Format.KERAS: "model.predict_on_batch(images)[{output}]",
    Format.SAVEDMODEL: "model.serve(images)[{output}].numpy()",
    Format.ONNX: 'model.run([{output}], {{"images": images}})[0]',
    Format.LITERT: "model(images=images)[{output}]",
}
FITS = {
    "stretch": ["image = image.resize(({width}, {height}), Image.Resampling.BILINEAR)"],
    "crop": ["image = ImageOps.fit(image, ({width}, {height}), Image.Resampling.BILINEAR)"],
    "pad": [  # not ImageOps.pad, which puts some images one pixel further
        "scale = min({width} / image.width, {height} / image.height)",
        "size = max(1, round(image.width * scale)), max(1, round(image.height * scale))",
        "small, image = image.resize(size, Image.Resampling.BILINEAR), Image.new(image.mode, ({width}, {height}))",
        "image.paste(small, (({width} - size[0]) // 2, ({height} - size[1]) // 2))",
    ],
}
SCRIPT = '''\
"""Classifies images with {runtime} alone: python {script} {argument}...

It needs: pip install {packages}
"""
import json
import sys
from pathlib import Path

import numpy as np
{imports}

HERE = Path(__file__).parent
{loader}

def predict(images):  # (n, {height}, {width}, {channels}) {input} to {output} (n, {classes})
    return {call}


if __name__ == "__main__":
    for path in sys.argv[1:]:
{read}
        scores = predict(image{scaled})[0]
        print(path, classes[scores.argmax()], f"{{scores.max():.4f}}")
'''


def script_for(files: Files, target: Target, data: Data, output: str, classes: int) -> str:
    """The text of the script; files are decoded and fitted to the network's size as by `cnnlab predict`."""
    height, width, channels = data.image_shape
    sizes = {"height": height, "width": width, "channels": channels}
    has_files = channels in (1, 3)
    names = {"file": json.dumps(files.network.name), "metadata": json.dumps(files.metadata.name)}
    fit = FITS[getattr(data, "fit", "stretch")]
    lines = [
        f'image = ImageOps.exif_transpose(Image.open(path)).convert("{"RGB" if channels == 3 else "L"}")',
        *(line.format(**sizes) for line in fit),
        f"image = np.asarray(image).reshape(1, {height}, {width}, {channels})",
    ]
    if not has_files:
        lines = [f"image = np.load(path).reshape(1, {height}, {width}, {channels})  # uint8"]
    imports = [IMPORTS[target.format], *(["from PIL import Image, ImageOps"] if has_files else [])]
    return SCRIPT.format(
        runtime=target.info.runtime,
        packages=" ".join([PACKAGES[target.format], *(["pillow"] if has_files else [])]),
        script=files.script.name,
        argument="IMAGE" if has_files else "ARRAY.npy",
        imports="\n".join(imports),
        loader=LOADERS[target.format].format(**names),
        input="uint8" if target.input is Input.UINT8 else "float32 in [0, 1]",
        output=output,
        classes=classes,
        call=CALLS[target.format].format(output=json.dumps(output)),
        read="\n".join(f"        {line}" for line in lines),
        scaled="" if target.input is Input.UINT8 else " / np.float32(255)",
        **sizes,
    )
