"""What a trained network takes and gives, known without loading it."""

from collections.abc import Sequence
from dataclasses import dataclass

from cnnlab.errors import RequestError
from cnnlab.images.decode import Size
from cnnlab.images.depth import Levels
from cnnlab.runs.experiment import check_finished, experiment_of
from cnnlab.runs.folder import Run


@dataclass(frozen=True)
class NetworkInputs:
    """How image files are decoded for a network, its classes, and the usual brightness of its images' borders.

    `levels` is the scale of grey images of more than 8 bits, None where the training had none. `border_brightness` is
    None for runs of version 0.1.0.
    """

    size: Size
    levels: Levels | None
    class_names: tuple[str, ...]
    border_brightness: float | None


def inputs_of(run: Run) -> NetworkInputs:
    """Of a finished run. Images are stretched where its own are no files that were resized.

    Raises RunError where the run did not finish.
    """
    record = run.record()
    check_finished(record)
    data = experiment_of(run).data
    bits, resolved = getattr(data, "bit_depth", None), record.data.raw.get("resolved")
    white = resolved.get("white") if isinstance(resolved, dict) else None
    levels = Levels(bits=bits) if bits else Levels(white=white) if isinstance(white, int | float) else None
    size = Size(*data.image_shape, getattr(data, "fit", "stretch"))
    return NetworkInputs(size, levels, record.data.class_names, record.border_brightness)


def common_inputs(runs: Sequence[Run]) -> NetworkInputs:
    """Of runs whose probabilities can be averaged. Raises RequestError where they have not all the same."""
    first = inputs_of(runs[0])
    for run in runs[1:]:
        other = inputs_of(run)
        if other.class_names != first.class_names:
            raise RequestError(
                f"{run.path}: has other classes than {runs[0].path}; expected networks of the same classes"
            )
        if (other.size, other.levels) != (first.size, first.levels):
            raise RequestError(
                f"{run.path}: decodes images otherwise than {runs[0].path}; expected networks of one image size"
            )
    return first
