"""cnnlab's engine."""

from benchmarks.contestants.serving import read_task, scale_of, serve
from cnnlab.cli.tensorflow import quietly_imported


def main() -> None:
    """Serve."""
    quietly_imported()
    import keras

    from cnnlab.data import Examples
    from cnnlab.experiment.schema import Experiment
    from cnnlab.models.build import attach_optimizer, build
    from cnnlab.training.engine import Engine

    task, images, labels = read_task()
    experiment = Experiment.model_validate(task, strict=False)
    settings = experiment.train
    keras.utils.set_random_seed(0)
    scale = scale_of(task)
    model = build(
        experiment.model,
        images.shape[1:],
        10,
        name="model",
        scaling=None if scale == (1.0, 0.0) else scale,
        precision=settings.precision,
    )
    attach_optimizer(model, settings)
    engine = Engine(model, settings.loss, Examples(images, labels), batch_size=settings.batch_size, seed=0)
    epochs = iter(range(1_000_000))

    def run_epoch() -> float:
        for progress in engine.epoch(next(epochs)):
            loss = progress.loss
        return loss

    serve(run_epoch)


if __name__ == "__main__":
    main()
