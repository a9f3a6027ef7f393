"""Exporting a network to another runtime, with proof that it computes the same there."""
