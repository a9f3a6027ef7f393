import csv
import importlib
import json
import sys

import keras
import pytest

from cnnlab.errors import ConfigError
from cnnlab.experiment.callbacks import UserCallback
from cnnlab.runs import Run
from cnnlab.training.callbacks import user
from tests.conftest import TINY, assert_one_line

# Import and construction


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A function that writes a module with a unique name into the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)

    def write(text):
        name = f"own_{tmp_path.name}".replace("-", "_")
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        importlib.invalidate_caches()
        return name

    yield write
    for name in set(sys.modules) - before:
        if name.startswith("own_"):
            del sys.modules[name]


GOOD = """\
import keras

class Histogram(keras.callbacks.Callback):
    def __init__(self, every=1, **more):
        super().__init__()
        self.every, self.more = every, more

def make_histogram(every):
    return Histogram(every, made=True)

def make_nothing():
    return None

def fail():
    raise ValueError("first line\\nsecond line")

NUMBER = 3
"""


def made(path, arguments=None, run=None):
    return user.make(user.factories([UserCallback(path=path, arguments=arguments or {})]), run)


def test_a_class_and_a_function_are_called_with_the_arguments(module):
    name = module(GOOD)
    (histogram,) = made(f"{name}.Histogram", {"every": 2})
    assert (type(histogram).__name__, histogram.every, histogram.more) == ("Histogram", 2, {})
    (histogram,) = made(f"{name}.make_histogram", {"every": 5})
    assert (histogram.every, histogram.more) == (5, {"made": True})


def test_a_callback_in_a_package_and_one_of_keras_are_found(module, tmp_path):
    folder = tmp_path / "own_package"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "inner.py").write_text(GOOD)
    module("")
    assert made("own_package.inner.Histogram")[0].every == 1
    assert isinstance(made("keras.callbacks.TerminateOnNaN")[0], keras.callbacks.TerminateOnNaN)


def test_run_in_the_arguments_is_replaced_by_the_run_folder_at_any_depth(module, tmp_path):
    run = Run(tmp_path / "runs" / "small-1")
    arguments = {"a": "{run}/a-{epoch}", "b": {"c": ["{run}", 3, None, True]}, "every": 2.5}
    (histogram,) = made(f"{module(GOOD)}.Histogram", arguments, run)
    assert histogram.more == {"a": f"{run.path}/a-{{epoch}}", "b": {"c": [str(run.path), 3, None, True]}}
    assert histogram.every == 2.5
    assert arguments["a"] == "{run}/a-{epoch}"


def test_a_worker_without_a_run_skips_callbacks_that_write(module, tmp_path):
    name = module(GOOD)
    specs = [
        UserCallback(path=f"{name}.Histogram", arguments={"where": ["{run}"]}),
        UserCallback(path="keras.callbacks.ModelCheckpoint", arguments={"filepath": str(tmp_path / "a.keras")}),
        UserCallback(path="keras.callbacks.CSVLogger", arguments={"filename": str(tmp_path / "a.csv")}),
        UserCallback(path="keras.callbacks.TerminateOnNaN"),
        UserCallback(path=f"{name}.Histogram", arguments={"every": 7}),
    ]
    factories = user.factories(specs)
    workers = user.make(factories, None)
    assert [type(callback).__name__ for callback in workers] == ["TerminateOnNaN", "Histogram"]
    assert workers[1].every == 7
    assert len(user.make(factories, Run(tmp_path))) == 5


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        (GOOD, "no_such_module_of_mine.MyCallback", ["no module no_such_module_of_mine", "working directory"]),
        (GOOD, "MODULE.inner.Histogram", ["no module MODULE.inner"]),
        (GOOD, "keras.no_such_part.MyCallback", ["no module keras.no_such_part"]),
        (GOOD, "MODULE.Histogramm", ["MODULE has no callback Histogramm", "did you mean 'Histogram'?"]),
        (GOOD, "MODULE.xyz", ["MODULE has no callback xyz", "expected one of Histogram, fail, make_histogram"]),
        (GOOD, "MODULE.NUMBER", ["MODULE has no callback NUMBER", "not a class or function"]),
        ("import keras\n1 / 0\n", "MODULE.A", ["importing MODULE failed: ZeroDivisionError", "(MODULE.py, line 2)"]),
        ("import own_missing\n", "MODULE.A", ["importing MODULE failed", "No module named 'own_missing'", "line 1"]),
        ("from keras import Nonsense\n", "MODULE.A", ["importing MODULE failed: ImportError", "Nonsense", "line 1"]),
        ("def f(:\n", "MODULE.A", ["importing MODULE failed: SyntaxError: ", "(MODULE.py, line 1)"]),
        ("if True:\nx = 1\n", "MODULE.A", ["importing MODULE failed: IndentationError: ", "(MODULE.py, line 2)"]),
        ("raise ValueError('a\\nb')\n", "MODULE.A", ["importing MODULE failed: ValueError: a\\nb (MODULE.py, line 1)"]),
    ],
)
def test_an_unresolvable_path_is_a_one_line_error(module, text, path, expected):
    name = module(text)
    with pytest.raises(ConfigError) as caught:
        user.factories([UserCallback(path=path.replace("MODULE", name))])
    (line,) = str(caught.value).splitlines()
    assert line.startswith("train.callbacks[0].callback.path: ")
    for part in expected:
        assert part.replace("MODULE", name) in line


@pytest.mark.parametrize(
    ("path", "arguments", "expected"),
    [
        ("MODULE.fail", {}, ["MODULE.fail cannot be made: ValueError: first line\\nsecond line (MODULE.py, line 15)"]),
        (
            "MODULE.make_histogram",
            {"evry": 1},
            [".arguments: MODULE.make_histogram: missing a required argument: 'every'"],
        ),
        ("MODULE.make_nothing", {}, ["MODULE.make_nothing makes a NoneType", "expected a keras.callbacks.Callback"]),
        ("keras.layers.Flatten", {}, ["keras.layers.Flatten is no keras.callbacks.Callback"]),
        ("keras.callbacks.BackupAndRestore", {"backup_dir": "a"}, ["`cnnlab resume RUN`"]),
        ("keras.callbacks.ModelCheckpoint", {"filepath": "a.txt"}, ["cannot be made: ValueError", ".keras"]),
    ],
)
def test_an_object_that_is_not_a_callback_is_a_one_line_error(module, path, arguments, expected):
    name = module(GOOD)
    with pytest.raises(ConfigError) as caught:
        made(path.replace("MODULE", name), arguments)
    (line,) = str(caught.value).splitlines()
    assert line.startswith("train.callbacks[0].callback")
    for part in expected:
        assert part.replace("MODULE", name) in line


def test_the_line_reported_for_wrong_arguments_is_not_in_cnnlab(module):
    with pytest.raises(ConfigError) as caught:
        made(f"{module(GOOD)}.make_histogram", {"evry": 1})
    assert "user.py" not in str(caught.value)


# Through the command line


USER_CALLBACKS = """\
import json, pathlib
import keras

class Notes(keras.callbacks.Callback):
    def __init__(self, path="notes.txt", word="plain"):
        super().__init__()
        self.path, self.word = pathlib.Path(path), word

    def on_epoch_end(self, epoch, logs=None):
        with self.path.open("a") as file:
            print(json.dumps([self.word, epoch, sorted(logs), logs["loss"]]), file=file)

def make_notes(path, word):
    return Notes(path, f"made-{word}")
"""


def notes(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def with_callbacks(tmp_path, callbacks):
    (tmp_path / "tiny.yaml").write_text(f"{TINY}  callbacks: {json.dumps(callbacks)}\n", encoding="utf-8")


def test_callbacks_from_the_working_directory_run_with_their_arguments(cnnlab, tmp_path):
    (tmp_path / "my_module.py").write_text(USER_CALLBACKS)
    checkpoint = {"path": "keras.callbacks.ModelCheckpoint", "arguments": {"filepath": "{run}/saved/{epoch:02d}.keras"}}
    with_callbacks(
        tmp_path,
        [
            {"callback": "my_module.Notes"},
            {"early_stopping": 5},
            {"callback": {"path": "my_module.make_notes", "arguments": {"path": "{run}/notes.txt", "word": "x"}}},
            {"callback": checkpoint},
        ],
    )
    done = cnnlab("train", "tiny.yaml")
    assert done.returncode == 0, done.stderr
    run = tmp_path / "runs" / "tiny-1"
    plain, from_function = notes(tmp_path / "notes.txt"), notes(run / "notes.txt")
    keys = ["accuracy", "learning_rate", "loss", "val_accuracy", "val_loss"]
    assert [note[:3] for note in plain] == [["plain", 0, keys], ["plain", 1, keys]]
    assert [note[:2] for note in from_function] == [["made-x", 0], ["made-x", 1]]
    with (run / "metrics.csv").open() as file:
        table = [float(row["loss"]) for row in csv.DictReader(file)]
    assert [note[3] for note in plain] == pytest.approx(table)
    assert sorted(path.name for path in (run / "saved").iterdir()) == ["01.keras", "02.keras"]
    saved, last = (keras.models.load_model(run / name).get_weights() for name in ("saved/02.keras", "model.keras"))
    assert [array.tobytes() for array in saved] == [array.tobytes() for array in last]


def test_callbacks_run_with_two_devices(cnnlab, tmp_path):
    (tmp_path / "my_module.py").write_text(USER_CALLBACKS)
    reduce = {"path": "keras.callbacks.ReduceLROnPlateau", "arguments": {"monitor": "val_accuracy"}}
    with_callbacks(tmp_path, [{"callback": "my_module.Notes"}, {"callback": reduce}])
    done = cnnlab("train", "tiny.yaml", "--devices", "2")
    assert done.returncode == 0, done.stderr
    assert len(notes(tmp_path / "notes.txt")) == 2


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("no_module.MyCallback", ["train.callbacks[0].callback.path: no module no_module"]),
        ("raises.MyCallback", ["importing raises failed: ValueError: a\\nb (raises.py, line 2)"]),
        ("MyCallback", ["tiny.yaml:", "train.callbacks[0].callback", "such as my_module.MyCallback"]),
    ],
)
def test_a_failed_import_is_one_line_and_leaves_no_run(cnnlab, tmp_path, path, expected):
    (tmp_path / "my_module.py").write_text(USER_CALLBACKS)
    (tmp_path / "raises.py").write_text("import keras\nraise ValueError('a\\nb')\n")
    with_callbacks(tmp_path, [{"callback": path}])
    assert_one_line(cnnlab("train", "tiny.yaml"), 2, *expected)
    assert not (tmp_path / "runs").exists()


def test_wrong_arguments_are_one_line_and_leave_no_run(cnnlab, tmp_path):
    (tmp_path / "my_module.py").write_text(USER_CALLBACKS)
    with_callbacks(tmp_path, [{"callback": {"path": "my_module.Notes", "arguments": {"wrod": "x"}}}])
    expected = ["train.callbacks[0].callback", ".arguments: my_module.Notes: got an unexpected keyword argument 'wrod'"]
    assert_one_line(cnnlab("train", "tiny.yaml"), 2, *expected)
    assert not (tmp_path / "runs").exists()


RAISING = """
import keras
class Raises(keras.callbacks.Callback):
    def __init__(self, hook):
        super().__init__()
        if hook != "nothing":
            setattr(self, hook, self.fail)

    def fail(self, *arguments, **options):
        raise KeyError("nope")

class ReturnsState(keras.callbacks.Callback):
    def __init__(self, what):
        super().__init__()
        self.what = {"nan": float("nan"), "set": {1}, "list": [1], "none": None, "keys": {1: 2}}[what]

    def get_state(self):
        return self.what

    def set_state(self, state):
        pass
"""


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        ("raising.Raises, arguments: {hook: on_epoch_end}", "Raises: KeyError: 'nope' (raising.py, line 10)"),
        ("raising.Raises, arguments: {hook: on_train_begin}", "Raises: KeyError: 'nope' (raising.py, line 10)"),
        ("raising.ReturnsState, arguments: {what: nan}", "ReturnsState.get_state: "),
        (
            "raising.ReturnsState, arguments: {what: keys}",
            "ReturnsState.get_state: expected a map that JSON can represent",
        ),
        ("keras.callbacks.ModelCheckpoint, arguments: {filepath: /proc/x.keras}", "ModelCheckpoint: "),
    ],
    ids=["epoch", "begin", "nan", "keys", "keras"],
)
def test_an_exception_in_a_callback_is_one_line_with_its_place(cnnlab, tiny, tmp_path, callback, message):
    (tmp_path / "raising.py").write_text(RAISING)
    done = cnnlab("train", tiny, "--quiet", "--set", f"train.callbacks=[callback: {{path: {callback}}}]")
    assert_one_line(done, 1, message)
    assert json.loads((tmp_path / "runs/tiny-1/run.json").read_text())["status"] == "failed"
