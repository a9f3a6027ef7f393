"""Figures, written into files: PNG at 200 dpi, SVG or PDF by the file's ending."""
