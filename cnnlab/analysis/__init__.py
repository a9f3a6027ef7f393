"""Several runs: groups, comparison, significance, reproduction."""
