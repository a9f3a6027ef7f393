"""Starting TensorFlow without its chatter."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cnnlab.terminal import filtered_stderr

if TYPE_CHECKING:
    from cnnlab.training.distribution.devices import Setting


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
    with filtered_stderr(), _hidden("matplotlib", "pandas", "sklearn"):
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
