"""Starting TensorFlow without its chatter."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnnlab.training.distribution.devices import Setting

# Runs in a process of its own, so that what TensorFlow says before it aborts still reaches the terminal.
# Dropped: glog's I and W lines, absl's notice about itself, the list of CPU instructions, and what a
# TensorFlow built for GPUs calls an error on a machine that has none.
_FILTER = r"""
import re, sys
chatter = re.compile(
    rb"[IW]\d{4} |[\d-]+ [\d:.]+: [IW] |WARNING: All log messages before absl|To enable the following instructions"
    rb"|.*(failed call to cuInit|Unable to register cu(DNN|FFT|BLAS) factory|computation placer already registered)"
)
for line in sys.stdin.buffer:
    if not chatter.match(line):
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
"""


def import_tensorflow(devices: "Setting | None" = None, threads: int | None = None) -> None:
    """Import TensorFlow and Keras, and find the devices. What is not chatter still reaches standard error.

    For training, `train.devices` is set up, and the other workers, if there are any, are waited for.
    `threads` is `train.threads`.
    """
    # 2: errors only, once its logging is set up. 3, fatal ones, of several workers: the line about one that is lost is
    # ours, TensorFlow has seven.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3" if "TF_CONFIG" in os.environ else "2")
    from cnnlab.data.locate import cache_folder

    os.environ["KERAS_BACKEND"] = "tensorflow"
    # Not ~/.keras: a keras.json there may say channels_first or float64, which would change the numbers.
    os.environ["KERAS_HOME"] = str(cache_folder() / "keras")
    with _filtered_stderr(), _hidden("matplotlib", "pandas", "sklearn"):
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")  # its advice on performance, such as that a second network is traced anew
        import keras  # noqa: F401 - while what it would import is hidden

        from cnnlab.training.distribution.devices import set_threads, strategy_for

        if devices is None:
            set_threads(threads)
            tf.config.list_logical_devices()
        else:
            strategy_for(devices, threads)


@contextmanager
def _hidden(*packages: str) -> Iterator[None]:
    """Have imports of these packages fail, as if they were not installed.

    Keras imports them where it finds them, for plots, tables and wrappers that cnnlab does not use: a second.
    """
    missing = [package for package in packages if package not in sys.modules]
    sys.modules.update(dict.fromkeys(missing))  # type: ignore[arg-type]  # None is how Python itself marks them
    try:
        yield
    finally:
        for package in missing:
            del sys.modules[package]


@contextmanager
def _filtered_stderr() -> Iterator[None]:
    """Send file descriptor 2, where native code writes, through the filter."""
    try:
        terminal = os.dup(2)
    except OSError:  # closed: nobody is listening
        yield
        return
    reading, writing = os.pipe()
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", _FILTER], stdin=reading, start_new_session=True):
        os.close(reading)
        os.dup2(writing, 2)
        os.close(writing)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)  # the last writer of the pipe is gone: the filter ends
            os.close(terminal)
