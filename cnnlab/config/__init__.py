"""From a file to an experiment: places, inheritance, changes, errors, lint."""
