"""The formats that a network is exported to, known without importing what writes them."""

import importlib.util
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cnnlab.errors import RequestError
from cnnlab.runs import Run


class Format(StrEnum):
    """A file format."""

    KERAS = "keras"
    SAVEDMODEL = "savedmodel"
    ONNX = "onnx"
    LITERT = "litert"


class Input(StrEnum):
    """The type of the images that an exported network takes."""

    UINT8 = "uint8"
    FLOAT32 = "float32"


@dataclass(frozen=True)
class FormatInfo:
    """The runtime of a format, the suffix of its files, none of a folder, and what is imported besides TensorFlow."""

    runtime: str
    suffix: str
    modules: tuple[str, ...] = ()


FORMATS = {
    Format.KERAS: FormatInfo("Keras", ".keras"),
    Format.SAVEDMODEL: FormatInfo("TensorFlow", ""),
    Format.ONNX: FormatInfo("ONNX Runtime", ".onnx", ("onnx", "tf2onnx", "onnxruntime")),
    Format.LITERT: FormatInfo("LiteRT", ".tflite", ("ai_edge_litert",)),
}


@dataclass(frozen=True)
class Target:
    """What is exported to: the format, the type of the images, and whether weights and activations become integers."""

    format: Format
    input: Input = Input.UINT8
    int8: bool = False

    @property
    def info(self) -> FormatInfo:
        """Of its format."""
        return FORMATS[self.format]

    @property
    def name(self) -> str:
        """Such as `onnx` or `litert-int8`: its folder below RUN/export."""
        parts = [self.format, "int8" if self.int8 else "", self.input if self.input is Input.FLOAT32 else ""]
        return "-".join(part for part in parts if part)

    def check(self) -> None:
        """Raise RequestError where the format cannot be quantized, or a package is not installed."""
        if self.int8 and self.format is not Format.LITERT:
            raise RequestError(f"--int8: quantizes for LiteRT, got the format {self.format}; try --to litert")
        missing = [name for name in self.info.modules if importlib.util.find_spec(name) is None]
        if missing:
            raise RequestError(
                f"--to {self.format}: needs {' and '.join(missing)}, not installed; pip install 'cnnlab[{self.format}]'"
            )


@dataclass(frozen=True)
class Files:
    """The paths of an export: the network, its metadata, and a script that uses it."""

    network: Path
    metadata: Path
    script: Path

    @classmethod
    def within(cls, folder: Path, name: str, target: Target) -> "Files":
        """The paths in a folder of their own."""
        return cls(folder / f"{name}{target.info.suffix}", folder / f"{name}.json", folder / "use_it.py")

    @property
    def all(self) -> tuple[Path, ...]:
        """In the order in which they are put into place."""
        return self.metadata, self.script, self.network


def files_for(run: Run, target: Target, out: Path | None) -> Files:
    """Where an export goes: to `out`, a file or an existing folder, or else into the run, where it replaces its like.

    The script is `use_it.py`, or where another export has that already `use_it_onnx.py`. Raises RequestError where
    something exists, or cannot be written.
    """
    name = run.path.resolve().name
    if out is None:
        return Files.within(run.exports / target.name, name, target)
    if out.is_dir():
        files = Files.within(out, name, target)
    elif out.suffix != target.info.suffix and target.info.suffix:
        raise RequestError(f"--out {out}: expected a name that ends in {target.info.suffix}, or an existing folder")
    else:
        files = Files(out, out.with_name(f"{out.name.removesuffix(target.info.suffix)}.json"), out.parent / "use_it.py")
    if not files.network.parent.is_dir():
        raise RequestError(f"--out {out}: there is no folder {files.network.parent}")
    if files.script.exists():
        files = Files(files.network, files.metadata, files.script.with_name(f"use_it_{target.name}.py"))
    for path in files.all:
        if path.exists() or path.is_symlink():
            raise RequestError(f"--out {out}: {path} exists; remove it, or choose another name")
    return files
