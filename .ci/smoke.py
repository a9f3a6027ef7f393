"""Smoke-runs every shipped experiment, in one process: `python .ci/smoke.py DEVICES FOLDER`.

Data that are not here are replaced by synthetic ones of the same shape.
"""

import sys

from cnnlab.cli.app import app
from cnnlab.config import shipped
from cnnlab.config.load import load_file
from cnnlab.data.catalog import place_of

devices, folder = sys.argv[1:]
for name, path in shipped.paths().items():
    data = [] if place_of(load_file(path).data) else ["--data", "synthetic"]
    options = ["--smoke", "--quiet", "--devices", devices, "--runs", folder]
    app(["train", name, *options, *data], standalone_mode=False)
