"""The engine of cnnlab."""

from itertools import count

from benchmarks.contestants.serving import read_task, serve
from cnnlab.cli.tensorflow import import_tensorflow
from cnnlab.experiment.schema import Experiment
from cnnlab.jobs.cores import for_one_process


def main() -> None:
    """Train epochs on request."""
    threads = for_one_process(Experiment.model_validate(read_task()[0], strict=False)).train.threads
    import_tensorflow(threads=threads)  # as `cnnlab train`
    from benchmarks.contestants.network import built
    from cnnlab.data import Examples
    from cnnlab.models.determinism import make_deterministic
    from cnnlab.training.distribution import devices
    from cnnlab.training.engine.engine import Engine

    task, images, labels = read_task()
    make_deterministic(0, deterministic=task["train"]["deterministic"])
    model, settings = built(task, images)
    engine = Engine(
        model,
        settings.loss,
        Examples(images, labels),
        batch_size=settings.batch_size,
        seed=0,
        jit=devices.uses_xla(Experiment.model_validate(task, strict=False)),
    )
    epochs = count()

    def run_epoch() -> float:
        for progress in engine.epoch(next(epochs)):
            loss = progress.loss
        return loss

    serve(run_epoch)


if __name__ == "__main__":
    main()
