"""Every command and option that a message proposes is executed as printed."""

import json
import re
import shlex
import shutil
import signal
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import fields, is_dataclass, replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnlab import data
from cnnlab.analysis.audit import Audit
from cnnlab.analysis.label_errors import LabelErrors
from cnnlab.analysis.verify import verify
from cnnlab.cli.app import app
from cnnlab.cli.data.audit import _print, _write
from cnnlab.cli.find_rate import _check_applicable
from cnnlab.cli.rate_proposal import Found
from cnnlab.cli.results import _measured
from cnnlab.cli.tables import Format
from cnnlab.config.lint import check
from cnnlab.config.load import read, to_yaml
from cnnlab.config.overrides import parse_set
from cnnlab.errors import CnnlabError, RequestError, RunError
from cnnlab.experiment.schema import Experiment
from cnnlab.jobs.pool import Assignment
from cnnlab.jobs.train import _Tasks
from cnnlab.report.build import of_one, of_several
from cnnlab.runs import Run
from cnnlab.runs.experiment import recorded_experiment
from cnnlab.runs.overview import details
from cnnlab.sweep.run import check_not_at_work, outcome_of
from cnnlab.sweep.summary import notes
from cnnlab.training import run_folders
from cnnlab.training.find_rate.proposal import Curve
from cnnlab.training.find_rate.range_test import growing_rates
from cnnlab.training.resume.plan import plan
from tests.cli.proposals import proposing_texts
from tests.sweep.fakes import Worker, make_space

RUN, CONFIG = "my runs/tiny-1", "tiny.yaml"
TRAIN, COMPARE, SWEEP = ("train", CONFIG), ("compare", "my runs"), ("sweep", "space.yaml")

MENTIONS = {
    ", to which the --set for names that look grouped can be added",
    # Text, not commands.
    "cnnlab {}",
    "{}: only with --data, whose keys it changes; edit others in the file",
    "{}: is a symbolic link; a run has none, and cnnlab follows none",
    "{} of {} seeds did not reach {} within {} epochs; give them more by --epochs, or lower --target",
    "TF_CONFIG: cluster: cnnlab trains with workers only, got {}",
    # The subject of a message, an excluded option, or part of a command.
    " --runs {}",
    "--augment --split {}: only training images are augmented",
    "Which epoch, with --augment.",
    "--out {}: with --augment, expected a file name that ends in .png",
    "Runs that did not finish; with --all, folders of runs.",
    "--seed {}: not with a list of --seeds, which names them all",
    "{}: not with --resume, which continues a run unchanged",
    "--name {}: {} exists and a run is never overwritten; choose another name, or leave --name out for a numbered one",
    "Resume this run, as `cnnlab resume` does.",
    "--save: not with --no-train, which has nothing new to save",
    "`test` evaluates the test set after every epoch, and train.test: never (--no-test) leaves it untouched; hold out "
    "training examples, such as data.validation=0.1, or evaluate it",
    "leave --invert out",
    "--{}: is for one image of one run; several runs or --all use the test set",
    "--image: perturbs a file; leave --example out, or --image",
    "The largest perturbation, for pixels in [0, 1], such as 0.1 or 8/255; may be repeated with --all. By default the "
    "smallest that succeeds.",
    "leave it out with --lesson {}, which has its input and kernels",
    "--input and --image {}: expected one of them",
    "{}: not with --format text, which is printed",
    "neither --input nor --image: the input is the photograph {} that scikit-learn ships",
    "# Source: started from {}, `cnnlab init`.",
    "--example {}: not with --image, which is looked at instead",
    "{} more rows in --format json",
    "As of `cnnlab compare`.",
    "As of `cnnlab compare`: only runs with this setting.",
    "As of `cnnlab compare`: only the first N experiments.",
    "Also write a page, as `cnnlab report DIR` does.",
    "--name: not with --join, which names the folder",
    "An experiment file with a section `search`, or with --search any experiment; or the folder of a sweep, to go on "
    "with it.",
    "Also write a page, as `cnnlab report` does: about one run into its folder, about several beside theirs, named after "
    "the first and the last.",
    "The file, or with --format md the folder; by default report.html, or report/, in the folder of the runs.",
    "Written by cnnlab {} on {}",
    "`cnnlab train` of the experiment file, `cnnlab verify` of the run",
    "--layer {}: --what {} needs a convolution: {}",
    "--layer {}: --what {} does not draw it, since its output is that of the layer before it",
    "--port {}: {}; --port 0 takes any that is free",  # tests/cli/test_tensorboard_command.py
    "; --set replaces a layer by its whole value: --set '{}={kind: {option: value}}'",  # tests/cli/test_language.py
    "--from {} --to {}: expected two rates above 0, the lower one first",
    "--apply: the optimizer is {} by --set, and {} in {}; change it there",
    "Cross-validation: a run for each of K folds of the training examples, tested on that fold; with --seeds one "
    "partition per seed.",
    "the held-out fold is what a cross-validation measures, and train.test: never (--no-test) leaves it out; leave that "
    "away: a cross-validation does not use the test set of the data",
}
"""Texts that name a command or an option and propose none."""

PRINTED = {
    "`cnnlab report RUN` makes the page of one.": (),
    "not tested: one run each; try --seeds 5": TRAIN,
    "not tested: one run each, without saved {} predictions (`cnnlab evaluate RUN --split {}` saves them)": (),
    "{}: expected key=value, such as --where train.epochs=12": COMPARE,
    "{}; --where train.test=end leaves those that did, and compares them by test_accuracy": COMPARE,
    "{}: {}; see `{} --help`": ("train",),
    "`cnnlab train {} --seeds {}{}`": (),
    "measure the best on fresh seeds, apart from these: `cnnlab train {} --seeds {} --set train.test=end --runs "
    "fresh`": (),
    "measure the best on fresh partitions: `cnnlab train {} --folds {} --seeds {} --runs fresh`": (),
    "--name {}: expected {}; try --name {}": TRAIN,
    "Data sets that `cnnlab data list` lists.": (),
    "no: cnnlab data fetch {}": (),
    "A folder of images, a table (.csv, .tsv, .parquet) of images and classes, an experiment, or a data set that `cnnlab "
    "data list` lists.": (),
    "; --set data.on_error=skip leaves such rows out": ("show", "table.yaml"),
    "{}: {} may be the column of {}; say which, such as --set data.{}={}": ("show", "table.yaml"),
    "{}: {} of {} examples, {}; try --set {}={}": TRAIN,
    "the confusion matrix of {} classes is in the figures and in --format json": ("evaluate", RUN),
    "{}: --yes is needed where no terminal can be asked": ("runs", "rm", RUN, "--yes"),
    "{}: no run here has events; `cnnlab train … --tensorboard` writes them": (),
    "train: Missing argument 'CONFIG', unless --resume; see `cnnlab train --help`": (),
    "sweep: Missing argument 'SPACE', unless --join; see `cnnlab sweep --help`": (),
    "{}: data.validation: no examples are held out, by which trials are compared; set it, such as "
    "--set data.validation=0.1": SWEEP,
    "{}: data.validation: test: trials would be chosen by the test set; hold out training examples, such as "
    "--set data.validation=0.1": SWEEP,
    "{}: has no section `search`; add one, or name keys, such as --search "
    "train.optimizer.sgd.learning_rate=log:1e-3..1e-1": ("sweep", CONFIG),
    "{}: is a sweep of another space: {}; choose another folder, such as --name other, or go on with that one: {}": SWEEP,
    "{}: is not the folder of a sweep: it has no {}; name another, such as --name other": SWEEP,
    "{}: damaged: {}; restore it, or begin anew in another folder, such as --name other; the runs of its trials "
    "remain": SWEEP,
    "Write events; `cnnlab tensorboard runs/` shows them.": ("runs", "list", "my runs"),  # the server does not return
    "Leave the test set alone: `cnnlab evaluate RUN` measures it later.": (),
    "'': expected an experiment file, or a name that `cnnlab configs` lists": (),
    "{}: no such file; `cnnlab configs` lists the shipped experiments": (),
    "{}: empty; an experiment needs at least data and model (see `cnnlab configs`)": (),
    "{}: expected key=value, such as --set train.epochs=3": TRAIN,
    "# Check:   cnnlab validate {}.yaml && cnnlab describe {}.yaml": (),
    "# Command: cnnlab train {}.yaml": (),
    "# Reference: cnnlab schema --format md": (),
    "data.validation: {} examples to hold out, but {} has {} training examples; try --set data.validation=0.1": TRAIN,
    "data.train_sizes: {} sizes, which `cnnlab train` trains one run each; expected one here, such as "
    "--set 'data.train_sizes=[{}]'": ("data", "info", CONFIG),
    "; and {}: `cnnlab data verify …` lists them": (),
    "; if they count from {}, --set data.label_offset={}": ("show", "user.yaml"),
    "set the values of black and white, such as --set 'data.range=[{}, {}]'": ("show", "user.yaml"),
    "{}; --set data.on_error=skip leaves such files out": ("show", "folder.yaml"),
    "; set another scale with --set data.bit_depth={}": ("show", "folder.yaml"),
    "the names of the files look grouped: {} ({} of {} images), and a random split divides groups; if images of a group "
    "are alike, keep them together, such as by --set {}": ("show", "folder.yaml"),  # and tests/cli/test_pairs.py
    "to try the rest without it: `cnnlab train … --data synthetic`": (),
    "{}: {}; put the four .gz files into {}, or use other data: `cnnlab train … --data digits`": (),
    "data.test: {} of {} for the test set; expected at least one, and fewer than all; try --set data.test=0.2": (
        "validate",
        "user.yaml",
    ),
    "{}: no runs in this folder; `cnnlab train digits` makes one in runs/": (),
    "diverged: {}; {}; try {}, such as --set {}": TRAIN,
    "another worker was lost, and training cannot continue without it; see its output; `cnnlab resume RUN` in all "
    "workers continues after the last checkpoint": (),
    "try a smaller batch, such as --set train.batch_size={}": TRAIN,
    "{}.path: `cnnlab resume RUN` resumes an interrupted run; leave BackupAndRestore out": (),
    "if you trust whoever made this folder, add --trust": ("resume", RUN),
    "--limit {}: is for the test set; add --all": ("fool", RUN, "--limit", "5"),
    "--epsilon: expected one for one image; several are measured on the test set with --all": (
        *("fool", RUN, "--steps", "2"),
        *("--epsilon", "0.1", "--epsilon", "0.2"),
    ),
    "--int8: quantizes for LiteRT, got the format {}; try --to litert": ("export", RUN, "--int8"),
    "name another {}, such as --out my-{}": ("report", RUN),
    "nothing to compute; expected a kernel, such as --kernel sobel-x, or --lesson list": ("convolve",),
    "--learning-rate {}: is of the backward pass; add dE/dh, such as --backward '[[1]]'": (
        *("convolve", "--input", "[[1, 2], [3, 4]]", "--kernel", "[[1, 0], [0, 1]]"),
        *("--learning-rate", "0.1"),
    ),
    "{}; try {}, or write it into the file by --apply.": ("find-rate", CONFIG),
    "1 thread trains so small a network faster than all cores; another number: --set train.threads=2": ("show", CONFIG),
    "measure the best on the test set, which no fold includes: `cnnlab train {} --seeds {} --set data.fold=null --set "
    "train.test=end --runs fresh`": (),
    "train.loss: {}, whose networks predict no probabilities, which an audit needs; try --set "
    "train.loss=cross_entropy": TRAIN,
    "data.fold: one fold of a cross-validation; an audit trains all: --set data.fold=null": TRAIN,
    "the network has no layer '{}'; {}; `cnnlab describe` prints all": (),
    "expected true, false, a list of layers such as [conv2d_0, batch_norm_1], or {until: conv2d_4}; `cnnlab describe` "
    "prints the names of layers": (),
    "no proposal: the loss did not rise up to a rate of {}; try --to {}": ("find-rate", CONFIG, "--from", "0.001"),
    "no proposal: the loss hardly fell at any rate from {} to {}; more steps may show it, such as --steps {}, or nothing "
    "is learned at any rate": ("find-rate", CONFIG),
    "try --invert": ("predict", RUN, "digit.png"),
    "no images; expected files, folders, - for a list of paths, or a data set, such as --data digits": ("predict", RUN),
    "--examples {}: selects examples of a data set; name it, such as --data digits": (
        "predict",
        RUN,
        "--examples",
        "0:2",
    ),
}
"""Texts that propose a command, or an option of the command that is given."""

FILLED = {
    "{}: {} may be the column of {}; say which, such as --set data.{}={}": ["label", "class"],
    "{}: {} of {} examples, {}; try --set {}={}": ["data.validation", "0.5"],
    "not tested: one run each, without saved {} predictions (`cnnlab evaluate RUN --split {}` saves them)": [
        "validation"
    ],
    "no: cnnlab data fetch {}": ["mnist"],
    "name another {}, such as --out my-{}": ["report.html"],
    "`cnnlab train {} --seeds {}{}`": [CONFIG, "0,1", ""],
    "measure the best on fresh seeds, apart from these: `cnnlab train {} --seeds {} --set train.test=end --runs "
    "fresh`": [CONFIG, "2,3"],
    "measure the best on fresh partitions: `cnnlab train {} --folds {} --seeds {} --runs fresh`": [CONFIG, "2", "5,6"],
    "--name {}: expected {}; try --name {}": ["mine"],
    "; if they count from {}, --set data.label_offset={}": ["1"],
    "set the values of black and white, such as --set 'data.range=[{}, {}]'": ["0", "1"],
    "; set another scale with --set data.bit_depth={}": ["12"],
    "the names of the files look grouped: {} ({} of {} images), and a random split divides groups; if images of a group "
    "are alike, keep them together, such as by --set {}": ["data.group={rounds: '^IMG_([0-9]+)'}"],
    "# Check:   cnnlab validate {}.yaml && cnnlab describe {}.yaml": ["tiny", "tiny"],
    "# Command: cnnlab train {}.yaml": ["tiny"],
    "try a smaller batch, such as --set train.batch_size={}": ["32"],
    "no proposal: the loss did not rise up to a rate of {}; try --to {}": ["100"],
    "measure the best on the test set, which no fold includes: `cnnlab train {} --seeds {} --set data.fold=null --set "
    "train.test=end --runs fresh`": [CONFIG, "2"],
    "no proposal: the loss hardly fell at any rate from {} to {}; more steps may show it, such as --steps {}, or nothing "
    "is learned at any rate": ["1200"],
    "diverged: {}; {}; try {}, such as --set {}": ["train.optimizer.sgd.learning_rate=0.01"],
}
"""What the `{}` of their commands become."""


@pytest.fixture
def run(trained, tmp_path, monkeypatch):
    """The run of the tiny experiment in a path with a space."""
    shutil.copy(trained / CONFIG, tmp_path)
    shutil.copytree(trained / "runs", tmp_path / "my runs")
    Image.new("L", (28, 28)).save(tmp_path / "digit.png")
    make_space(tmp_path, "sampler: grid\nfinalists: 0\nspace: {train.batch_size: [16, 32]}")
    monkeypatch.chdir(tmp_path)
    return Run(tmp_path / RUN)


def change_settings(run, train=(), **changes):
    """The run with changed settings and record."""
    record = run.record()
    settings = {**record.experiment.raw, "train": {**record.experiment.train, **dict(train)}}
    run.create({**record.raw, "experiment": settings, **changes})
    run.write_config(to_yaml(Experiment.model_validate(settings)))
    return Run(run.path.relative_to(run.path.parents[1]))


def resume_error(run, *changes):
    """The error message of resuming the run."""
    with pytest.raises(RequestError) as refused:
        plan(run, [parse_set(change) for change in changes])
    return str(refused.value)


def report_without_test(run):
    result = dict.fromkeys(("accuracy", "val_accuracy"), None) | {"run": RUN, "train_examples": 200}
    return "\n".join(_measured(run.record(), result, None))


def details_without_test(run):
    return details(change_settings(run, results={"loss": run.record().results["loss"]}).record())["test"]


def verify_error(run):
    run = change_settings(run, {"callbacks": [{"callback": {"path": "keras.callbacks.TerminateOnNaN"}}]})
    with pytest.raises(RunError) as refused:
        verify(run)
    return str(refused.value)


def report_text(command, *missing, **changes):
    """A function from a run, without these folders, to what its report proposes with this command."""

    def texts(run):
        for name in missing:
            shutil.rmtree(run.path / name)
        document = of_one(change_settings(run, **changes).record())
        found = next(text for text in texts_of(document) if command in text)
        return found if "`" in found else f"`{found}`"

    return texts


def unmeasured_validation(run):
    (run.path / "evaluation/validation.json").write_text("{")
    return report_text("--split validation")(run)


def lost_process(run):
    experiment = recorded_experiment(run.record())
    work = _Tasks([Assignment(0, experiment, run.path.parent)], run.path.parent)
    with redirect_stderr(StringIO()) as stderr:
        work.lost(work.take(), 1, run, "ended with exit code 1")
    return stderr.getvalue()


def interrupted(*runs):
    experiment = recorded_experiment(runs[0].record())
    assignments = [Assignment(number, experiment, runs[0].path.parent) for number in range(len(runs))]
    work = _Tasks(assignments, runs[0].path.parent)
    for run in runs:
        work.ended(work.take(), {"event": "interrupted", "run": str(run.path)})
    return refusal(lambda: work.check([signal.SIGINT]))


def refusal(action):
    with pytest.raises(CnnlabError) as refused:
        action()
    return str(refused.value)


def swept(finalists=0, **options):
    """A worker on a sweep that has come to its end."""
    section = f"sampler: grid\nfinalists: {finalists}\nspace: {{train.batch_size: [16, 32]}}"
    worker = Worker(Path("my runs") / f"sweep-{finalists}", make_space(Path(), section), **options)
    worker.serve()
    return worker


def at_work(worker):
    return refusal(lambda: check_not_at_work(worker.folder))


def notes_of(worker):
    return "\n".join(notes(outcome_of(worker.folder, worker.space), worker.folder))


def proposal_for(config):
    losses = np.r_[np.full(100, 2.3), np.full(100, 1.0), np.full(100, 5.0)]
    curve = Curve(0, growing_rates(1e-3, 1e3, 300), losses, 2.3)
    changes = [parse_set("train.batch_size=32")]
    return Found(config, read(config, changes).experiment, changes, [curve]).shown(Format.TABLE)


def report_of_several(run):
    document = of_several([change_settings(run).record()], None)
    return next(text for text in texts_of(document) if "cnnlab report '" in text)


def texts_of(part):
    """All texts of a document."""
    if isinstance(part, str):
        yield part
    elif is_dataclass(part):
        yield from (text for field in fields(part) for text in texts_of(getattr(part, field.name)))
    elif isinstance(part, list | tuple):
        yield from (text for item in part for text in texts_of(item))


def images(folder):
    """A folder of two classes."""
    for name in "ab":
        Path(folder, name).mkdir(parents=True)
        for number in range(9):
            Image.new("L", (8, 8), 9 * number).save(Path(folder, name, f"{number}.png"))
    return folder


def printed_by(*arguments):
    """What `cnnlab ARGUMENTS` prints to standard error."""
    with redirect_stderr(StringIO()) as stderr:
        app(arguments, standalone_mode=False)
    return stderr.getvalue()


def audit_text(number):
    """A function from a run to the command of that number that an audit of its data proposes."""

    def text(run):
        dataset = data.load(recorded_experiment(run.record()).data, quiet=True)
        labels, wrong = dataset.train.labels, np.eye(10, dtype=np.float32)[(dataset.train.labels + 1) % 10]
        errors = LabelErrors(np.arange(3), (labels + 1) % 10, -np.ones(len(labels)), np.eye(10))
        found = Audit("train", dataset.train, dataset.class_names, wrong, errors)
        folder = Path("my runs")  # of which the last command compares the run
        _write(found, folder, "tiny", top=3)
        with redirect_stdout(StringIO()) as stdout:
            _print([found, replace(found, split="test")], folder, 3, [CONFIG], has_retrained=False)
        shutil.copytree(run.path, folder / "compared" / "tiny-1")
        return re.findall("`cnnlab .*?`", stdout.getvalue())[number]

    return text


COSINE, STOPPING = {"schedule": "cosine"}, {"callbacks": [{"early_stopping": 1}]}
PROVOKED = {
    "proposed('train', *words, *seeds)": audit_text(0),
    "proposed('train', *words, '--set', f'data.exclude={table}', *seeds)": audit_text(1),
    "proposed('compare', compared)": audit_text(2),
    "proposed('evaluate', Path(result['run']))": report_without_test,
    "proposed('evaluate', run.path)": details_without_test,
    "proposed('resume', run.path)": lambda run: run_folders._how_to_resume(change_settings(run, status="interrupted")),
    "proposed('train', run.config, *more)": lambda run: resume_error(change_settings(run, COSINE)),
    "proposed('resume', run.path, *more, *(['--trust'] if trust else []))": lambda run: resume_error(
        change_settings(run)
    ),
    "proposed('train', run.config, '--set', lower_learning_rate(was.train.optimizer))": lambda run: resume_error(
        change_settings(run, status="diverged")
    ),
    "proposed('train', run.config, '--epochs', f'{wanted.train.epochs}')": lambda run: resume_error(
        change_settings(run, COSINE, status="interrupted"), "train.epochs=3"
    ),
    "proposed('train', run.config, *sets)": lambda run: resume_error(
        change_settings(run, STOPPING, stopped_early=True)
    ),
    "proposed('train', run.config)": verify_error,
    "proposed('evaluate', source.run.path)": report_text(
        "cnnlab evaluate", "evaluation", results={"loss": 1.0, "accuracy": 0.5, "val_accuracy": 0.5}
    ),
    "proposed('evaluate', source.run.path, '--split', split)": unmeasured_validation,
    "proposed('resume', source.run.path)": report_text("cnnlab resume", status="interrupted"),
    "proposed('look', source.run.path, '--what', 'filters', '--what', 'hidden', '--what', 'saliency')": report_text(
        "cnnlab look"
    ),
    "proposed('train', source.run.config)": report_text("cnnlab train '"),
    "proposed('verify', source.run.path)": report_text("cnnlab verify '"),
    "proposed('report', source.run.path)": report_of_several,
    "proposed('resume', self._interrupted[0])": lambda run: interrupted(change_settings(run, status="interrupted")),
    "proposed('resume', self._folder, '--all')": lambda run: interrupted(
        change_settings(run, status="interrupted"), change_settings(run, status="interrupted")
    ),
    "proposed('sweep', config.path)": lambda run: refusal(lambda: check(read("space.yaml"))),
    "proposed('sweep', '--join', self._folder.path)": lambda run: refusal(lambda: swept().work.check([signal.SIGINT])),
    "proposed('sweep', '--join', folder.path)": lambda run: at_work(swept()),
    "proposed('train', config, '--seeds', seeds, '--runs', f'runs/trial-{best.trial}')": lambda run: next(
        note
        for note in notes_of(swept(finalists=2, luck=lambda name: 0.01 * (name == "trial-0000"))).splitlines()
        if "On fresh seeds trial 1 has the better val_accuracy" in note
    ),
    "proposed('init', 'mine', '--like', config)": lambda run: refusal(
        lambda: _check_applicable("lenet", read("lenet"))
    ),
    "proposed('train', self.config, *sets, '--set', f'{self.key}={rate:g}')": lambda run: proposal_for(CONFIG),
    "proposed('init', name, '--data', recognized.path)": lambda run: printed_by("data", "info", images("my images")),
    "proposed('train', path)": lambda run: printed_by("init", "new", "--like", CONFIG),
    "proposed('train', folder.winner)": lambda run: notes_of(swept(finalists=1)),
}
"""What makes the messages whose commands are made by `proposed`."""


def commands(text, base):
    """The arguments of every command in `text`; with `base`, this command plus the last option in `text`."""
    if not base:
        named = re.findall(r"\bcnnlab ((?:configs\b|(?:data )?[a-z]+ [a-z…{-]|[a-z]+ RUN)[^`&]*)", text)
        return [shlex.split(one) for one in named]
    option = re.findall(r"--[a-z]+(?:[ =](?:'[^']*'|[^\s;,`]+))?", text)[-1:]
    return [[*base, *(word for one in option if not {*base} & {*one.split()} for word in shlex.split(one))]]


def execute(arguments):
    """`cnnlab ARGUMENTS` in this process; trainings are smoke runs."""
    arguments = [{"…": CONFIG, "RUN": RUN}.get(argument, argument) for argument in arguments]
    if arguments[0] == "sweep" and "--help" not in arguments:
        arguments = [*arguments, "--dry-run", "--quiet"]
    if arguments[0] == "train" and "--help" not in arguments:
        arguments = [*arguments, "--smoke", "--quiet"]
    try:
        app(arguments, standalone_mode=False)
    except CnnlabError as error:
        assert not isinstance(error, RequestError)  # noqa: PT017 - accepted, even without a network or such a run


def test_every_text_that_proposes_a_command_is_covered():
    assert sorted(proposing_texts()) == sorted([*MENTIONS, *PRINTED, *PROVOKED])


@pytest.mark.parametrize("text", PRINTED)
def test_proposed_commands_are_accepted(run, tmp_path, text):
    change_settings(run, status="interrupted" if "resume" in text or "--trust" in text else "finished")
    user = "data: {name: npz, file: user.npz, image_shape: [8, 8, 1], num_classes: 10}"
    (tmp_path / "user.yaml").write_text(re.sub("data: .*", user, (tmp_path / CONFIG).read_text()))
    folder = "data: {name: folder, path: pets, image_size: 8, num_classes: 10}"
    (tmp_path / "folder.yaml").write_text(re.sub("data: .*", folder, (tmp_path / CONFIG).read_text()))
    table = "data: {name: table, file: labels.csv, image: file, label: kind, image_size: 8, num_classes: 10}"
    (tmp_path / "table.yaml").write_text(re.sub("data: .*", table, (tmp_path / CONFIG).read_text()))
    fills = iter(FILLED.get(text, [run.record().experiment.data["limit"] // 2]))
    for arguments in commands(text, PRINTED[text]):
        filled = [re.sub(r"\{\}", lambda _: str(next(fills)), one) for one in arguments]
        execute([word for one in filled for word in (shlex.split(one) if one.startswith("--") else [one])])


@pytest.mark.parametrize("text", PROVOKED)
def test_commands_proposed_by_a_refusal_are_accepted(run, text):
    message = PROVOKED[text](run)
    (arguments,) = [shlex.split(one)[1:] for one in re.findall("`(cnnlab .*?)`", message)]
    execute(arguments)
    assert json.loads((run.path / "run.json").read_text())["status"]
