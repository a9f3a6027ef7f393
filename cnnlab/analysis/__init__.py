"""What runs are worth: evaluation, comparison, plots."""
