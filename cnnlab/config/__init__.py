"""From a file to an experiment: source positions, inheritance, overrides, errors, lint."""
