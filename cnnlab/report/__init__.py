"""One page about a run, or about several: what was done, what came out, how sure that is, and how to repeat it."""
