"""Several processes on this machine that train runs beside one another, each with its share of the cores.

A small network hardly uses a second core, so that several trainings at once are sooner done than one after another.
"""
