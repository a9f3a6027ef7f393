"""Speed and memory, relative to a peer measured in the same run."""
