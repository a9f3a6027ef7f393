"""Searching a space of experiments: trials on validation examples, finalists on fresh seeds and the test set.

DIR/sweep.yaml       the space, frozen when the sweep begins
DIR/journal.log      the state of the search, Optuna's journal
DIR/trials.csv       one row per trial
DIR/trial-0007/      the run folder of a trial
DIR/final-0007-seed-1/   that of a finalist on a fresh seed
DIR/outcome.json     the finalists, and what they came to
DIR/winner.yaml      the best experiment
DIR/workers/         one locked folder per process that is at work
"""
