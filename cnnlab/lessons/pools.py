"""The kinds of pooling; without NumPy, since the command line names them."""

from enum import StrEnum


class Pool(StrEnum):
    """What pooling takes of each window."""

    MAX = "max"
    AVERAGE = "average"
    GLOBAL_MAX = "global-max"
    GLOBAL_AVERAGE = "global-average"
    CHANNELS = "channels"
