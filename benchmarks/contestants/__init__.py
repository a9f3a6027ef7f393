"""The frameworks that are compared, including cnnlab's engine: each module runs as a process that trains on request.

`python -m benchmarks.contestants.X EXPERIMENT DATA`: EXPERIMENT is the output of `cnnlab show --format json`, DATA an
.npz with `images` (n, height, width, channels) uint8 and `labels` (n,) int32. Separate processes share no threads or
memory; `serving.py` defines their protocol.
"""
