"""One trained network: loading it, measuring it, drawing what was measured."""
