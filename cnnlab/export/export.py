"""Exporting a run: convert its network, write a script that uses it, and prove that it computes the same."""

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlab import __version__
from cnnlab.data.splits import subset
from cnnlab.errors import DataError, RunError
from cnnlab.evaluation.load import LoadedModel, load_dataset, load_model
from cnnlab.export.convert import Conversion, layers_in_float
from cnnlab.export.network import output_name, with_preprocessing
from cnnlab.export.proof import Proof, Sample, measure, prove, sample_for
from cnnlab.export.runtime import Measured, run_script, version
from cnnlab.export.script import script_for
from cnnlab.export.targets import Files, Input, Target, files_for
from cnnlab.runs import Run
from cnnlab.runs import files as run_files
from cnnlab.terminal import image_progress, note, warn

CALIBRATION_IMAGES = 500  # TensorFlow's guide to quantization takes 100 to 500


@dataclass(frozen=True)
class Report:
    """What an export wrote, and how it compares with the network in cnnlab.

    `in_float` are the layers that a quantized network computes in float32. `trained_in` compares the run's network in
    the precision of its training, if that was another one than float32.
    """

    run: str
    target: Target
    runtime: str
    files: Files
    bytes: int
    proof: Proof
    reference: Proof
    trained_in: Proof | None
    precision: str
    output: str
    calibration_images: int
    in_float: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "run": self.run,
            "format": str(self.target.format),
            "input": str(self.target.input),
            "int8": self.target.int8,
            "output": self.output,
            "runtime": self.runtime,
            "file": str(self.files.network),
            "metadata": str(self.files.metadata),
            "script": str(self.files.script),
            "bytes": self.bytes,
            **asdict(self.proof),
            "ms_per_image_of_run": self.reference.ms_per_image,
            "ms_alone_of_run": self.reference.ms_alone,
            "precision_of_run": self.precision,
            "largest_difference_of_run": self.trained_in.largest_difference if self.trained_in else 0.0,
            "calibration_images": self.calibration_images,
            "layers_in_float": list(self.in_float),
        }


def export(run: Run, target: Target, out: Path | None = None) -> Report:
    """Write the network of a finished run to `out`, by default into the run, with its metadata and a script.

    Where the exported network gives other results, nothing is left. Raises RequestError where something cannot be
    written, RunError where the run cannot be read, ExportError where the runtime does not take the network or its
    results differ.
    """
    files = files_for(run, target, out)
    loaded = load_model(run, "float32")
    found: list[Report] = []

    def build(folder: Path) -> None:
        inside = Files(*(folder / path.name for path in (files.network, files.metadata, files.script)))
        found.append(_Export(run, target, loaded, files, inside).run())

    if out is None:
        run_files.write_folder(run.exports / target.name, build)
    else:
        _write_beside(files, build)
    (report,) = found
    run.exports.mkdir(exist_ok=True)
    run_files.write_json(run.exports / f"{target.name}.json", report.as_dict())
    return report


def _write_beside(files: Files, build: Callable[[Path], None]) -> None:
    """Have `build` fill a temporary folder, and move its files into place, the network last."""
    parent = files.network.parent
    try:
        with tempfile.TemporaryDirectory(dir=parent, prefix=".cnnlab-") as folder:
            build(Path(folder))
            for path in files.all:
                (Path(folder) / path.name).rename(path)
    except OSError as error:
        raise RunError(f"{parent}: cannot be written: {error.strerror or error}") from error


@dataclass(frozen=True)
class _Export:
    """One export, whose files are written `inside` a temporary folder before they go to `files`."""

    of: Run
    target: Target
    loaded: LoadedModel
    files: Files
    inside: Files

    def run(self) -> Report:
        calibration = self._calibration() if self.target.int8 else None
        # Of a quantized network, images are quantized too: its own first operation takes the place of the division.
        model = with_preprocessing(self.loaded, Input.FLOAT32 if self.target.int8 else self.target.input)
        metadata = self._metadata()
        Conversion(self.target, metadata, calibration).write(model, self.inside.network)
        run_files.write_json(self.inside.metadata, metadata)
        data, output = self.loaded.experiment.data, output_name(self.loaded)
        if output == "scores":
            note(f"{self.of.path}: was not trained to give probabilities: the exported network gives scores")
        text = script_for(self.files, self.target, data, output, len(self.loaded.class_names))
        run_files.write_text(self.inside.script, text)
        proof, reference, trained = self._compare()
        in_float = layers_in_float(model, self.inside.network) if self.target.int8 else []
        if in_float:
            note(f"LiteRT has no integer operations for {', '.join(in_float)}, which it computes in float32")
        return Report(
            run=str(self.of.path),
            target=self.target,
            runtime=version(self.target),
            files=self.files,
            bytes=_bytes(self.inside.network),
            proof=proof,
            reference=reference,
            trained_in=trained,
            precision=self._trained_precision,
            output=output,
            calibration_images=0 if calibration is None else len(calibration),
            in_float=tuple(in_float),
        )

    @property
    def _trained_precision(self) -> str:
        return str(self.loaded.record.experiment.train.get("precision", "float32"))

    def _compare(self) -> tuple[Proof, Proof, Proof | None]:
        with tempfile.TemporaryDirectory() as scratch:
            sample = sample_for(self.loaded, Path(scratch))
            with image_progress() as progress:

                def bar(name: str) -> Callable[[int], None]:
                    task = progress.add_task(f"measuring in {name}", total=len(sample.images))
                    return lambda completed: progress.update(task, completed=completed)

                reference = measure(self.loaded, sample, bar("cnnlab"))
                trained = reference
                if self._trained_precision != "float32":
                    trained = measure(load_model(self.of), sample, bar(f"cnnlab, {self._trained_precision}"))
                exported = run_script(
                    self.inside.script, self.target, sample.images, Path(scratch), bar(self.target.info.runtime)
                )
            return self._proofs(exported, reference, trained, sample)

    def _proofs(
        self, exported: Measured, reference: Measured, trained: Measured, sample: Sample
    ) -> tuple[Proof, Proof, Proof | None]:
        proof = prove(exported, reference, trained, sample)
        if not self.target.int8:
            proof.check(self.target.info.runtime)
        elif proof.accuracy_interval and proof.accuracy_interval[1] < 0:
            warn(f"quantized, the network is detectably worse: by {-(proof.accuracy_difference or 0):.4f} of accuracy")
        of_trained = None if trained is reference else prove(trained, reference, trained, sample)
        return proof, prove(reference, reference, trained, sample), of_trained

    def _calibration(self) -> NDArray[np.float32]:
        """Training images in [0, 1], in which both ends occur: by these the scale of pixels is 1/255."""
        try:
            train = load_dataset(self.loaded.record, self.loaded.experiment).train
        except (DataError, RunError) as error:
            raise RunError(f"--int8: is calibrated on training images: {error}") from None
        images = np.array(subset(train, min(CALIBRATION_IMAGES, len(train))).images[:])
        for value in {0, 255} - {int(images.min()), int(images.max())}:
            images[0, 0, -1 if value else 0] = value
            note(f"no pixel is {value} in the images for calibration: one of the corners of the first is made so")
        return (images / np.float32(255)).astype(np.float32)

    def _metadata(self) -> Mapping[str, Any]:
        """What one has to know of the network, for its file: texts, numbers, lists and maps."""
        record, experiment = self.loaded.record, self.loaded.experiment
        preprocessing: dict[str, Any] = {
            "fit": getattr(experiment.data, "fit", "stretch"),
            "zero_padding": experiment.preprocessing.zero_padding,
            "scale": experiment.preprocessing.scale,
        }
        if experiment.preprocessing.scale == "standardize" and record.pixel_statistics:
            preprocessing |= asdict(record.pixel_statistics)
        shape = list(experiment.data.image_shape)
        is_uint8 = self.target.input is Input.UINT8
        return {
            "run": self.of.path.resolve().name,
            "experiment": experiment.name,
            "seed": experiment.seed,
            "input": {
                "name": "images",
                "dtype": str(self.target.input),
                "shape": ["batch", *shape],
                "range": [0, 255 if is_uint8 else 1],
            },
            "output": {"name": output_name(self.loaded), "shape": ["batch", len(self.loaded.class_names)]},
            "classes": list(self.loaded.class_names),
            "preprocessing_inside": preprocessing,
            "accuracy": {key: value for key, value in record.results.items() if key.endswith("accuracy")},
            "precision": "int8" if self.target.int8 else "float32",
            "trained_in": self._trained_precision,
            "weights_sha256": hashlib.sha256(run_files.read(self.of.weights)).hexdigest(),
            "written_by": f"cnnlab {__version__}",
        }


def _bytes(path: Path) -> int:
    """Of a file, or of all files in a folder."""
    return sum(part.stat().st_size for part in (path.rglob("*") if path.is_dir() else [path]) if part.is_file())
