"""From a Keras model to a file of another runtime, which loads it."""

import json
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnlab.errors import ExportError
from cnnlab.export.network import IMAGES
from cnnlab.export.targets import Format, Input, Target
from cnnlab.models.inspection import output_in
from cnnlab.terminal import filtered_stderr

MAX_REASON = 200  # characters of a converter's message
PIXEL_SCALE = 1 / 255  # of quantized images, so that pixels are taken as they are


@dataclass(frozen=True)
class Conversion:
    """How a model becomes a file: `metadata` goes into it where the format has a place for that.

    `calibration` are training images (n, height, width, channels) float32 in [0, 1], by which the ranges of activations
    are measured where they become integers.
    """

    target: Target
    metadata: Mapping[str, Any]
    calibration: NDArray[np.float32] | None = None

    def write(self, model: keras.Model, path: Path) -> None:
        """Write the file or folder, and load it once. Raises ExportError that names the layer where that fails."""
        try:
            self._write(model, path)
        except (OSError, MemoryError):
            raise
        except Exception as error:  # each converter and each runtime has errors of its own
            layer = self._first_failing_layer(model)
            place = f"layer {layer}" if layer else "the network"
            reason = " ".join(str(error).split())[:MAX_REASON]
            raise ExportError(f"{self.target.info.runtime} cannot take {place}: {reason}") from error

    def _write(self, model: keras.Model, path: Path) -> None:
        writers: dict[Format, Callable[[keras.Model, Path], None]] = {
            Format.KERAS: _write_keras,
            Format.SAVEDMODEL: partial(_write_savedmodel, metadata=self.metadata),
            Format.ONNX: partial(_write_onnx, metadata=self.metadata),
            Format.LITERT: partial(_write_litert, target=self.target, calibration=self.calibration),
        }
        with _quiet():
            writers[self.target.format](model, path)

    def _first_failing_layer(self, model: keras.Model) -> str | None:
        """The name of the first layer with which the network cannot be converted."""
        network = _network_in(model)
        works, fails = 0, len(network.layers)  # numbers of layers
        while fails - works > 1:
            count = (works + fails) // 2
            outputs = {layer.name: output_in(layer) for layer in network.layers[:count]}
            inner = keras.Model(network.input, outputs)
            images = keras.Input(model.input_shape[1:], dtype=model.input.dtype, name=IMAGES)
            with tempfile.TemporaryDirectory() as folder:
                try:
                    path = Path(folder) / f"network{self.target.info.suffix}"
                    self._write(keras.Model(images, inner(keras.ops.cast(images, "float32"))), path)
                    works = count
                except Exception:  # as above
                    fails = count
        return str(network.layers[fails - 1].name) if works else None


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what converters log and warn of; their errors are exceptions."""
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with filtered_stderr(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _write_keras(model: keras.Model, path: Path) -> None:
    model.save(path)
    keras.models.load_model(path)


def _write_savedmodel(model: keras.Model, path: Path, metadata: Mapping[str, Any]) -> None:
    """As `Model.export`, with a further signature `metadata` that gives JSON."""
    text = json.dumps(metadata)
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", partial(model, training=False), [_specification(model)])
    archive.add_endpoint("metadata", lambda: {"json": tf.constant(text)}, [])
    archive.write_out(path, verbose=False)
    tf.saved_model.load(path)


def _specification(model: keras.Model) -> keras.InputSpec:
    return keras.InputSpec(shape=model.input_shape, dtype=model.input.dtype, name=IMAGES)


def _write_onnx(model: keras.Model, path: Path, metadata: Mapping[str, Any]) -> None:
    import onnx
    import onnxruntime

    model.export(path, format="onnx", verbose=False, input_signature=[_specification(model)])
    content = onnx.load(path)
    for value in (*content.graph.input, *content.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()}
    onnx.helper.set_model_props(content, texts)
    onnx.save(content, path)
    onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def _write_litert(model: keras.Model, path: Path, target: Target, calibration: NDArray[np.float32] | None) -> None:
    from ai_edge_litert.interpreter import Interpreter

    options: dict[str, Any] = {"target_spec": {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}}
    if calibration is not None:
        options = {
            "optimizations": [tf.lite.Optimize.DEFAULT],
            "representative_dataset": lambda: ([image[None]] for image in calibration),
            "target_spec": {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]},
            "inference_input_type": tf.uint8 if target.input is Input.UINT8 else tf.float32,
        }
    model.export(path, format="litert", verbose=False, **options)
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    if calibration is not None and target.input is Input.UINT8:
        scale, zero = interpreter.get_input_details()[0]["quantization"]
        if zero or not np.isclose(scale, PIXEL_SCALE):
            raise ValueError(f"its images are quantized by {scale:g} from {zero}; expected 1/255 from 0")


def layers_in_float(model: keras.Model, path: Path) -> list[str]:
    """The layers of the network in `model` of which a quantized LiteRT file computes a part in float32."""
    from tensorflow.lite.python import schema_py_generated as schema

    content = schema.Model.GetRootAs(path.read_bytes())
    graph, codes, floats = content.Subgraphs(0), schema.BuiltinOperator, set[str]()
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        tensor = graph.Tensors(operator.Outputs(0))
        is_dequantized = content.OperatorCodes(operator.OpcodeIndex()).BuiltinCode() == codes.DEQUANTIZE
        if tensor.Type() == schema.TensorType.FLOAT32 and not is_dequantized:
            floats |= set(tensor.Name().decode().split("/"))
    names = [layer.name for layer in _network_in(model).layers]
    return [name for name in names if {name, f"{name}_1"} & floats]


def _network_in(model: keras.Model) -> keras.Model:
    """The network that `model` puts preprocessing before."""
    return next(layer for layer in model.layers if isinstance(layer, keras.Model))
