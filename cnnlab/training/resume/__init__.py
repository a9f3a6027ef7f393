"""Checkpoints, and going on with a run."""
