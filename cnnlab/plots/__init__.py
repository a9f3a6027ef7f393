"""Figures and grids of images, whatever they show."""
