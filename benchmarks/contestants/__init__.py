"""What the engine is measured against, and the engine: each module is a process that trains an epoch when told to.

`python -m benchmarks.contestants.X EXPERIMENT DATA`: EXPERIMENT is what `cnnlab show --format json` prints, DATA an
.npz of `images` (n, height, width, channels) uint8 and `labels` (n,) int32. Each in a process of its own, so that none
shares threads or memory with another; `serving.py` has what is said to them.
"""
