"""The run folder: written by training, read by everything after it. No TensorFlow here."""

from cnnlab.runs.folder import Run

__all__ = ["Run"]
