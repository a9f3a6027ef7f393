"""Starts the modules that train in processes of their own, for devices are set up once per process."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def start(module, devices, out, addresses=(), index=0):
    """`python -m MODULE DEVICES OUT`, with `addresses` as worker `index` of them."""
    task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    return subprocess.Popen(
        [sys.executable, "-m", module, devices, str(out)],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_CONFIG": json.dumps(task) if addresses else "{}"},
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(*processes):
    """Wait for them; each has to end well, and none outlives this."""
    try:
        for process in processes:
            _, stderr = process.communicate(timeout=300)
            assert process.returncode == 0, stderr
    finally:
        for process in processes:
            process.kill()
