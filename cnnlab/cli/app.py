"""The commands of `cnnlab`. Nothing here, or in what it imports, imports TensorFlow."""

from typing import Annotated

import typer

from cnnlab import __version__
from cnnlab.cli.bench import bench
from cnnlab.cli.compare import compare
from cnnlab.cli.configs import configs
from cnnlab.cli.convolve import convolve
from cnnlab.cli.data import data
from cnnlab.cli.describe import describe
from cnnlab.cli.evaluate import evaluate
from cnnlab.cli.export import export
from cnnlab.cli.find_rate import find_rate
from cnnlab.cli.fool import fool
from cnnlab.cli.init import init
from cnnlab.cli.launch import launch
from cnnlab.cli.look import look
from cnnlab.cli.predict import predict
from cnnlab.cli.race import race
from cnnlab.cli.report import report
from cnnlab.cli.reproduce import reproduce
from cnnlab.cli.resume import resume
from cnnlab.cli.runs import runs
from cnnlab.cli.schema import schema
from cnnlab.cli.show import show
from cnnlab.cli.sweep import sweep
from cnnlab.cli.tensorboard import tensorboard
from cnnlab.cli.train import train
from cnnlab.cli.validate import validate
from cnnlab.cli.verify import verify

app = typer.Typer(
    name="cnnlab",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"cnnlab {__version__}")
        raise typer.Exit


@app.callback()
def cnnlab(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """A command-line laboratory for convolutional networks: one YAML file is one experiment."""


for command in (
    train,
    resume,
    launch,
    sweep,
    race,
    find_rate,
    evaluate,
    predict,
    look,
    fool,
    export,
    compare,
    report,
    reproduce,
    verify,
    tensorboard,
):
    app.command()(command)
app.add_typer(runs, name="runs")
for other in (configs, init, validate, describe, show, schema, convolve, bench):
    app.command()(other)
app.add_typer(data, name="data")
