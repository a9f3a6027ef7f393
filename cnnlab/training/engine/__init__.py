"""The compiled epoch."""
