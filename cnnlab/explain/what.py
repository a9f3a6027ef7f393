"""The names of what can be looked at, for the help, which imports nothing heavy."""

from enum import StrEnum


class What(StrEnum):
    """What is looked at."""

    LAYERS = "layers"
    HIDDEN = "hidden"
    FILTERS = "filters"
    PATCHES = "patches"
    SALIENCY = "saliency"
    WEIGHTS = "weights"
    CONFUSIONS = "confusions"
    MAP = "map"
    ALL = "all"
